"""Where each table has a topic of its own: that all before a mark is in them, by what Kafka Connect keeps.

Connect sends into each partition as fast as that one takes it, so a mark may be in its topic before rows of before are
in theirs. But it keeps how far the connector has come (in `offset.storage.topic`) only up to where everything has been
acknowledged. So once that is beyond a mark, all before the mark is in the topics; and once a worker has applied what
they held then, all before the mark is in the target.

How often Connect keeps it is the worker's `offset.flush.interval.ms`: a minute by default, and a second is needed.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.bookkeeping import Mark
from crossfade.cdc.changes import Version
from crossfade.cdc.etl.membership import Place, place_of
from crossfade.cdc.etl.progress import PartitionProgress, Progress
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.mysql.positions import OFFSET_BITS, Counting, Position, file_number
from crossfade.cdc.topics import Debezium

REMEMBERED_MAX: Final = 2_000  # marks: of a quarter of an hour
RECORDS_MAX: Final = 500
POLL_SECONDS: Final = 0.1
NO_MARK_YET: Final = Mark(str(Position(Counting.MARKS, offset=0)))  # of which no time is known
CONFIG: Final[kafka.Settings] = {"enable.partition.eof": True}


@dataclass(frozen=True, slots=True)
class Vouched:
    """A mark, and where the partitions ended when all before it was in them."""

    mark: Mark
    ends: Mapping[Place, int]


@dataclass(slots=True)
class Vouching:
    """Tells how far topics without marks are applied. `marked`: the topics that get marks."""

    marked: Collection[str]
    _waiting: deque[tuple[Version, Mark]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX))
    _vouched: deque[Vouched] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX))

    def of(self, found: Progress, kept: int | None) -> Progress:
        """Return the progress with a mark for each partition. `kept`: how far the connector was before it was asked.

        It vouches for marks that were seen before it was asked for: of one that came since, it may be the place on
        another server, from which the connector has been taken away in between.
        """
        mark: Mark | None = None
        while kept is not None and self._waiting and kept > self._waiting[0][0].position:
            mark = self._waiting.popleft()[1]
        if mark is not None:
            ends = {(each.topic, each.partition): each.end for each in found.partitions}
            self._vouched.append(Vouched(mark, ends))
        self._see(found)
        partitions = tuple(
            each if each.topic in self.marked else replace(each, mark=self._mark(each)) for each in found.partitions
        )
        return replace(found, partitions=partitions)

    def _see(self, found: Progress) -> None:
        """The newest mark that has come, to be vouched for."""
        marks = [each.mark for each in found.partitions if each.topic in self.marked and each.mark.position]
        if not marks:
            return
        newest = max(marks, key=_number)
        if not self._waiting or _number(newest) > _number(self._waiting[-1][1]):
            place = Version.of_text(Position.of_text(newest.position).gtids)
            self._waiting.append((place, newest))

    def _mark(self, partition: PartitionProgress) -> Mark:
        place = partition.topic, partition.partition
        done = (each.mark for each in reversed(self._vouched) if partition.applied >= each.ends.get(place, 0))
        return next(done, NO_MARK_YET)


def _number(mark: Mark) -> int:
    return Position.of_text(mark.position).offset


class ConnectOffsets:
    """Reads what Kafka Connect keeps of one connector. For one thread."""

    def __init__(self, settings: kafka.Settings, declared: Debezium) -> None:
        self._prefix, self._topic = declared.prefix, declared.offsets
        self._settings = settings
        self._consumer: Any = None
        self._reading: set[Place] = set()  # partitions whose end has not been reached
        self._kept: dict[str, int | None] = {}  # by connector

    @property
    def connectors(self) -> list[str]:
        """Return the connectors with this prefix of which anything is kept."""
        return sorted(self._kept)

    def kept(self) -> int | None:
        """The file's number and the offset in it, as versions count them; None where nothing is kept yet.

        Of several connectors with this prefix, the one that is least far: nobody tells which of them is gone. Raises
        KafkaFailed.
        """
        consumer = self._consumer = self._consumer or self._begun()
        until = time.monotonic() + kafka.ANSWER_SECONDS
        try:
            while (records := consumer.consume(RECORDS_MAX, POLL_SECONDS if self._reading else 0)) or self._reading:
                for record in records:
                    self._take(record)
                if time.monotonic() > until:
                    raise KafkaFailed(f"{self._topic} cannot be read to its end", retryable=True)
        except kafka.library().KafkaException as error:
            raise kafka.failed(f"{self._topic} cannot be read", error) from error
        places = [place for place in self._kept.values() if place is not None]
        return min(places) if places and len(places) == len(self._kept) else None

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def _begun(self) -> Any:
        library = kafka.library()
        consumer = kafka.consumer({**self._settings, **CONFIG}, "crossfade-connect-offsets")  # a group of no offsets
        try:
            numbers = kafka.partitions_of(consumer, self._topic)
        except KafkaFailed:
            consumer.close()
            raise
        consumer.assign([library.TopicPartition(self._topic, each, library.OFFSET_BEGINNING) for each in numbers])
        self._reading = {(self._topic, each) for each in numbers}
        return consumer

    def _take(self, record: Any) -> None:
        error = record.error()
        if error is None:
            told = place_kept(record.key(), record.value(), self._prefix)
            if told is not None and told.removed:
                _ = self._kept.pop(told.connector, None)
            elif told is not None:
                self._kept[told.connector] = told.place
        elif error.code() == kafka.library().KafkaError._PARTITION_EOF:
            self._reading.discard(place_of(record))
        elif not kafka.is_passing(error):
            raise kafka.failed(f"{self._topic} cannot be read", error)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a record of Connect tells: `place` is None while the connector reads its snapshot."""

    connector: str
    place: int | None
    removed: bool = False


def place_kept(key: bytes | None, value: bytes | None, prefix: str) -> Kept | None:
    """What a record tells of a connector with this prefix; None for any other record."""
    try:
        connector, partition = json.loads(key or b"")
        if partition.get("server") != prefix:
            return None
        told: dict[str, Any] | None = json.loads(value) if value else None
        if told is None:
            return Kept(connector, None, removed=True)
        place = None if told.get("snapshot") else file_number(told["file"]) << OFFSET_BITS | int(told["pos"])
        return Kept(connector, place)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # of another connector
