"""Capacity that comes back by the second."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf


@dataclass(slots=True)
class Bucket:
    """So many units a second, and credit for up to `burst_seconds` of what was left unused before.

    A bucket starts with one second's units and no credit. It may owe: a Query learns what it has read when it has been
    read.
    """

    rate: float
    burst_seconds: float = 0.0
    _left: float = field(init=False, default=0.0)
    _at: float = field(init=False, default=-inf)

    def __post_init__(self) -> None:
        self._left = self.rate

    @property
    def most(self) -> float:
        """The units of the second at hand, and all credit that can be had."""
        return self.rate * (1.0 + self.burst_seconds)

    def left(self, now: float) -> float:
        """Return the units there are at a time, which never goes back."""
        if now > self._at:
            if self._at != -inf:
                self._left = min(self.most, self._left + (now - self._at) * self.rate)
            self._at = now
        return self._left

    def has(self, units: float, now: float) -> bool:
        """True if so many units can be taken; more than there can ever be are let through when it is full."""
        return self.left(now) + 1e-9 >= min(units, self.most)

    def take(self, units: float) -> None:
        """Take units as of the time it was last asked about."""
        self._left -= units
