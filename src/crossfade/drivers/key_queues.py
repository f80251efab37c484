"""The turns of those who are about to write the same item in one process: one after the other, the first to come first.

Two of them at once would but refuse each other. There is a queue for each key that somebody is about, and none for any
other. Thread-safe; how one that waits is woken is the driver's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from crossfade.core.effects import Queued
from crossfade.core.sync.retry import item_too_busy

WAITING_MAX: Final = 1_000  # a key: some seconds of turns that are shared, and no more than a process has threads
WAIT_SECONDS_MAX: Final = 60.0  # for a turn: longer than the one before tries (core/sync/retry.py: LOCKING)

Wake = Callable[[], None]


class KeyQueues:
    """The queues of one driver."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a routine that is freed meanwhile leaves its queue
        self._queues: dict[tuple[str, ...], KeyQueue] = {}

    def enter(self, queued: Queued, wake: Wake) -> bool:
        """True if its turn has come; else `wake` is called when it has. Raises ServiceRejected where too many wait."""
        with self._lock:
            line = self._queues.get(queued.key)
            if line is None:
                queued.line = self._queues[queued.key] = KeyQueue(self._lock, self._queues, queued)
                return True
            if len(line.waiting) >= WAITING_MAX:
                raise item_too_busy()
            queued.line = line
            line.waiting.append(queued)
            line.wakes[queued] = wake
            return False

    def withdraw(self, queued: Queued) -> bool:
        """True if it waits no more; False where it is somebody's turn already to carry it out."""
        line = queued.line
        assert isinstance(line, KeyQueue)  # noqa: S101 - it has entered
        with self._lock:
            if queued not in line.waiting:
                return False
            line.waiting.remove(queued)
            del line.wakes[queued]
            return True

    @property
    def count(self) -> int:
        """How many keys somebody is about."""
        return len(self._queues)


class KeyQueue:
    """The queue of one key."""

    def __init__(self, lock: threading.RLock, queues: dict[tuple[str, ...], KeyQueue], first: Queued) -> None:
        self._lock = lock
        self._queues = queues
        self.first = first
        self.waiting: deque[Queued] = deque()
        self.wakes: dict[Queued, Wake] = {}

    def share(self, first: Queued, most: int) -> None:
        with self._lock:
            while self.waiting and len(first.company) < most and self.waiting[0].kind == first.kind:
                first.company.append(self.waiting.popleft())

    def leave(self, queued: Queued) -> None:
        with self._lock:
            queued.is_gone = True
            woken = self._next(queued) if queued is self.first else self._without(queued)
        for wake in woken:
            wake()

    def _next(self, first: Queued) -> list[Wake]:
        for member in reversed(first.company):
            if member.outcome is None and not member.is_gone:
                self.waiting.appendleft(member)
        done = [self.wakes.pop(member) for member in first.company if member.outcome is not None and not member.is_gone]
        first.company = []
        if not self.waiting:
            del self._queues[first.key]
            return done
        self.first = self.waiting.popleft()
        return [*done, self.wakes.pop(self.first)]

    def _without(self, queued: Queued) -> list[Wake]:
        if self.wakes.pop(queued, None) is not None and queued in self.waiting:
            self.waiting.remove(queued)
        return []
