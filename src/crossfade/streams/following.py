"""All shards of some streams, parents before children, until a stop or, if that is wanted, up to the present end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from crossfade.control.records import ShardPosition
from crossfade.control.streams import REPORT_BEATS_MAX
from crossfade.core.effects import Routine
from crossfade.jobs.session import Session
from crossfade.streams.asking import Page, Stream
from crossfade.streams.ledger import Ledger, ShardName
from crossfade.streams.lineage import readable
from crossfade.streams.listing import Listing, Turns
from crossfade.streams.shard import Deal, ShardReading

READS_AT_ONCE: Final = 16  # of all shards together; one read takes some milliseconds
PAGES_AT_ONCE: Final = 32  # of all shards together, being dealt with; each of up to 1 MB as the service sends it
LOOK_SECONDS: Final = 0.2  # between two looks at the shards that are being read
WRITE_SECONDS: Final = 1.0  # between two writes to the control table, where a position is due
REPORT_SECONDS: Final = 5.0  # where no position has changed,
REPORT_BEATS: Final = REPORT_BEATS_MAX // 2  # or so many beats, where these come fast: a gate counts them
CAUGHT_UP_SECONDS: Final = 5.0  # a change is in the stream within a second or so
# From the first look at a stream to a change that was surely made later: both are told in whole seconds, and by clocks
# of two machines of the service.
LATER_SECONDS: Final = 2.0
# How often shards are asked in which nothing happens: so many seconds apart, more where there are many.
IDLE_SECONDS_LEAST: Final = 1.0
IDLE_SECONDS_MOST: Final = 5.0  # half of the lag that closes a gate
IDLE_READS_A_SECOND: Final = 200  # of all shards together, up to those seconds

Clock = Callable[[], float]
StopRequest = Callable[[], bool]


class Following:
    """For one loop. `counts` is asked with every report; `meanwhile` is awaited between two looks.

    `once`: up to the present end, which is where it was at the first look: what is written later does not move it.
    """

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        streams: Sequence[Stream],
        deal: Deal,
        *,
        stop: StopRequest,
        counts: Callable[[], dict[str, int]],
        meanwhile: Callable[[], Awaitable[None]],
        once: bool = False,
        wall: Clock = time.time,
    ) -> None:
        self.ledger = ledger
        self.wall = wall
        self._session = session
        self._streams = streams
        self._deal = deal
        self._stop = stop
        self._counts = counts
        self._meanwhile = meanwhile
        self._once = once
        self._ended = False
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)
        turns = {account: Turns(session.now, self.pause) for account in map(place_of, streams)}
        self._listings: dict[str, Listing] = {  # by side
            stream.side: Listing(stream, session, turns[place_of(stream)]) for stream in streams
        }
        self._listing: asyncio.Task[None] | None = None
        self._has_more = False  # shards that may be readable now
        self._woken = asyncio.Event()  # a shard has ended
        self._halted = asyncio.Event()  # there is nothing to pause for any more
        self._saved_at = float("-inf")
        self._saved_beat = 0
        self._readings: dict[ShardName, ShardReading] = {}
        self._tasks: dict[ShardName, asyncio.Task[bool]] = {}
        self._until: dict[str, float] = {}  # of each side, the time of a change that is past the present end
        self._at_present_end: set[ShardName] = set()

    # --- what a shard is read with

    def stopping(self) -> bool:
        return self._ended or self._stop()

    @property
    def idle_seconds_max(self) -> float:
        return min(max(IDLE_SECONDS_LEAST, len(self._tasks) / IDLE_READS_A_SECOND), IDLE_SECONDS_MOST)

    async def room(self) -> Callable[[], None]:
        _ = await self._pages.acquire()  # first come, first served
        return self._pages.release

    async def read(self, routine: Routine[Page]) -> Page:
        async with self._reads:
            return await self._session.run(routine)

    async def pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                _ = await self._halted.wait()

    # --- all of them

    def lag_seconds(self) -> float:
        """Return the lag of the shard that is furthest behind; -1 while a shard is still to be begun."""
        now = self.wall()
        lags = [reading.lag_seconds(now) for reading in self._readings.values()]
        known = [lag for lag in lags if lag is not None]
        return max(known, default=0.0) if self._all_known and len(known) == len(lags) else -1.0

    @property
    def _all_known(self) -> bool:
        return all(listing.is_complete for listing in self._listings.values()) and not self._has_more

    async def run(self) -> None:
        """Raises what dealing raises, StreamGap, or Fenced; the last seconds are then read again by whoever goes on."""
        try:
            while not self.stopping():
                self._discover()
                self._begin()
                await self._look()
                await self._save()
                await self._meanwhile()
                if self._once and self._at_end():
                    self._ended = True
            self._halted.set()
            while self._tasks:
                await self._look()
                await self._meanwhile()
        finally:
            tasks: list[asyncio.Task[Any]] = [
                *self._tasks.values(),
                *([] if self._listing is None else [self._listing]),
            ]
            for task in tasks:
                _ = task.cancel()
            _ = await asyncio.gather(*tasks, return_exceptions=True)
        await self._save(at_once=True)

    def _at_end(self) -> bool:
        return self._all_known and self._listing is None and not self._tasks

    def _discover(self) -> None:
        """Look for shards beside all else: the pages of a long list are some time apart."""
        if self._listing is not None:
            if not self._listing.done():
                return
            listing, self._listing = self._listing, None
            listing.result()
        due = [listing for listing in self._listings.values() if listing.due()]
        if due:
            self._listing = asyncio.create_task(self._list(due), name="crossfade-shards")
            self._listing.add_done_callback(lambda _: self._woken.set())

    async def _list(self, due: Sequence[Listing]) -> None:
        for listing in due:
            asked_at = int(self.wall())
            found = await listing.look()
            self.ledger.discover(listing.stream, found.shards, asked_at, whole=found.whole)
            seen_at = asked_at if found.at is None else found.at
            _ = self._until.setdefault(listing.stream.side, seen_at + LATER_SECONDS)
            self._has_more = True

    def _begin(self) -> None:
        if not self._has_more:
            return
        self._has_more = False
        for side, listing in self._listings.items():
            known = self.ledger.known(side)
            for shard in readable(listing.shards.values(), known) if side in self._until else ():
                name = (side, shard)
                if name not in self._tasks and name not in self._at_present_end:
                    self._begin_shard(listing.stream, known[shard])

    def _begin_shard(self, stream: Stream, position: ShardPosition) -> None:
        name = (stream.side, position.shard)
        until = self._until[stream.side] if self._once else None
        reading = self._readings[name] = ShardReading(self, stream, position, self._deal, until)
        task = self._tasks[name] = asyncio.create_task(reading.run(), name=f"crossfade-{position.shard}")
        task.add_done_callback(lambda _: self._woken.set())

    async def _look(self) -> None:
        """Wait a little; take away what has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                _ = await self._woken.wait()
        self._woken.clear()
        for name in [name for name, task in self._tasks.items() if task.done()]:
            if self._tasks.pop(name).result():
                _ = self._readings.pop(name)
                side, shard = name
                self._listings[side].ended(shard)
                self._has_more = True
            else:
                self._at_present_end.add(name)

    async def _save(self, *, at_once: bool = False) -> None:
        now = self._session.now()
        since, beat = now - self._saved_at, self._session.agent.beat
        reports = since >= REPORT_SECONDS or beat - self._saved_beat >= REPORT_BEATS
        if not (at_once or reports or (since >= WRITE_SECONDS and self.ledger.due(now))):
            return
        self._saved_at, self._saved_beat = now, beat
        lag = self.lag_seconds()
        caught_up = 0 <= lag <= CAUGHT_UP_SECONDS and not self.stopping()
        at = datetime.now(UTC).isoformat(timespec="seconds") if caught_up else ""
        saving = self.ledger.save(
            now,
            lag_seconds=round(lag, 1),
            caught_up_at=at,
            beat=beat,
            counts=self._counts(),
            everything=at_once,
        )
        await self._session.run(saving)


def place_of(stream: Stream) -> str:
    """Return Region and account of a stream, which quotas are for."""
    return ":".join(stream.arn.split(":")[3:5])
