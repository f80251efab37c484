"""A migration from the first file to the last stage, by commands alone."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.conftest import ITEMS, Shell

JOB = ("--segments", "2", "--workers", "2")


def test_there_and_back_and_to_the_end(bare_shell: Shell) -> None:
    """new, edit, check, start, advance, backfill, verify, a rollback, up again, complete: both agree."""
    shell, names = bare_shell, bare_shell.tables
    shell.create("source", ITEMS)
    shell.create("target")
    wrote = shell("new", "--name", shell.mark, "--source", names["source"], "--target", names["target"])
    assert "crossfade check" in wrote.output
    assert "there is no mapping" in shell("check", status=2).stderr
    shell.write()
    assert f"{ITEMS} items tried (all that the source holds)" in shell("check").output
    assert f"{names['source']} -> {names['target']}" in shell("start", "--execute").output

    assert "crossfade advance --to dualwrite --execute" in shell("status").output
    assert "off -> dualwrite (epoch 2)" in shell("advance", "--execute").output
    assert "backfill complete" in shell("backfill", *JOB, "--execute").output.lower()
    assert "both tables are equal" in shell("verify", *JOB).output
    assert shell.json("advance", "--to", "live", "--execute")["stage"] == "live"
    down = shell("rollback", "--to", "shadow", "--execute").output
    assert [line.strip().split(" (")[0] for line in down.splitlines() if "(epoch" in line] == [
        "live -> lockstep_target",
        "lockstep_target -> lockstep_source",
        "lockstep_source -> shadow",
    ]
    assert shell.json("advance", "--ramp", "25", "--execute")["ramp_percent"] == 25
    assert shell.json("advance", "--to", "rampdown", "--execute")["stage"] == "rampdown"
    assert "is in stage complete" in shell("complete", "--execute", "--confirm", shell.mark).output
    assert "the migration is complete" in shell("status").output

    source, target = shell.scan(names["source"]), shell.scan(names["target"])
    assert len(source) == ITEMS
    assert sorted(item["total"]["S"] for item in source) == sorted(item["amount"]["N"] for item in target)
    refused = shell("rollback", "--execute", status=1)
    assert "no way back" in refused.stderr
    assert "next:" in refused.stderr


def test_plans_change_nothing(at_stage: Callable[[str], Shell]) -> None:
    """Every command without --execute ends with status 0, says so, and leaves every item of every table as it was."""
    shell = at_stage("lockstep_source")
    before = shell.everything()
    plans = (("advance",), ("advance", "--to", "live"), ("advance", "--ramp", "5"), ("rollback",), ("cancel",))
    for words in (*plans, ("verify", "--repair")):
        said = shell(*words).output
        assert "Nothing was changed; add --execute" in said, said
        assert "Way back" in said or words[0] == "verify"
    assert shell.json("rollback", "--to", "off")["executed"] is False
    assert shell.everything() == before


def test_the_plans_of_the_beginning_change_nothing(shell: Shell) -> None:
    """check, start and backfill without --execute: no table is made and none is written to."""
    before = shell.everything()
    assert "Next: crossfade start\n" in shell("check").output
    assert "Nothing was changed; add --execute" in shell("start").output
    assert shell.everything() == before
    _ = shell("start", "--execute")
    assert "Next: crossfade status\n" in shell("check").output
    _ = shell("advance", "--execute")
    before = shell.everything()
    assert "Nothing was changed; add --execute" in shell("backfill").output
    assert shell.everything() == before


def test_cancel_forgets_the_migration(at_stage: Callable[[str], Shell]) -> None:
    """After cancel there is no migration, both tables are there, and the same file can be started anew."""
    shell = at_stage("shadow")
    assert "is cancelled" in shell("cancel", "--execute").output
    assert "crossfade start" in shell("status", status=2).stderr
    assert len(shell.scan(shell.tables["source"])) == ITEMS
    assert shell.json("start", "--execute")["stage"] == "off"
