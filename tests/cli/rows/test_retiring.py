"""`crossfade cleanup` of rows, step by step, without a log: its processes may have died, and so may it."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.control.record_items import to_item
from crossfade.control.records import Lease, Role
from crossfade.core.effects import Request
from crossfade.core.mapping import STAMP
from tests.cli.rows.conftest import RowShell

STAMPED: dict[str, Any] = {
    "pk": {"S": "customer#1"},
    "sk": {"S": "profile"},
    "name": {"S": "Ann"},
    STAMP: {"M": {"version": {"S": "0a"}, "of": {"S": "customers 1"}}},
}


@pytest.fixture
def complete(direct: RowShell) -> RowShell:
    """With one item that the log has written, and nothing that carries the log."""
    _ = direct("start", "--execute")
    request: Request = {
        "TableName": direct.tables["control"],
        "Key": {"migration": {"S": direct.mark}, "record": {"S": "state"}},
        "UpdateExpression": "SET #stage = :stage",
        "ExpressionAttributeNames": {"#stage": "stage"},
        "ExpressionAttributeValues": {":stage": {"S": "complete"}},
    }
    direct.client.update_item(**request)
    direct.client.put_item(TableName=direct.tables["target"], Item=STAMPED)
    return direct


def stamps(shell: RowShell) -> list[Any]:
    return [item for item in shell.scan(shell.tables["target"]) if STAMP in item]


def test_the_steps_in_their_order(complete: RowShell) -> None:
    """Each plan names the next command; the stamps are refused until what needs them is gone, with the reason."""
    shell = complete
    refused = shell("cleanup", "--step", "stamps", "--execute", status=1).output
    assert "the step stamps is not possible yet: the step tombstones is not done" in refused
    plan = shell.json("cleanup", "--step", "stamps", status=1)
    assert (plan["next"], plan["closed"]) == ("stamps", "the step tombstones is not done")
    assert stamps(shell)
    for _ in ("tombstones", "marks", "parts"):
        _ = shell("cleanup", "--execute")
    assert "Next: crossfade cleanup --execute" in shell("cleanup").output
    assert "Next: crossfade cleanup --step marks --execute" in shell("cleanup", "--step", "marks").output
    assert stamps(shell)
    done = shell.lines("cleanup", "--execute")[-1]
    assert (done["step"], done["status"], done["removed"], done["items"]) == ("stamps", "done", 1, 1)
    assert shell.scan(shell.tables["target"]) == [{n: v for n, v in STAMPED.items() if n != STAMP}]
    assert "every step after the end is done" in shell.json("status")["next_remark"]


def test_a_tombstone_that_is_met_sends_back_to_the_purge(complete: RowShell) -> None:
    """Exit status 1, and the step's name; after it the stamps are done."""
    shell = complete
    for _ in ("tombstones", "marks", "parts"):
        _ = shell("cleanup", "--execute")
    stamp = {"M": {"version": {"S": "0b"}, "deleted": {"BOOL": True}, "at": {"N": "1"}}}
    tombstone = {"pk": {"S": "customer#2"}, "sk": {"S": "profile"}, STAMP: stamp}
    shell.client.put_item(TableName=shell.tables["target"], Item=tombstone)
    left = shell("cleanup", "--execute", status=1).output
    assert "1 stamp removed from 2 items, 1 tombstone left" in left
    assert "Next: crossfade cleanup --step tombstones --execute, then this step again" in left.replace("\n", " ")
    _ = shell("cleanup", "--step", "tombstones", "--execute")
    assert "All steps are done" in shell("cleanup", "--execute").output


def test_a_process_that_has_died_is_counted_out(complete: RowShell) -> None:
    """Its lease closes the steps, and no stage comes any more in which others wait for it: so cleanup waits."""
    shell = complete
    lease = Lease("verify-1", Role.VERIFY, "host-9", 7, "f", 1, 1, 0.2, 0.1, 0, "")
    shell.client.put_item(TableName=shell.tables["control"], Item=to_item(shell.mark, lease))
    plan = shell("cleanup", status=1).output.replace("\n", " ")
    assert "the log is carried still: verify on host-9, pid 7" in plan
    assert "--execute waits until each has shown that it is alive, or counts as gone" in plan
    for _ in ("tombstones", "marks", "parts", "stamps"):
        _ = shell("cleanup", "--execute")
    assert stamps(shell) == []
