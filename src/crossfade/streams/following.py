"""All shards of some streams, parents before children, until a stop or, if that is wanted, up to the present end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from crossfade.control.records import ShardPosition
from crossfade.core.effects import Routine
from crossfade.jobs.session import Session
from crossfade.streams.asking import Page, Stream, shards_of
from crossfade.streams.ledger import Ledger, ShardName
from crossfade.streams.lineage import Shard, readable
from crossfade.streams.shard import Deal, ShardReading

READS_AT_ONCE: Final = 16  # of all shards together; one read takes some milliseconds
LOOK_SECONDS: Final = 0.2  # between two looks at the shards that are being read
# DescribeStream may be called ten times a second by all that there is in an account and Region.
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_DescribeStream.html
DISCOVER_SECONDS: Final = 5.0
DISCOVER_SOON_SECONDS: Final = 0.5  # after a shard has ended: its children are there, or will be at once
SAVE_SECONDS: Final = 1.0  # what a kill repeats, at most, beside the pages under way
REPORT_SECONDS: Final = 5.0  # where no position has changed
CAUGHT_UP_SECONDS: Final = 5.0  # a change is in the stream within a second or so
# From the first look at a stream to a change that was surely made later: both are told in whole seconds, and by clocks
# of two machines of the service.
LATER_SECONDS: Final = 2.0

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
        self._shards: dict[str, list[Shard]] = {}
        self._discover_at = float("-inf")
        self._saved_at = float("-inf")
        self._all_read = False  # no shard has ended since the last look at what there is
        self._readings: dict[ShardName, ShardReading] = {}
        self._tasks: dict[ShardName, asyncio.Task[bool]] = {}
        self._until: dict[str, float] = {}  # of each side, the time of a change that is past the present end
        self._at_present_end: set[ShardName] = set()

    # --- what a shard is read with

    def stopping(self) -> bool:
        return self._ended or self._stop()

    async def read(self, routine: Routine[Page]) -> Page:
        async with self._reads:
            return await self._session.run(routine)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    # --- all of them

    def lag_seconds(self) -> float:
        """Return the lag of the shard that is furthest behind; -1 while a shard is still to be begun."""
        now = self.wall()
        lags = [reading.lag_seconds(now) for reading in self._readings.values()]
        known = [lag for lag in lags if lag is not None]
        return max(known, default=0.0) if self._all_read and len(known) == len(lags) else -1.0

    async def run(self) -> None:
        """Raises what dealing raises, StreamGap, or Fenced; the last second is then read again by whoever goes on."""
        try:
            while not self.stopping():
                await self._discover()
                self._begin()
                await self._look()
                await self._save()
                await self._meanwhile()
                if self._once and self._at_end():
                    self._ended = True
            while self._tasks:
                await self._look()
                await self._meanwhile()
        finally:
            for task in self._tasks.values():
                _ = task.cancel()
            _ = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self._save(at_once=True)

    def _at_end(self) -> bool:
        return self._all_read and bool(self._shards) and not self._tasks

    async def _discover(self) -> None:
        if self._session.now() < self._discover_at:
            return
        asked_at = int(self.wall())
        for stream in self._streams:
            listing = await self._session.run(shards_of(stream))
            self._shards[stream.side] = listing.shards
            self.ledger.discover(stream, listing.shards, asked_at)
            seen_at = asked_at if listing.at is None else listing.at
            _ = self._until.setdefault(stream.side, seen_at + LATER_SECONDS)
        self._discover_at = self._session.now() + DISCOVER_SECONDS
        self._all_read = True

    def _begin(self) -> None:
        for stream in self._streams:
            known = self.ledger.known(stream.side)
            for shard in readable(self._shards[stream.side], known):
                name = (stream.side, shard)
                if name not in self._tasks and name not in self._at_present_end:
                    self._begin_shard(stream, known[shard])

    def _begin_shard(self, stream: Stream, position: ShardPosition) -> None:
        name = (stream.side, position.shard)
        until = self._until[stream.side] if self._once else None
        reading = self._readings[name] = ShardReading(self, stream, position, self._deal, until)
        self._tasks[name] = asyncio.create_task(reading.run(), name=f"crossfade-{position.shard}")

    async def _look(self) -> None:
        """Wait a little; take away what has ended."""
        if not self._tasks:
            await self.pause(LOOK_SECONDS)
            return
        done, _ = await asyncio.wait(self._tasks.values(), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for name in [name for name, task in self._tasks.items() if task in done]:
            if self._tasks.pop(name).result():
                _ = self._readings.pop(name)
                self._all_read = False
                self._discover_at = min(self._discover_at, self._session.now() + DISCOVER_SOON_SECONDS)
            else:
                self._at_present_end.add(name)

    async def _save(self, *, at_once: bool = False) -> None:
        since = self._session.now() - self._saved_at
        if not (at_once or since >= REPORT_SECONDS or (self.ledger.dirty and since >= SAVE_SECONDS)):
            return
        self._saved_at = self._session.now()
        lag = self.lag_seconds()
        caught_up = 0 <= lag <= CAUGHT_UP_SECONDS and not self.stopping()
        at = datetime.now(UTC).isoformat(timespec="seconds") if caught_up else ""
        saving = self.ledger.save(
            lag_seconds=round(lag, 1), caught_up_at=at, beat=self._session.agent.beat, counts=self._counts()
        )
        await self._session.run(saving)
