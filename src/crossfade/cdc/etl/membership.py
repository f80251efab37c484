"""One member of a consumer group: its partitions, the messages of them, and its offsets.

All of Kafka's client is called on one thread of this module's. While it waits for messages, the loop goes on applying;
when partitions are taken away, that thread waits until what was read of them is applied and its offsets are kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from crossfade.cdc import kafka
from crossfade.cdc.bookkeeping import NO_MARK, Mark
from crossfade.cdc.bookkeeping import Sequence as Bookkeeping
from crossfade.cdc.etl.progress import packed_mark, unpacked_mark
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.terms import Terms
from crossfade.errors import StreamGap

MESSAGES_MAX: Final = 500  # handed over at once: some milliseconds of applying
POLL_SECONDS: Final = 0.1
DRAIN_SECONDS: Final = 60.0  # of partitions that are taken away; a member is waited for max.poll.interval.ms, 5 minutes

T = TypeVar("T")
Place = tuple[str, int]  # topic and partition


def place_of(message: Any) -> Place:
    """Return the topic and partition of a message."""
    return message.topic(), message.partition()


def place_told(partition: Any) -> Place:
    """Return the topic and partition of Kafka's TopicPartition."""
    return partition.topic, partition.partition


def shown(place: Place, offset: int) -> str:
    """How errors name a message, and how they are told which one was dealt with."""
    topic, partition = place
    return f"{topic}[{partition}]@{offset}"


class Membership:
    """For one loop. `drained` waits until nothing of these partitions is under way. `past_gaps`: places whose messages
    are gone, where reading goes on with what is there."""

    def __init__(
        self,
        settings: kafka.Settings,
        group: str,
        topics: Sequence[str],
        drained: Callable[[frozenset[Place]], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
        past_gaps: frozenset[str] = frozenset(),
    ) -> None:
        self.assigned_at: float | None = None  # when this member was told its partitions last; None: not yet
        self._clock = clock
        self._past_gaps = past_gaps
        self._begins: dict[Place, int] = {}  # the offset that was to be read first
        self.offsets: dict[Place, Bookkeeping] = {}
        self.terms: dict[Place, Terms] = {}
        self.abandoned = False  # nothing is kept any more: what has not been, comes again
        self._marks: dict[Place, Mark] = {}
        self._committed: dict[Place, int] = {}
        self._gathered: list[Any] = []
        self._drained = drained
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crossfade-kafka")
        self._kafka = kafka.library()
        self._consumer = kafka.consumer(settings, group)
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    async def messages(self) -> list[Any]:
        """Return the messages that are there, or the first to come within a moment. Raises KafkaFailed, StreamGap."""
        return await self._on_thread(self._gather)

    async def pause(self) -> None:
        """Only say that this member lives: there is no room for more messages."""
        await self._on_thread(lambda: self._consumer.pause(self._consumer.assignment()))

    async def resume(self) -> None:
        await self._on_thread(lambda: self._consumer.resume(self._consumer.assignment()))

    async def commit(self) -> None:
        """Keep the offsets of what is applied. Raises KafkaFailed."""
        await self._on_thread(lambda: self._commit(frozenset(self.offsets)))

    async def close(self) -> None:
        """Leave the group, which hands its partitions on."""
        try:
            await self._on_thread(self._consumer.close)
        finally:
            self._thread.shutdown(wait=False)

    # --- on the thread

    async def _on_thread(self, call: Callable[[], T]) -> T:
        try:
            return await self._loop.run_in_executor(self._thread, call)
        except self._kafka.KafkaException as error:
            raise kafka.failed("Kafka failed", error) from error

    def _gather(self) -> list[Any]:
        """Message by message, since the partition of one that is gathered may be taken away while the next is asked
        for."""
        self._gathered = []
        message = self._consumer.poll(POLL_SECONDS)
        while message is not None:
            if message.error() is None:
                self._gathered.append(message)
            else:
                self._raise(message)
            if len(self._gathered) >= MESSAGES_MAX:
                break
            message = self._consumer.poll(0)
        return self._gathered

    def _raise(self, message: Any) -> None:
        """Unless it passes. It stands where the next message will, with a text as its value, and is no message."""
        error = message.error()
        codes = self._kafka.KafkaError
        if error.code() in {codes._AUTO_OFFSET_RESET, codes.OFFSET_OUT_OF_RANGE}:
            place = place_of(message)
            where = shown(place, max(self._begins.get(place, 0), self.offsets[place].done_below))
            raise StreamGap(
                f"{where} is no longer there, and was to be read next: {error}",
                next_step=f"let the topic keep its messages for longer; `crossfade etl work --past-gap '{where}'"
                " --execute` reads on with what is there; then `crossfade verify --repair --execute` mends what was"
                " missed",
            )
        if not kafka.is_passing(error):
            raise KafkaFailed(f"messages cannot be read: {error}")

    def _commit(self, places: frozenset[Place]) -> None:
        wanted = {
            place: self.offsets[place].done_below
            for place in places
            if place in self.offsets and self.offsets[place].done_below > self._committed.get(place, -1)
        }
        if not wanted:
            return
        offsets = [
            self._kafka.TopicPartition(*place, offset, metadata=packed_mark(self._mark(place)))
            for place, offset in wanted.items()
        ]
        try:
            found = self._consumer.commit(offsets=offsets, asynchronous=False)
        except self._kafka.KafkaException as error:
            if not self._passes(error):
                raise kafka.failed("offsets could not be kept", error) from error
            return
        for each in found:
            if each.error is not None:
                if kafka.is_passing(each.error):
                    continue
                raise KafkaFailed(f"the offset of {each.topic}[{each.partition}] could not be kept: {each.error}")
            self._committed[place_told(each)] = each.offset

    def _mark(self, place: Place) -> Mark:
        """The last one, since this member has the partition or from before."""
        return self._marks.get(place, NO_MARK).then(self.offsets[place].mark)

    def _passes(self, error: Any) -> bool:
        """True if somebody else has the partition by now, or brokers are away: what was not kept is so later, or comes
        again."""
        codes = self._kafka.KafkaError
        return kafka.is_passing(error.args[0]) or error.args[0].code() in {
            codes.REBALANCE_IN_PROGRESS,
            codes.ILLEGAL_GENERATION,
            codes.UNKNOWN_MEMBER_ID,
            codes.STALE_MEMBER_EPOCH,
            codes.FENCED_MEMBER_EPOCH,
            codes._NO_OFFSET,
        }

    # --- called by Kafka's client, within a call of ours on the thread

    def _on_assign(self, consumer: Any, partitions: list[Any]) -> None:
        """Read on from the group's offsets; from the beginning where it has none."""
        found = kafka.committed(consumer, partitions)
        for each in found:
            if each.error is not None:
                raise KafkaFailed(f"the offset of {each.topic}[{each.partition}] is not known: {each.error}")
            place = place_told(each)
            self.offsets[place] = Bookkeeping()
            self._marks[place] = unpacked_mark(each.metadata)
            self.terms[place] = Terms(self._marks[place].term)
            _ = self._committed.pop(place, None)
            if each.offset < 0:
                each.offset = self._kafka.OFFSET_BEGINNING
            elif shown(place, each.offset) in self._past_gaps:
                each.offset, _ = kafka.bounds(consumer, each)
            self._begins[place] = each.offset
        consumer.incremental_assign(found)
        self.assigned_at = self._clock()

    def _on_revoke(self, _consumer: Any, partitions: list[Any]) -> None:
        places = frozenset(map(place_told, partitions))
        self._gathered = [each for each in self._gathered if place_of(each) not in places]
        try:
            if not self.abandoned:
                asyncio.run_coroutine_threadsafe(self._wait(places), self._loop).result(DRAIN_SECONDS * 2)
                self._commit(places)
        finally:
            self._forget(places)

    def _on_lost(self, _consumer: Any, partitions: list[Any]) -> None:
        """Others may have them by now: nothing is kept."""
        places = frozenset(map(place_told, partitions))
        self._gathered = [each for each in self._gathered if place_of(each) not in places]
        self._forget(places)

    def _forget(self, places: frozenset[Place]) -> None:
        for place in places:
            _ = self.offsets.pop(place, None)

    async def _wait(self, places: frozenset[Place]) -> None:
        """For what was read; longer than that nobody is kept waiting, and the rest is applied again elsewhere."""
        try:
            await asyncio.wait_for(self._drained(places), DRAIN_SECONDS)
        except TimeoutError:
            return
