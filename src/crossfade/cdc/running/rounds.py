"""Marks sent round through a log that others capture: how far it is applied, and where it ends, without its positions.

A mark is a number that is written to the table of marks on the source. It comes through the log behind all that was
committed before it, and like a row of any table into the topics. A worker that comes to it keeps it with its offset, as
it keeps the markers of our own capture. So all before a mark is in the target once every partition has come to it.

The names of the rows that carry a number are such that each partition gets one: many at first, and then those of which
the partitions tell. Where each table has a topic, marks are in their own only, and what is in the others is vouched for
by Kafka Connect (`vouching.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from crossfade.cdc.etl.progress import PartitionProgress, Progress
from crossfade.cdc.etl.reading import mark_names
from crossfade.cdc.mysql.errors import SourceError
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.running.pipeline import MARK_SECONDS, Pipeline
from crossfade.cdc.running.vouching import ConnectOffsets, Vouching

NAMES_A_PARTITION: Final = 4  # at first; twice as many whenever a partition gets none
NAMES_MAX: Final = 64  # of each partition: that one gets none by so many is no chance any more
ROUNDS_WAITED: Final = 3  # until a partition without a mark gets none by these names


class Rounds:
    """For one thread. Connections are made when they are needed, and closed by `close`."""

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        declared = pipeline.debezium
        self._pipeline = pipeline
        self._source = source
        self._clock = clock
        self._wall = wall
        self._marks = Watermarks(pipeline.migration.marks_schema)
        self._marks_topics = (
            {declared.marks(pipeline.migration.marks_schema)} if declared else set(pipeline.topic_names)
        )
        self._connection: Connection | None = None
        self._names: list[str] = []
        self._numbers: list[int] = []  # the first ones that were sent by these names
        self._sent_at = float("-inf")
        self._offsets = ConnectOffsets(pipeline.kafka, declared) if declared and declared.offsets else None
        self._vouching = Vouching(self._marks_topics)

    def send(self) -> Position:
        """Send a mark round: it stands for where the log ends now. Raises SourceError, KafkaFailed."""
        if not self._names:
            self._more_names(NAMES_A_PARTITION * len(self._carrying(self._pipeline.progress())))
        try:
            if self._connection is None:
                self._connection = self._source.connect()
                self._marks.create(self._connection)
            number = self._marks.count(self._connection, self._names, self._wall())
        except SourceError:
            self._disconnect()
            raise
        if len(self._numbers) <= ROUNDS_WAITED:
            self._numbers.append(number)
        self._sent_at = self._clock()
        return Position(Counting.MARKS, offset=number)

    def progress(self) -> Progress:
        """How far all is applied, with each partition's last mark; now and then a mark is sent for it.

        Raises SourceError, KafkaFailed.
        """
        if self._clock() - self._sent_at >= MARK_SECONDS:
            _ = self.send()
        kept = None if self._offsets is None else self._offsets.kept()  # before the topics' ends are asked for
        found = self._pipeline.progress()
        self._learn(self._carrying(found))
        return found if self._offsets is None else self._vouching.of(found, kept)

    def has_reached(self, position: Position) -> bool:
        """Whether all up to a mark is in the target. Raises as `progress` does."""
        return self.progress().has_reached(position)

    def close(self) -> None:
        self._disconnect()
        if self._offsets is not None:
            self._offsets.close()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # --- names

    def _carrying(self, found: Progress) -> list[PartitionProgress]:
        """The partitions into which marks come."""
        return [each for each in found.partitions if each.topic in self._marks_topics]

    def _learn(self, partitions: list[PartitionProgress]) -> None:
        """Send only what is needed, once each partition has told a name; more, where one gets nothing."""
        marks = [mark_of(each) for each in partitions]
        newest = max((mark.offset for mark in marks if mark is not None), default=0)
        if len(self._numbers) <= ROUNDS_WAITED or newest < self._numbers[-1]:
            return
        wanting = [
            each
            for each, mark in zip(partitions, marks, strict=True)
            if not each.lag_events and (mark is None or mark.offset < self._numbers[0])
        ]
        if wanting:
            self._more_names(min(2 * len(self._names), NAMES_MAX * len(partitions)))
        elif all(marks) and len(self._names) > len(partitions):
            self._names = sorted({mark.file for mark in marks if mark is not None})

    def _more_names(self, count: int) -> None:
        self._names = mark_names(self._pipeline.migration.name, max(1, count))
        self._numbers = []


def mark_of(partition: PartitionProgress) -> Position | None:
    """The last mark that came through a partition; None for none yet."""
    position = Position.of_text(partition.mark.position) if partition.mark.position else None
    return position if position is not None and position.counting is Counting.MARKS else None


def reached_by_all(found: Progress) -> Position | None:
    """The newest mark up to which all is applied; None where a partition has not come to any."""
    marks = [mark_of(each) for each in found.partitions]
    known = [mark for mark in marks if mark is not None]
    return min(known, key=lambda mark: mark.offset) if known and len(known) == len(marks) else None
