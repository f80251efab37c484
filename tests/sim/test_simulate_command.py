"""`crossfade simulate`: what it prints, and its exit status."""

from __future__ import annotations

import json

from click.testing import CliRunner

from crossfade.cli.simulate import simulate


def test_clean_seeds_end_with_a_summary() -> None:
    """One line with what was played, and exit status 0."""
    result = CliRunner().invoke(simulate, ["--seeds", "5"])
    assert result.exit_code == 0
    assert result.stdout.startswith("no violation in 5 seeds: ")
    assert "stage moves" in result.stdout


def test_a_violation_names_the_seed_and_the_command_that_replays_it() -> None:
    """Exit status 1, and the printed command shows the same violation again, with a trace."""
    runner = CliRunner()
    found = runner.invoke(simulate, ["--seeds", "1000", "--drop", "stamp"])
    assert found.exit_code == 1
    command = found.stdout.strip().splitlines()[-1].split()
    assert command[:3] == ["crossfade", "simulate", "--seed"]
    replayed = runner.invoke(simulate, command[2:])
    assert replayed.exit_code == 1
    violation = next(line for line in found.stdout.splitlines() if line.startswith("VIOLATION"))
    assert violation in replayed.stdout
    assert len(replayed.stdout.splitlines()) > len(found.stdout.splitlines())


def test_json_holds_the_same_facts() -> None:
    """For scripts: the counts, and what failed."""
    result = CliRunner().invoke(simulate, ["--seeds", "1000", "--drop", "lockstep", "--json"])
    facts = json.loads(result.stdout)
    assert result.exit_code == 1
    assert facts["violations"]
    assert facts["replay"] == f"crossfade simulate --seed {facts['failed_seed']} --drop lockstep"


def test_an_unknown_rule_is_refused() -> None:
    """Before anything is played."""
    assert CliRunner().invoke(simulate, ["--drop", "everything"]).exit_code == 2
