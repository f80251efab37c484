"""Scan, of a table or an index, while items are in both tables: first all that the source has, then what only the
target has.

An item that is there all the time keeps its place in this order, whether it is copied meanwhile or not: the source only
ever loses items that are deleted. Of an item that both have, the target's is shown. A token carries a mark that says in
which table the walk is. One without is of `off`, or its mark was cut off; where items are in both tables, what these
hold under its key tells the same (see core/pages/unmarked.py), and therefore a walk of the target ends its pages at
items that the source has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.items import Item, size_bytes
from crossfade.core.pages.entries import of_entries, of_entry
from crossfade.core.pages.index import MergedIndex, merged_index
from crossfade.core.pages.order import declared_names, from_gone, translated
from crossfade.core.pages.page import PAGING, Asked, page, understood
from crossfade.core.pages.seals import handed_on
from crossfade.core.pages.strangers import with_counterpart
from crossfade.core.pages.streams import PAGE_BYTES_MAX
from crossfade.core.pages.unmarked import DROPPED_MAX, check_kinds, dropped_max, is_whole, side_of, too_far, unknown
from crossfade.core.pages.whole_keys import completed, whole_cursor_of, whole_cursor_there
from crossfade.core.read.both_tables import look_both
from crossfade.core.read.lookup import look_up
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import ELSEWHERE, REST, REST_BEGINS, at_place, mark_of, marked, opened, without_mark
from crossfade.core.request.legacy import modern
from crossfade.core.stages import Row, Side
from crossfade.core.tables.pair import Image, Pair, key_name
from crossfade.core.tables.schema import WHOLE_ITEMS, IndexSchema
from crossfade.core.tables.stamps import Stored
from crossfade.errors import ServiceRejected

READ_MIN: Final = 100  # of the target at once: most of it may be what the source has given


def is_merged_scan(row: Row, request: Request) -> bool:
    """Whether this page is one of such a walk: there are no others where both tables have items, and where the target
    serves alone those that were begun before go on."""
    if not row.stamped_source or row.authority == "source":
        return False
    mark = mark_of(request)
    return mark != "target" if row.merges else mark in (REST, REST_BEGINS, ELSEWHERE, "source")


def merged_scan(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One page of a Scan by the caller."""
    request = opened(request)
    mark = mark_of(request)
    given = without_mark(request)
    whole = modern("Scan", given if pair.mapping.source_key_extras else handed_on(pair, given, mark))
    asked = understood("Scan", whole, None)
    name: str | None = request.get("IndexName")
    try:
        index = None
        if name is not None:
            index = yield from merged_index(pair, row, name, declared_names(pair, name))
            asked = understood("Scan", whole, None, index.shape)
            index.check_alike("Scan")
            if request.get("ConsistentRead"):
                index.check_consistency("Scan", index.sides)
        check_kinds(pair, whole)
        step = MergedScanPage(pair, row, asked, whole, index)
        yield from step.goes(mark)
    except ServiceRejected as error:
        raise from_gone(pair, row, "Scan", error) from None
    return page(pair, asked, whole, step.items, step.looked_at, step.last, step.sent)


class MergedScanPage:
    """One page in the making, perhaps of both tables."""

    def __init__(self, pair: Pair, row: Row, asked: Asked, request: Request, index: MergedIndex | None) -> None:
        self.items: list[Item] = []
        self.looked_at = 0
        self.last: Item | None = None  # the token
        self.end: Item | None = None  # the key of the last item of the source
        self.sent: list[Reply] = []
        self._pair = pair
        self._row = row
        self._asked = asked
        self._request = request
        self._index = index
        self._known: Item | None = request.get("ExclusiveStartKey")  # a place that tells by its key what it is
        self._dropped_max = DROPPED_MAX
        self._shown_names: set[str] = set()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether the page has as many bytes as one of DynamoDB's."""
        return self._bytes >= PAGE_BYTES_MAX

    @property
    def left(self) -> int | None:
        """How many items may still be looked at; None for no limit."""
        limit: int | None = self._request.get("Limit")
        return None if limit is None else max(0, limit - self.looked_at)

    def _page(self, side: Side, start: Item | None, *, own: bool) -> Routine[tuple[list[Item], Item | None]]:
        """What one side answers, and its token in the caller's terms."""
        pair, counted = self._pair, capacity_asked(self._request)
        asked: Request = {name: self._request[name] for name in PAGING if name in self._request}
        asked |= {"TableName": pair.table(side).name, **counted}
        if self._index is not None and self._index.there[side] is not None:
            asked["IndexName"] = self._index.there[side]
        if self.left is not None:
            asked["Limit"] = self.left if side == "source" else max(self.left, READ_MIN)
        if start is not None:
            asked["ExclusiveStartKey"] = self._there(start, side)
        call: Call | Forward = Forward(asked) if own else Call(side, "Scan", asked)
        while True:
            reply = yield from call
            self.sent.append(reply)
            last: Item | None = reply.get("LastEvaluatedKey")
            found: list[Item] = reply["Items"]
            known = with_counterpart(pair, side, found)
            items = yield from completed(pair, side, known, self.sent, counted)
            if items and len(known) < len(found):
                return items, self._token(items[-1], side) if last else None
            if items or not last or not (pair.mapping.source_key_extras or found):
                return items, self._callers(last, side, items)
            call = Call(side, "Scan", {**asked, "ExclusiveStartKey": last})

    def _there(self, token: Item, side: Side) -> Item:
        """The caller's token in the terms of one side."""
        if self._pair.mapping.source_key_extras:
            return whole_cursor_there(self._pair, token, side, self._names)
        return translated(self._pair, token, self._pair.view, side)

    def _callers(self, token: Item | None, side: Side, items: Sequence[Item]) -> Item | None:
        """The reverse; where the keys of one table do not lead to those of the other, the last item does."""
        pair = self._pair
        if not token:
            return None
        if not pair.mapping.source_key_extras:
            return translated(pair, token, side, pair.view)
        image = of_entry(pair, side, self._schema(side), items[-1])
        return None if image is None else whole_cursor_of(pair, image, self._names)

    def _schema(self, side: Side) -> IndexSchema:
        return WHOLE_ITEMS if self._index is None else self._index.sides[side]

    def _token(self, item: Item, side: Side) -> Item | None:
        """For the page that begins behind an item that one side has answered."""
        index = () if self._index is None else self._index.sides[side].keys
        names = dict.fromkeys((*self._pair.table(side).key_names, *index))
        return self._callers({name: item[name] for name in names}, side, [item])

    @property
    def _names(self) -> tuple[str, ...]:
        """The caller's, of the index's key."""
        return () if self._index is None else self._index.key_names

    def goes(self, mark: str) -> Routine[None]:
        """All of it."""
        start: Item | None = self._request.get("ExclusiveStartKey")
        self._dropped_max = dropped_max(start, mark)
        if start is not None and not mark and is_whole(self._pair, self._index, start):
            side = yield from side_of(self._pair, start, self._source_has, self.sent, capacity_asked(self._request))
            if side is None:
                raise unknown()
            mark = REST if side == "target" else "source"
        if mark in (REST, REST_BEGINS):
            yield from self.through_target(start if mark == REST else None)
            return
        yield from self.through_source()
        if self.last is None and self.left != 0 and not self.is_full:
            yield from self.through_target(None)
        elif self.last is None and self.end is not None:
            self.last = marked(self.end, REST_BEGINS)

    def through_source(self) -> Routine[None]:
        items, last = yield from self._page("source", self._request.get("ExclusiveStartKey"), own=True)
        keys = [self._pair.source_key(item) for item in items]
        images = yield from self._present(keys)
        shown = self._show(images)
        if items:
            self.end = self._known = self._pair.callers_whole_key(keys[-1])
        if shown < len(items):
            last = self._token(items[shown - 1], "source")
        self.last = None if last is None else marked(last, "source")

    def _present(self, keys: Sequence[Item]) -> Routine[list[Image]]:
        """The items under these keys as they are: the target's, or else the source's, in the order that is right."""
        found = yield from look_both(self._pair, self._row, keys, self.sent, capacity_asked(self._request))
        return [self._shown(side, stored) for side, stored in found]

    def _shown(self, side: Side, stored: Stored) -> Image:
        """The item; of an index, its entry there, if it has one."""
        if self._index is None:
            return self._pair.image(side, stored)
        return self._pair.image(side, stored) if self._index.has(side, stored) else None

    def through_target(self, start: Item | None) -> Routine[None]:
        """Until there is something to show: most of it may be what the source has given."""
        dropped, last = 0, start
        while True:
            items, last = yield from self._target_page(last)
            only = yield from self._only_of_target(items)
            shown = self._show(only[: self.left])
            if shown < len(only):
                self.last = marked(self._token_of(only[shown - 1]), REST)
                return
            if only:
                self._known = self._token_of(only[-1])
            dropped += len(items) - len(only)
            if last is None:
                return
            if only or dropped >= self._dropped_max:
                break
        if self._dropped_max > DROPPED_MAX and not only:
            raise too_far()
        token = marked(last, REST)
        self.last = token if self._known is None or self._known == last else at_place(self._known, token)

    def _target_page(self, start: Item | None) -> Routine[tuple[list[Item], Item | None]]:
        # Of the caller's own call there is but one.
        return (yield from self._page("target", start, own=not self.sent))

    def _only_of_target(self, items: Sequence[Item]) -> Routine[list[Item]]:
        """Images of those that the source has not."""
        pair = self._pair
        keys = [pair.whole_key_of("target", item) for item in items]
        held = yield from look_up(pair, "source", keys, self.sent, capacity_asked(self._request))
        behind = zip(items, keys, held, strict=True)
        only = [item for item, key, source in behind if not self._source_gave(source, key)]
        schema, counted = self._schema("target"), capacity_asked(self._request)
        return (yield from of_entries(pair, "target", schema, self._asked, only, self.sent, counted))

    def _token_of(self, image: Item) -> Item:
        return whole_cursor_of(self._pair, image, self._names)

    def _source_gave(self, stored: Stored, key: Item) -> bool:
        return not self._pair.is_another("source", stored, key) and self._source_has(stored)

    def _source_has(self, stored: Stored) -> bool:
        return stored.item is not None if self._index is None else self._index.has("source", stored)

    def _show(self, images: Sequence[Image]) -> int:
        """Each item once, even one that is deleted in both tables and put into the target while this page is made. How
        many were dealt with when the page was full: items may be larger in the table that has them now."""
        for place, image in enumerate(images, 1):
            name = None if image is None else key_name(self._pair.callers_key(image))
            if image is None or name is None or name in self._shown_names:
                continue
            self._shown_names.add(name)
            self.looked_at += 1
            self._bytes += size_bytes(self._asked.entry(image))
            if self._asked.keep(image):
                self.items.append(image)
            if self.is_full:
                return place
        return len(images)
