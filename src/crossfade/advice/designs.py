"""What may become of a key, and what a request asks of partitions then."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import Final

from crossfade.advice.trace import AccessKind
from crossfade.core.mapping.suffix import shard
from crossfade.partitions.units import read_units

COUNTS: Final = (2, 4, 8, 16, 32, 64, 128, 256)
DRAWS_MAX: Final = 20_000  # of the requests of a second for one key: more are as good as even
MISS_UNITS: Final = 0.5  # a read that finds nothing
HASHES: Final = 1 << 32


class DesignKind(StrEnum):
    """The kinds of designs."""

    NONE = "none"
    COMPUTED = "computed"
    RANDOM = "random"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True, slots=True)
class Design:
    """A design of the key. `count`: how many partition keys become of one."""

    kind: DesignKind
    count: int = 1
    attribute: str = ""

    def __str__(self) -> str:
        match self.kind:
            case DesignKind.NONE:
                return "as it is"
            case DesignKind.ATTRIBUTE:
                return f"key {self.attribute}"
            case _:
                return f"{self.count} {self.kind} suffixes"


AS_IT_IS: Final = Design(DesignKind.NONE)


@dataclass(slots=True)
class Group:
    """Alike accesses to one key in one second, each as `weight` of them. `hashes`: what the suffixes of those follow
    from that have a sort key and stand for themselves; `loose`: how many others there are."""

    partition_key: str
    kind: AccessKind
    units: float
    size_bytes: int
    weight: float
    hashes: list[int] = field(default_factory=list[int])
    loose: int = 0

    @property
    def requests(self) -> float:
        return (len(self.hashes) + self.loose) * self.weight


def hashed_sort(sort_key: str) -> int:
    """Return what a suffix is computed from: the hash of `crossfade.mapping.suffix`, before the modulo."""
    return shard(({"S": sort_key},), HASHES)


def suffixed(design: Design, group: Group, rng: random.Random) -> Iterator[tuple[str, float, float]]:
    """Yield what a suffix makes of a group: partition key, units, and requests."""
    is_random = design.kind is DesignKind.RANDOM
    if group.kind == "query" or (group.kind == "get" and is_random):
        yield from _of_all(design, group)
        return
    counts = Counter[int]() if is_random else Counter(number % design.count for number in group.hashes)
    for number, count in counts.items():
        requests = count * group.weight
        yield f"{group.partition_key}#{number}", requests * group.units, requests
    others = group.loose + (len(group.hashes) if is_random else 0)
    if others:
        draws = min(DRAWS_MAX, ceil(others * group.weight))
        each = others * group.weight / draws
        for number, count in Counter(rng.choices(range(design.count), k=draws)).items():
            yield f"{group.partition_key}#{number}", count * each * group.units, count * each


def _of_all(design: Design, group: Group) -> Iterator[tuple[str, float, float]]:
    """Yield the demand on every suffix: of a Query each finds its part, of a read one finds the item."""
    count, requests = design.count, group.requests
    each = read_units(group.size_bytes / count) if group.kind == "query" else group.units / count + MISS_UNITS
    for number in range(count):
        yield f"{group.partition_key}#{number}", each * requests, requests / count
