"""The one screen: where we are, who takes part, what holds us back, what to type."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from rich.console import Console

import crossfade
from crossfade.cli.opened import open_migration
from crossfade.cli.options import Where
from crossfade.cli.screen import Screen
from crossfade.cli.status import Looks
from crossfade.cli.status_screen import watch_screen
from crossfade.control.sightings import Sightings
from crossfade.drivers.local import NoteFunction
from crossfade.drivers.sync import CallFunction, SyncDriver
from crossfade.migration import load
from tests.cli.conftest import Shell


@contextmanager
def attached(shell: Shell) -> Generator[None, None, None]:
    """An application in this process."""
    router = crossfade.attach(shell.client, load(shell.file), poll_seconds=0.1, landing_seconds=1.0)
    try:
        yield
    finally:
        assert router.detach()


def test_the_screen_answers_every_question(at_stage: Callable[[str], Shell]) -> None:
    """The ladder with the place, the client, both jobs, the gates with what to do, the journal, the next command."""
    shell = at_stage("shadow")
    with attached(shell):
        said = shell("status").output
    assert " >  shadow " in said
    assert "Clients (1)" in said
    assert f"{os.getpid()}  app " in said
    assert "in step" in said
    assert "backfill  not begun" in said
    assert "backfilled  CLOSED  no backfill has begun" in said
    assert "dualwrite -> shadow" in said
    assert said.rstrip().endswith("crossfade backfill --execute")
    assert [line for line in said.splitlines() if line != line.rstrip()] == []


def test_commands_on_the_screen_name_the_file(started: Shell) -> None:
    """With a file of another name the next command can be typed as it is shown."""
    other = started.file.rename(started.folder / "other name.py")
    said = started("status", other.name).output
    assert "crossfade advance 'other name.py' --to dualwrite --execute" in said


def test_the_file_may_come_from_the_environment(started: Shell) -> None:
    """CROSSFADE_MIGRATION names the file, and commands on the screen need not name it again."""
    _ = started.file.rename(started.folder / "elsewhere.py")
    started.environment["CROSSFADE_MIGRATION"] = "elsewhere.py"
    assert "crossfade advance --to dualwrite --execute" in started("status").output


def test_json_is_one_document(at_stage: Callable[[str], Shell]) -> None:
    """Standard output holds the survey and nothing else; the epoch of each client is in it."""
    shell = at_stage("dualwrite")
    with attached(shell):
        document = shell.json("status")
    assert document["state"]["stage"] == "dualwrite"
    assert document["up"]["to"] == "shadow"
    assert [(client["epoch"], client["role"]) for client in document["clients"]] == [(2, "app")]
    assert (document["next_command"], document["next_remark"]) == ("crossfade backfill --execute", "")


def test_that_nobody_is_attached_is_told(started: Shell) -> None:
    """What applications write would reach one table alone: the plan of the next step warns, and so does the screen."""
    told = started("status").output.split("What holds us back")[1].split("Way back")[0]
    assert "No process has crossfade attached now" in told
    assert "nothing" not in told
    with attached(started):
        assert "What holds us back\n  nothing\n" in started("status").output


def test_watch_looks_again_until_it_is_interrupted(started: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json every look is a line; without, a pipe is shown the last one, and no line of it ends in spaces."""
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("crossfade.cli.status.time.sleep", sleep)
    lines = started.lines("status", "--watch", status=130)
    assert [line["state"]["stage"] for line in lines] == ["off"] * 3
    looks.clear()
    shown = started("status", "--watch", status=130).output
    assert shown.count("What holds us back") == 1
    assert [line for line in shown.splitlines() if line != line.rstrip()] == []


def test_a_watch_keeps_verdict_and_next_command_on_a_screen_of_80_by_24(at_stage: Callable[[str], Shell]) -> None:
    """They come first, however much there is to say: what does not fit is cut off at the bottom."""
    shell = at_stage("lockstep_source")
    _ = shell("replicate", "--enable-streams", "--execute", "--once")
    with pytest.MonkeyPatch.context() as patched:
        for name, value in shell.environment.items():
            patched.setenv(name, value)
        opened = open_migration(Screen(), Where(shell.file, None, None, None))
        view = Looks(opened, Sightings()).again()
        lease = view.survey.clients[:1]
        many = (
            *view.survey.held_back_by,
            *(f"app-{n} on web-{n}: has not entered it yet, and says nothing" for n in range(30)),
        )
        crowd = replace(view, survey=replace(view.survey, clients=lease * 40, held_back_by=many))
        for shown in (view, crowd):
            console = Console(width=80, height=24, force_terminal=True, file=io.StringIO(), color_system=None)
            with console.capture() as captured:
                console.print(watch_screen(opened, shown))
            top = "\n".join(captured.get().splitlines()[:24])
            assert "Next " in top
            assert str(shown.next_step).split("   ", maxsplit=1)[0] in " ".join(top.split())
            assert "Way back" in top
            assert "What holds us back" in top
            assert f"{shown.survey.held_back_by[0][:40]}" in top


def test_a_client_that_lags_is_what_holds_us_back(started: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a client is waited for: the state is whole, and what to type to go on is said."""
    router = crossfade.attach(
        started.client, load(started.file), poll_seconds=3_600, lease_seconds=3_600, landing_seconds=1.0
    )
    sleeps: list[float] = []

    def interrupt(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) > 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("crossfade.cli.opened.SyncDriver", _driver_that_sleeps_with(interrupt))
        said = started("advance", "--execute", status=130).output
    assert "off -> dualwrite (epoch 2)" in said
    assert "waiting for 1 client" in said
    assert "has not acknowledged" in said
    assert "To go on: crossfade advance --to dualwrite --execute" in said
    shown = started("status").output
    assert "What holds us back\n  " in shown
    assert "crossfade advance --to dualwrite --execute   (waits" in shown
    assert router.detach()
    assert started.json("advance", "--to", "dualwrite", "--execute")["stage"] == "dualwrite"


def _driver_that_sleeps_with(sleep: Callable[[float], None]) -> Callable[[CallFunction, NoteFunction], SyncDriver]:
    return lambda call, note: SyncDriver(call, note, sleep=sleep)
