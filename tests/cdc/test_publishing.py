"""What a capture keeps as its position: never more than the broker has acknowledged, whatever order that comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, Self, cast

import pytest

from crossfade.cdc import kafka, publishing, wire
from crossfade.cdc.changes import Change, Version
from crossfade.cdc.checkpoints import Checkpoint, InMemory
from crossfade.cdc.inputs import Kind, NoChange, read_own
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.mysql.errors import SourceGone
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.mysql.reader import Commit, Heartbeat, SchemaChange, Told
from crossfade.cdc.mysql.snapshot import Progress
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.publishing import Capture, Publisher, Topics
from crossfade.cdc.terms import headers_of

pytest.importorskip("confluent_kafka")
UNKNOWN_TOPIC = 3  # the error's number in Kafka's protocol
GTIDS = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1"
TOPICS = Topics("shop", ("shop.orders", "shop.lines"))


class Broker:
    """Stands in for a producer: acknowledges what the test says, when it says so."""

    def __init__(self, room: int = 1000, partitions: int = 2) -> None:
        self.sent: list[tuple[str, bytes, dict[str, Any]]] = []
        self.waiting: list[Callable[[Any, Any], None]] = []
        self.polls: list[Callable[[], None]] = []
        self.away = 0  # so often nobody answers what is asked about a topic
        self.forgetful = False  # it knows no topic
        self._room = room
        self._partitions = partitions

    def produce(self, topic: str, value: bytes, *, on_delivery: Callable[[Any, Any], None], **how: Any) -> None:
        if len(self.waiting) >= self._room:
            raise BufferError
        self.sent.append((topic, value, how))
        self.waiting.append(on_delivery)

    def acknowledge(self, *numbers: int, error: Any = None) -> None:
        for each in [self.waiting[number] for number in numbers]:
            self.waiting.remove(each)
            each(error, None)

    def poll(self, _seconds: float) -> int:
        if self.polls:
            self.polls.pop(0)()
        elif len(self.waiting) >= self._room:
            self.acknowledge(0)
        return 0

    def flush(self, _seconds: float) -> int:
        return len(self.waiting)

    def list_topics(self, topic: str, **_how: Any) -> Any:
        if self.away:
            self.away -= 1
            library = kafka.library()
            raise library.KafkaException(library.KafkaError(library.KafkaError._TRANSPORT))

        class Found:
            error = kafka.library().KafkaError(UNKNOWN_TOPIC) if self.forgetful else None
            partitions = dict.fromkeys(range(self._partitions))

        class All:
            topics = {topic: Found}  # noqa: RUF012

        return All


def at(number: int) -> Position:
    return Position(Counting.MARIADB, f"0-1-{number}")


def change(number: int, key: int = 1) -> Change:
    return Change("shop.orders", (key,), {"id": key}, Version(0, number))


def publisher(broker: Broker, kept: InMemory, **how: Any) -> Publisher:
    return Publisher(broker, TOPICS, kept, kept.take(), save_seconds=0, wall=lambda: 99.0, **how)


def never() -> bool:
    return False


def test_a_position_waits_for_every_message_before_it() -> None:
    """Two transactions; the second one's message is acknowledged first: nothing is kept until the first one's is."""
    broker, kept = Broker(partitions=0), InMemory()  # no markers
    found: list[str] = []

    def later_first() -> None:
        broker.acknowledge(1)

    broker.polls = [lambda: None, later_first, lambda: found.append(kept.kept.position)]
    told: list[Told | Progress] = [
        change(1),
        Commit(at(1), 5.0),
        change(2),
        Commit(at(2), 6.0),
        Heartbeat(at(2), at_end=True),
    ]
    with pytest.raises(KafkaFailed, match="1 messages were not acknowledged"):
        _ = publisher(broker, kept).run(told, never)
    assert found == [""]
    assert kept.kept == Checkpoint()


def test_all_acknowledged_is_the_last_commit() -> None:
    """What was sent within a transaction that has not ended is behind the position that is kept."""
    broker, kept = Broker(), InMemory()
    broker.flush = lambda _seconds: broker.acknowledge(*range(len(broker.waiting))) or 0  # type: ignore[func-returns-value,method-assign]
    told: list[Told | Progress] = [
        change(1),
        Commit(at(1), 5.0),
        Progress(done=("shop.lines",)),
        Commit(at(2), 5.0),
        change(3),
    ]
    published = publisher(broker, kept).run(told, never)
    assert kept.kept == Checkpoint(str(at(2)), str(Progress(done=("shop.lines",))))
    assert (published.changes, published.markers) == (2, 2)


def test_a_message_that_is_not_delivered_ends_it() -> None:
    """A broker's refusal is raised, and the position before it stays."""
    broker, kept = Broker(), InMemory()
    broker.polls = [lambda: broker.acknowledge(*range(3)), lambda: broker.acknowledge(0, error="too large")]
    told: list[Told | Progress] = [
        change(1),
        Commit(at(1), 5.0),
        change(2),
        Commit(at(2), 6.0),
        change(3),
        Commit(at(3), 7.0),
    ]
    with pytest.raises(KafkaFailed, match="too large"):
        _ = publisher(broker, kept).run(told, never)
    assert kept.kept == Checkpoint(str(at(1)))
    assert len(broker.sent) == 4


def test_a_full_buffer_holds_the_reader() -> None:
    """With room for three messages, each further one waits for an acknowledgement, and none is lost."""
    broker, kept = Broker(room=3), InMemory()
    told: list[Told | Progress] = [change(number) for number in range(1, 20)]
    with pytest.raises(KafkaFailed):
        _ = publisher(broker, kept).run(told, never)
    assert [wire.decoded(value).version.position for _, value, _ in broker.sent] == list(range(1, 20))


def test_every_partition_is_told_the_position() -> None:
    """A marker goes to each partition behind the changes before it, and reads as a heart-beat with the position."""
    broker, kept = Broker(partitions=3), InMemory()
    with pytest.raises(KafkaFailed):
        _ = publisher(broker, kept).run([change(1), Commit(at(1), 5.0)], never)
    markers = [(how["partition"], read_own(None, value)) for _, value, how in broker.sent[1:]]
    wanted = NoChange(Kind.HEARTBEAT, text=str(at(1)), at=5.0)
    assert markers == [(0, wanted), (1, wanted), (2, wanted)]
    assert broker.sent[0][2] == {"key": wire.encoded_key(change(1)), "headers": headers_of(kept.term)}


def test_brokers_that_are_away_at_the_beginning_are_told_the_next_position() -> None:
    """Nobody knows the partitions yet: there is no marker this time, and no reason to end."""
    broker, kept = Broker(partitions=2), InMemory()
    broker.away = 1
    with pytest.raises(KafkaFailed, match="not acknowledged"):
        _ = publisher(broker, kept, mark_seconds=0).run([Commit(at(1), 5.0), Commit(at(2), 5.0)], never)
    assert [read_own(None, value) for _, value, _ in broker.sent] == [
        NoChange(Kind.HEARTBEAT, text=str(at(2)), at=5.0)
    ] * 2


def test_a_broker_that_has_just_come_ends_nothing() -> None:
    """It knows no topic for a moment, and the partitions are those that were known; where none were, one is missing."""
    broker, kept, hour = Broker(partitions=1), InMemory(), count(0.0, 3600.0)
    broker.polls = [lambda: setattr(broker, "forgetful", True)]
    with pytest.raises(KafkaFailed, match="not acknowledged"):
        _ = publisher(broker, kept, clock=lambda: next(hour)).run([Commit(at(1), 5.0), Commit(at(2), 5.0)], never)
    assert len(broker.sent) == 2
    with pytest.raises(KafkaFailed, match="topic shop:"):
        _ = publisher(broker, kept).run([Commit(at(1), 5.0)], never)


class Answering:
    """Stands in for a source of which only the name is asked."""

    def __init__(self, name: str) -> None:
        self.name = name

    def connect(self) -> Answering:
        return self

    def server_name(self) -> str:
        return self.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""


def broker_of(broker: Broker, _settings: kafka.Settings) -> Broker:
    return broker


def test_a_capture_goes_on_at_another_server_of_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL's GTIDs: where it goes on is kept, in the next epoch, before anything is read; it never goes back."""
    broker, kept, source = Broker(), InMemory(), Answering("one")
    begun_with: list[tuple[Position, Checkpoint]] = []
    position = Position(Counting.MYSQL, GTIDS, "binlog.000042", 1971, "one")
    later = replace(position, gtids=f"{GTIDS}-4", offset=2000)

    class Reader:
        def __init__(self, _source: object, _tables: object, position: Position, **_how: object) -> None:
            begun_with.append((position, kept.kept))
            self._position = position

        def __iter__(self) -> Iterator[Told]:
            if source.name == "one":
                source.name = "two"
                yield Commit(later, 5.0)
                raise SourceGone("killed")
            yield Heartbeat(self._position, at_end=True)

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(publishing, "LogReader", Reader)
    monkeypatch.setattr(publishing, "AGAIN_SECONDS", 0)
    monkeypatch.setattr(kafka, "producer", partial(broker_of, broker))
    broker.flush = lambda _seconds: broker.acknowledge(*range(len(broker.waiting))) or 0  # type: ignore[func-returns-value,method-assign]
    capture = Capture(cast("Source", source), 1, TOPICS, {}, kept, lambda: position)
    published = capture.run(lambda: source.name == "two" and len(begun_with) == 2)
    moved = replace(later, server="two", epoch=1)
    assert begun_with == [(position, Checkpoint()), (moved, Checkpoint(str(moved)))]
    assert published.checkpoint == kept.kept == Checkpoint(str(moved))


def test_an_altered_table_is_told() -> None:
    """It is a message of its own, which is no change and removes no rows."""
    broker, kept = Broker(), InMemory()
    with pytest.raises(KafkaFailed):
        _ = publisher(broker, kept).run([SchemaChange("shop.orders", "ALTER TABLE orders", at(1))], never)
    told = read_own(None, broker.sent[0][1])
    assert isinstance(told, NoChange)
    assert (told.kind, told.table, told.removes_rows) == (Kind.SCHEMA_CHANGE, "shop.orders", False)


def test_a_topic_for_each_table() -> None:
    """Names of topics follow from the tables, where that is wanted."""
    topics = Topics("live", ("shop.orders", "shop.lines"), one_a_table=True)
    assert topics.names == ("live.shop.orders", "live.shop.lines")
    assert topics.of("shop.lines") == "live.shop.lines"
    assert TOPICS.names == ("shop",)
