"""The clock by which a lease ends: the one that has moved most.

`time.monotonic` does not count the time for which its machine was suspended: a hibernated instance, a function frozen
between two calls. CLOCK_BOOTTIME does; and where a snapshot of a machine is restored elsewhere, only the wall clock has
moved. Meanwhile the fleet goes on, so whichever of them tells the longest time is believed: that a lease ends too early
costs a renewal, or a new lease under another id.

It is for the end of a lease alone. Whoever waits until something can land no more goes by `time.monotonic`, which is
never ahead of the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from crossfade.core.rules import ALL_RULES, Rules

Clock = Callable[[], float]

SLACK_SECONDS: Final = 0.001  # a clock that is behind by more is taken along; less comes from reading them in turn


def lease_clock(rules: Rules = ALL_RULES) -> Clock:
    """Return the clock of a lease; without the rule `lease-clock`, one that stands still while its machine does."""
    if not rules.lease_clock:
        return time.monotonic
    # On Linux. That of macOS, of another name, counts as this one does.
    counting = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    boottime = time.monotonic if counting is None else partial(time.clock_gettime, counting)
    return furthest(time.monotonic, boottime, time.time)


def furthest(monotonic: Clock, boottime: Clock, wall: Clock) -> Clock:
    """Return a clock that moves as the one of these does that moves most. It begins at `monotonic`; for any thread.

    It never goes back by more than SLACK_SECONDS, nor stands still for longer: a clock that has fallen behind (a wall
    clock that was set back, or one that did not count a suspension) is taken along, and goes on from there.

    It is asked around every write, so it is a function and not an object, which would take half as long again.
    """
    lock = threading.Lock()
    start = monotonic()
    ahead = (0.0, start - boottime(), start - wall())  # what each clock's seconds lack

    def now() -> float:
        by_monotonic, by_boottime, by_wall = ahead
        by_monotonic += monotonic()
        by_boottime += boottime()
        by_wall += wall()
        most = max(by_boottime, by_monotonic)
        if by_wall > most:
            most = by_wall
        least = most - SLACK_SECONDS
        if by_monotonic < least or by_boottime < least or by_wall < least:
            return take_along()
        return most

    def take_along() -> float:
        """Set every clock to the one that is ahead; return its seconds."""
        nonlocal ahead
        with lock:
            told = monotonic(), boottime(), wall()
            most = max(lacking + seconds for lacking, seconds in zip(ahead, told, strict=True))
            ahead = (most - told[0], most - told[1], most - told[2])
            return most

    return now
