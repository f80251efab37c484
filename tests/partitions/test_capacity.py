"""The capacity of partitions and tables, rule by rule, with AWS's own figures."""

from __future__ import annotations

import pytest

from crossfade.partitions import Place, Provisioned, Throttle, Topology, limits
from crossfade.partitions.bucket import Bucket
from crossfade.partitions.partition import Kind
from crossfade.partitions.units import read_units, write_units

HOT = Place("hot")


@pytest.mark.parametrize(("kind", "most"), [("read", 3_000), ("write", 1_000)])
def test_a_partition_gives_so_many_units_a_second(kind: Kind, most: int) -> None:
    """One more is throttled, for the partition; a second later they are there again, and no more of them."""
    table = Topology(1, splits=False)
    assert [table.take(HOT, kind, 1.0, 0.0) for _ in range(most)] == [None] * most
    assert table.take(HOT, kind, 1.0, 0.0) is Throttle.PARTITION
    assert table.drain(HOT, kind, 5_000.0, 1.0) == most
    assert table.drain(HOT, kind, 5_000.0, 100.0) == most  # what was left unused is no credit here


def test_reads_and_writes_are_throttled_each_for_themselves() -> None:
    """A partition whose writes are used up goes on to be read."""
    table = Topology(1, splits=False)
    assert table.take(HOT, "write", 1_000.0, 0.0) is None
    assert table.take(HOT, "write", 1.0, 0.0) is Throttle.PARTITION
    assert table.take(HOT, "read", 3_000.0, 0.0) is None


def test_burst_credit_is_that_of_awss_example() -> None:
    """150 units a second, five minutes without use: 45,000 units of credit carry 200 a second for 900 seconds."""
    bucket = Bucket(150.0, limits.BURST_SECONDS)
    assert bucket.left(0.0) == 150.0
    assert bucket.left(300.0) == pytest.approx(45_150.0)  # pyright: ignore[reportUnknownMemberType]
    assert bucket.left(3_000.0) == pytest.approx(45_150.0)  # pyright: ignore[reportUnknownMemberType]
    seconds = 0
    while bucket.has(200.0, 3_000.0 + seconds):
        bucket.take(200.0)
        seconds += 1
    assert 895 <= seconds <= 905


def test_a_provisioned_table_has_credit_and_its_partitions_have_none() -> None:
    """Adaptive capacity gives one partition all of the table's units, up to the partition's limit, also with credit."""
    table = Topology(4, provisioned=Provisioned(400.0, 400.0), splits=False)
    _ = table.drain(HOT, "write", 0.0, 0.0)
    assert table.drain(HOT, "write", 400.0, 1.0) == 400.0  # all of the table's, though it has four partitions
    assert table.drain(HOT, "write", 5_000.0, 400.0) == limits.WRITE_UNITS_MAX
    spent = sum(table.drain(HOT, "write", 1_000.0, 400.0 + second) for second in range(1, 1_000))
    assert table.take(HOT, "write", 500.0, 1_399.0) is Throttle.TABLE
    assert spent == pytest.approx(999 * 400 + 300 * 400 - 600, abs=401)  # pyright: ignore[reportUnknownMemberType]


def test_a_new_table_on_demand_carries_4_000_writes() -> None:
    """Spread evenly, they are carried by its four partitions."""
    table = Topology(splits=False)
    keys = [Place(f"key-{number}") for number in range(4_000)]
    carried = sum(table.take(place, "write", 1.0, 0.0) is None for place in keys)
    assert 3_850 <= carried <= 4_000  # a hash spreads them nearly evenly


@pytest.mark.parametrize(
    ("size", "eventual", "strong", "written"),
    [(0, 0.5, 1, 1), (1_024, 0.5, 1, 1), (4_097, 1, 2, 5), (10_240, 1.5, 3, 10)],
)
def test_units_are_by_size(size: int, eventual: float, strong: float, written: float) -> None:
    """4 KB a read unit, half of it where the read is eventually consistent; 1 KB a write unit."""
    assert (read_units(size), read_units(size, consistent=True), write_units(size)) == (eventual, strong, written)


def test_every_rule_names_its_source_and_every_assumption_has_none() -> None:
    """What AWS documents is cited by its page; what it does not is said to be assumed."""
    assert len(limits.DOCUMENTED) >= 10
    assert all(
        rule.source.startswith(("https://docs.aws.", "https://aws.", "https://repost.aws/"))
        for rule in limits.DOCUMENTED
    )
    assert len(limits.NOT_KNOWN) >= 5
    assert not any(rule.source for rule in limits.NOT_KNOWN)
