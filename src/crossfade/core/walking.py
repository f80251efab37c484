"""Scan while items are in both tables: first all that the source has, then what only the target has.

An item that is there all the time keeps its place in this order, whether it is copied meanwhile or not: the source only
ever loses items that are deleted. Of an item that both have, the target's is shown. A token carries a mark once the
walk has left the source; one without is a token of `off`, which goes on here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.accounting import capacity_asked
from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.legacy import modern
from crossfade.core.ordering import MARK, PAGING, key_of, translated, without_mark
from crossfade.core.pages import Asked, look_up, page, understood
from crossfade.core.pair import Image, Pair
from crossfade.core.stages import Order, Row, Side
from crossfade.errors import Refused

REST: Final = "rest"  # behind this key in the target's order, of what only the target has
REST_BEGINS: Final = "rest begins"  # at the beginning of that, whatever the key


def mark_of(request: Request) -> str:
    mark: str = request.get("ExclusiveStartKey", {}).get(MARK, {}).get("S", "")
    return mark


def is_walked(row: Row, request: Request) -> bool:
    """Whether this page is one of such a walk: there are no others where both tables have items, and where the target
    serves alone those that were begun before go on."""
    if not row.stamped_source:
        return False
    mark = mark_of(request)
    return mark in (REST, REST_BEGINS) or (mark != "target" if row.merges else mark == "source")


def walk(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One page of a Scan by the caller."""
    if "IndexName" in request:
        raise Refused(
            f"a Scan of an index of {pair.caller.name} cannot be answered while items are in both tables",
            next_step="scan the table itself until the stage is rampdown, or use the strategy dual-write",
        )
    mark = mark_of(request)
    whole = modern("Scan", without_mark(request))
    asked = understood("Scan", whole, None)
    step = Step(pair, row, asked, whole)
    if mark not in (REST, REST_BEGINS):
        yield from step.through_source()
        if step.last is None and step.left != 0:
            yield from step.through_target(None)
        elif step.last is None and step.end is not None:
            step.last = {**step.end, MARK: {"S": REST_BEGINS}}
    else:
        yield from step.through_target(whole["ExclusiveStartKey"] if mark == REST else None)
    return page(pair, asked, whole, step.items, step.looked_at, step.last, step.sent)


class Step:
    """One page in the making, perhaps of both tables."""

    def __init__(self, pair: Pair, row: Row, asked: Asked, request: Request) -> None:
        self.items: list[Item] = []
        self.looked_at = 0
        self.last: Item | None = None  # the token
        self.end: Item | None = None  # the key of the last item of the source
        self.sent: list[Reply] = []
        self._pair = pair
        self._row = row
        self._asked = asked
        self._request = request

    @property
    def left(self) -> int | None:
        """How many items may still be looked at; None for no limit."""
        limit: int | None = self._request.get("Limit")
        return None if limit is None else max(0, limit - self.looked_at)

    def _page(self, side: Side, start: Item | None, *, own: bool) -> Routine[tuple[list[Item], Item | None]]:
        """What one side answers, and its token in the caller's terms."""
        pair = self._pair
        asked: Request = {name: self._request[name] for name in PAGING if name in self._request}
        asked |= {"TableName": pair.table(side).name, **capacity_asked(self._request)}
        if self.left is not None:
            asked["Limit"] = self.left
        if start is not None:
            asked["ExclusiveStartKey"] = translated(pair, start, pair.view, side)
        reply = yield from Forward(asked) if own else Call(side, "Scan", asked)
        self.sent.append(reply)
        last: Item | None = reply.get("LastEvaluatedKey")
        items: list[Item] = reply["Items"]
        return items, None if not last else translated(pair, last, side, pair.view)

    def through_source(self) -> Routine[None]:
        items, last = yield from self._page("source", self._request.get("ExclusiveStartKey"), own=True)
        keys = [key_of(self._pair, "source", item) for item in items]
        images = yield from self._present(keys)
        self._show(images)
        if items:
            self.end = translated(self._pair, keys[-1], "source", self._pair.view)
        marks = self._row.order in (Order.TARGET, Order.TARGET_MARKED)
        self.last = {**last, MARK: {"S": "source"}} if marks and last is not None else last

    def _present(self, keys: Sequence[Item]) -> Routine[list[Image]]:
        """The items under these keys as they are: the target's, or else the source's, in the order that is right."""
        pair, counted = self._pair, capacity_asked(self._request)
        held = yield from look_up(pair, "target", keys, self.sent, counted)
        images = [pair.image("target", stored) for stored in held]
        missing = [n for n, image in enumerate(images) if image is None]
        if self._row.merges and missing:
            behind = yield from look_up(pair, "source", [keys[n] for n in missing], self.sent, counted)
            for n, stored in zip(missing, behind, strict=True):
                images[n] = pair.image("source", stored)
        return images

    def through_target(self, start: Item | None) -> Routine[None]:
        pair = self._pair
        # Of the caller's own call there is but one.
        items, last = yield from self._page("target", start, own=not self.sent)
        keys = [pair.mapping.backward_key(key_of(pair, "target", item)) for item in items]
        held = yield from look_up(pair, "source", keys, self.sent, capacity_asked(self._request))
        only = [item for item, source in zip(items, held, strict=True) if source.item is None]
        self._show([pair.image("target", pair.stored("target", item)) for item in only])
        self.last = None if last is None else {**last, MARK: {"S": REST}}

    def _show(self, images: Sequence[Image]) -> None:
        there = [image for image in images if image is not None]
        self.looked_at += len(there)
        self.items += [image for image in there if self._asked.keep(image)]
