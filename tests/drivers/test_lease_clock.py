"""The clock of a lease, on clocks that a test moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from crossfade.core.rules import Rules
from crossfade.drivers.lease_clock import SLACK_SECONDS, furthest, lease_clock

DAY = 86_400.0


@dataclass
class Machine:
    """A machine's clocks, as they are after it has been up for a while."""

    monotonic: float = 500.0
    boottime: float = 700.0
    wall: float = 1_790_000_000.0

    def lease_clock(self) -> Callable[[], float]:
        return furthest(lambda: self.monotonic, lambda: self.boottime, lambda: self.wall)

    def run(self, seconds: float) -> None:
        self.monotonic += seconds
        self.boottime += seconds
        self.wall += seconds

    def suspend(self, seconds: float) -> None:
        """Hibernate it: CLOCK_MONOTONIC stands still."""
        self.boottime += seconds
        self.wall += seconds

    def restore_elsewhere(self, seconds: float) -> None:
        """Go on from a snapshot, so much later."""
        self.wall += seconds

    def set_wall(self, by_seconds: float) -> None:
        self.wall += by_seconds


def near(seconds: float) -> object:
    return pytest.approx(seconds, abs=1e-5)


def test_it_goes_on_like_the_monotonic_clock_where_nothing_happens() -> None:
    """And begins where that one is."""
    machine = Machine()
    clock = machine.lease_clock()
    assert clock() == near(500.0)
    machine.run(7.5)
    assert clock() == near(507.5)


@pytest.mark.parametrize("stop", [Machine.suspend, Machine.restore_elsewhere])
def test_it_counts_the_time_for_which_the_machine_stood_still(stop: Callable[[Machine, float], None]) -> None:
    """Whichever of the clocks tells it, each time anew."""
    machine = Machine()
    clock = machine.lease_clock()
    for n in range(1, 4):
        stop(machine, 60.0)
        machine.run(1.0)
        assert clock() == near(500.0 + n * 61.0)


def test_a_wall_clock_that_is_set_back_neither_turns_it_back_nor_stops_it() -> None:
    """Not even where it had been set forward before, which counts as time that has passed."""
    machine = Machine()
    clock = machine.lease_clock()
    machine.set_wall(-DAY)
    machine.run(3.0)
    assert clock() == near(503.0)
    machine.set_wall(DAY)
    assert clock() == near(503.0 + DAY)
    machine.set_wall(-DAY)
    machine.run(4.0)
    assert clock() == near(507.0 + DAY)


def test_a_suspension_counts_behind_a_wall_clock_that_was_set_back() -> None:
    """What a restored snapshot's wall clock has moved is not used up by what it was behind."""
    machine = Machine()
    clock = machine.lease_clock()
    machine.set_wall(-DAY)
    machine.run(1.0)
    _ = clock()
    machine.restore_elsewhere(60.0)
    assert clock() == near(561.0)


def test_clocks_that_are_read_one_after_the_other_do_not_drive_it_ahead() -> None:
    """A little apart, none of them is taken along: it follows the one that is ahead, and no more."""
    machine = Machine()
    clock = machine.lease_clock()
    for n in range(1000):
        machine.run(0.01)
        machine.set_wall(SLACK_SECONDS / 2 * (-1) ** n)
        assert clock() <= machine.monotonic + SLACK_SECONDS
    assert clock() == near(510.0)


def test_that_of_this_machine_goes_on() -> None:
    """It is near `time.monotonic`, on which deadlines of requests go; without the rule it is that clock."""
    clock = lease_clock()
    before = time.monotonic()
    assert before - 0.01 <= clock() <= time.monotonic() + 0.01
    assert lease_clock(Rules.without("lease-clock")) is time.monotonic


def test_it_is_the_machines_boottime_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the platform has one."""
    asked: list[int] = []

    def gettime(clock: int) -> float:
        asked.append(clock)
        return 700.0 + 60.0 * (len(asked) - 1)

    monkeypatch.setattr(time, "clock_gettime", gettime)
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    began, clock = time.monotonic(), lease_clock()
    assert clock() - began >= 60.0
    assert set(asked) == {7}


def test_a_platform_without_either_goes_by_the_two_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no clock_gettime; its monotonic clock counts a suspension."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        monkeypatch.delattr(time, name, raising=False)
    wall = time.time()
    monkeypatch.setattr(time, "time", partial(next, iter([wall, wall + DAY, wall + DAY])))
    began, clock = time.monotonic(), lease_clock()
    assert clock() - began >= DAY
