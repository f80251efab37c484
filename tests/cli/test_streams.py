"""watch and replicate as commands: plans, JSON lines, exit statuses, the next step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from crossfade.aws.own_calls import call
from crossfade.control.agent import Agent
from crossfade.core.effects import Routine
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.migration import load
from crossfade.streams.window import CLOCKS_SECONDS
from tests.cli.conftest import Shell, order


def backfilled(shell: Shell) -> Shell:
    _ = shell("backfill", "--segments", "1", "--workers", "1", "--execute")
    return shell


def test_watch_names_a_stray_write_and_repairs_it(at_stage: Callable[[str], Shell]) -> None:
    """Without a stream it says how to switch it on, and what that changes; then JSON lines and status 1; repaired,
    both tables are equal."""
    shell = backfilled(at_stage("dualwrite"))
    refused = shell("watch", status=2).stderr
    assert "no stream is switched on" in refused
    assert "crossfade watch --enable-stream --execute" in refused
    before = shell.everything()
    planned = " ".join(shell("watch", "--enable-stream").output.split())
    assert "UpdateTable with StreamSpecification {StreamEnabled: true, StreamViewType: KEYS_ONLY}" in planned
    assert shell.everything() == before
    assert "StreamSpecification" not in shell.client.describe_table(TableName=shell.tables["source"])["Table"]
    assert "0 stray" in shell("watch", "--once", "--enable-stream", "--execute").output

    _ = shell.client.put_item(TableName=shell.tables["source"], Item={**order(7), "total": {"S": "1"}})
    write, result = shell.lines("watch", "--once", status=1)
    assert (write["event"], write["verdict"], write["difference"]) == ("write", "stray", "mismatched")
    assert write["source_key"] == {"customer": {"S": "customer-1"}, "order_id": {"S": "0007"}}
    assert (result["event"], result["counts"]["stray"], result["ended"]) == ("result", 1, "present end")
    assert "is carried over to" in shell("watch", "--repair").output
    said = shell("watch", "--once", "--afresh", "--repair", "--execute", status=1).output
    assert "stray  customer='customer-1' order_id='0007'  MODIFY; mismatched in the target\n    repaired" in said
    assert "both tables are equal" in shell("verify", "--segments", "1", "--workers", "1").output
    assert "stray 1" in shell("status").output


def test_replicate_syncs_and_is_a_gate_until_its_end(at_stage: Callable[[str], Shell]) -> None:
    """The plan changes nothing; --once ends at the present end; `status` shows lag and gate; --end takes it away."""
    shell = backfilled(at_stage("dualwrite"))
    first = shell("replicate").output
    assert "switch on the stream of table" in first
    assert "Next: crossfade replicate --enable-streams --execute" in first
    assert "crossfade replicate --enable-streams --execute" in shell("replicate", "--execute", status=2).stderr
    before = shell.everything()
    assert "Nothing was changed; add --execute" in shell("replicate", "--enable-streams").output
    assert shell.everything() == before
    _ = shell("replicate", "--once", "--enable-streams", "--execute")
    _ = shell.client.put_item(TableName=shell.tables["source"], Item={**order(7), "total": {"S": "1"}})
    result = shell.lines("replicate", "--once", "--execute")[-1]
    assert (result["counts"]["synced"], result["counts"]["failed"], result["resumed"]) == (1, 0, True)
    said = shell("status").output
    print(said)
    assert "replication  caught up" in said
    _ = shell("advance", "--to", "lockstep_source", "--execute")
    _ = shell("verify", "--segments", "1", "--workers", "1")
    assert "replicated  CLOSED  the replication does not run" in shell("status").output
    assert "replicated" in shell("advance", "--execute", status=1).output
    assert "goes with none" in shell("replicate", "--end", "--once", status=2).stderr
    assert "its positions in the streams are removed" in " ".join(shell("replicate", "--end").output.split())
    _ = shell("replicate", "--end", "--execute")
    assert "replicated" not in shell("status").output
    _ = shell("advance", "--execute")


def test_replicate_is_refused_where_nothing_is_mirrored(started: Shell) -> None:
    """Status 2, and the command that changes it."""
    refused = started("replicate", "--enable-streams", "--execute", status=2).stderr
    assert "means nothing in stage off" in refused
    assert "crossfade advance --to dualwrite --execute" in refused


def test_settle_does_what_a_dead_client_left_and_opens_the_gate(at_stage: Callable[[str], Shell]) -> None:
    """Where the streams are off it says what is left; then the plan changes nothing, and carried out the gate is open
    without another verify. With nothing to do it says so."""
    shell = backfilled(at_stage("dualwrite"))
    _ = shell("verify", "--segments", "1", "--workers", "1")
    assert "no stream is switched on" in shell("settle", status=2).stderr
    _ = shell("replicate", "--once", "--enable-streams", "--execute")
    assert "Nothing was left undone" in shell("settle", "--execute").output
    time.sleep(CLOCKS_SECONDS + 2)  # the streams have been on for that long when the client begins
    leave = unfinished(shell)
    _ = shell.client.put_item(TableName=shell.tables["source"], Item={**order(7), "total": {"S": "1"}})
    leave()
    said = shell("status").output
    assert "Next      crossfade settle --execute   (minutes of work; or crossfade verify;" in said
    before = shell.everything()
    planned = " ".join(shell("settle").output.split())
    assert "read what has changed in" in planned
    assert "if one cannot be made so, nothing is cleared" in planned
    assert shell.everything() == before
    result = shell.lines("settle", "--execute")[-1]
    assert (result["ended"], result["marks"], result["counts"]["synced"]) == ("settled", 1, 1)
    said = shell("status").output
    assert "Next      crossfade settle" not in said
    assert "settled 1 unclean ends" in said
    assert shell.json("settle", "--execute")["ended"] == "nothing to do"


def unfinished(shell: Shell) -> Callable[[], None]:
    """A client in the middle of an operation, which then leaves with what it had begun left undone."""
    migration = load(shell.file)
    client = shell.client

    def run(routine: Routine[Any]) -> Any:
        return SyncDriver(lambda _, operation, request: call(client, operation, request), no_note).run(routine, Scope())

    agent = Agent(
        migration.name,
        "web-1",
        landing_seconds=0.2,
        host="web",
        pid=7,
        fingerprint=migration.fingerprint,
        clock=time.monotonic,
        new_id=lambda: "web-2",
        control_table=migration.control_table,
    )
    run(agent.join())
    _ = agent.begin(strict=True)
    return lambda: run(agent.leave())


def no_note(name: str, facts: dict[str, Any]) -> None:
    del name, facts


def test_settle_is_refused_in_off(started: Shell) -> None:
    """Status 2: no client leaves anything undone there."""
    assert "a settle means nothing in stage off" in " ".join(started("settle", "--execute", status=2).stderr.split())
