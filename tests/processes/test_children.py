"""Processes that end by themselves: children of multiprocessing skip what Python does at exit, and leave too."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.processes.conftest import END_SECONDS_MAX, Scene


@pytest.mark.parametrize("program", ["fork", "spawn", "forkserver", "inheriting", "executor"])
def test_a_child_that_is_over_has_left_by_itself(scene: Scene, program: str) -> None:
    """Nobody calls `detach`, in whichever way the child was begun: attached in it, or in its parent before the fork."""
    process = scene.begin("tests.processes.programs", program)
    assert process.wait(END_SECONDS_MAX) == 0
    assert len(scene.acknowledged()) >= 1
    scene.assert_clean()


@pytest.mark.parametrize("program", ["pool_fork", "pool_spawn"])
def test_workers_of_a_pool_leave_on_sigterm(scene: Scene, program: str) -> None:
    """Leaving `with Pool()` ends its workers by SIGTERM: with `detach_on_sigterm` in the initializer they are clean."""
    process = scene.begin("tests.processes.programs", program, HELP="1")
    assert process.wait(END_SECONDS_MAX) == 0
    assert len(scene.acknowledged()) == 8
    scene.assert_clean()


@pytest.mark.parametrize("helped", [True, False])
def test_a_child_that_is_terminated_leaves_with_help(scene: Scene, helped: bool) -> None:
    """`terminate()` is a SIGTERM: without `detach_on_sigterm` in the child a verify is asked for."""
    process = scene.begin("tests.processes.programs", "terminated", **({"HELP": "1"} if helped else {}))
    assert process.wait(END_SECONDS_MAX) == 0
    if helped:
        scene.assert_clean()
    else:
        assert scene.unclean_once_counted_out() == 1


def test_what_is_asked_for_after_leaving_is_refused(scene: Scene) -> None:
    """It does not go past the mirrors, or to a table that is not the authority any more: it is an error."""
    command = [sys.executable, "-m", "tests.processes.programs", "late"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=scene.folder, env=scene.environment, timeout=60, check=True
    )
    assert done.stdout == "InternalServerError"
    assert scene.acknowledged() == ["in-time"]
    assert scene.world.source_item("c", "at-exit") is None
    scene.assert_clean()
