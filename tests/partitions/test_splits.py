"""When a partition is split, and what that mends."""

from __future__ import annotations

import pytest

from crossfade.partitions import Place, Topology
from crossfade.partitions.limits import COLLECTION_BYTES_MAX, HEAT_SECONDS, PARTITION_BYTES_MAX

RATE = 1_800  # writes a second: too many for one partition, few enough for two that share them evenly
MINUTES = 5


def throttled(table: Topology, keys: list[Place], *, seconds: int = 60 * MINUTES) -> list[float]:
    """Return the share that was throttled in each second, all keys being written alike."""
    shares: list[float] = []
    for second in range(seconds):
        served = sum(table.drain(place, "write", RATE / len(keys), float(second)) for place in keys)
        shares.append(1 - served / RATE)
    return shares


def test_heat_splits_a_partition_of_many_keys() -> None:
    """It is throttled until it was hot for long enough, and then no more."""
    table = Topology(1)
    shares = throttled(table, [Place(f"key-{number}") for number in range(100)])
    assert shares[0] > 0.4
    assert max(shares[int(HEAT_SECONDS) + 60 :]) < 1e-9
    assert len(table.partitions) >= 2


def test_heat_splits_an_item_collection_unless_it_has_a_local_index() -> None:
    """One partition key with many items: divided among partitions by the sort key, but not with a local index."""
    items = [Place("hot", f"{number:03}") for number in range(100)]
    free, bound = Topology(1), Topology(1, local_index=True)
    assert throttled(free, items)[-1] < 1e-9
    assert throttled(bound, items)[-1] > 0.4
    assert len(free.indexes_of_collection("hot")) >= 2
    assert len(bound.indexes_of_collection("hot")) == 1


def test_nothing_splits_one_item() -> None:
    """It may have a partition to itself, with the limit of one."""
    assert throttled(Topology(1), [Place("hot", "1")])[-1] > 0.4


def test_a_sort_key_that_only_grows_is_not_helped() -> None:
    """Each new item is above all others, so it is always one partition that is written."""
    table = Topology(1)
    last = 0.0
    for second in range(60 * MINUTES):
        places = [Place("hot", f"{second:06}-{number}") for number in range(10)]
        last = sum(table.drain(place, "write", RATE / 10, float(second)) for place in places)
    assert last == 1_000.0
    assert len(table.indexes_of_collection("hot")) >= 2


def test_size_splits_a_partition() -> None:
    """Before it is larger than 10 GB, both halves keep what is theirs."""
    table = Topology(1)
    for number in range(12):
        table.resize(Place(f"key-{number}"), 1024**3)
    assert len(table.partitions) == 2
    assert all(each.size_bytes <= PARTITION_BYTES_MAX for each in table.partitions)
    assert sum(each.size_bytes for each in table.partitions) == 12 * 1024**3
    assert table.size(Place("key-3")) == 1024**3


@pytest.mark.parametrize("local_index", [True, False])
def test_only_a_local_index_bounds_a_collection(local_index: bool) -> None:
    """An item collection beyond 10 GB fits where it may be divided."""
    table = Topology(1, local_index=local_index)
    table.resize(Place("hot", "1"), COLLECTION_BYTES_MAX)
    assert table.fits(Place("hot", "2"), 1) is not local_index
    assert table.fits(Place("hot", "1"), COLLECTION_BYTES_MAX)
    assert table.fits(Place("cold", "1"), 1)


def test_a_settled_table_is_divided_between_collections_alone() -> None:
    """Two hot keys are no neighbours any more; one that is too hot for a partition stays so."""
    table = Topology(1)
    table.settle([(Place("a"), "write", 900.0), (Place("b"), "write", 900.0), (Place("c", "1"), "write", 2_000.0)])
    assert len({table.index_of(Place(key)) for key in "abc"}) == 3
    assert table.drain(Place("c", "1"), "write", 2_000.0, 0.0) == 1_000.0
    assert table.drain(Place("a"), "write", 900.0, 0.0) == 900.0
