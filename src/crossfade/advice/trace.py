"""Accesses to a table, and at which pace they are played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from crossfade.errors import ConfigurationError
from crossfade.partitions.units import read_units, write_units

AccessKind: TypeAlias = Literal["get", "query", "write"]

ACCESSES_MAX: Final = 200_000  # of one trace: a second's work for each design, and 100 MB
PLAYED_SECONDS_MIN: Final = 10.0  # a shorter trace is too few to tell a peak from chance
NO_OTHERS: Final[Mapping[str, str]] = {}


class Access(NamedTuple):
    """A request for one item, or a Query of one item collection. `size_bytes`: of the item, or of all that is found."""

    at: float
    kind: AccessKind
    partition_key: str
    sort_key: str | None = None
    size_bytes: int = 0
    others: Mapping[str, str] = NO_OTHERS
    transactional: bool = False
    """A transaction costs twice."""

    @property
    def units(self) -> float:
        """Read units, or write units where it is a write."""
        once = write_units(self.size_bytes) if self.kind == "write" else read_units(self.size_bytes)
        return 2 * once if self.transactional else once


@dataclass(frozen=True, slots=True)
class Trace:
    """What was asked of a table for so many seconds. Raises ConfigurationError where it is nothing."""

    source: str
    """Where it comes from, in words."""
    accesses: tuple[Access, ...]
    seconds: float
    notes: tuple[str, ...] = ()
    collection_bytes: Mapping[str, float] = field(default_factory=dict[str, float])
    """How large item collections are, where that is known."""
    item_bytes: float = 0.0
    """How large an item is on average, where that is known."""

    def __post_init__(self) -> None:
        if not self.accesses:
            raise ConfigurationError(
                f"{self.source}: there is no access in it", next_step="give a source with traffic on the table"
            )

    @property
    def requests_per_second(self) -> float:
        return len(self.accesses) / self.seconds

    @property
    def has_queries(self) -> bool:
        return any(access.kind == "query" for access in self.accesses)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The other attributes that at least one access names."""
        return tuple(sorted({name for access in self.accesses for name in access.others}))

    @property
    def mean_item_bytes(self) -> float:
        """The size of an item: as it is known, or as those were that were asked for one by one."""
        if self.item_bytes:
            return self.item_bytes
        sizes = [access.size_bytes for access in self.accesses if access.kind != "query" and access.size_bytes]
        return sum(sizes) / len(sizes) if sizes else 1024.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How a trace is played so that it makes the target: faster or slower, each access as `weight` of them.

    A trace at twice its pace has twice the requests a second, and all of them real ones. One that would be over too
    soon is drawn out instead, and each access stands for several.
    """

    seconds: int
    speed: float
    weight: float

    def second(self, at: float) -> int:
        return min(self.seconds - 1, int(at * self.speed))


def pace_of(trace: Trace, target: float) -> Pace:
    """Return the pace at which the trace has `target` requests a second."""
    natural = len(trace.accesses) / target
    seconds = max(PLAYED_SECONDS_MIN, natural)
    return Pace(max(1, int(seconds)), int(seconds) / trace.seconds, int(seconds) * target / len(trace.accesses))


def seen_once(trace: Trace) -> frozenset[tuple[str, str | None]]:
    """Return the items that the trace names a single time: samples of many, where it stands for more than it holds."""
    counts = Counter((access.partition_key, access.sort_key) for access in trace.accesses)
    return frozenset(item for item, count in counts.items() if count == 1)
