"""Whole runs of the demo's migration, small and quick, and the processes in them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from crossfade.demo.console import Console
from crossfade.demo.fleet import ApplicationError, Crew, Fleet
from crossfade.demo.performance import perform
from crossfade.demo.proof import line, main, quick_settings
from crossfade.demo.report import as_json, tell, verdict
from tests.conftest import Database

pytestmark = pytest.mark.filterwarnings("error")


def test_a_whole_migration_under_traffic_loses_nothing(
    dynamodb: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up, back, up again and complete, with one application killed and one stopped: the proof holds, and is told."""
    settings = quick_settings(400, seed=3)
    settings = replace(settings, rate=30.0, pace=replace(settings.pace, round_trips=1))
    outcome = perform(dynamodb.server, settings, Console(), tmp_path)
    assert (outcome.damage, outcome.verdict.findings) == ("", [])
    assert outcome.holds
    assert outcome.stage == "complete"
    assert outcome.verdict.counts["writes ok"] > 50
    assert {stage.label for stage in outcome.figures.stages} >= {"off", "dualwrite", "shadow", "live", "complete"}
    assert len(outcome.applications) == 5
    tell(outcome, Console())
    said = capsys.readouterr().out
    assert "kill -9" in said
    assert "CLOSED verified" in said
    assert said.splitlines()[-1] == verdict(outcome)
    assert verdict(outcome).startswith("NOTHING LOST")
    assert max(map(len, said.splitlines())) <= 100
    assert json.loads(json.dumps(as_json(outcome)))["holds"] is True
    assert line(outcome).startswith("seed   3  holds")


def crew(dynamodb: Database, folder: Path) -> Crew:
    return Crew(dynamodb.endpoint_url, folder / "missing.py", folder, 400, 1, 10.0, 2.0, 0.5)


def test_an_application_that_does_not_start_is_an_error_with_its_last_words(dynamodb: Database, tmp_path: Path) -> None:
    """No migration file: the process ends, and what it said is in the error."""
    with Fleet(crew(dynamodb, tmp_path)) as fleet, pytest.raises(ApplicationError, match=r"missing\.py: no such file"):
        _ = fleet.start(1)


def test_no_process_is_left_behind(dynamodb: Database, tmp_path: Path) -> None:
    """Leaving the fleet ends what is still there, also in the middle of its start."""
    with Fleet(crew(dynamodb, tmp_path)) as fleet:
        application = fleet._spawn("app1")  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(ProcessLookupError):
        os.kill(application.process.pid, 0)


def test_an_unknown_rule_is_refused_with_the_ones_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """`--drop` with a misspelt rule runs nothing."""
    with pytest.raises(SystemExit) as ended:
        _ = main(["--drop", "barier"])
    assert ended.value.code == 2
    assert "'check-read', 'stamp', 'barrier', 'lockstep'" in capsys.readouterr().err
