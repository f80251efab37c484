"""Where each table has a topic: a mark counts once Kafka Connect has kept what is behind it, and not before."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from crossfade.cdc import kafka
from crossfade.cdc.bookkeeping import NO_MARK, Mark
from crossfade.cdc.changes import Version
from crossfade.cdc.etl.progress import UNKNOWN, PartitionProgress, Progress
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.running.vouching import ConnectOffsets, Kept, Vouching, place_kept
from crossfade.cdc.topics import Debezium

HERE = 1 << 32  # in the first file of the log


def mark(number: int) -> Mark:
    place = Version(0, HERE | number * 100)
    return Mark(str(Position(Counting.MARKS, str(place), "shop #0", number)), at=100.0 + number)


def progress(number: int, *, applied: int, end: int) -> Progress:
    marks = PartitionProgress("marks", 0, number, number, mark(number) if number else NO_MARK)
    rows = PartitionProgress("rows", 0, applied, end, Mark("", 99.0))
    return Progress((marks, rows), 110.0)


def reached(found: Progress, number: int) -> bool:
    return found.has_reached(Position(Counting.MARKS, offset=number))


def test_a_mark_that_overtakes_rows_does_not_count() -> None:
    """It has come through its own topic while a row of before is not in the other one yet: nobody vouches."""
    vouching = Vouching({"marks"})
    seen = vouching.of(progress(1, applied=5, end=5), HERE | 900)  # kept before the mark was seen: of another server?
    early = vouching.of(progress(1, applied=5, end=5), HERE | 100)  # at the mark, so the mark itself may not be safe
    for found in (seen, early):
        assert not reached(found, 1)
        assert found.lag_seconds == UNKNOWN
    late = vouching.of(progress(1, applied=5, end=6), HERE | 101)  # now the row has come, and is not applied
    assert not reached(late, 1)
    done = vouching.of(progress(1, applied=6, end=9), HERE | 101)
    assert reached(done, 1)
    assert not reached(done, 2)
    assert done.lag_seconds == 110.0 - 101.0


def test_marks_are_vouched_for_in_their_order() -> None:
    """The newest of which what is kept is beyond; each with where the topics ended then."""
    vouching = Vouching({"marks"})
    for number in (1, 2, 3):
        _ = vouching.of(progress(number, applied=0, end=number), None)
    found = vouching.of(progress(3, applied=2, end=4), HERE | 250)
    assert not reached(found, 1)  # that the topic ended at 3 when the second one was vouched for is not known
    found = vouching.of(progress(3, applied=4, end=8), HERE | 250)
    assert reached(found, 2)
    assert not reached(found, 3)
    found = vouching.of(progress(3, applied=8, end=8), HERE | 1000)
    assert reached(found, 3)


def test_what_connect_keeps_is_read() -> None:
    """Of the connector with this prefix alone; nothing while it reads its snapshot, and none once it is removed."""
    key, name = b'["any-name",{"server":"shop"}]', "any-name"
    place = Kept(name, 2 << 32 | 40)
    assert place_kept(key, b'{"file":"log.000002","pos":40,"gtids":"0-1-7"}', "shop") == place
    assert place_kept(key, b'{"file":"log.000002","pos":40,"snapshot":true}', "shop") == Kept(name, None)
    assert place_kept(key, None, "shop") == Kept(name, None, removed=True)
    assert place_kept(b'["any-name",{"server":"other"}]', b'{"file":"log.000003","pos":4}', "shop") is None
    for other in (b"", b"session-key", b'["sink",{"kafka_topic":"t"}]'):
        assert place_kept(other, b'{"pos":1}', "shop") is None


class Records:
    """Of the topic of offsets: its end, and then one record each time that one was put."""

    def __init__(self) -> None:
        end = KafkaError(KafkaError._PARTITION_EOF)
        self._next: list[Any] = [record(error=end)]

    def put(self, connector: str, value: bytes | None) -> None:
        self._next.append(record(key=f'["{connector}",{{"server":"shop"}}]'.encode(), value=value))

    def assign(self, places: list[Any]) -> None:
        assert [each.topic for each in places] == ["offsets"]

    def consume(self, count: int, timeout: float) -> list[Any]:
        assert count > 1
        assert timeout >= 0
        found, self._next = self._next, []
        return found


def record(**parts: Any) -> Any:
    told = {"topic": "offsets", "partition": 0, "error": None, "key": None, "value": None, **parts}
    return SimpleNamespace(**{name: partial(_answer, each) for name, each in told.items()})


def _answer(value: Any, *_: object) -> Any:
    return value


def test_of_several_connectors_the_one_that_is_least_far_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is gone and one that took its prefix over: nobody knows which, so neither vouches for the other."""
    records = Records()
    monkeypatch.setattr(kafka, "consumer", partial(_answer, records))
    monkeypatch.setattr(kafka, "partitions_of", partial(_answer, [0]))
    offsets = ConnectOffsets({}, Debezium("shop", offsets="offsets"))
    assert offsets.kept() is None
    for name, value, kept in (
        ("old", b'{"file":"log.000009","pos":4}', 9 << 32 | 4),
        ("new", b'{"file":"log.000001","pos":4,"snapshot":true}', None),
        ("new", b'{"file":"log.000002","pos":4}', 2 << 32 | 4),
        ("new", b'{"file":"log.000010","pos":4}', 9 << 32 | 4),
        ("old", None, 10 << 32 | 4),
    ):
        records.put(name, value)
        assert offsets.kept() == kept
    assert offsets.connectors == ["new"]
