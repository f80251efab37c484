"""Items of several rows, made again once for all of their parts that came in the meantime.

A part that was kept must be followed by a rebuild of its item that begins behind it; it need not be one of its own. So
while an item is made again, whoever has kept a part of it meanwhile waits for the next one, which is for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from crossfade.cdc.applying import Destination, part_key, rebuild
from crossfade.cdc.planning import Part
from crossfade.core.effects import Routine

Item = tuple[str, str]  # the table, and what the item's parts are kept under
Drive = Callable[[Routine[None]], Awaitable[None]]


class Rebuilding:
    """For one loop, and what one process applies there; others are kept apart by the item's lock."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._under_way: dict[Item, asyncio.Future[None]] = {}
        self._next: dict[Item, asyncio.Future[None]] = {}

    async def rebuilt(self, destination: Destination, part: Part) -> None:
        """The part's item has been made again by a rebuild that began after this was called. Raises what it did."""
        item = destination.table, part_key(part)["item"]["S"]
        joined = self._next.get(item)
        if joined is not None:
            await asyncio.shield(joined)
            return
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            await self._behind_the_one_under_way(item, ended)
            self._under_way[item] = ended
            await self._drive(rebuild(destination, part))
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                _ = ended.cancel()
            else:
                ended.set_exception(error)
                _ = ended.exception()  # perhaps nobody else waits for it
            raise
        else:
            ended.set_result(None)
        finally:
            if self._under_way.get(item) is ended:
                del self._under_way[item]

    async def _behind_the_one_under_way(self, item: Item, ended: asyncio.Future[None]) -> None:
        """Until then others may join."""
        before = self._under_way.get(item)
        if before is None:
            return
        self._next[item] = ended
        try:
            _ = await asyncio.wait([before])
        finally:
            del self._next[item]
