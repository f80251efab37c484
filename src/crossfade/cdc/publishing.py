"""Capture into topics: the source's log to Kafka, keyed and so partitioned by primary key.

What is kept as the place to go on from is the position behind the last transaction all of whose messages the broker has
acknowledged. Whoever goes on from it sends some messages again, with the same keys and versions, which changes nothing
where they are applied. A message that cannot be delivered ends the capture: behind it nothing may be passed over.

Each partition gets a marker from time to time: all up to this position, as far as it goes into this partition, stands
before it. The marker is true of a second capture at the same time as well, since each has sent what it tells of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from crossfade.cdc import kafka, wire
from crossfade.cdc.bookkeeping import Mark, Sequence
from crossfade.cdc.changes import Change
from crossfade.cdc.checkpoints import Checkpoint, Checkpoints
from crossfade.cdc.inputs.own import position_marker, schema_marker
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.mysql.errors import SourceGone
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import HEARTBEAT_SECONDS, Commit, Heartbeat, LogReader, SchemaChange, Told
from crossfade.cdc.mysql.resuming import read_on_from
from crossfade.cdc.mysql.snapshot import Progress
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.terms import headers_of

MARK_SECONDS: Final = 1.0  # as often as an idle source tells its position
SAVE_SECONDS: Final = 1.0  # what a crash sends again, at most
PARTITIONS_SECONDS: Final = 30.0  # until partitions that were added get markers too
FULL_SECONDS: Final = 0.05  # to wait for acknowledgements where the buffer is full
POLL_EVERY: Final = 64  # messages between two looks at acknowledgements
# A worker keeps it with its offsets, where a broker takes 4096 bytes by default (offset.metadata.max.bytes).
POSITION_BYTES_MAX: Final = 3_500
PATIENCE_SECONDS: Final = 600.0  # for which a source may be away: a restart with its recovery
AGAIN_SECONDS: Final = 1.0

Wall = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics that changes go to: all to the topic `name`, or each table's to `name.schema.table`."""

    name: str
    tables: tuple[str, ...]
    one_a_table: bool = False

    def of(self, table: str) -> str:
        return f"{self.name}.{table}" if self.one_a_table else self.name

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.of(table) for table in self.tables) if self.one_a_table else (self.name,)


@dataclass(slots=True)
class Published:
    """What a capture has done so far, and the checkpoint that is saved."""

    changes: int = 0
    markers: int = 0
    acknowledged: int = 0
    checkpoint: Checkpoint = field(default_factory=Checkpoint)


class Publisher:
    """For one thread, from the checkpoint `found`. Raises KafkaFailed, Fenced, and what reading the log raises."""

    def __init__(
        self,
        producer: Any,
        topics: Topics,
        checkpoints: Checkpoints,
        found: Checkpoint,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Wall = time.time,
        mark_seconds: float = MARK_SECONDS,
        save_seconds: float = SAVE_SECONDS,
    ) -> None:
        self.published = Published(checkpoint=found)
        self._producer = producer
        self._topics = topics
        self._checkpoints = checkpoints
        self._clock = clock
        self._wall = wall
        self._mark_seconds, self._save_seconds = mark_seconds, save_seconds
        self._headers = headers_of(checkpoints.term)
        self._sent = Sequence()
        self._number = 0
        self._snapshot = found.snapshot
        self._failure: KafkaFailed | None = None
        self._marked_at = self._saved_at = float("-inf")
        self._partitions: list[tuple[str, int]] = []
        self._partitions_at = float("-inf")
        self._at = 0.0

    def run(self, told: Iterable[Told | Progress], stop: Callable[[], bool]) -> Published:
        """Publish until the log ends or `stop` says so, which is asked behind transactions and heart-beats."""
        for each in told:
            self.tell(each)
            if isinstance(each, (Commit, Heartbeat)) and stop():
                break
        self.finish()
        return self.published

    def tell(self, each: Told | Progress) -> None:
        """Publish the next thing that the log tells."""
        if isinstance(each, Change):
            self._publish(each)
        elif isinstance(each, (Commit, Heartbeat)):
            self._reached(each)
        elif isinstance(each, Progress):
            self._snapshot = str(each)
        elif isinstance(each, SchemaChange):
            self._tell_schema(each)

    def _publish(self, change: Change) -> None:
        self._send(self._topics.of(change.table), wire.encoded(change), key=wire.encoded_key(change))
        self.published.changes += 1

    def _reached(self, told: Commit | Heartbeat) -> None:
        """The position counts once all that was sent before it is acknowledged."""
        if isinstance(told, Commit):
            self._at = max(self._at, told.committed_at)
        elif told.at_end:
            self._at = self._wall()
        position = str(told.position)
        now = self._clock()
        if now - self._marked_at >= self._mark_seconds:
            self._marked_at = now
            self._mark_all(position)
        self._count(position)
        if now - self._saved_at >= self._save_seconds:
            self._saved_at = now
            self._look()
            self._save()

    def _count(self, position: str) -> None:
        """Count the position as a part of what is sent, so that it is kept only behind all that was."""
        number = self._next()
        self._sent.begin(number, Mark(position, self._at, self._snapshot))
        self._sent.end(number)

    def _mark_all(self, position: str) -> None:
        """Send a marker to every partition, behind what it was sent."""
        if len(position.encode()) > POSITION_BYTES_MAX:
            raise KafkaFailed(
                f"the source's position has {len(position)} characters: too many for a marker",
                next_step="follow a server with fewer GTID histories, or by file and offset",
            )
        now = self._clock()
        if now - self._partitions_at >= PARTITIONS_SECONDS:
            self._partitions = self._all_partitions()
            self._partitions_at = now if self._partitions else float("-inf")
        for topic, partition in self._partitions:
            self._send(topic, position_marker(position, self._at), partition=partition)
            self.published.markers += 1

    def _all_partitions(self) -> list[tuple[str, int]]:
        """Return all partitions as they are now, or as last told where no broker answers; none before that.

        A broker that has just come knows no topic for a while. Brokers that stay away, and topics that are gone, are
        found by what is sent to them.
        """
        try:
            names = self._topics.names
            return [(name, number) for name in names for number in kafka.partitions_of(self._producer, name)]
        except KafkaFailed as error:
            if not (error.retryable or self._partitions):
                raise
            return self._partitions

    def _tell_schema(self, told: SchemaChange) -> None:
        value = schema_marker(told.table, told.statement, str(told.position), self._at)
        self._send(self._topics.of(told.table), value)

    # --- sending

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _send(self, topic: str, value: bytes, **how: Any) -> None:
        """Hand a message to the client; where its buffer is full, wait for the broker."""
        number = self._next()
        self._sent.begin(number)
        delivered = partial(self._delivered, number)
        while True:
            try:
                self._producer.produce(topic, value, headers=self._headers, on_delivery=delivered, **how)
                break
            except BufferError:
                _ = self._producer.poll(FULL_SECONDS)
                self._raise_failure()
            except kafka.library().KafkaException as error:
                raise kafka.failed(f"a message for {topic} was refused", error) from error
        if number % POLL_EVERY == 0:
            self._look()

    def _delivered(self, number: int, error: Any, _message: Any) -> None:
        if error is None:
            self._sent.end(number)
            self.published.acknowledged += 1
        elif self._failure is None:
            self._failure = KafkaFailed(
                f"a message was not delivered: {error}",
                next_step="see to the broker, then start the capture again: it goes on from what was acknowledged",
            )

    def _look(self) -> None:
        """Take acknowledgements. Raises KafkaFailed where one is of a failure."""
        _ = self._producer.poll(0)
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _save(self) -> None:
        reached = self._sent.mark
        checkpoint = Checkpoint(reached.position, reached.snapshot)
        if reached.position and checkpoint != self.published.checkpoint:
            self._checkpoints.save(checkpoint)
            self.published.checkpoint = checkpoint

    def keep(self, position: Position) -> None:
        """Keep this one, before anything is read from it. Raises Fenced."""
        self._count(str(position))
        self._save()

    def finish(self) -> None:
        """All that was sent is acknowledged, or the capture ends with the reason."""
        left = self._producer.flush(kafka.DELIVERY_SECONDS)
        self._raise_failure()
        if left:
            raise KafkaFailed(f"{left} messages were not acknowledged in time", next_step="start the capture again")
        self._save()


def unchanged(log: Iterable[Told], _snapshot: str) -> Iterable[Told | Progress]:
    """The log without a snapshot beside it."""
    return log


@dataclass(frozen=True, slots=True)
class Capture:
    """A source's log into topics. `beside` puts a snapshot's rows into the log, from how far it was (a text).

    Where another server of the source's group answers, it goes on there by GTIDs. `past_removals`: transactions whose
    rows went untold (RowsUntold named them) and that were dealt with.
    """

    source: Source
    server_id: int
    topics: Topics
    kafka: kafka.Settings
    checkpoints: Checkpoints
    beginning: Callable[[], Position]  # asked where no position was kept
    watermarks: str = ""
    beside: Callable[[Iterable[Told], str], Iterable[Told | Progress]] = unchanged
    patience_seconds: float = PATIENCE_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    past_removals: Collection[str] = ()

    def run(self, stop: Callable[[], bool], publish: Callable[..., Publisher] = Publisher) -> Published:
        """Publish until `stop` says so; where the source goes away, again from the position that was kept.

        Raises what the publisher and the log's reader do, and SourceGone where it stays away.
        """
        found = self.checkpoints.take()
        publisher = publish(kafka.producer(self.kafka), self.topics, self.checkpoints, found)
        gone_since: float | None = None
        while True:
            before = publisher.published.changes, publisher.published.checkpoint
            try:
                return self._once(publisher, stop)
            except SourceGone:
                publisher.finish()
                now = time.monotonic()
                if gone_since is None or before != (publisher.published.changes, publisher.published.checkpoint):
                    gone_since = now
                if stop():
                    return publisher.published
                if now - gone_since > self.patience_seconds:
                    raise
            time.sleep(AGAIN_SECONDS)

    def _once(self, publisher: Publisher, stop: Callable[[], bool]) -> Published:
        kept = publisher.published.checkpoint
        position = Position.of_text(kept.position) if kept.position else self.beginning()
        reader = LogReader(
            self.source,
            self.topics.tables,
            read_on_from(self.source, position, publisher.keep),
            server_id=self.server_id,
            watermarks=self.watermarks,
            heartbeat_seconds=self.heartbeat_seconds,
            past_removals=self.past_removals,
        )
        try:
            return publisher.run(self.beside(reader, kept.snapshot), stop)
        finally:
            reader.close()
