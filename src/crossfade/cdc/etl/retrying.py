"""Dead letters once more: what can be applied now is gone from them, what cannot goes to their end with its reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.applying import Destination
from crossfade.cdc.bookkeeping import Sequence as Bookkeeping
from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.etl.applier import Applier, Run
from crossfade.cdc.etl.dead_letters import DeadLetters, Letter
from crossfade.cdc.etl.membership import Place, place_of, place_told
from crossfade.cdc.etl.reading import Reading
from crossfade.cdc.etl.worker import Settings
from crossfade.cdc.inputs import NoChange
from crossfade.cdc.kafka import KafkaFailed
from crossfade.errors import CrossfadeError

LETTERS_MAX: Final = 500  # read and tried at once
SILENCE_SECONDS_MAX: Final = 60.0  # of a broker that has letters and sends none


@dataclass(frozen=True, slots=True)
class Retried:
    applied: int = 0
    failed: int = 0
    last_reason: str = ""


def retry_group(settings: Settings) -> str:
    """Whose offsets tell which letters are dealt with; its lag is the number of those that are left."""
    return f"{settings.group}-retry"


def begin(consumer: Any, topic: str) -> tuple[dict[Place, int], dict[Place, Bookkeeping]]:
    """Read on behind the letters that are dealt with. Return where each partition ends now, and a book from where it
    begins."""
    place = kafka.library().TopicPartition
    places = [place(topic, number) for number in kafka.partitions_of(consumer, topic)]
    ends: dict[Place, int] = {}
    books: dict[Place, Bookkeeping] = {}
    for each in kafka.committed(consumer, places):
        low, high = kafka.bounds(consumer, each)
        start = max(each.offset, low)
        ends[place_told(each)], books[place_told(each)] = high, Bookkeeping(start)
    consumer.assign([place(*each, book.done_below) for each, book in books.items()])
    return ends, books


class Retry:
    """One run over the letters that are there when it begins. For one loop; one at a time."""

    def __init__(self, settings: Settings, destination: Destination, run: Run, reading: Reading) -> None:
        self._settings = settings
        self._destination = destination
        self._run = run
        self._reading = reading
        self._dead = DeadLetters(settings.kafka, settings.dead_letters)
        self._failed = 0
        self._applied = 0
        self._reason = ""

    async def run(self) -> Retried:
        """Raises what stops a worker; what was dealt with until then is kept."""
        consumer = kafka.consumer(self._settings.kafka, retry_group(self._settings))
        try:
            ends, books = await asyncio.to_thread(begin, consumer, self._settings.dead_letters)
            silent = 0.0
            while any(books[place].done_below < end for place, end in ends.items()):
                messages = await asyncio.to_thread(consumer.consume, LETTERS_MAX, 1.0)
                silent = 0.0 if messages else silent + 1.0
                if silent >= SILENCE_SECONDS_MAX:
                    raise KafkaFailed(f"{self._settings.dead_letters} has letters that the broker does not send")
                await self._try(messages, ends, books)
                await asyncio.to_thread(self._commit, consumer, books)
        except kafka.library().KafkaException as error:
            raise kafka.failed("dead letters cannot be read", error) from error
        finally:
            await asyncio.to_thread(consumer.close)
        return Retried(self._applied, self._failed, self._reason)

    async def _try(self, messages: list[Any], ends: dict[Place, int], books: dict[Place, Bookkeeping]) -> None:
        applier = Applier(self._destination, self._run, self._settings.in_flight_max)
        try:
            for message in messages:
                if message.error() is not None:
                    raise KafkaFailed(f"dead letters cannot be read: {message.error()}")
                place, offset = place_of(message), message.offset()
                if offset < ends[place]:
                    books[place].begin(offset)
                    self._put(applier, Letter.of_dead_letter(message), partial(books[place].end, offset))
            await applier.lanes.settled()
        finally:
            await applier.lanes.close()
            self._applied += applier.counts.messages
            self._failed += applier.counts.set_aside

    def _put(self, applier: Applier, letter: Letter, end: Any) -> None:
        def done() -> None:
            applier.counts.messages += 1
            end()

        async def again(error: CrossfadeError) -> None:
            applier.counts.messages -= 1
            self._reason = error.message
            await asyncio.to_thread(self._dead.keep, letter.because(error))

        try:
            told = self._reading(letter.key, letter.value, offset=letter.offset)
        except ChangeUnreadable as error:
            unreadable = error

            async def only_again() -> None:
                await again(unreadable)
                applier.counts.set_aside += 1
                done()

            applier.lanes.put(letter.key, only_again)
            return
        changes = [] if isinstance(told, NoChange) else told
        applier.put(letter.key, changes, done=done, put_aside=again)

    def _commit(self, consumer: Any, books: dict[Place, Bookkeeping]) -> None:
        place = kafka.library().TopicPartition
        offsets = [place(*each, book.done_below) for each, book in books.items()]
        for each in consumer.commit(offsets=offsets, asynchronous=False):
            if each.error is not None:
                raise KafkaFailed(f"the offset of {each.topic}[{each.partition}] could not be kept: {each.error}")
