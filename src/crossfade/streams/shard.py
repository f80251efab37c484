"""One shard, page after page, to its end, to the present end, or until a stop.

Several pages may be dealt with at once, since dealing with one may take seconds; the position moves over those that are
done from the first one on, so nothing that was not dealt with is ever behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from crossfade.control.records import ShardPosition
from crossfade.core.effects import Routine
from crossfade.streams.asking import PAGE_RECORDS, Page, Stream, read_page
from crossfade.streams.changes import Change
from crossfade.streams.ledger import Ledger

PAGES_AT_ONCE: Final = 8  # a shard, of up to 1,000 changes each
# A shard may be asked five times a second, by all of its readers together: two of ours stay within that, and 2,500
# changes a second are more than a shard takes.
BUSY_SECONDS: Final = 0.4
IDLE_SECONDS: Final = 0.5  # after the first empty page, then twice as long, and so on
SOON_SECONDS: Final = 1.0  # by which a shard is asked again, whatever its pause: then nothing is overdue
COARSE_SECONDS: Final = 60.0  # the times of some streams are whole minutes
SLACK_SECONDS: Final = 5.0  # beyond that minute, between two clocks
DOUBLINGS_MAX: Final = 10  # of a pause, far beyond the longest
ENDS_AFTER: Final = 3  # empty pages in a row: one alone may stand before others that are not

Deal = Callable[[Stream, Sequence[Change]], Awaitable[None]]


class Ways(Protocol):
    """What a shard is read with."""

    ledger: Ledger

    @property
    def idle_seconds_max(self) -> float: ...

    async def room(self) -> Callable[[], None]:
        """Wait until another page may be held; what is returned is called when it is dealt with."""
        ...

    async def read(self, routine: Routine[Page]) -> Page: ...
    async def pause(self, seconds: float) -> None: ...
    def wall(self) -> float: ...
    def stopping(self) -> bool: ...


@dataclass(slots=True)
class _Dealing:
    last: str
    asked_at: float
    oldest: float
    newest: float
    task: asyncio.Task[None]


class ShardReading:
    """`run` reads; the rest tells how far it is. Times are seconds since 1970.

    `until`: where a change was made then or later, or several pages in a row are empty, nothing more is read; None:
    what is to come is read as well.
    """

    def __init__(
        self, ways: Ways, stream: Stream, position: ShardPosition, deal: Deal, until: float | None = None
    ) -> None:
        self._ways = ways
        self._stream = stream
        self._position = position  # what has been dealt with
        self._read_to = position  # what has been read
        self._deal = deal
        self._until = until
        self._pages: deque[_Dealing] = deque()
        self._empty_pages = 0
        self._short_pages = 0  # in a row: each held all that there was, most likely
        self._asked_at = 0.0  # when the last page that was answered was asked for
        self._pause_seconds = 0.0  # the pause that is being made
        self._coarse = True  # until a time is seen that is not a whole minute
        self._newest: float | None = None  # of the last page that was read, where it was not empty
        self._begun = False

    def lag_seconds(self, now: float) -> float | None:
        """The age of the oldest change that may not have been dealt with; None while that is not known.

        By the times of the changes. Where these are whole minutes they tell no more than a minute, so that under steady
        traffic nobody would ever be less behind: there, within that minute, the place tells, which is the end of what
        there was when the page was asked for.
        """
        if self._pages:
            first = self._pages[0]
            return self._by_place(max(0.0, now - first.oldest), now - first.asked_at)
        if not self._begun:
            return None
        since_asked = now - self._asked_at
        if self._newest is not None:
            return self._by_place(max(0.0, now - self._newest), since_asked)
        # What there was has been read; that it still is so is known for as long as it is asked when it is due.
        return 0.0 if since_asked <= self._pause_seconds + SOON_SECONDS else since_asked

    def _by_place(self, by_time: float, since_asked: float) -> float:
        if self._coarse and self._short_pages >= ENDS_AFTER and by_time <= COARSE_SECONDS + SLACK_SECONDS:
            return max(0.0, min(by_time, since_asked))
        return by_time

    async def run(self) -> bool:
        """Whether the shard has been read, and dealt with, to its end. Raises what dealing raises, or StreamGap."""
        try:
            ended = await self._read()
            while self._pages:
                _ = await asyncio.wait({self._pages[0].task})
                self._advance()
        except BaseException:
            for page in self._pages:
                _ = page.task.cancel()
            _ = await asyncio.gather(*(page.task for page in self._pages), return_exceptions=True)
            raise
        if ended:
            _ = self._ways.ledger.advance(self._position, finished=True)
        return ended

    async def _read(self) -> bool:
        iterator: str | None = None
        while not self._ways.stopping():
            asked_at = self._ways.wall()
            leave = await self._ways.room()
            try:
                page = await self._ways.read(read_page(self._stream, self._read_to, iterator, asked_at))
            except BaseException:
                leave()
                raise
            iterator = page.iterator
            self._take(page, asked_at, leave)
            self._advance()
            while len(self._pages) >= PAGES_AT_ONCE:
                _ = await asyncio.wait({self._pages[0].task})
                self._advance()
            if iterator is None:
                return True
            if self._at_present_end():
                return False
            self._pause_seconds = self._next_pause(page)
            await self._ways.pause(self._pause_seconds)
        return False

    def _next_pause(self, page: Page) -> float:
        """A shard in which nothing happens is asked less and less often."""
        if page.changes:
            return BUSY_SECONDS
        doublings = min(self._empty_pages - 1, DOUBLINGS_MAX)
        return min(IDLE_SECONDS * 2.0**doublings, max(IDLE_SECONDS, self._ways.idle_seconds_max))

    def _at_present_end(self) -> bool:
        if self._until is None:
            return False
        return self._empty_pages >= ENDS_AFTER or (self._newest is not None and self._newest >= self._until)

    def _take(self, page: Page, asked_at: float, leave: Callable[[], None]) -> None:
        self._begun, self._asked_at = True, asked_at
        self._short_pages = self._short_pages + 1 if len(page.changes) < PAGE_RECORDS else 0
        if not page.changes:
            self._empty_pages += 1
            self._newest = None
            leave()
            return
        self._empty_pages = 0
        times = [change.at for change in page.changes]
        self._newest = max(times)
        since = self._stream.since  # what is older than that was set to it
        self._coarse = self._coarse and all(at <= since or at % COARSE_SECONDS == 0 for at in times)
        task = asyncio.create_task(_dealt(self._deal, self._stream, page.changes), name="crossfade-stream-page")
        task.add_done_callback(lambda _: leave())
        self._pages.append(_Dealing(page.last, self._asked_at, min(times), self._newest, task))
        self._read_to = moved(self._read_to, page.last)

    def _advance(self) -> None:
        """The position over the pages that are done, from the first one on. Raises what dealing with one raised."""
        while self._pages and self._pages[0].task.done():
            page = self._pages[0]
            page.task.result()
            self._position = self._ways.ledger.advance(self._position, after=page.last)
            _ = self._pages.popleft()


async def _dealt(deal: Deal, stream: Stream, changes: Sequence[Change]) -> None:
    await deal(stream, changes)


def moved(position: ShardPosition, last: str) -> ShardPosition:
    return ShardPosition(
        position.reader, position.side, position.shard, position.run, last, finished=False, since=position.since
    )
