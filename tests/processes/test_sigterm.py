"""`detach_on_sigterm`: a plain process that SIGTERM ends leaves a clean lease behind, and ends as it would have."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from crossfade import ConfigurationError, detach_on_sigterm
from crossfade.drivers.sigterm import AGAIN_SECONDS, LOG, leave_all
from tests.processes.conftest import Scene

PLAIN = ["main_thread", "threads", "idle", "on_a_loop"]


@pytest.mark.parametrize("program", PLAIN)
def test_a_process_that_sigterm_ends_leaves_a_clean_lease(scene: Scene, program: str) -> None:
    """In the middle of its writes: each that was acknowledged is on both sides. A supervisor sees SIGTERM."""
    process = scene.begin("tests.processes.programs", program, HELP="1")
    scene.until_it_writes(process)
    assert scene.ended(process) == -signal.SIGTERM
    scene.assert_clean()


@pytest.mark.parametrize("program", PLAIN)
def test_without_it_the_same_process_asks_for_a_verify(scene: Scene, program: str) -> None:
    """It ends in the same way, with its lease; when that is counted out, something may have been left undone."""
    process = scene.begin("tests.processes.programs", program)
    scene.until_it_writes(process)
    assert scene.ended(process) == -signal.SIGTERM
    assert scene.leases() == 1
    assert scene.unclean_once_counted_out() == 1


def test_a_forked_child_leaves_too(scene: Scene) -> None:
    """It has the handler of its parent, and a lease of its own."""
    process = scene.begin("tests.processes.programs", "forked", HELP="1")
    scene.until_it_writes(process)
    assert scene.ended(process) == 0
    scene.assert_clean()


def test_a_handler_that_is_there_stays(scene: Scene) -> None:
    """The application's own ends the process as it always did; it ends in order, so the lease is given back."""
    process = scene.begin("tests.processes.programs", "handled")
    scene.until_it_writes(process, 1)
    assert scene.ended(process) == 7
    scene.assert_clean()


def test_a_signal_to_a_process_that_ends_already_does_no_harm(scene: Scene) -> None:
    """Whichever is first, the lease is given back once, and clean."""
    process = scene.begin("tests.processes.programs", "ending_already", HELP="1")
    assert process.wait(60) in (0, -signal.SIGTERM)
    scene.assert_clean()


def test_leaving_has_an_end(scene: Scene) -> None:
    """What does not end in the time that was granted is told as such; the lease is given back, nobody waits for it."""
    process = scene.begin("tests.processes.programs", "stuck", SECONDS="0.5")
    scene.until_it_writes(process, 1)
    assert scene.ended(process) == -signal.SIGTERM
    assert (scene.leases(), scene.world.state().unclean) == (0, 1)


def test_a_second_signal_ends_it_at_once(scene: Scene) -> None:
    """Not one that comes with the first, as when a process and its group are told; one that comes later."""
    process = scene.begin("tests.processes.programs", "stuck", SECONDS="1000")
    scene.until_it_writes(process, 1)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        _ = process.wait(AGAIN_SECONDS)
    assert scene.ended(process) == -signal.SIGTERM
    assert scene.leases() == 1


def test_an_orchestrator_that_tells_the_process_and_its_group_is_understood(scene: Scene) -> None:
    """`timeout` stands for it: SIGTERM twice in one moment, and SIGKILL when the grace period is over."""
    command = ["timeout", "--signal=TERM", "--kill-after=20", "3", sys.executable, "-m", "tests.processes.programs"]
    process = subprocess.Popen(
        [*command, "main_thread"], cwd=scene.folder, env=scene.environment | {"HELP": "1"}, start_new_session=True
    )
    timed_out = 124  # not 137, as after SIGKILL
    assert process.wait(60) == timed_out
    assert scene.acknowledged()
    scene.assert_clean()


FIRST_PROCESS = """
import os, signal, sys, time
import crossfade.drivers.sigterm as sigterm
signal.raise_signal = lambda number: None  # the kernel spares the first process of a container
assert sigterm.detach_on_sigterm()
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""


def test_the_first_process_of_a_container_ends_too() -> None:
    """There a signal without a handler does nothing: it ends by itself, with the status that shells give a SIGTERM."""
    done = subprocess.run([sys.executable, "-c", FIRST_PROCESS], timeout=30, check=False)
    assert done.returncode == 128 + signal.SIGTERM


def test_it_is_for_the_main_thread() -> None:
    """Elsewhere Python takes no handlers, and the error says what to do."""
    errors: list[ConfigurationError] = []

    def call() -> None:
        try:
            _ = detach_on_sigterm()
        except ConfigurationError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert "main thread" in errors[0].next_step


def test_a_handler_that_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """So are those that ignore the signal; twice is as good as once."""
    told: list[str] = []

    def warning(text: str, *_: object) -> None:
        told.append(text)

    monkeypatch.setattr(LOG, "warning", warning)
    former = signal.getsignal(signal.SIGTERM)
    try:
        _ = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert not detach_on_sigterm()
        assert "SIGTERM has a handler already" in str(told)
        _ = signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert detach_on_sigterm()
        assert detach_on_sigterm(5.0)
    finally:
        _ = signal.signal(signal.SIGTERM, former)


class Slow:
    """A member that has work for some seconds, and notes when it left."""

    def __init__(self, work_seconds: float, left: list[Any]) -> None:
        self.until = time.monotonic() + work_seconds
        self.left = left
        self.holds = False

    @property
    def unfinished(self) -> int:
        return int(time.monotonic() < self.until)

    def hold(self) -> None:
        self.holds = True

    def end(self) -> None:
        raise NotImplementedError

    def end_within(self, timeout_seconds: float) -> bool:
        self.left.append((self, self.holds, timeout_seconds > 0))
        return True


def test_none_leaves_before_all_have_ended() -> None:
    """Of two migrations on one client the mirrors of one may be calls of the other."""
    left: list[Any] = []
    first, second = Slow(0.0, left), Slow(0.2, left)
    leave_all([first, second], 5.0)
    assert time.monotonic() >= second.until
    assert {(member, holds, in_time) for member, holds, in_time in left} == {(first, True, True), (second, True, True)}
