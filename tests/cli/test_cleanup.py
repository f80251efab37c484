"""cleanup and restore as commands: what is shown, what is refused, and the old table's end."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

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

    assert f"makes   table {old}" in shell(*words).output
    assert old not in table_names(shell.client)
    assert f"equals the snapshot: {ITEMS} items" in shell(*words, "--execute").output
    key = [item["order_id"]["S"] for item in before]
    assert sorted(key) == sorted(item["order_id"]["S"] for item in shell.scan(old))
    refused = shell(*words, "--execute", status=1).stderr
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
