"""Records that are lost, at the keyboard: `start` names `recover`, which says what it knows and puts the state back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from crossfade import attach
from crossfade.migration import load
from tests.cli.conftest import Shell, order
from tests.conftest import Database


def drop_control_table(shell: Shell) -> None:
    table = shell.tables["control"]
    _ = shell.client.update_table(TableName=table, DeletionProtectionEnabled=False)
    _ = shell.client.delete_table(TableName=table)


def forget(shell: Shell, *prefixes: str) -> None:
    """Delete records of the control table, by what their names begin with."""
    for item in shell.scan(shell.tables["control"]):
        if item["record"]["S"].startswith(prefixes):
            key = {name: item[name] for name in ("migration", "record")}
            _ = shell.client.delete_item(TableName=shell.tables["control"], Key=key)


def state_of(shell: Shell) -> Any:
    table = shell.tables["control"]
    (found,) = [item for item in shell.scan(table) if item["record"]["S"] == "state"]
    return found


def test_a_lost_state_comes_back_from_the_journal(at_stage: Callable[[str], Shell]) -> None:
    """Start is refused and names what puts it back; without --execute that says what it knows and writes nothing."""
    shell = at_stage("shadow")
    forget(shell, "state")
    refused = shell("start", "--execute", status=1)
    assert "its journal ends with" in refused.stderr
    assert "crossfade recover" in refused.stderr
    before = shell.everything()
    assert "it was in shadow, epoch 3: the journal" in " ".join(shell("recover").output.split())
    assert json.loads(shell("recover", "--json").stdout)["executed"] is False
    assert shell.everything() == before
    told = json.loads(shell("recover", "--execute", "--json").stdout)
    assert (told["stage"], told["executed"]) == ("shadow", True)
    assert state_of(shell)["epoch"] == {"N": str(told["epoch"])}
    assert "has a state" in shell("recover", "--execute", status=1).stderr


def test_start_is_refused_where_the_control_table_is_gone_and_the_target_has_stamps(
    at_stage: Callable[[str], Shell], dynamodb: Database
) -> None:
    """`start --anew` is for a migration that was given up; `recover` takes the stage from the operator."""
    shell = at_stage("dualwrite")
    client: Any = dynamodb.client()
    router = attach(client, load(shell.file), poll_seconds=0.05, landing_seconds=0.5)
    client.put_item(TableName=shell.tables["source"], Item=order(1))
    assert router.detach(10.0)
    drop_control_table(shell)
    refused = shell("start", "--execute", status=1)
    assert "_crossfade" in refused.stderr
    assert "start --anew" in refused.stderr
    assert "nothing in the control table" in shell("recover", "--execute", status=1).stderr
    _ = shell("recover", "--stage", "dualwrite", "--confirm", "--execute")
    assert state_of(shell)["stage"] == {"S": "dualwrite"}
    drop_control_table(shell)
    _ = shell("start", "--anew", "--execute")
    assert state_of(shell)["stage"] == {"S": "off"}


def test_an_attached_client_sends_nothing_until_the_state_is_back(
    at_stage: Callable[[str], Shell], dynamodb: Database
) -> None:
    """Its lease tells the stage where all records are gone; then it goes on by itself."""
    shell = at_stage("shadow")
    client: Any = dynamodb.client()
    source = shell.tables["source"]
    with attach(client, load(shell.file), poll_seconds=0.05, landing_seconds=0.5, lease_seconds=5.0) as router:
        client.put_item(TableName=source, Item=order(1))
        forget(shell, "")
        wait_for(lambda: router.counts().get("record_lost", 0) > 0)
        wait_for(lambda: any(item["record"]["S"].startswith("client#") for item in shell.scan(shell.tables["control"])))
        assert "is alive, in stage shadow" in shell("start", "--anew", "--execute", status=1).stderr
        with pytest.raises(client.exceptions.ClientError, match="no state is in the control table") as caught:
            client.put_item(TableName=source, Item=order(1))
        assert "crossfade recover" in str(caught.value)
        _ = shell("recover", "--execute")
        wait_for(lambda: router.agent.holds_lease)
        client.put_item(TableName=source, Item=order(1))
        assert (router.stage, state_of(shell)["stage"]) == ("shadow", {"S": "shadow"})


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 30.0
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--stage", "dualwrite"), "belong together"),
        (("--confirm",), "belong together"),
        (("--stage", "drain", "--confirm"), "has no stage drain"),
    ],
)
def test_a_stage_is_told_whole_or_not_at_all(started: Shell, arguments: tuple[str, ...], told: str) -> None:
    """Before anything is written."""
    assert told in started("recover", *arguments, status=2).stderr
