"""A rate limit that all workers of one loop share: everybody books the next free moment, and waits for it.

Booking, unlike asking again and again, needs no queue and is fair. Time that nobody used is not saved up for longer
than BURST_SECONDS: a rate limit exists so that live traffic is not disturbed, and a burst would.
"""

from __future__ import annotations

from typing import Final

from crossfade.core.effects import Now, Routine, Sleep

BURST_SECONDS: Final = 0.25


class Pace:
    """`per_second` of whatever is counted; None is no limit. Times are monotonic seconds."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._free_at = 0.0

    def book(self, amount: float, now: float) -> float:
        """The moment from which on `amount` may be spent."""
        if self._per_second is None:
            return now
        moment = max(self._free_at, now - BURST_SECONDS)
        self._free_at = moment + amount / self._per_second
        return moment

    def lift(self) -> None:
        """No limit from now on: what is under way is to be finished."""
        self._per_second = None

    @property
    def limited(self) -> bool:
        return self._per_second is not None

    def wait(self, amount: float) -> Routine[None]:
        """Book, and wait for the moment."""
        now = yield from Now()
        moment = self.book(amount, now)
        while now < moment and self.limited:
            # In small steps, so that `lift` is noticed.
            yield from Sleep(min(moment - now, 0.5))
            now = yield from Now()
