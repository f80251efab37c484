"""The group itself: what is listed, what is documented, what is loaded, and what happens without its libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import crossfade.cli
from crossfade.cli.app import COMMANDS, app
from crossfade.cli.document import page
from crossfade.cli.outcome import EXIT_STATUSES
from crossfade.cli.plans import label_grid
from crossfade.cli.screen import Screen, duration

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"


def test_help_documents_exit_statuses_and_commands() -> None:
    """`crossfade --help` lists the commands that are there, and every exit status."""
    said = CliRunner().invoke(app, ["--help"]).output
    listed = [name for name in COMMANDS if f"\n  {name} " in said]
    assert list(COMMANDS) == listed
    assert "..." not in said.split("Commands:")[1]  # no short help is cut off
    statuses = said.split("Exit statuses:")[1]
    assert all(f"  {status} " in statuses for status in EXIT_STATUSES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example(name: str) -> None:
    """The help of a command shows how it is typed."""
    said = CliRunner().invoke(app, [name, "--help"]).output
    assert "Example" in said
    assert f"\n    crossfade {name}" in said


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    """docs/commands.md is made anew with `python -m crossfade.cli.document > docs/commands.md`."""
    assert DOCUMENT.read_text() == page()


def test_the_demo_is_also_a_module_to_run() -> None:
    """`python -m crossfade.demo`, in a checkout, is the command."""
    done = subprocess.run(
        [sys.executable, "-m", "crossfade.demo", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: crossfade demo [OPTIONS]")


def test_version() -> None:
    """--version says the installed version."""
    assert CliRunner().invoke(app, ["--version"]).output.startswith("crossfade 0.")


def test_commands_are_loaded_when_they_are_used() -> None:
    """The help of one command does not import the modules of the others."""
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom crossfade.cli.app import app\n"
        "assert CliRunner().invoke(app, ['new', '--help']).exit_code == 0\n"
        "print([m for m in sys.modules if m in ('crossfade.sim', 'crossfade.demo', 'crossfade.cli.verify', 'boto3')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(missing: str) -> None:
    """No traceback, exit status 2."""
    program = f"import sys\nsys.modules['{missing}'] = None\nfrom crossfade.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == crossfade.cli.COULD_NOT_RUN
    assert done.stderr == f"crossfade: the command line needs {missing}: pip install 'crossfade[cli]'\n"


def test_commands_in_messages_get_the_file_and_the_options() -> None:
    """What people are told to type works where they are; prose and commands without a file stay as they are."""
    screen = Screen()
    screen.arguments = "my.py --region eu-1"
    text = "crossfade verify --repair, then crossfade verify; crossfade new x.py; crossfade itself"
    assert screen.command(text) == (
        "crossfade verify my.py --region eu-1 --repair, then crossfade verify my.py --region eu-1;"
        " crossfade new x.py; crossfade itself"
    )


def test_what_is_shown_in_a_pipe_is_neither_broken_nor_padded(capsys: pytest.CaptureFixture[str]) -> None:
    """A grid with a long word and a short line comes out with every word whole and no spaces at the end of a line."""
    grid = label_grid(indent=4)
    grid.add_row("", "label", "word" * 200)
    grid.add_row("", "", "short")
    Screen().show(grid)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(" " + "word" * 200)
    assert lines[1].endswith(" short")


def test_an_unknown_command_is_a_usage_error() -> None:
    """A misspelt command ends with status 2, and the one that was meant is named; of others nothing is guessed."""
    result = CliRunner().invoke(app, ["verfiy"])
    assert result.exit_code == click.UsageError.exit_code
    assert "No such command" in result.output
    assert "Did you mean verify?" in result.output
    assert "Did you mean" not in CliRunner().invoke(app, ["xyzzy"]).output


@pytest.mark.parametrize("words", [("advance", "--to", "bogus"), ("advance", "--bogus"), ("verfiy",)])
def test_usage_errors_are_documents_too(words: tuple[str, ...]) -> None:
    """With --json standard output holds the error, whatever of the words is wrong; the status is 2 as ever."""
    result = CliRunner().invoke(app, [*words, "--json"], prog_name="crossfade")
    assert result.exit_code == click.UsageError.exit_code
    error = json.loads(result.stdout)["error"]
    assert (error["kind"], error["next_step"]) == ("UsageError", f"crossfade{' advance' * (len(words) > 1)} --help")
    assert error["message"] in result.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7.4, "7 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (4 * 86_400 + 3 * 3600, "4 d 3 h")],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    """Two units at most."""
    assert duration(seconds) == text
