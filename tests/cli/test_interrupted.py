"""Ctrl-C: every command ends with 130, while it imports too, and every help says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner

from crossfade import _interrupting
from crossfade.cli.app import COMMANDS, app
from crossfade.cli.outcome import INTERRUPTED, INTERRUPTED_LINE, ended
from crossfade.jobs.signals import StopEvent, stop_on_signals
from tests.cli.conftest import Shell

SECONDS_MAX = 60.0
# The console script, but for what the interpreter does before it: a module of the command dies while it is imported.
IMPORTING = """
import os, signal, sys
sys.argv[0] = "crossfade"
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == NAME:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from crossfade.cli import main
main()
"""


def commands(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        yield (*names, name)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))


@pytest.mark.parametrize("names", list(commands(app)), ids=" ".join)
def test_every_help_says_what_ctrl_c_ends_with(names: tuple[str, ...]) -> None:
    """At the end of each, and in the group's table of exit statuses."""
    assert INTERRUPTED_LINE in CliRunner().invoke(app, [*names, "--help"]).output
    assert "130  Ctrl-C" in CliRunner().invoke(app, ["--help"]).output


@pytest.mark.parametrize(
    "name", ["botocore", "crossfade.attaching", "crossfade.cli.app", "click", "rich", "crossfade.cli.status"]
)
def test_ctrl_c_while_python_imports_prints_no_traceback(name: str) -> None:
    """Wherever it comes: in the package, in the command line, in the module of the command."""
    program = IMPORTING.replace("NAME", repr(name))
    done = subprocess.run(
        [sys.executable, "-c", program, "status"], capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ncrossfade: interrupted\n")


def test_no_other_program_that_imports_crossfade_is_meddled_with() -> None:
    """An application keeps the handler that it has."""
    program = "import signal, crossfade; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    _interrupting.as_always()
    assert signal.getsignal(signal.SIGINT) is not _interrupting.end_at_once


@pytest.mark.parametrize(
    ("status", "complete", "interrupted", "wanted"),
    [(0, False, True, 130), (1, False, True, 130), (0, True, True, 0), (1, False, False, 1)],
)
def test_what_was_done_before_ctrl_c_stays_done(status: int, complete: bool, interrupted: bool, wanted: int) -> None:
    """Only what it has cut short ends with 130."""
    stop = StopEvent()
    stop.interrupted = interrupted
    assert ended(stop, status, complete=complete).exit_code == wanted


def test_only_ctrl_c_is_an_interruption() -> None:
    """A SIGTERM stops as well, as a supervisor does, and ends with the status of the work."""
    for number, interrupted in ((signal.SIGTERM, False), (signal.SIGINT, True)):
        stop = StopEvent()
        with stop_on_signals(stop):
            signal.raise_signal(number)
        assert (stop.is_set(), stop.interrupted) == (True, interrupted)


FOLLOWING = {
    "watch": ("watch",),
    "replicate": ("replicate", "--execute"),
    "status": ("status", "--watch"),
    "local": ("local", "--port", "0"),
}


@pytest.mark.parametrize("name", FOLLOWING)
def test_what_goes_on_for_ever_ends_with_130(at_stage: Callable[[str], Shell], name: str) -> None:
    """In a process of its own, from the first thing that it says."""
    shell = at_stage("dualwrite")
    _ = shell("replicate", "--enable-streams", "--execute", "--once")
    process = subprocess.Popen(
        [sys.executable, "-m", "crossfade.cli", *FOLLOWING[name], *(["--json"] if name == "status" else [])],
        env={**os.environ, **shell.environment},
        cwd=shell.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == INTERRUPTED, first + rest
    assert "Traceback" not in first + rest


def test_ctrl_c_at_a_question_ends_with_130(started: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a yes was to be typed."""
    monkeypatch.setattr("crossfade.cli.screen.Screen.can_ask", True)

    def interrupted(*_: object, **__: object) -> str:
        raise click.Abort

    monkeypatch.setattr(click, "prompt", interrupted)
    assert "crossfade: interrupted" in started("advance", status=130).output


def test_every_command_is_looked_at() -> None:
    """None is left out above."""
    assert {names[0] for names in commands(app)} == set(COMMANDS)
