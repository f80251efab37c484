"""The service's clock: the machine's, moved on by tests that do not want to wait, or standing still."""

from __future__ import annotations

import threading
import time


class Clock:
    """Seconds since 1970. Standing still, it moves by `advance` alone."""

    def __init__(self, *, still_at: float | None = None) -> None:
        self._still_at = still_at
        self._ahead = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return (time.time() if self._still_at is None else self._still_at) + self._ahead

    def of(self, machine_seconds: float) -> float:
        """Return what this clock shows for something that just happened at a time of the machine's."""
        with self._lock:
            return (machine_seconds if self._still_at is None else self._still_at) + self._ahead

    def advance(self, seconds: float) -> None:
        """Let that much time have gone by."""
        with self._lock:
            self._ahead += seconds
