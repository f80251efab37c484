"""The topics once more, from anywhere to where they end now: into the target, or into another table like it.

Versions make it harmless: what is there already may be written again under its own version, which is how a corrected
mapping corrects what an earlier one made; what is newer stays. The group's offsets stay as they are.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.applying import Destination
from crossfade.cdc.changes import Change, ChangeUnreadable, Version
from crossfade.cdc.etl.applier import Applier, Counts, Run, through
from crossfade.cdc.etl.lanes import IN_FLIGHT_MAX
from crossfade.cdc.etl.membership import Place, place_of
from crossfade.cdc.inputs import NoChange
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.mysql.positions import OFFSET_BITS, file_number
from crossfade.cdc.running.leased import Leased
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.control.records import Role
from crossfade.core.stages import FREEZE
from crossfade.errors import ConfigurationError, CrossfadeError, NotPossibleInStage
from crossfade.jobs.connecting import lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.session import NoteFunction

BEGINNING: Final = "beginning"
DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
GTID: Final = re.compile(r"(?:\d+-\d+-)?(\d+)")
MESSAGES_MAX: Final = 500
SILENCE_SECONDS_MAX: Final = 60.0  # of a broker that has messages and sends none
ROOM_SECONDS: Final = 1.0
SHOW_EVERY: Final = 2_000


@dataclass(frozen=True, slots=True)
class From:
    """The start of a replay: the time at which messages were published, or the position of their changes."""

    text: str
    at: float | None = None  # seconds since 1970
    position: int = 0  # as versions count them

    @classmethod
    def of_text(cls, text: str) -> From:
        """`beginning`, an ISO time, a GTID such as 0-1-27, or FILE:OFFSET. Raises ConfigurationError."""
        if text == BEGINNING:
            return cls(text)
        if (found := GTID.fullmatch(text)) and not DAY.fullmatch(text):
            return cls(text, None, int(found[1]))
        file, colon, offset = text.rpartition(":")
        if colon and offset.isdigit() and re.search(r"\.\d{3,}$", file):
            return cls(text, None, file_number(file) << OFFSET_BITS | int(offset))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigurationError(
                f"{text!r} is neither {BEGINNING}, nor a time, nor a position of the log",
                next_step="give a time as 2026-11-29T16:00:00+00:00, or a position as 0-1-27 or mysql-bin.000003:1234",
            ) from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return cls(text, moment.timestamp())

    def takes(self, change: Change) -> bool:
        """Whether it begins at this change, or before it."""
        return change.version >= Version(change.version.epoch, self.position)


@dataclass(slots=True)
class Replayed:
    """What came of it; `failed` changes could not be applied, the last for `reason`."""

    counts: Counts
    messages_total: int = 0
    failed: int = 0
    reason: str = ""


def run_replay(
    pipeline: Pipeline, start: From, into: str, *, on_look: Callable[[Replayed], None], note: NoteFunction
) -> Replayed:
    """Raises NotPossibleInStage where the target decides, and what stops a worker."""
    return run_on_own_loop(_replay(pipeline, start, into, on_look, note))


async def _replay(
    pipeline: Pipeline, start: From, into: str, on_look: Callable[[Replayed], None], note: NoteFunction
) -> Replayed:
    await asyncio.to_thread(pipeline.refuse_without_topics)
    refuse_start(pipeline, start)
    if into:  # nobody but this writes there
        client = lean(pipeline.client, IN_FLIGHT_MAX)
        try:
            return await Replay(pipeline, pipeline.destination(into), through(client), on_look).run(start)
        finally:
            await client.aclose()
    leased = Leased(pipeline.migration, pipeline.client, Role.ETL, pipeline.caller, note, calls_max=IN_FLIGHT_MAX)
    async with leased:
        if FREEZE[leased.stage].authority != "source":
            raise NotPossibleInStage(
                f"in stage {leased.stage} the target decides, so nothing of the log is written to it",
                next_step="replay into another table with --into, or go back first: crossfade rollback --to shadow"
                " --execute",
            )
        run = await leased.begun(lambda: False)
        return await Replay(pipeline, pipeline.destination(), run, on_look).run(start)


def refuse_start(pipeline: Pipeline, start: From) -> None:
    """Raises ConfigurationError for a position that the changes of these topics do not have."""
    if not start.position or not pipeline.theirs or (pipeline.debezium and ":" in start.text):
        return
    place = "a position FILE:OFFSET as its messages have it, " if pipeline.debezium else ""
    raise ConfigurationError(
        f"{start.text!r} is no place in {pipeline.declared.shown}",
        next_step=f"give {place}a time or {BEGINNING}",
    )


class Replay:
    """One run. For one loop."""

    def __init__(
        self, pipeline: Pipeline, destination: Destination, run: Run, on_look: Callable[[Replayed], None]
    ) -> None:
        self._pipeline = pipeline
        self._applier = Applier(destination, run)
        self._on_look = on_look
        self._reading = pipeline.reading()
        self._replayed = Replayed(self._applier.counts)

    async def run(self, start: From) -> Replayed:
        consumer = kafka.consumer(self._pipeline.kafka, f"{self._pipeline.migration.group}-replay")
        try:
            left = await asyncio.to_thread(self._assign, consumer, start)
            self._on_look(self._replayed)
            silent = 0.0
            while left:
                messages = await asyncio.to_thread(consumer.consume, MESSAGES_MAX, 1.0)
                silent = 0.0 if messages else silent + 1.0
                if silent >= SILENCE_SECONDS_MAX:
                    raise KafkaFailed("there are messages that the broker does not send", retryable=True)
                for message in messages:
                    await self._take(message, start, left)
            await self._applier.lanes.settled()
        except kafka.library().KafkaException as error:
            raise kafka.failed("the topics cannot be read", error) from error
        finally:
            await self._applier.lanes.close()
            await asyncio.to_thread(consumer.close)
        self._on_look(self._replayed)
        return self._replayed

    def _assign(self, consumer: Any, start: From) -> dict[Place, int]:
        """Begin reading; where each partition that holds anything ends now."""
        place_class = kafka.library().TopicPartition
        names = self._pipeline.topic_names
        places = [place_class(name, number) for name in names for number in kafka.partitions_of(consumer, name)]
        if start.at is not None:
            asked = [place_class(each.topic, each.partition, int(start.at * 1000)) for each in places]
            found = kafka.patiently(lambda: consumer.offsets_for_times(asked, timeout=kafka.ANSWER_SECONDS))
            begins = {(each.topic, each.partition): each.offset for each in found}
        else:
            begins = {}
        left: dict[Place, int] = {}
        chosen: list[Any] = []
        for each in places:
            low, high = kafka.bounds(consumer, each)
            begin = begins.get((each.topic, each.partition), low)
            begin = high if begin < 0 else max(begin, low)  # below 0: nothing is as young as that
            if begin < high:
                left[each.topic, each.partition] = high
                self._replayed.messages_total += high - begin
                chosen.append(place_class(each.topic, each.partition, begin))
        consumer.assign(chosen)
        return left

    async def _take(self, message: Any, start: From, left: dict[Place, int]) -> None:
        if message.error() is not None:
            raise KafkaFailed(f"messages cannot be read: {message.error()}")
        place, offset = place_of(message), message.offset()
        end = left.get(place)
        if end is None or offset >= end:
            return
        if offset == end - 1:
            del left[place]
        counts = self._applier.counts
        counts.messages += 1
        if counts.messages % SHOW_EVERY == 0:
            self._on_look(self._replayed)
        try:
            told = self._reading(message.key(), message.value(), offset=offset)
        except ChangeUnreadable as error:
            await self._failed(error)
            return
        changes = [] if isinstance(told, NoChange) else [change for change in told if start.takes(change)]
        if changes:
            lane = place, message.key()
            self._applier.put(lane, changes, done=_nothing, put_aside=partial(self._failed))
        while not await self._applier.lanes.room(ROOM_SECONDS):
            pass  # applying repeats what is busy for as long as that takes

    async def _failed(self, error: CrossfadeError) -> None:
        """Count a change that cannot be applied; the group's own reading makes it a dead letter."""
        self._replayed.failed += 1
        self._replayed.reason = error.message


def _nothing() -> None:
    """No progress is kept."""
