"""How far a whole group of workers has come, as a value, for whoever asks Kafka: no worker needs to know the others.

With each partition's offset the group keeps the last marker that is applied there (the offset's metadata). So the
applied position of the source's log is told by partitions, and all up to a position is in the target once every
partition has reached it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.bookkeeping import NO_MARK, Mark
from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.mysql.positions import Position, reaches
from crossfade.cdc.terms import NO_TERM, Term

UNKNOWN: Final = -1.0


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """`applied`: the offset below which all is applied. `end`: the one that the next message gets."""

    topic: str
    partition: int
    applied: int
    end: int
    mark: Mark

    @property
    def lag_events(self) -> int:
        return max(0, self.end - self.applied)


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a group over all partitions of its topics."""

    partitions: tuple[PartitionProgress, ...]
    asked_at: float  # seconds since 1970

    @property
    def lag_events(self) -> int:
        """Messages that are not applied, markers among them."""
        return sum(each.lag_events for each in self.partitions)

    @property
    def lag_seconds(self) -> float:
        """How old the oldest state is that a partition's items show; -1 where a partition does not tell.

        By markers it is exact to their interval. Without any, a partition without messages is up to date.
        """
        lags = [
            max(0.0, self.asked_at - each.mark.at) if each.mark.at else UNKNOWN
            for each in self.partitions
            if each.lag_events or each.mark.position
        ]
        return UNKNOWN if UNKNOWN in lags else max(lags, default=0.0)

    def has_reached(self, position: Position) -> bool:
        """True if all up to this position of the log is in the target, set aside apart."""
        return bool(self.partitions) and all(
            bool(each.mark.position) and reaches(Position.of_text(each.mark.position), position)
            for each in self.partitions
        )


def packed_mark(mark: Mark) -> str:
    """Return the mark as an offset's metadata."""
    if mark is NO_MARK:
        return ""
    return json.dumps(
        {"position": mark.position, "at": mark.at} | ({"term": str(mark.term)} if mark.term.serial else {})
    )


def unpacked_mark(text: str | None) -> Mark:
    """The mark again. Raises ChangeUnreadable."""
    if not text:
        return NO_MARK
    try:
        known: dict[str, Any] = json.loads(text)
        return Mark(known["position"], known["at"], term=Term.of_text(known["term"]) if "term" in known else NO_TERM)
    except (ValueError, KeyError, TypeError) as error:
        raise ChangeUnreadable(f"a group's offset has metadata that crossfade did not write: {text!r}") from error


def progress_of(settings: kafka.Settings, group: str, topics: Sequence[str], *, wall: Callable[[], float]) -> Progress:
    """Ask Kafka. Raises KafkaFailed."""
    client = kafka.consumer(settings, group)
    try:
        place = kafka.library().TopicPartition
        places = [place(topic, number) for topic in topics for number in kafka.partitions_of(client, topic)]
        found: list[PartitionProgress] = []
        for each in kafka.committed(client, places):
            low, high = kafka.bounds(client, each)
            applied = each.offset if each.offset >= 0 else low
            found.append(PartitionProgress(each.topic, each.partition, applied, high, unpacked_mark(each.metadata)))
    except kafka.library().KafkaException as error:
        raise kafka.failed(f"the progress of group {group} cannot be asked for", error) from error
    finally:
        client.close()
    return Progress(tuple(found), wall())
