"""A design tried on the model of DynamoDB's partitions: what it throttles, and how it spreads a key.

The table of a trial has had its traffic for long: cold keys have been moved away from hot ones, as DynamoDB does, and
item collections are whole. So what is throttled is throttled for the key, and not because a table is new.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from crossfade.advice.designs import Design, DesignKind, Group, hashed_sort, suffixed
from crossfade.advice.trace import Access, Pace, Trace, seen_once
from crossfade.partitions.limits import READ_UNITS_MAX, WRITE_UNITS_MAX
from crossfade.partitions.partition import Kind
from crossfade.partitions.table import Place, Topology, hash_of

LIMITS: Final[dict[Kind, float]] = {"read": READ_UNITS_MAX, "write": WRITE_UNITS_MAX}
WARM_SHARE: Final = 0.02  # of a partition's limit, in the worst second: what has less is spread by no design
WARM_KEYS_MAX: Final = 256
NOTHING: Final = (0.0, 0.0)
LUMPS_MIN: Final = 256
ALONE_WEIGHT: Final = 1.5  # beyond, an item that is named once is a sample of many

Load: TypeAlias = dict[tuple[str, Kind], tuple[float, float]]  # units and requests of a second, by partition key


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a design. Shares are from 0 to 1, but for `peak`: what was asked of the most used partition in its
    worst second, as a share of what it can give."""

    design: Design
    throttled: float
    throttled_reads: float
    throttled_writes: float
    peak: float
    hottest_share: float
    """Of all that is asked for, what goes to the partition key that is asked most."""
    imbalance: float
    """How much more than the mean the fullest of a key's suffixes has, of the key that is asked most."""
    partitions: int


@dataclass(frozen=True, slots=True)
class Heat:
    """What is asked of a partition key or of a partition, a second. `share`: of all that is asked of the table, in
    shares of what a partition can give; `peak`: of what a partition can give, in the worst second."""

    name: str
    share: float
    reads: float
    writes: float
    peak: float


class Stage:
    """A trace made ready to be played at a target, with one design after another.

    A suffix is given to warm keys alone: what it does to the others is nothing that a partition would notice. Those are
    taken together, so many that none of the lumps is warm.
    """

    def __init__(self, trace: Trace, pace: Pace, *, local_index: bool, seed: int) -> None:
        self.trace, self.pace = trace, pace
        self._local_index, self._seed = local_index, seed
        self._seconds = [pace.second(access.at) for access in trace.accesses]
        self._as_it_is = self._by_key(lambda access: access.partition_key)
        self.keys = heats(self._as_it_is)
        self._warm = frozenset([heat.name for heat in self.keys if heat.peak >= WARM_SHARE][:WARM_KEYS_MAX])
        self._cold = self._lumps()
        self._groups = self._grouped()

    def loads(self, design: Design) -> list[Load]:
        """Return what a design makes of the traffic, second by second."""
        match design.kind:
            case DesignKind.NONE:
                return [
                    {**cold, **{place: held for place, held in load.items() if place[0] in self._warm}}
                    for cold, load in zip(self._cold, self._as_it_is, strict=True)
                ]
            case DesignKind.ATTRIBUTE:
                return self._by_attribute(design.attribute)
            case _:
                return self._suffixed(design)

    def _suffixed(self, design: Design) -> list[Load]:
        rng = random.Random(self._seed)  # noqa: S311 - no secret
        loads = [dict(cold) for cold in self._cold]
        for load, groups in zip(loads, self._groups, strict=True):
            for group in groups.values():
                kind: Kind = "write" if group.kind == "write" else "read"
                for key, units, requests in suffixed(design, group, rng):
                    _add(load, key, kind, units, requests)
        return loads

    def _by_attribute(self, attribute: str) -> list[Load]:
        """Return the traffic with another key. Where there are Queries an index of the old key is kept for them; it has
        partitions of its own, and each write of an item writes it too."""
        loads = self._by_key(
            lambda access: None if access.kind == "query" else f"{attribute}={access.others.get(attribute, '')}"
        )
        if self.trace.has_queries:
            index = self._by_key(lambda access: None if access.kind == "get" else f"index {access.partition_key}")
            return [{**load, **beside} for load, beside in zip(loads, index, strict=True)]
        return loads

    def _by_key(self, key_of: Callable[[Access], str | None]) -> list[Load]:
        """Return the traffic by a key; without those accesses that have none."""
        loads: list[Load] = [{} for _ in range(self.pace.seconds)]
        weight = self.pace.weight
        for access, second in zip(self.trace.accesses, self._seconds, strict=True):
            key = key_of(access)
            if key is not None:
                kind: Kind = "write" if access.kind == "write" else "read"
                _add(loads[second], key, kind, access.units * weight, weight)
        return loads

    def _lumps(self) -> list[Load]:
        total = sum(units / LIMITS[kind] for load in self._as_it_is for (_, kind), (units, _) in load.items())
        count = LUMPS_MIN + int(total / self.pace.seconds / WARM_SHARE)
        lumps: list[Load] = []
        for load in self._as_it_is:
            lump: Load = {}
            for (key, kind), (units, requests) in load.items():
                if key not in self._warm:
                    _add(lump, f"cold {hash_of(key) % count}", kind, units, requests)
            lumps.append(lump)
        return lumps

    def _grouped(self) -> list[dict[tuple[str, str, int, float], Group]]:
        """Return the accesses to warm keys, those alike in one second together."""
        weight = self.pace.weight
        once = seen_once(self.trace) if weight > ALONE_WEIGHT else frozenset[tuple[str, str | None]]()
        seconds: list[dict[tuple[str, str, int, float], Group]] = [{} for _ in range(self.pace.seconds)]
        for access, second in zip(self.trace.accesses, self._seconds, strict=True):
            key, kind, units = access.partition_key, access.kind, access.units
            if key not in self._warm:
                continue
            size = access.size_bytes if kind == "query" else 0
            group = seconds[second].get((key, kind, size, units))
            if group is None:
                group = seconds[second][key, kind, size, units] = Group(key, kind, units, size, weight)
            if access.sort_key is None or (key, access.sort_key) in once:
                group.loose += 1
            else:
                group.hashes.append(hashed_sort(access.sort_key))
        return seconds

    def topology(self, loads: list[Load], times: float) -> Topology:
        """Return the table as it is once it has had this traffic for long."""
        made = Topology(local_index=self._local_index, splits=False)
        sums: defaultdict[tuple[str, Kind], float] = defaultdict(float)
        for load in loads:
            for place, (units, _) in load.items():
                sums[place] += units * times / len(loads)
        made.settle((Place(key), kind, units) for (key, kind), units in sums.items())
        return made

    def play(self, design: Design, loads: list[Load], times: float = 1.0) -> Trial:
        """Play what a design makes of the traffic, so many times over at once."""
        table = self.topology(loads, times)
        asked: dict[Kind, float] = {"read": 0.0, "write": 0.0}
        refused: dict[Kind, float] = {"read": 0.0, "write": 0.0}
        peak = 0.0
        for second, load in enumerate(loads):
            used: defaultdict[tuple[int, Kind], float] = defaultdict(float)
            for (key, kind), (units, requests) in load.items():
                place, wanted = Place(key), units * times
                served = table.drain(place, kind, wanted, float(second))
                asked[kind] += requests
                refused[kind] += requests * (1 - served / wanted)
                used[table.index_of(place), kind] += wanted / LIMITS[kind]
            peak = max(peak, max(used.values(), default=0.0))
        keys = heats(loads)
        return Trial(
            design,
            throttled=sum(refused.values()) / sum(asked.values()),
            throttled_reads=refused["read"] / asked["read"] if asked["read"] else 0.0,
            throttled_writes=refused["write"] / asked["write"] if asked["write"] else 0.0,
            peak=peak,
            hottest_share=max((heat.share for heat in keys if not heat.name.startswith("cold ")), default=0.0),
            imbalance=_imbalance(keys, self.keys[0].name, design.count),
            partitions=len(table.partitions),
        )

    def partition_heats(self, times: float = 1.0) -> list[Heat]:
        """Return what is asked of each partition with the key as it is, the most used first."""
        loads = self.loads(Design(DesignKind.NONE))
        table = self.topology(loads, times)
        held: list[Load] = []
        for load in loads:
            by_partition: defaultdict[tuple[str, Kind], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
            for (key, kind), (units, requests) in load.items():
                name = f"partition {table.index_of(Place(key)) + 1} of {len(table.partitions)}"
                before = by_partition[name, kind]
                by_partition[name, kind] = (before[0] + units * times, before[1] + requests * times)
            held.append(dict(by_partition))
        return heats(held)


def _add(load: Load, key: str, kind: Kind, units: float, requests: float) -> None:
    before = load.get((key, kind), NOTHING)
    load[key, kind] = (before[0] + units, before[1] + requests)


def heats(loads: list[Load]) -> list[Heat]:
    """Return what is asked of each name, the most asked first."""
    sums: defaultdict[str, dict[Kind, float]] = defaultdict(lambda: {"read": 0.0, "write": 0.0})
    peaks: defaultdict[str, float] = defaultdict(float)
    for load in loads:
        for (name, kind), (units, _) in load.items():
            sums[name][kind] += units
            peaks[name] = max(peaks[name], units / LIMITS[kind])
    weights = {name: sum(units / LIMITS[kind] for kind, units in by_kind.items()) for name, by_kind in sums.items()}
    total = sum(weights.values())
    found = [
        Heat(name, weights[name] / total, held["read"] / len(loads), held["write"] / len(loads), peaks[name])
        for name, held in sums.items()
    ]
    return sorted(found, key=lambda heat: (-heat.share, heat.name))


def _imbalance(keys: list[Heat], hottest: str, count: int) -> float:
    shares = [heat.share for heat in keys if heat.name.rpartition("#")[0] == hottest]
    return max(shares) / (sum(shares) / count) if shares else 1.0
