"""How far a job is, how fast it goes, how long it will take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW_SECONDS: Final = 10.0  # the rate that people are told: recent enough to show a throttle, long enough to be calm


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a running job. Plain values only, so that it can be shown as a bar or written as JSON.

    `items_total` is what DescribeTable says, which the service counts anew every six hours; `seconds_left` is None
    while nothing moves. `waiting_segments` wait until a write without an answer can no longer land; of a
    verify, until they look again at what differed.
    """

    job: str
    phase: str
    items_done: int
    items_total: int
    items_per_second: float
    seconds_left: float | None
    segments_done: int
    segments_total: int
    waiting_segments: int
    problems: int  # items that failed (backfill), differences (verify)


class Meter:
    """Counts items as they are done. Times are monotonic seconds."""

    def __init__(self, done_before: int = 0) -> None:
        self._done = done_before
        self._seen: deque[tuple[float, int]] = deque()

    @property
    def done(self) -> int:
        return self._done

    def add(self, items: int) -> None:
        self._done += items

    def rate(self, now: float) -> float:
        """Items a second over the last WINDOW_SECONDS."""
        self._seen.append((now, self._done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_SECONDS:
            _ = self._seen.popleft()
        then, before = self._seen[0]
        return (self._done - before) / (now - then) if now > then else 0.0


def seconds_left(items_total: int, items_done: int, items_per_second: float) -> float | None:
    """None where nothing moves, or where the total was an underestimate."""
    left = items_total - items_done
    return left / items_per_second if items_per_second > 0 and left >= 0 else None
