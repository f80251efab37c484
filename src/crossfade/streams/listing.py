"""Which shards a stream has: all of them at the beginning and every few minutes, in between the children of what has
ended.

DescribeStream tells of 100 shards, and may be called ten times a second by all that there is in an account and Region:
a stream with a thousand open shards, and those of a day behind them, fills sixty pages. A new shard follows one that
has ended, and the service tells the children of one alone (ShardFilter); where it does not, all are listed then.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_DescribeStream.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from crossfade.core.effects import Routine
from crossfade.errors import ServiceRejected
from crossfade.streams.asking import Described, Stream, describe
from crossfade.streams.lineage import Shard

DESCRIBE_SECONDS: Final = 0.25  # between two requests of one reader: a second one, and whoever else, have room as well
LIST_ALL_SECONDS: Final = 300.0  # what has gone is then forgotten; what is new is found otherwise
AGAIN_SECONDS: Final = 0.5  # to the next look for children that were not there yet, then twice as long, and so on
AGAIN_SECONDS_MAX: Final = 60.0


class Turns:
    """The requests of one reader to one account, some time apart."""

    def __init__(self, now: Callable[[], float], pause: Callable[[float], Awaitable[None]]) -> None:
        self._now = now
        self._pause = pause
        self._next_at = float("-inf")

    async def take(self) -> None:
        now = self._now()
        at = max(now, self._next_at)
        self._next_at = at + DESCRIBE_SECONDS
        if at > now:
            await self._pause(at - now)


class Describing(Protocol):
    """What a stream is described with."""

    def now(self) -> float: ...
    async def run(self, routine: Routine[Described]) -> Described: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found. `whole`: all that there is. `at`: when, by the service's clock and to the second, in
    seconds since 1970; None where it does not say."""

    shards: Sequence[Shard]
    whole: bool
    at: float | None


@dataclass(slots=True)
class _Awaited:
    """The children of a shard that has ended: when they are asked for, and whether that was done already."""

    at: float
    again_seconds: float = AGAIN_SECONDS
    was_asked: bool = False


class Listing:
    """The shards of one stream. `look` when it is `due`; StreamGap where the stream was switched off or is gone."""

    def __init__(self, stream: Stream, how: Describing, turns: Turns) -> None:
        self.stream = stream
        self.shards: dict[str, Shard] = {}
        self._how = how
        self._turns = turns
        self._parents: set[str] = set()
        self._all_at = float("-inf")
        self._pages = 0  # of all shards
        self._filters = True  # the service knows ShardFilter, as far as is known
        self._awaited: dict[str, _Awaited] = {}

    @property
    def is_complete(self) -> bool:
        """Whether no shard that has ended may have children that are not known."""
        return self._pages > 0 and all(awaited.was_asked for awaited in self._awaited.values())

    def due(self) -> bool:
        now = self._how.now()
        return now >= self._all_at or any(awaited.at <= now for awaited in self._awaited.values())

    def ended(self, shard: str) -> None:
        """A shard has been read to its end: its children may be read now."""
        known = self.shards.get(shard)
        if not (known is not None and known.closed and shard in self._parents):
            self._awaited[shard] = _Awaited(self._how.now())

    async def look(self) -> Found:
        now = self._how.now()
        ended = [shard for shard, awaited in self._awaited.items() if awaited.at <= now]
        if now < self._all_at and self._filters and len(ended) <= self._pages:
            children = await self._children(ended)
            if children is not None:
                self._add(children, ended)
                return Found(children, False, None)
        return await self._all(list(self._awaited))

    async def _all(self, ended: Sequence[str]) -> Found:
        """Look at all shards. `ended`: those that had ended before."""
        found: list[Shard] = []
        page: Described | None = None
        pages = 0
        while page is None or page.last:
            page = await self._page("" if page is None else page.last)
            found += page.shards
            pages += 1
        self.shards, self._parents = {}, set()
        self._add(found, ended)
        self._pages, self._all_at = pages, self._how.now() + LIST_ALL_SECONDS
        return Found(found, True, page.at)

    async def _children(self, ended: Iterable[str]) -> list[Shard] | None:
        """Return the children of these; None where the service does not tell them alone."""
        found: list[Shard] = []
        for shard in ended:
            page: Described | None = None
            while page is None or page.last:
                try:
                    page = await self._page("" if page is None else page.last, children_of=shard)
                except ServiceRejected as error:
                    if error.code != "ValidationException":
                        raise
                    self._filters = False
                    return None
                self._filters = all(each.parent == shard for each in page.shards)
                if not self._filters:
                    return None
                found += page.shards
        return found

    async def _page(self, after: str, children_of: str = "") -> Described:
        await self._turns.take()
        return await self._how.run(describe(self.stream, after=after, children_of=children_of))

    def _add(self, shards: Iterable[Shard], ended: Iterable[str]) -> None:
        for shard in shards:
            self.shards[shard.id] = shard
            self._parents.add(shard.parent)
        for shard_id in ended:
            if shard_id in self._parents:
                _ = self._awaited.pop(shard_id, None)
                continue
            awaited = self._awaited[shard_id]  # it has none yet, or none will come: the stream is being switched off
            awaited.was_asked, awaited.at = True, self._how.now() + awaited.again_seconds
            awaited.again_seconds = min(2 * awaited.again_seconds, AGAIN_SECONDS_MAX)
