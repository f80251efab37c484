"""Scan, of a table or an index, while items are in both tables: first all that the source has, then what only the
target has.

An item that is there all the time keeps its place in this order, whether it is copied meanwhile or not: the source only
ever loses items that are deleted. Of an item that both have, the target's is shown. A token carries a mark once the
walk has left the source, and from `drain` on also before; one without is then a token of `off` or `prepare`, which goes
on in the source, or where the target serves, one of `complete`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.accounting import capacity_asked
from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.indexing import MergedIndex, merged_index
from crossfade.core.items import Item
from crossfade.core.legacy import modern
from crossfade.core.marks import mark_of, marked, without_mark
from crossfade.core.merging import look_both
from crossfade.core.ordering import from_gone, index_keys, translated
from crossfade.core.pages import PAGING, Asked, look_up, page, understood
from crossfade.core.pair import Image, Pair, Stored, key_name
from crossfade.core.stages import Order, Row, Side
from crossfade.core.whole_keys import completed, token_of, token_there
from crossfade.errors import Rejected

REST: Final = "rest"  # behind this key in the target's order, of what only the target has
REST_BEGINS: Final = "rest begins"  # at the beginning of that, whatever the key


def is_walked(row: Row, request: Request) -> bool:
    """Whether this page is one of such a walk: there are no others where both tables have items, and where the target
    serves alone those that were begun before go on."""
    if not row.stamped_source:
        return False
    mark = mark_of(request)
    return mark != "target" if row.merges else mark in (REST, REST_BEGINS, "source")


def source_mark(row: Row) -> str:
    """What marks a token while the walk is in the source: nothing, where every token without a mark is such a one."""
    return "" if row.order is Order.SOURCE else "source"


def walk(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One page of a Scan by the caller."""
    mark = mark_of(request)
    whole = modern("Scan", without_mark(request))
    asked = understood("Scan", whole, None)
    name: str | None = request.get("IndexName")
    try:
        index = None
        if name is not None:
            all_of_it = request.get("Select") == "ALL_ATTRIBUTES"
            index = yield from merged_index(pair, name, index_keys(pair, name), whole=all_of_it)
            if request.get("ConsistentRead"):
                index.check_consistency("Scan", index.sides)
        step = Step(pair, row, asked, whole, index)
        yield from goes(step, mark, whole)
    except Rejected as error:
        raise from_gone(pair, row, "Scan", error) from None
    return page(pair, asked, whole, step.items, step.looked_at, step.last, step.sent)


def goes(step: Step, mark: str, whole: Request) -> Routine[None]:
    if mark not in (REST, REST_BEGINS):
        yield from step.through_source()
        if step.last is None and step.left != 0:
            yield from step.through_target(None)
        elif step.last is None and step.end is not None:
            step.last = marked(step.end, REST_BEGINS)
    else:
        yield from step.through_target(whole["ExclusiveStartKey"] if mark == REST else None)


class Step:
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
        self._shown_names: set[str] = set()

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
            if self._index.whole:
                asked["Select"] = "ALL_ATTRIBUTES"
        if self.left is not None:
            asked["Limit"] = self.left
        if start is not None:
            asked["ExclusiveStartKey"] = self._there(start, side)
        call: Call | Forward = Forward(asked) if own else Call(side, "Scan", asked)
        while True:
            reply = yield from call
            self.sent.append(reply)
            last: Item | None = reply.get("LastEvaluatedKey")
            items = yield from completed(pair, side, reply["Items"], self.sent, counted)
            if items or not last or not pair.mapping.kept:
                return items, self._callers(last, side, items)
            call = Call(side, "Scan", {**asked, "ExclusiveStartKey": last})

    def _there(self, token: Item, side: Side) -> Item:
        """The caller's token in the terms of one side."""
        if self._pair.mapping.kept:
            return token_there(self._pair, token, side, self._names)
        return translated(self._pair, token, self._pair.view, side)

    def _callers(self, token: Item | None, side: Side, items: Sequence[Item]) -> Item | None:
        """The reverse; where the keys of one table do not lead to those of the other, the last item does."""
        pair = self._pair
        if not token:
            return None
        if not pair.mapping.kept:
            return translated(pair, token, side, pair.view)
        image = pair.image(side, pair.stored(side, items[-1]))
        return None if image is None else token_of(pair, image, self._names)

    @property
    def _names(self) -> tuple[str, ...]:
        """The caller's, of the index's key."""
        return () if self._index is None else self._index.key_names

    def through_source(self) -> Routine[None]:
        items, last = yield from self._page("source", self._request.get("ExclusiveStartKey"), own=True)
        keys = [self._pair.source_key(item) for item in items]
        images = yield from self._present(keys)
        self._show(images)
        if items:
            self.end = self._pair.callers_whole_key(keys[-1])
        self.last = None if last is None else marked(last, source_mark(self._row))

    def _present(self, keys: Sequence[Item]) -> Routine[list[Image]]:
        """The items under these keys as they are: the target's, or else the source's, in the order that is right."""
        found = yield from look_both(self._pair, self._row, keys, self.sent, capacity_asked(self._request))
        return [self._shown(side, stored) for side, stored in found]

    def _shown(self, side: Side, stored: Stored) -> Image:
        """The item; of an index, its entry there, if it has one."""
        if self._index is None:
            return self._pair.image(side, stored)
        return self._index.entry(side, stored) if self._index.has(side, stored) else None

    def through_target(self, start: Item | None) -> Routine[None]:
        pair = self._pair
        # Of the caller's own call there is but one.
        items, last = yield from self._page("target", start, own=not self.sent)
        keys = [pair.whole_key_of("target", item) for item in items]
        held = yield from look_up(pair, "source", keys, self.sent, capacity_asked(self._request))
        behind = zip(items, keys, held, strict=True)
        only = [item for item, key, source in behind if not self._source_gave(source, key)]
        images = [pair.image("target", pair.stored("target", item)) for item in only]
        self._show(images)
        self.last = None if last is None else marked(last, REST)

    def _source_gave(self, stored: Stored, key: Item) -> bool:
        if self._pair.is_another("source", stored, key):
            return False
        return stored.item is not None if self._index is None else self._index.has("source", stored)

    def _show(self, images: Sequence[Image]) -> None:
        """Each item once, even one that is deleted in both tables and put into the target while this page is made."""
        there: list[Item] = []
        for image in images:
            name = None if image is None else key_name(self._pair.callers_key(image))
            if image is not None and name is not None and name not in self._shown_names:
                self._shown_names.add(name)
                there.append(image)
        if self._index is not None:
            there = [self._index.cut(image) for image in there]
        self.looked_at += len(there)
        self.items += [image for image in there if self._asked.keep(image)]
