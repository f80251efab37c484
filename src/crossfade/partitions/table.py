"""The partitions of a table: which of them has a key, who is throttled, and when one is split."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from crossfade.partitions.bucket import Bucket
from crossfade.partitions.limits import (
    BURST_SECONDS,
    COLLECTION_BYTES_MAX,
    ON_DEMAND_PARTITIONS,
    PARTITION_BYTES_MAX,
    SETTLED_SHARE,
)
from crossfade.partitions.partition import Kind, Partition, Position

HASHES: Final = 1 << 64
PARTITIONS_MAX: Final = 10_000  # a table of 10 million write units a second; what is larger is no subject of advice


class Place(NamedTuple):
    """The key of an item, or of an item collection where the sort key is left out."""

    partition_key: str
    sort_key: str = ""


class Throttle(StrEnum):
    """Why a request is throttled, in the words of the service's ThrottlingReasons."""

    PARTITION = "KeyRangeThroughputExceeded"
    TABLE = "ProvisionedThroughputExceeded"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """The capacity of a table in provisioned mode, a second."""

    read_units: float
    write_units: float


@lru_cache(maxsize=1_000_000)
def hash_of(partition_key: str) -> int:
    """Return where a partition key is in the order of a table."""
    return int.from_bytes(hashlib.blake2b(partition_key.encode(), digest_size=8).digest(), "big")


class Topology:
    """The partitions of one table.

    `partitions`: how many it begins with. `local_index`: it has a local secondary index, so no item collection is
    divided. `inside_collections`: whether others may be; `splits`: whether heat splits a partition at all.
    """

    def __init__(
        self,
        partitions: int = ON_DEMAND_PARTITIONS,
        *,
        provisioned: Provisioned | None = None,
        local_index: bool = False,
        inside_collections: bool = True,
        splits: bool = True,
    ) -> None:
        if not 1 <= partitions <= PARTITIONS_MAX:
            raise ValueError(f"{partitions} partitions; 1 to {PARTITIONS_MAX} are possible")
        self.partitions = [Partition((HASHES * number // partitions, "")) for number in range(partitions)]
        self._lows = [partition.low for partition in self.partitions]
        self._splits = splits
        self._local_index = local_index
        self._whole_collections = local_index or not inside_collections
        self._collections: dict[str, int] = {}
        self._table: dict[Kind, Bucket] = {}
        if provisioned is not None:
            self._table = {
                "read": Bucket(provisioned.read_units, BURST_SECONDS),
                "write": Bucket(provisioned.write_units, BURST_SECONDS),
            }

    def index_of(self, place: Place) -> int:
        """Return which partition has a key."""
        return bisect_right(self._lows, (hash_of(place.partition_key), place.sort_key)) - 1

    def indexes_of_collection(self, partition_key: str) -> range:
        """Return which partitions have items of a collection."""
        first = self.index_of(Place(partition_key))
        end = bisect_right(self._lows, (hash_of(partition_key), chr(0x10FFFF)))
        return range(first, max(end, first + 1))

    def refusal(self, place: Place, kind: Kind, units: float, now: float) -> Throttle | None:
        """Return why so many units cannot be had now; None if they can. Takes none; what is refused is heat, too."""
        partition = self._looked_at(place, now)
        why: Throttle | None = None
        if not partition.buckets[kind].has(units, now):
            why = Throttle.PARTITION
        elif kind in self._table and not self._table[kind].has(units, now):
            why = Throttle.TABLE
        if why is not None:
            partition.warm(_position(place), kind, units, now)
        return why

    def charge(self, place: Place, kind: Kind, units: float, now: float) -> None:
        """Take units that were consumed, be it more than there are."""
        partition = self.partitions[self.index_of(place)]
        partition.warm(_position(place), kind, units, now)
        for bucket in (partition.buckets[kind], *self._of_table(kind)):
            _ = bucket.left(now)
            bucket.take(units)

    def take(self, place: Place, kind: Kind, units: float, now: float) -> Throttle | None:
        """Take units for a request, all or none. Return why not; None where they were had."""
        refused = self.refusal(place, kind, units, now)
        if refused is None:
            self.charge(place, kind, units, now)
        return refused

    def drain(self, place: Place, kind: Kind, units: float, now: float) -> float:
        """Take as many of these units as there are, as of many small requests. Return how many."""
        partition = self._looked_at(place, now)
        if self._splits:
            partition.warm(_position(place), kind, units, now)
        buckets = [partition.buckets[kind], *self._of_table(kind)]
        served = max(0.0, min(units, *(bucket.left(now) for bucket in buckets)))
        for bucket in buckets:
            bucket.take(served)
        return served

    def fits(self, place: Place, size_bytes: int) -> bool:
        """True unless the item would make its collection larger than a local secondary index allows."""
        if not self._local_index:
            return True
        before = self.partitions[self.index_of(place)].sizes.get(_position(place), 0)
        return self._collections.get(place.partition_key, 0) + size_bytes - before <= COLLECTION_BYTES_MAX

    def size(self, place: Place) -> int:
        """Return the bytes of an item; 0 where there is none."""
        return self.partitions[self.index_of(place)].sizes.get(_position(place), 0)

    def resize(self, place: Place, size_bytes: int) -> None:
        """Say how large an item is now; 0 of one that is gone. What gets close to 10 GB is split."""
        index, position = self.index_of(place), _position(place)
        partition = self.partitions[index]
        if self._local_index:
            grown = size_bytes - partition.sizes.get(position, 0)
            self._collections[place.partition_key] = self._collections.get(place.partition_key, 0) + grown
        partition.resize(position, size_bytes)
        if partition.size_bytes > PARTITION_BYTES_MAX:
            weights = {position: float(held) for position, held in partition.sizes.items()}
            _ = self._split(index, weights, whole_collections=self._local_index)

    def settle(self, loads: Iterable[tuple[Place, Kind, float]]) -> None:
        """Divide the table as it would be in the end if this went on, so many units a second at each place.

        A partition is divided as long as more than SETTLED_SHARE of it is used. Item collections stay whole here, since
        DynamoDB does not promise to divide one, and since where the next items go is not known.
        """
        waiting: dict[int, list[tuple[Position, Kind, float]]] = {}
        for place, kind, units in loads:
            position = (hash_of(place.partition_key), "")
            waiting.setdefault(self.index_of(place), []).append((position, kind, units))
        for index in sorted(waiting, reverse=True):  # from above, so that the indexes below stay as they are
            self._settle(index, waiting[index])

    def _settle(self, index: int, loads: list[tuple[Position, Kind, float]]) -> None:
        rest = [(index, loads)]
        while rest:
            at, held = rest.pop()
            partition = self.partitions[at]
            asked: dict[Kind, float] = {"read": 0.0, "write": 0.0}
            weights: dict[Position, float] = {}
            for position, kind, units in held:
                asked[kind] += units
                weights[position] = weights.get(position, 0.0) + units / partition.buckets[kind].rate
            if all(asked[kind] <= SETTLED_SHARE * bucket.rate for kind, bucket in partition.buckets.items()):
                continue
            found = self._split(at, weights, whole_collections=True)
            if found is not None:
                rest.append((at, [load for load in held if load[0] < found]))
                rest.append((at + 1, [load for load in held if load[0] >= found]))

    def _looked_at(self, place: Place, now: float) -> Partition:
        """Return the partition of a key, split before where it was hot for long enough."""
        index = self.index_of(place)
        partition = self.partitions[index]
        if not partition.window_is_over(now):
            return partition
        hot, heat = partition.is_hot, partition.heat
        partition.cool()
        if hot and self._splits:
            _ = self._split(index, heat, whole_collections=self._whole_collections)
        return self.partitions[self.index_of(place)]

    def _split(self, index: int, weights: dict[Position, float], *, whole_collections: bool) -> Position | None:
        """Split a partition where half of the weight is. Return where; None where it cannot be split."""
        lower = self.partitions[index]
        at = lower.halved(weights, whole_collections=whole_collections)
        if at is None or at <= lower.low or len(self.partitions) >= PARTITIONS_MAX:
            return None
        upper = Partition(at)
        for position in [position for position in lower.sizes if position >= at]:
            upper.resize(position, lower.sizes[position])
            lower.resize(position, 0)
        self.partitions.insert(index + 1, upper)
        self._lows.insert(index + 1, at)
        return at

    def _of_table(self, kind: Kind) -> list[Bucket]:
        return [self._table[kind]] if kind in self._table else []


def _position(place: Place) -> Position:
    return hash_of(place.partition_key), place.sort_key
