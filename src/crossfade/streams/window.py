"""A stream from a moment on, up to an end that lies behind all that was written before the reading began.

No position is kept, and the order does not matter, since each change only names a key to be looked at. There is no
asking for the changes since a time. But what a shard holds is younger than what its parent held: so a parent is read
only where the first change of its child is younger than the moment, and of the 24 hours that a stream keeps, the last
few are read. What is older than the moment is passed over, which costs but the reading.

An empty page does not prove that nothing is behind it. A shard that goes on has been read to the end where a change was
made after it; or where pages have been empty, all of them, for longer than a change takes to come into its stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossfade.control.records import Reader, ShardPosition
from crossfade.core.effects import Routine
from crossfade.jobs.session import Session
from crossfade.streams.asking import Page, Stream, read_page
from crossfade.streams.changes import Change
from crossfade.streams.lineage import RETENTION_SECONDS, Shard
from crossfade.streams.listing import Listing, Turns
from crossfade.streams.result import DELIVERY_SECONDS
from crossfade.streams.shard import BUSY_SECONDS, IDLE_SECONDS, moved

READS_AT_ONCE: Final = 16
LATER_SECONDS: Final = 2.0  # between two clocks of the service, both rounded down to whole seconds
EMPTY_PAGES: Final = 10
# Times of changes may be rounded down to whole minutes, and DynamoDB's machines need not agree to the second.
SLACK_SECONDS: Final = 120.0
CLOCKS_SECONDS: Final = 5.0  # between two of these machines, for what they tell to the second
MARGIN_SECONDS: Final = 1_800.0  # of a stream's 24 hours, for the reading itself
CHILDREN_SECONDS: Final = 0.5  # between two looks for the children of a shard that has ended
CHILDREN_LOOKS: Final = 60

Deal = Callable[[Sequence[Change]], Awaitable[None]]


@dataclass(slots=True)
class Window:
    """The reading of one stream, of the changes from `since` on (seconds since 1970). `delivery_seconds`: for how long
    pages have to be empty. Raises StreamGap where the stream does not hold all of them."""

    session: Session
    stream: Stream
    since: float
    deal: Deal
    stop: Callable[[], bool]
    wall: Callable[[], float]
    delivery_seconds: float = DELIVERY_SECONDS
    changes: int = 0
    _reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READS_AT_ONCE))
    _began: float = 0.0  # monotonic
    _until: float = 0.0  # the time of a change that was surely made after the reading began
    _read: dict[str, asyncio.Task[bool]] = field(default_factory=dict[str, "asyncio.Task[bool]"])
    _ended: set[str] = field(default_factory=set[str])  # shards that were read to their end

    async def read(self) -> None:
        """Read all of it. Where it was stopped, some is left."""
        self._began = self.session.now()
        listing = Listing(self.stream, self.session, Turns(self.session.now, asyncio.sleep))
        looks, told_ended = 0, set[str]()
        try:
            while not self.stop():
                if listing.due():
                    found = await listing.look()
                    now = self.wall() if found.at is None else found.at
                    self._refuse_gap(now)
                    self._until = self._until or now + LATER_SECONDS
                shards = list(listing.shards.values())
                if await self._read_some(shards):
                    looks = 0
                elif not self._ended - {shard.parent for shard in shards}:
                    return
                elif looks == CHILDREN_LOOKS:
                    raise self.stream.gap("lists nothing that goes on where a shard has ended")
                else:
                    looks += 1
                    await asyncio.sleep(CHILDREN_SECONDS)
                for shard in self._ended - told_ended:
                    listing.ended(shard)
                told_ended |= self._ended
        finally:
            for task in self._read.values():
                _ = task.cancel()
            _ = await asyncio.gather(*self._read.values(), return_exceptions=True)

    @property
    def from_at(self) -> float:
        return self.since - SLACK_SECONDS

    def _refuse_gap(self, now: float) -> None:
        if not 0 < self.stream.since <= self.since - CLOCKS_SECONDS:
            raise self.stream.gap("was not on yet when what is to be read began, or does not say since when it is")
        if now - self.from_at > RETENTION_SECONDS - MARGIN_SECONDS:
            raise self.stream.gap("keeps changes for 24 hours, and what is to be read is older, or about to be dropped")

    async def _read_some(self, shards: Sequence[Shard]) -> bool:
        """Read the shards that are not read yet, youngest first; whether there were any. One that has ended may have
        children by now, and one that begins within the window has a parent to be read."""
        listed = {shard.id for shard in shards}
        youngest = listed - {shard.parent for shard in shards}
        before = {shard.parent for shard in shards if self._reaches_back(shard.id)} & listed
        unread = sorted((youngest | before) - self._read.keys())
        for shard in unread:
            self._read[shard] = asyncio.create_task(self._shard(shard), name=f"crossfade-{shard}")
        _ = await asyncio.gather(*(self._read[shard] for shard in unread))
        return bool(unread)

    def _reaches_back(self, shard: str) -> bool:
        """Whether its parent may hold something of the window."""
        task = self._read.get(shard)
        return task is not None and task.done() and not task.result()

    async def _shard(self, shard: str) -> bool:
        """Read a shard to its end, or to the present end; whether it began before the window."""
        position = ShardPosition(Reader.REPLICATION, self.stream.side, shard, "", "", False, int(self.from_at))
        iterator: str | None = None
        began_before: bool | None = None
        empty_pages, empty_since = 0, 0.0
        while not self.stop():
            asked_at = self.session.now()
            page = await self._page(read_page(self.stream, position, iterator, self.wall()))
            iterator = page.iterator
            if page.changes:
                if began_before is None:
                    began_before = min(change.at for change in page.changes) < self.from_at
                empty_pages = 0
                position = moved(position, page.last)
                await self._take(page.changes)
            else:
                empty_since = empty_since if empty_pages else asked_at
                empty_pages += 1
            if iterator is None:
                self._ended.add(shard)
                break
            if page.changes and max(change.at for change in page.changes) >= self._until:
                break
            if empty_pages >= EMPTY_PAGES and asked_at - max(empty_since, self._began) >= self.delivery_seconds:
                break
            await asyncio.sleep(BUSY_SECONDS if page.changes else IDLE_SECONDS)
        return bool(began_before)

    async def _page(self, routine: Routine[Page]) -> Page:
        async with self._reads:
            return await self.session.run(routine)

    async def _take(self, changes: Sequence[Change]) -> None:
        within = [change for change in changes if change.at >= self.from_at]
        self.changes += len(within)
        if within:
            await self.deal(within)
