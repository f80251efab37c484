"""The examples as a reader runs them, with few items: each proves at its end that nothing was lost, or fails."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossfade.demo.console import Console
from crossfade.local.errors import JarsUnavailable
from crossfade.local.server import ENDPOINT_VARIABLE
from examples.__main__ import main
from examples.play import SKIPPED, Play, PlayError, differences, last_written, run

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["examples.documents.run"], ["the index lists", "removed documents have not come back"]),
        (["examples.guid.run"], ["use_as_key: guid", "retracted articles have not come back", "the old table is gone"]),
        (["examples.guid.run", "--derived"], ["derive_key: guid = uuid5", "the old table is gone"]),
        (["examples.sessions.run"], ["and no difference", "have expired, and have not come back"]),
        (
            ["examples.sessions.run", "--copying"],
            ["now the new table expires too", "have expired, and have not come back"],
        ),
        (["examples.aws_lambda.run"], ["environments were ended while they were frozen", "each the right one"]),
        (["examples.another_region.run"], ["eu-west-1 holds", "each seen by the next read"]),
        (
            ["examples.mysql_to_dynamodb.run"],
            ["of the rows equal those of the items", "cancelled orders have not come back", "no tombstone is left"],
        ),
    ],
    ids=[
        "documents",
        "guid",
        "derived",
        "sessions",
        "sessions copying",
        "aws_lambda",
        "another_region",
        "mysql_to_dynamodb",
    ],
)
def test_an_example_holds(command: list[str], shown: list[str]) -> None:
    """On a database of its own; its last line says what was found, and so does its exit status."""
    environment = {name: value for name, value in os.environ.items() if name != ENDPOINT_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", *command, "--items", "120"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == SKIPPED:
        pytest.skip(done.stderr)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.splitlines()[-1].startswith("NOTHING LOST")
    assert "FAIL" not in done.stdout
    for text in shown:
        assert text in done.stdout


def play_with(out: io.StringIO, folder: Path) -> Play:
    return Play(Console(out=out), folder, {})


def test_what_does_not_hold_fails_the_example(tmp_path: Path) -> None:
    """With the evidence, and in the last line."""
    out = io.StringIO()
    play = play_with(out, tmp_path)
    play.check("the first", True)
    assert play.verdict("all is well") == 0
    play.check("the second", False, "two is three")
    assert play.verdict("all is well") == 1
    assert "two is three" in out.getvalue()
    assert out.getvalue().splitlines()[-1] == "IT DOES NOT HOLD: the second"


def test_a_process_that_finds_something_wrong_fails_the_example(tmp_path: Path) -> None:
    """What it said is shown; one that ends before it is told to cannot be gone on with."""
    play = Play(Console(out=io.StringIO()), tmp_path, dict(os.environ))
    play.start("a reader", "examples.guid.importer", "no JSON")
    _ = play.processes["a reader"].wait()
    with pytest.raises(PlayError, match="a reader ended by itself, with status 1"):
        play.look_after()
    play.stop()
    assert play.verdict("all is well") == 1


def test_a_command_that_ends_with_another_status_ends_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be carried out, which is no verdict."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["example", "--items", "3"])

    def play_nothing(items: int) -> int:
        assert items == 3
        _ = play_with(io.StringIO(), tmp_path).crossfade("check")
        return 0

    assert run(play_nothing, "An example.") == 2


def test_an_example_whose_servers_cannot_be_had_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and the others go on."""
    monkeypatch.setattr(sys, "argv", ["example"])

    def play_nothing(items: int) -> int:
        raise JarsUnavailable(f"no registry for {items} items")

    assert run(play_nothing, "An example.") == SKIPPED
    assert "skipped: the servers that it needs cannot be had here: no registry" in capsys.readouterr().err


def test_an_example_that_fails_fails_them_all() -> None:
    """`make examples` ends with its status."""
    assert main(["--items", "many"]) == 2


def test_the_last_write_of_a_key_counts(tmp_path: Path) -> None:
    """Of several journals; and what is missing, too much or different is named."""
    one, two = tmp_path / "one", tmp_path / "two"
    _ = one.write_text('["a", {"n": 1}]\n["a", {"n": 2}]\n["b", {"n": 1}]\n["b", null]\n')
    _ = two.write_text('["c", {"n": 3}]\n')
    assert last_written(one, two) == {"a": {"n": 2}, "b": None, "c": {"n": 3}}
    assert differences({"a": 1, "b": 2}, {"a": 1, "c": 3}) == [
        "b: expected 2, found None",
        "c: expected None, found 3",
    ]
