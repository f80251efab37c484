"""cleanup and restore as commands: what is shown, what is refused, and the old table's end."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from crossfade.cleanup.connections import CHANGING
from crossfade.cli.jobs import Progressing
from crossfade.cli.restore import OnScreen
from crossfade.cli.screen import Screen
from crossfade.control.record_items import to_item
from crossfade.control.records import Lease, Role
from tests.cli.conftest import ITEMS, Shell
from tests.migrations import table_names


def complete(at_stage: Callable[[str], Shell]) -> Shell:
    shell = at_stage("rampdown")
    _ = shell("complete", "--execute", "--confirm", shell.mark)
    return shell


def test_the_old_table_is_retired_and_had_back(at_stage: Callable[[str], Shell], tmp_path: Path) -> None:
    """Step by step with the command that each one names, to the deletion; then restore makes the table anew."""
    shell = complete(at_stage)
    old, folder = shell.tables["source"], str(tmp_path / "backups")
    before = shell.scan(old)
    assert "crossfade cleanup" in shell("status").output
    for step in ("verify", "snapshot", "read-back", "throughput"):
        document = shell.json("cleanup", "--to", folder)
        assert (document["next"], document["executed"]) == (step, False)
        result = shell.lines("cleanup", "--to", folder, "--execute")[-1]
        assert (result["event"], result["step"], result["status"]) == ("result", step, "done")
    assert "--step quiet --execute --no-metrics" in shell("cleanup").output
    assert "the same command with --no-metrics" in shell("cleanup", "--execute", status=2).stderr
    waiting = shell("cleanup", "--no-metrics", "--execute", status=1).output
    assert "quiet: waiting" in waiting
    assert "crossfade cleanup --step quiet --execute --no-metrics" in waiting
    assert "of 14 days are left" in waiting
    assert "done" in shell("cleanup", "--no-metrics", "--quiet-days", "0", "--execute").output
    dead = Lease("app-1", Role.APP, "web-3", 7, "f", 1, 99, 0.0, 0.0, 0, "")
    _ = shell.client.put_item(TableName=shell.tables["control"], Item=to_item(shell.mark, dead))
    said = shell("cleanup", status=1).output
    assert "app-1 on web-3 (silent for 0 s, counted as gone in 0 s)" in " ".join(said.split())
    assert "--execute waits until each client has shown that it is alive, or counts as gone" in said
    said = shell("cleanup", "--execute").output
    assert "client app-1 on web-3 is counted as gone" in said
    assert "stamps removed" in said
    assert not [item for item in shell.scan(shell.tables["target"]) if "_crossfade" in item]
    assert f"--confirm {old}" in shell("cleanup").output
    assert "its name must be given" in shell("cleanup", "--execute", status=2).stderr
    said = shell("cleanup", "--region", shell.client.meta.region_name, "--execute", "--confirm", old).output
    assert f"table {old} is deleted" in said
    (way_back,) = [line for line in said.splitlines() if "crossfade restore" in line]
    words = shlex.split(way_back.partition("Way back: crossfade ")[2])
    assert words[:3] == ["restore", "--region", shell.client.meta.region_name]
    assert old not in table_names(shell.client)
    assert "All steps are done" in shell("cleanup").output
    status = shell.json("status")
    assert (status["next_command"], status["next_remark"].split(":")[0]) == ("", "nothing")
    assert "crossfade cleanup" in shell("advance", "--to", "complete", "--execute", status=1).stderr
    for job in ("verify", "backfill"):
        assert "next: crossfade cleanup" in shell(job, status=2).stderr
    assert "next: crossfade cleanup" in shell("cancel", status=1).stderr

    assert words[-1] == "--execute"
    assert f"makes   table {old}" in shell(*words[:-1]).output
    assert old not in table_names(shell.client)
    assert f"equals the snapshot: {ITEMS} items" in shell(*words).output
    key = [item["order_id"]["S"] for item in before]
    assert sorted(key) == sorted(item["order_id"]["S"] for item in shell.scan(old))
    refused = shell(*words, status=1).stderr
    assert "holds items" in refused


def test_the_plans_of_cleanup_change_nothing(at_stage: Callable[[str], Shell], tmp_path: Path) -> None:
    """Every step, shown in its time and before it: no item of any table changes, and closed steps say why."""
    shell = complete(at_stage)
    before = shell.everything()
    said = shell("cleanup", "--to", str(tmp_path / "backups")).output
    assert "Nothing was changed; add --execute" in said
    for step in ("snapshot", "read-back", "throughput", "quiet", "stamps", "delete"):
        assert "CLOSED" in shell("cleanup", "--step", step, status=1).output
    assert "CloudWatch knows nothing of the tables" in shell("cleanup", "--step", "quiet", status=1).output
    assert shell.everything() == before
    assert not (tmp_path / "backups").exists()


def test_cleanup_waits_for_complete(at_stage: Callable[[str], Shell]) -> None:
    """In rampdown the verify can be accepted, and nothing else: the source is still the way back."""
    shell = at_stage("rampdown")
    assert "verify: done" in shell("cleanup", "--execute").output
    refused = shell("cleanup", "--execute", "--to", "anywhere", status=1).stderr
    assert "must be in complete" in refused
    assert not (shell.folder / "anywhere").exists()


def test_a_damaged_snapshot_is_status_1(at_stage: Callable[[str], Shell], tmp_path: Path) -> None:
    """The file is named and the next command is given."""
    shell = complete(at_stage)
    _ = shell("cleanup", "--execute")
    _ = shell("cleanup", "--execute", "--to", str(tmp_path / "backups"))
    victim = next((tmp_path / "backups").rglob("*.json.gz"))
    _ = victim.write_bytes(victim.read_bytes()[:-4])
    said = shell("cleanup", "--execute", status=1).output
    assert f"damaged: data/{victim.name}: is truncated" in said
    assert "--step snapshot --again --execute" in said


def test_a_snapshot_goes_on_where_it_was_begun_and_nowhere_else(at_stage: Callable[[str], Shell]) -> None:
    """A `--to` that could be none is refused with the plan; one that is another than the begun one as well."""
    shell = complete(at_stage)
    _ = shell("cleanup", "--execute")
    for wrong in ("s3:///x", str(shell.file)):
        for words in ((), ("--execute",)):
            assert "  next: " in shell("cleanup", "--to", wrong, *words, status=2).stderr
    assert f"--to backups/{shell.tables['source']}" in shell("cleanup").output
    _ = shell("cleanup", "--step", "snapshot", "--to", "here", "--execute")
    record = {"migration": {"S": shell.mark}, "record": {"S": "cleanup#snapshot"}}
    names, values = {"#done": "done"}, {":no": {"BOOL": False}}
    update = {"UpdateExpression": "SET #done = :no", "ExpressionAttributeNames": names}
    _ = shell.client.update_item(
        TableName=shell.tables["control"], Key=record, ExpressionAttributeValues=values, **update
    )
    for words in ((), ("--execute",)):
        said = shell("cleanup", "--step", "snapshot", "--to", "there", *words, status=1).stderr
        assert f"was begun in {shell.folder}/here " in said
        assert "crossfade cleanup --step snapshot --again --to there --execute" in said
    said = shell("cleanup").output
    assert f"It goes on in {shell.folder}/here" in said
    assert "Next: crossfade cleanup --step snapshot --execute\n" in said
    _ = shell("cleanup", "--step", "snapshot", "--to", "here", "--execute")
    said = shell("cleanup", "--to", "there", "--execute", status=1).stderr
    assert f"the snapshot is in {shell.folder}/here, not in {shell.folder}/there" in said
    assert not (shell.folder / "there").exists()


def test_a_wait_for_a_table_tells_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    """At once, again after some seconds, and when something else is seen; a stop ends it."""
    now, stop = [0.0], threading.Event()
    shown = Progressing(OnScreen(Screen()), stop, lambda: now[0])
    facts = {"table": "orders", "seen": "index by-day is UPDATING", "waited_seconds": 3.0, "seconds_max": 1800.0}
    for seconds in (0.0, 1.0, 12.0):
        now[0] = seconds
        shown.note(CHANGING, facts)
    shown.note(CHANGING, {**facts, "seen": "the table is UPDATING"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "for 30 min 00 s at most: orders: index by-day is UPDATING" in lines[0]
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        shown.note(CHANGING, facts)
