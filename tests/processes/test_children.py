"""Children of multiprocessing, and of billiard, end without what Python does at exit: they leave all the same."""

from __future__ import annotations

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


def test_workers_of_a_pool_without_it_ask_for_a_verify(scene: Scene) -> None:
    """So what helps is the initializer."""
    process = scene.begin("tests.processes.programs", "pool_fork")
    assert process.wait(END_SECONDS_MAX) == 0
    assert scene.unclean_once_counted_out() == 2
