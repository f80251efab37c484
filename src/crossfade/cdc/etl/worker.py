"""One worker of an ETL: messages of topics, as items of the target. Any number of them share the partitions.

Progress is an offset a partition: all below it is applied, or kept among the dead letters. It is written after that, so
a worker that dies has another one apply some messages again, which changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.applying import Destination
from crossfade.cdc.bookkeeping import Mark
from crossfade.cdc.bookkeeping import Sequence as Bookkeeping
from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.etl.applier import Applier, Counts, Run
from crossfade.cdc.etl.dead_letters import DeadLetters, Letter
from crossfade.cdc.etl.errors import RowsRemoved, TooManySetAside
from crossfade.cdc.etl.lanes import IN_FLIGHT_MAX, LOOK_SECONDS
from crossfade.cdc.etl.membership import Membership, Place, place_of, shown
from crossfade.cdc.etl.reading import Reading
from crossfade.cdc.inputs import Kind, NoChange
from crossfade.cdc.terms import Terms
from crossfade.errors import CrossfadeError

COMMIT_SECONDS: Final = 1.0  # what a crash applies again, at most
ROOM_SECONDS: Final = 5.0  # without room for so long, Kafka is told that this member lives
SET_ASIDE_MAX: Final = 1_000  # in one run; beyond, a person should look at the first of them


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of an ETL; all its workers have the same.

    `past_removals`: TRUNCATE and DROP ("topic[partition]@offset", as the error named them) that were dealt with.
    `past_gaps`: messages that are gone, named likewise: reading goes on with what is there.
    """

    kafka: kafka.Settings
    group: str
    topics: tuple[str, ...]
    dead_letters: str  # topic
    in_flight_max: int = IN_FLIGHT_MAX
    set_aside_max: int = SET_ASIDE_MAX
    commit_seconds: float = COMMIT_SECONDS
    past_removals: frozenset[str] = frozenset()
    past_gaps: frozenset[str] = frozenset()


def never() -> bool:
    return False


class Worker:
    """`work` may be called once. Raises what stops it; all that was applied until then is kept as progress."""

    def __init__(
        self,
        settings: Settings,
        destination: Destination,
        run: Run,
        reading: Reading,
        *,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`counts` are gone on with."""
        self._settings = settings
        self._reading = reading
        self._clock = clock
        self._applier = Applier(destination, run, settings.in_flight_max, counts)
        self._dead = DeadLetters(settings.kafka, settings.dead_letters)
        self._membership: Membership | None = None
        self._set_aside = 0
        self._removal: RowsRemoved | None = None
        self._last_event_at = clock()
        self._committed_at = clock()

    @property
    def counts(self) -> Counts:
        return self._applier.counts

    @property
    def partitions(self) -> frozenset[Place]:
        """The partitions that this worker has now."""
        return frozenset(self._membership.offsets if self._membership else ())

    async def work(self, stop: Callable[[], bool] = never, *, quiet_seconds: float | None = None) -> Counts:
        """Until `stop` says so, or no change of a row has come for `quiet_seconds`."""
        settings, lanes = self._settings, self._applier.lanes
        membership = Membership(
            settings.kafka, settings.group, settings.topics, self._drained, self._clock, settings.past_gaps
        )
        self._membership = membership
        self._last_event_at = self._clock()
        try:
            while self._removal is None and not stop() and not self._quiet(quiet_seconds):
                await self._take(membership)
            await lanes.settled()
            if self._removal is not None:
                raise self._removal
        except BaseException as error:
            membership.abandoned = not isinstance(error, CrossfadeError)
            raise
        finally:
            if membership.abandoned:
                await lanes.close()
            await membership.close()
            await lanes.close()
        return self.counts

    async def _take(self, membership: Membership) -> None:
        """The next messages into their lanes, and from time to time the offsets."""
        await self._dispatch_all(membership)
        if not await self._applier.lanes.room(ROOM_SECONDS):
            await self._wait_for_room(membership)
        if self._clock() - self._committed_at >= self._settings.commit_seconds:
            self._committed_at = self._clock()
            await membership.commit()

    async def _wait_for_room(self, membership: Membership) -> None:
        await membership.pause()
        while not await self._applier.lanes.room(ROOM_SECONDS):
            await self._dispatch_all(membership)  # of partitions that are new since then
            await membership.pause()
            await membership.commit()
        await membership.resume()

    async def _dispatch_all(self, membership: Membership) -> None:
        """What has come, into lanes; nothing behind a removal of rows."""
        for message in await membership.messages():
            place = place_of(message)
            offsets = membership.offsets.get(place)
            if offsets is not None and self._removal is None:  # None: it was taken away meanwhile
                self._dispatch(message, offsets, membership.terms[place])

    def _dispatch(self, message: Any, offsets: Bookkeeping, terms: Terms) -> None:
        """Into the lane of its key, so that changes of one row stay in order."""
        self.counts.messages += 1
        offset: int = message.offset()
        if terms.has_ended(message.headers()):
            offsets.begin(offset)
            offsets.end(offset)
            return
        done = partial(offsets.end, offset)
        put_aside = partial(self._put_aside, message)
        lane = place_of(message), message.key()
        try:
            told = self._reading(message.key(), message.value(), offset=offset)
        except ChangeUnreadable as error:
            self._last_event_at = self._clock()
            offsets.begin(offset)
            self._applier.lanes.put(lane, partial(self._only_aside, error, put_aside, done))
            return
        if isinstance(told, NoChange):
            position = told.text if told.kind is Kind.HEARTBEAT else ""
            offsets.begin(offset, Mark(position, told.at, term=terms.latest))
            if not told.removes_rows or self._is_past(message, told):
                done()
            return
        self._last_event_at = self._clock()
        offsets.begin(offset, Mark("", max((change.committed_at for change in told), default=0.0), term=terms.latest))
        self._applier.put(lane, told, done=done, put_aside=put_aside)

    def _is_past(self, message: Any, told: NoChange) -> bool:
        """Whether what a removal did was dealt with; else it is not passed over, and ends the worker."""
        where = shown(place_of(message), message.offset())
        if where in self._settings.past_removals:
            return True
        self._removal = RowsRemoved(
            f"{told.table}: {told.text or told.kind.value} ({where}) removes rows of which no change tells",
            next_step=f"`crossfade etl work --past-removal '{where}' --execute` passes over it and reads on; then"
            " `crossfade verify --repair --execute` finds the items of rows that are gone",
        )
        return False

    async def _only_aside(
        self, error: CrossfadeError, put_aside: Callable[[CrossfadeError], Any], done: Callable[[], None]
    ) -> None:
        await put_aside(error)
        self.counts.set_aside += 1
        done()

    async def _put_aside(self, message: Any, error: CrossfadeError) -> None:
        self._set_aside += 1  # counted before it is: many may be on their way
        if self._set_aside > self._settings.set_aside_max:
            raise TooManySetAside(
                f"{self._set_aside} changes could not be applied; the last reason: {error.message}",
                next_step=f"look at {self._settings.dead_letters}, correct the mapping, start again and retry them",
            ) from error
        await asyncio.to_thread(self._dead.keep, Letter.of_message(message).because(error))

    async def _drained(self, places: frozenset[Place]) -> None:
        """Nothing of these partitions is under way, or the lanes have failed and nothing will be."""
        assert self._membership is not None  # noqa: S101
        offsets = [self._membership.offsets[place] for place in places if place in self._membership.offsets]
        lanes = self._applier.lanes
        while lanes.failure is None and lanes.in_flight and any(each.pending for each in offsets):
            await asyncio.sleep(LOOK_SECONDS)

    def _quiet(self, seconds: float | None) -> bool:
        assigned_at = self._membership.assigned_at if self._membership else None
        if seconds is None or self._applier.lanes.in_flight or assigned_at is None:
            return False
        return self._clock() - max(self._last_event_at, assigned_at) >= seconds
