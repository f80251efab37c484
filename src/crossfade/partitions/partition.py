"""One partition: its range of keys, its capacity, what is hot and what is large in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from crossfade.partitions.bucket import Bucket
from crossfade.partitions.limits import HEAT_SECONDS, HEAT_SHARE, READ_UNITS_MAX, WRITE_UNITS_MAX

Position: TypeAlias = tuple[int, str]  # the hash of the partition key, then the sort key: the order of a table
Kind: TypeAlias = Literal["read", "write"]

POSITIONS_MAX: Final = 10_000  # whose heat is remembered of one partition; enough to know where half of it is


@dataclass(slots=True)
class Partition:
    """A partition holds the positions from `low` up to the next one's."""

    low: Position
    buckets: dict[Kind, Bucket] = field(
        default_factory=lambda: {"read": Bucket(READ_UNITS_MAX), "write": Bucket(WRITE_UNITS_MAX)}
    )
    sizes: dict[Position, int] = field(default_factory=dict[Position, int])
    size_bytes: int = 0
    heat: dict[Position, float] = field(default_factory=dict[Position, float])
    """What was asked for in the window at hand, served or not: in shares of the capacity of a second."""
    asked: dict[Kind, float] = field(default_factory=lambda: {"read": 0.0, "write": 0.0})
    since: float | None = None

    def warm(self, position: Position, kind: Kind, units: float, now: float) -> None:
        """Remember what was asked for."""
        if self.since is None:
            self.since = now
        self.asked[kind] += units
        if position in self.heat or len(self.heat) < POSITIONS_MAX:
            self.heat[position] = self.heat.get(position, 0.0) + units / self.buckets[kind].rate

    def window_is_over(self, now: float) -> bool:
        return self.since is not None and now - self.since >= HEAT_SECONDS

    @property
    def is_hot(self) -> bool:
        """True if in the window there was asked for nearly all that the partition can give, of reads or of writes."""
        return any(asked >= HEAT_SHARE * self.buckets[kind].rate * HEAT_SECONDS for kind, asked in self.asked.items())

    def cool(self) -> None:
        """Begin another window."""
        self.heat, self.asked, self.since = {}, {"read": 0.0, "write": 0.0}, None

    def resize(self, position: Position, size_bytes: int) -> None:
        """Say how large what is at a position is now; nothing is nothing any more."""
        self.size_bytes += size_bytes - self.sizes.pop(position, 0)
        if size_bytes:
            self.sizes[position] = size_bytes

    def halved(self, weights: dict[Position, float], *, whole_collections: bool) -> Position | None:
        """Return the position from which on the upper half of the weight is; None where it cannot be divided.

        `whole_collections`: only between two partition keys.
        """
        merged: dict[Position, float] = {}
        for position, weight in weights.items():
            start = (position[0], "") if whole_collections else position
            merged[start] = merged.get(start, 0.0) + weight
        places = sorted(merged)
        half, below = sum(merged.values()) / 2, 0.0
        found: Position | None = None
        nearest = half
        for left, right in pairwise(places):
            below += merged[left]
            if found is None or abs(below - half) < nearest:
                found, nearest = right, abs(below - half)
        return found
