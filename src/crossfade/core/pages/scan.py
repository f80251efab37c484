"""Scan: which way its pages are made, and those of a table or an index while items are in both tables: first all that
the source has, then what only the target has.

An item keeps its place in this order, copied meanwhile or not: the source only loses items that are deleted. Of an item
that both have, the target's is shown. A token's mark says in which table the walk is. Without one, what the tables hold
under its key tells the same (see core/pages/unmarked.py): therefore a walk of the target ends its pages at items that
the source has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.pages.asked import Asked, paging_there, understood
from crossfade.core.pages.builder import PageBuilder
from crossfade.core.pages.cursors import cursor_of, cursor_there, translated
from crossfade.core.pages.entries import Entries
from crossfade.core.pages.index import MergedIndex, merged_index
from crossfade.core.pages.one_side import from_gone
from crossfade.core.pages.order import declared_names, in_its_order, is_merged
from crossfade.core.pages.seals import handed_on
from crossfade.core.pages.unmarked import Dropped, check_kinds, is_whole, side_of, unknown
from crossfade.core.read.both_tables import look_both
from crossfade.core.read.lookup import look_up
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import REST, REST_BEGINS, at_place, mark_of, marked, opened, without_mark
from crossfade.core.request.legacy import modern
from crossfade.core.stages import SIDES, Row, Side
from crossfade.core.tables.pair import Image, Pair, key_name
from crossfade.core.tables.schema import WHOLE_ITEMS, IndexSchema
from crossfade.core.tables.stamps import Stored
from crossfade.errors import ServiceRejected

READ_MIN: Final = 100  # of the target at once: most of it may be what the source has given


def scan(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    return scan_both(pair, row, request) if is_merged(row, request) else in_its_order(pair, row, "Scan", request)


def scan_both(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
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
            asked, _ = index.understood("Scan", whole)
        check_kinds(pair, whole)
        return (yield from MergedScanPage(pair, row, asked, whole, index).made(mark))
    except ServiceRejected as error:
        raise from_gone(pair, row, "Scan", error) from None


class MergedScanPage:
    def __init__(self, pair: Pair, row: Row, asked: Asked, request: Request, index: MergedIndex | None) -> None:
        self._builder = PageBuilder(pair, asked, request)
        self._end: Item | None = None  # the key of the last item of the source
        self._pair = pair
        self._row = row
        self._request = request
        self._counted = capacity_asked(request)
        self._index = index
        self._names = () if index is None else index.names.every  # the caller's, of the index's key
        self._known: Item | None = request.get("ExclusiveStartKey")  # a place that tells by its key what it is
        self._dropped = Dropped()
        self._shown_names: set[str] = set()
        self._entries = {
            side: Entries(pair, side, self._schema(side), asked, request, self._builder.sent) for side in SIDES
        }

    def _schema(self, side: Side) -> IndexSchema:
        return WHOLE_ITEMS if self._index is None else self._index.sides[side]

    def made(self, mark: str) -> Routine[Reply]:
        """All of it. `mark` is that of the caller's token."""
        builder = self._builder
        start: Item | None = self._request.get("ExclusiveStartKey")
        self._dropped = Dropped(start, mark)
        if start is not None and not mark and is_whole(self._pair, self._index, start):
            side = yield from side_of(self._pair, start, self._source_has, builder.sent, self._counted)
            if side is None:
                raise unknown()
            mark = REST if side == "target" else "source"
        if mark in (REST, REST_BEGINS):
            yield from self._through_target(start if mark == REST else None)
            return builder.reply()
        yield from self._through_source(start)
        if builder.last is None and builder.left != 0 and not builder.is_large:
            yield from self._through_target(None)
        elif builder.last is None and self._end is not None:
            builder.last = marked(self._end, REST_BEGINS)
        return builder.reply()

    # --- what is asked of each side

    def _page(self, side: Side, start: Item | None) -> Routine[tuple[list[Item], Item | None]]:
        """What one side answers, and its token in the caller's terms."""
        pair, builder, entries, left = self._pair, self._builder, self._entries[side], self._builder.left
        limit = left if left is None or side == "source" else max(left, READ_MIN)
        index = None if self._index is None else self._index.there[side]
        there = paging_there(pair, side, self._request, index, limit)
        if start is not None:
            there["ExclusiveStartKey"] = cursor_there(pair, start, side, self._names)
        # Of the caller's own call there is but one.
        call: Call | Forward = Call(side, "Scan", there) if side == "target" and builder.sent else Forward(there)
        while True:
            reply = yield from call
            builder.sent.append(reply)
            last: Item | None = reply.get("LastEvaluatedKey")
            found: list[Item] = reply["Items"]
            known = entries.without_strangers(found)
            items = yield from entries.with_keys(known)
            if items and len(known) < len(found):
                return items, self._token(items[-1], side) if last else None
            if items or not last or not (pair.mapping.source_key_extras or found):
                return items, self._callers(last, side, items)
            call = Call(side, "Scan", {**there, "ExclusiveStartKey": last})

    def _callers(self, token: Item | None, side: Side, items: Sequence[Item]) -> Item | None:
        """Return a token in the caller's terms; where the keys of one table do not lead to those of the other, the
        last item does."""
        if not token:
            return None
        if not self._pair.mapping.source_key_extras:
            return translated(self._pair, token, side, self._pair.view)
        image = self._entries[side].image(items[-1])
        return None if image is None else self._token_of(image)

    def _token(self, item: Item, side: Side) -> Item | None:
        """For the page that begins behind an item that one side has answered."""
        names = (*self._pair.table(side).key_names, *self._schema(side).keys)
        return self._callers(cursor_of(item, names), side, [item])

    def _token_of(self, image: Item) -> Item:
        return cursor_of(image, (*self._pair.callers_names, *self._names))

    # --- what comes back

    def _through_source(self, start: Item | None) -> Routine[None]:
        items, last = yield from self._page("source", start)
        keys = [self._pair.source_key(item) for item in items]
        # The items as they are: the target's, or else the source's; of an index, their entries there.
        found = yield from look_both(self._pair, self._row, keys, self._builder.sent, self._counted)
        images = [self._pair.image(side, stored) if self._has(side, stored) else None for side, stored in found]
        shown = self._show(images)
        if items:
            self._end = self._known = self._pair.callers_whole_key(keys[-1])
        if shown < len(items):
            last = self._token(items[shown - 1], "source")
        self._builder.last = None if last is None else marked(last, "source")

    def _through_target(self, last: Item | None) -> Routine[None]:
        """Until there is something to show: most of it may be what the source has given."""
        while True:
            items, last = yield from self._page("target", last)
            only = yield from self._only_of_target(items)
            shown = self._show(only[: self._builder.left])
            if shown < len(only):
                self._builder.last = marked(self._token_of(only[shown - 1]), REST)
                return
            if only:
                self._known = self._token_of(only[-1])
            if last is None:
                return
            if only or self._dropped.ends(len(items)):
                break
        token = marked(last, REST)
        self._builder.last = token if self._known is None or self._known == last else at_place(self._known, token)

    def _only_of_target(self, items: Sequence[Item]) -> Routine[list[Item]]:
        """Images of those that the source has not."""
        pair = self._pair
        keys = [pair.whole_key_of("target", item) for item in items]
        held = yield from look_up(pair, "source", keys, self._builder.sent, self._counted)
        behind = zip(items, keys, held, strict=True)
        only = [
            item
            for item, key, source in behind
            if pair.is_another("source", source, key) or not self._source_has(source)
        ]
        return (yield from self._entries["target"].images(only))

    def _has(self, side: Side, stored: Stored) -> bool:
        """Whether an item of that side is in the index that is read, or in the table."""
        return stored.item is not None if self._index is None else self._index.has(side, stored)

    def _source_has(self, stored: Stored) -> bool:
        return self._has("source", stored)

    def _show(self, images: Sequence[Image]) -> int:
        """Each item once, even one that is deleted in both tables and put into the target while this page is made. How
        many were dealt with when the page was full: items may be larger in the table that has them now."""
        for place, image in enumerate(images, 1):
            name = None if image is None else key_name(self._pair.callers_key(image))
            if image is None or name is None or name in self._shown_names:
                continue
            self._shown_names.add(name)
            _ = self._builder.add(image)
            if self._builder.is_large:
                return place
        return len(images)
