"""A page in the making: what was looked at, what of it is shown, and what it took.

A page ends where the plain table's would: after `Limit` items looked at, or 1 MB of them as the caller's own table or
index holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item, size_bytes
from crossfade.core.pages.asked import Asked
from crossfade.core.request.capacity import consumed
from crossfade.core.tables.pair import Pair

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
PAGE_BYTES_MAX: Final = 1024 * 1024


class PageBuilder:
    """One page of a request that has no legacy parameters. `sent`: of all that is asked for it, the replies."""

    def __init__(self, pair: Pair, asked: Asked, request: Request, sent: list[Reply] | None = None) -> None:
        self.sent: list[Reply] = [] if sent is None else sent
        self.last: Item | None = None  # the token, in the caller's terms
        self.looked_at = 0
        self._items: list[Item] = []
        self._bytes = 0
        self._pair = pair
        self._asked = asked
        self._request = request
        self._limit: int | None = request.get("Limit")

    @property
    def left(self) -> int | None:
        """How many items may still be looked at; None for no limit."""
        return None if self._limit is None else max(0, self._limit - self.looked_at)

    @property
    def is_large(self) -> bool:
        return self._bytes >= PAGE_BYTES_MAX

    def add(self, image: Item) -> bool:
        """Add an item that was looked at. Return whether the page ends with it."""
        self.add_all((image,))
        self._bytes += size_bytes(self._asked.entry(image))
        return self.looked_at == self._limit or self._bytes >= PAGE_BYTES_MAX

    def add_all(self, images: Sequence[Item]) -> None:
        """Add what one side has answered as a page of its own, which ends where that one ended."""
        self.looked_at += len(images)
        self._items += [image for image in images if self._asked.keeps(image)]

    def reply(self) -> Reply:
        reply: Reply = {"Count": len(self._items), "ScannedCount": self.looked_at}
        if self._request.get("Select") != "COUNT":
            reply["Items"] = [self._asked.project(image) for image in self._items]
        if self.last is not None:
            reply["LastEvaluatedKey"] = self.last
        return {**reply, **consumed(self._pair, self.sent, self._request.get("TableName"))}
