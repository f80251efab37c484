"""Query of the table itself while each item is the target's, or else the source's: both tables, merged by sort key.

Under one key the target must have been read before the source (see core/write/copy_on_write.py). A page of the source
may reach further than the page of the target that was read before it; so whenever the target is read on, what is held
of the source is dropped and read again from there.
"""

from __future__ import annotations

from typing import Any, Final

from crossfade.core.effects import Call, Gather, Reply, Request, Routine
from crossfade.core.items import Item, size_bytes
from crossfade.core.pages.page import Asked, page, understood
from crossfade.core.pages.page_ends import Answered
from crossfade.core.pages.query import cursor_of_image, is_of_one, modern_query
from crossfade.core.pages.strangers import with_counterpart
from crossfade.core.pages.streams import PAGE_BYTES_MAX, Stream, key_names, own_course, rank_by, streams
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import NotPossibleInStage


def query_merged(pair: Pair, request: Request) -> Routine[Reply]:
    """One page of a Query by the caller."""
    if pair.mapping.sort == "other" and not is_of_one(pair, request):
        raise NotPossibleInStage(NOT_MERGED.format(table=pair.caller.name), next_step=NEXT_STEP)
    request = modern_query(pair, request)
    asked = understood("Query", request, key_names(pair))
    merge = MergedTablePage(pair, asked, request)
    while not (yield from merge.goes_on()):
        pass
    return page(pair, asked, request, merge.items, merge.looked_at, merge.last, merge.sent)


NOT_MERGED: Final = (
    "this Query of {table} goes by a sort key that the two tables keep in different orders; while items are in both"
    " tables, it cannot be answered"
)
NEXT_STEP: Final = (
    "read the items by their whole key, or scan the table; from the stage rampdown on the target is queried in its own"
    ' terms (view="target")'
)


class MergedTablePage:
    """One page in the making."""

    def __init__(self, pair: Pair, asked: Asked, request: Request) -> None:
        self.items: list[Item] = []
        self.looked_at = 0
        self.last: Item | None = None  # the token
        self.sent: list[Reply] = []
        self._pair = pair
        self._asked = asked
        self._request = request
        self._limit: int | None = request.get("Limit")
        self._backwards = request.get("ScanIndexForward") is False
        self._course = own_course(pair, "target")
        self._rank = rank_by(self._course.keys.sort)
        self._bytes = 0
        self._target = self._streams("target")
        self._source = self._streams("source")

    def _streams(self, side: Side) -> list[Stream]:
        course = own_course(self._pair, side)
        # What the source had a second ago may be older than that: see core/read/both_tables.py.
        request = {**self._request, "ConsistentRead": True} if side == "source" else self._request
        return streams(self._pair, self._asked, request, side, course, self._limit)

    def goes_on(self) -> Routine[bool]:
        """One step: a page of either side, or an item. Whether the page is complete."""
        if any(stream.needs_more for stream in self._target):
            yield from self._fetch("target", self._target)
            self._source = self._streams("source")  # from the last item on: what was read of it was read too early
            return False
        if any(stream.needs_more for stream in self._source):
            yield from self._fetch("source", self._source)
            return False
        waiting = [stream for stream in (*self._target, *self._source) if stream.held]
        return not waiting or self._take(waiting)

    def _fetch(self, side: Side, fan: list[Stream]) -> Routine[None]:
        hungry = [stream for stream in fan if stream.needs_more]
        replies = yield from Gather(tuple(Call(side, "Query", stream.request) for stream in hungry))
        for stream, reply in zip(hungry, replies, strict=True):
            found = with_counterpart(self._pair, side, reply["Items"])
            images = (self._pair.image(side, self._pair.stored(side, item)) for item in found)
            stream.take(self._asked, images, Answered(side, "Query", stream.request, reply))
            self.sent.append(reply)

    def _take(self, waiting: list[Stream]) -> bool:
        """The next item, which where both sides have it is the target's: those streams come first."""
        choose = max if self._backwards else min  # of equals, the first

        def rank(stream: Stream) -> Any:
            return self._rank(stream.held[-1])

        chosen = choose(waiting, key=rank)
        place = rank(chosen)
        image = chosen.held[-1]
        for stream in waiting:
            if rank(stream) == place:
                _ = stream.held.pop()
        self.looked_at += 1
        self._bytes += size_bytes(image)
        self._request = {**self._request, "ExclusiveStartKey": cursor_of_image(self._pair, image)}
        if self._asked.keep(image):
            self.items.append(image)
        full = self.looked_at == self._limit or self._bytes >= PAGE_BYTES_MAX
        if full:
            self.last = cursor_of_image(self._pair, image)
        return full
