"""A monotonic clock that stands still while its process does, as that of a machine that is suspended.

A process that is stopped by a signal sees the machine's clock go on; one whose machine is hibernated, or frozen between
two calls, does not: CLOCK_MONOTONIC does not count the time for which Linux was suspended, CLOCK_BOOTTIME does
(https://man7.org/linux/man-pages/man2/clock_gettime.2.html). Here `time.monotonic` is made to leave out every stop;
other clocks, the one that histories are recorded by among them, go on.
"""

from __future__ import annotations

import threading
import time
from typing import Final

STOP_SECONDS: Final = 0.25  # a gap that long is a stop
TICK_SECONDS: Final = 0.02


class Standing:
    """`install` puts it in the place of `time.monotonic` of this process."""

    def __init__(self) -> None:
        self._real = time.monotonic
        self._last = self._real()
        self._lost = 0.0
        self._lock = threading.Lock()

    def install(self) -> None:
        time.monotonic = self.now
        threading.Thread(target=self._tick, name="clock", daemon=True).start()

    def now(self) -> float:
        with self._lock:
            now = self._real()
            gap, self._last = now - self._last, now
            if gap > STOP_SECONDS:
                self._lost += gap
            return now - self._lost

    def _tick(self) -> None:
        """Be asked often, so that no pause of the application's own looks like a stop."""
        while True:
            _ = self.now()
            time.sleep(TICK_SECONDS)
