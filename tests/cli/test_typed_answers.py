"""At a terminal a typed yes does what --execute does; anything else changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from crossfade.cli.app import app
from crossfade.cli.screen import Screen
from tests.cli.conftest import Shell


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Screen, "can_ask", property(lambda screen: not screen.as_json))


def answer(shell: Shell, *words: str, typed: str) -> str:
    result = CliRunner().invoke(app, list(words), env=shell.environment, input=f"{typed}\n")
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("at_a_terminal")
def test_yes_executes_and_everything_else_does_not(shell: Shell) -> None:
    """y is not yes."""
    assert "Nothing was changed." in answer(shell, "start", typed="y")
    assert shell.tables["control"] not in shell.everything()
    assert "is started" in answer(shell, "start", typed="yes")
    assert "is in stage dualwrite" in answer(shell, "advance", typed="Yes")


@pytest.mark.usefixtures("at_a_terminal")
def test_complete_wants_the_name_typed(at_stage: Callable[[str], Shell]) -> None:
    """yes is not enough for a step without a way back."""
    shell = at_stage("rampdown")
    assert "Nothing was changed." in answer(shell, "complete", typed="yes")
    assert shell.json("status")["state"]["stage"] == "rampdown"
    assert "is in stage complete" in answer(shell, "complete", typed=shell.mark)
