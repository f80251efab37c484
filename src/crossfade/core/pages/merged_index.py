"""Query of an index while each item is the target's, or else the source's: both tables' indexes, merged by what they
sort by.

An item is at the place that its own attributes give it, so a source entry counts only if the item itself, which is
looked up by its key, is still there. Items with one sort value come in an order that DynamoDB does not tell, and that
each table has for itself (see core/pages/lanes.py); so that pages neither skip nor repeat an item that is copied
meanwhile, it keeps its place among them:

- first come those that the source has at this place, in its order, copied or not: the source's entry stays where it is
  until the item is deleted. Of a copied one the target's item is shown;
- then those that only the target has at this place, in its order.

The mark of a token tells of which kind it is, and where it was cut off, the tables do (see core/pages/unmarked.py).
Where one side serves alone, what was begun here goes on here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crossfade.core.effects import Call, Gather, Reply, Request, Routine
from crossfade.core.expressions.keys import KeyNames, SortCondition
from crossfade.core.items import AttributeValue, Item, same, size_bytes
from crossfade.core.pages.entries import of_entries, of_entry, suffices
from crossfade.core.pages.index import MergedIndex, index_place_of, merged_index
from crossfade.core.pages.lanes import from_sort_value, lane_of
from crossfade.core.pages.order import declared_names, from_gone, name_on_side, translated
from crossfade.core.pages.page import Asked, key_condition_in, page, understood
from crossfade.core.pages.prefixes import NO_MATCH
from crossfade.core.pages.seals import handed_on
from crossfade.core.pages.strangers import with_counterpart
from crossfade.core.pages.streams import OUTSIDE, PAGE_BYTES_MAX, key_names, own_course, partitions, rank_by
from crossfade.core.pages.unmarked import DROPPED_MAX, check_kinds, dropped_max, is_whole, side_of, too_far, unknown
from crossfade.core.pages.whole_keys import completed, whole_cursor_there
from crossfade.core.read.both_tables import look_both
from crossfade.core.read.lookup import look_up
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import INVALID_CURSOR, REST, at_place, mark_of, marked, opened, without_mark
from crossfade.core.request.keys import check_key_value
from crossfade.core.request.legacy import modern
from crossfade.core.stages import SIDES, Row, Side
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.tables.pair import Image, Pair, key_name
from crossfade.core.tables.stamps import Stored
from crossfade.errors import ServiceRejected


def query_index(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One page of a Query of an index by the caller; or of the table, where an index of the other does for it."""
    request = opened(request)
    mark = mark_of(request)
    name: str | None = request.get("IndexName")
    names = key_names(pair) if name is None else declared_names(pair, name)
    given = without_mark(request)
    given = given if pair.mapping.source_key_extras else handed_on(pair, given, mark)
    whole = modern("Query", given, names)
    asked = understood("Query", whole, names)
    sides = SIDES if name is not None or row.merges else (row.authority,)
    if names is not None and not pair.mapping.source_key_extras:
        _ = [names_in(pair, names, side) for side in sides]  # refused, if at all, before anything is sent
    try:
        index = yield from merged_index(pair, row, name, names, sides)
        whole = modern("Query", given, index.names)
        asked = understood("Query", whole, index.names, index.shape)
        index.check_alike("Query")
        if request.get("ConsistentRead"):
            index.check_consistency("Query", sides)
        check_kinds(pair, whole)
        merge = MergedIndexPage(index, row, asked, whole, sides)
        yield from merge.begin(mark)
        while not (yield from merge.goes_on()):
            pass
    except ServiceRejected as error:
        raise from_gone(pair, row, "Query", error) from None
    return page(pair, asked, whole, merge.items, merge.looked_at, merge.last, merge.sent)


def names_in(pair: Pair, names: KeyNames, side: Side) -> dict[str, str]:
    """The caller's names of an index's key -> those on one side, without a partition that is spread there. Raises
    NotPossibleInStage where one is not the same attribute."""
    first = names.partition[0]
    spread = first == pair.caller.partition_key and pair.attribute_name(side, first) is None
    asked = names.every[1:] if spread else names.every
    return {name: name if side == pair.view else name_on_side(pair, side, name) for name in asked}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an index: its place, and the item that is to be given for it, if any."""

    place: Item
    shown: Image


@dataclass(slots=True)
class Lane:
    """One partition of one side's index, read page by page."""

    request: Request
    following: list[Request] = field(default_factory=list[Request])  # what is asked next, the next one last
    held: list[Entry] = field(default_factory=list[Entry])  # the next one last
    ended: bool = False

    @property
    def needs_more(self) -> bool:
        return not self.held and not self.ended


class MergedIndexPage:
    """One page in the making."""

    def __init__(self, index: MergedIndex, row: Row, asked: Asked, request: Request, sides: Sequence[Side]) -> None:
        self.items: list[Item] = []
        self.looked_at = 0
        self.last: Item | None = None  # the token
        self.sent: list[Reply] = []
        self._index = index
        self._pair = index.pair
        self._row = row
        self._asked = asked
        self._request = request
        self._limit: int | None = request.get("Limit")
        self._backwards = request.get("ScanIndexForward") is False
        self._sides = sides
        self._start: Item | None = request.get("ExclusiveStartKey")
        self._known = self._start  # a place that tells by its key what it is
        self._dropped_max = DROPPED_MAX
        self._token_names = dict.fromkeys((*self._pair.callers_names, *index.key_names))
        self._rank = rank_by(index.names.sort)
        self._bytes = 0
        self._dropped = 0
        self._shown_names: set[str] = set()
        self._lanes_of: dict[Side, list[Lane]] = {"source": [], "target": []}

    def begin(self, mark: str) -> Routine[None]:
        """`mark` is that of the caller's token."""
        if self._index.unique:
            self._check_words(self._start)
            for side in self._sides:
                self._lanes_of[side] = self._lanes(side, own=side == self._pair.view, inclusive=False)
            return
        self._dropped_max = dropped_max(self._start, mark)
        place: Side | None = "target" if mark == REST else "source"
        if self._start is not None and not mark and self._may_be_one(self._start):
            counted = capacity_asked(self._request)
            place = yield from side_of(self._pair, self._start, self._source_has, self.sent, counted)
            if place is None and (yield from self._anything_is_there(self._start)):
                raise unknown()
        for side in self._sides:
            # Of one sort value, the source's come first.
            self._lanes_of[side] = self._lanes(side, own=side == place, inclusive=side == "target")

    def _may_be_one(self, start: Item) -> bool:
        return is_whole(self._pair, self._index, start) and self._asked.of_query.holds(start)

    def _source_has(self, stored: Stored) -> bool:
        return self._index.same_place(self._pair.image("source", stored), self._start)

    def _anything_is_there(self, start: Item) -> Routine[bool]:
        """Whether either side has anything at the sort value of the token: if not, it is the same for both."""
        where, names = self._asked.of_query, self._index.names.sort
        equal = {**where.equal, **{name: start[name] for name in names[:-1]}}
        sort = SortCondition(names[-1], "=", (start[names[-1]],)) if names else None
        at = replace(self._asked, where=replace(where, equal=equal, sort=sort))
        for side in self._sides:
            lanes = [self._lane(side, value, [at]) for value in self._partitions(side)]
            replies = yield from Gather(tuple(Call(side, "Query", {**lane.request, "Limit": 1}) for lane in lanes))
            self.sent += replies
            if any(reply["Items"] for reply in replies):
                return True
        return False

    # --- what is asked of each side

    def _lanes(self, side: Side, *, own: bool, inclusive: bool) -> list[Lane]:
        """`own`: the token lies in one of them. Where it does not, they go on at its sort value: from the first item
        with that value, or behind the last."""
        start, sort, values = self._start, self._index.names.sort, self._partitions(side)
        if start is None:
            return [self._lane(side, value, [self._asked]) for value in values]
        token = self._there(start, side) if own else None
        at = lane_of(self._pair, side, values, start) if own else -1 if inclusive else len(values)
        lanes: list[Lane] = []
        for n, value in enumerate(values):
            if n == at:
                lanes.append(self._lane(side, value, [self._asked], token))
            elif sort:
                asked = from_sort_value(self._asked, sort, start, backwards=self._backwards, inclusive=n > at)
                lanes.append(self._lane(side, value, asked))
            elif n > at:
                lanes.append(self._lane(side, value, [self._asked]))
        return lanes

    def _partitions(self, side: Side) -> Sequence[AttributeValue]:
        names = self._index.names
        is_spread = names.partition[0] not in names_in(self._pair, names, side)
        return partitions(self._pair, self._asked, side) if is_spread else (self._asked.of_query.partition[1],)

    def _lane(self, side: Side, value: AttributeValue, parts: Sequence[Asked], token: Item | None = None) -> Lane:
        """One partition of one side, from its beginning or from behind the token, which is in that side's terms; part
        after part of it."""
        table, names = self._pair.table(side), self._index.names
        there = names_in(self._pair, names, side)
        base: Request = {
            name: self._request[name] for name in ("ConsistentRead", "ScanIndexForward") if name in self._request
        }
        base |= {"TableName": table.name, **capacity_asked(self._request)}
        if self._index.there[side] is not None:
            base["IndexName"] = self._index.there[side]
        if self._limit is not None:
            base["Limit"] = self._limit
        requests: list[Request] = []
        for part in parts:
            where = part.of_query
            sort = None if where.sort is None else there[where.sort.name]
            equal = {there[name]: given for name, given in where.equal.items()}
            first = there.get(names.partition[0], table.partition_key)
            requests.append(base | key_condition_in(part, first, value, sort, equal))
        if token is not None:
            requests[0]["ExclusiveStartKey"] = token
        return Lane(requests[0], requests[:0:-1])

    def _there(self, token: Item, side: Side) -> Item:
        """The caller's token in the terms of one side."""
        if self._pair.mapping.source_key_extras:
            return whole_cursor_there(self._pair, token, side, self._index.key_names)
        return translated(self._pair, token, self._pair.view, side)

    def _check_words(self, start: Item | None) -> None:
        """The words of DynamoDB for what is wrong with a Query of a table: those of an index are others."""
        pair, where = self._pair, self._asked.of_query
        name, value = where.partition
        check_key_value(name, next(iter(value)), value, in_item=False)
        if start is None:
            return
        if not {*pair.caller.key_names} <= start.keys() <= {*pair.callers_names}:
            raise ServiceRejected("ValidationException", INVALID_CURSOR)
        if not same(start[name], value):
            raise ServiceRejected("ValidationException", OUTSIDE)
        if not where.holds(start):
            raise ServiceRejected("ValidationException", NO_MATCH)

    # --- what comes back

    def goes_on(self) -> Routine[bool]:
        """One step: pages of one side, or an entry. Whether the page is complete."""
        lanes = self._lanes_of
        if any(lane.needs_more for lane in lanes["source"]):
            yield from self._fetch("source", lanes["source"])
            return False
        source = self._first(lanes["source"])
        both = bool(self._index.names.sort) or source is None
        if both and any(lane.needs_more for lane in lanes["target"]):
            yield from self._fetch("target", lanes["target"])
            return False
        target = self._first(lanes["target"])
        if source is None and target is None:
            return True
        if target is None or (source is not None and not self._comes_first(target, source)):
            return source is not None and self._take(source, "source")
        return self._take(target, "target")

    def _first(self, lanes: Sequence[Lane]) -> Lane | None:
        """Return the lane of the next entry; among equal sort values, the first lane that has any."""
        waiting = [lane for lane in lanes if lane.held]
        choose = max if self._backwards else min

        def rank(lane: Lane) -> Any:
            return self._rank(lane.held[-1].place)

        return choose(waiting, key=rank) if len(waiting) > 1 else waiting[0] if waiting else None

    def _comes_first(self, target: Lane, source: Lane) -> bool:
        """True if the target's entry comes first; among equal sort values the source's does."""
        left, right = self._rank(target.held[-1].place), self._rank(source.held[-1].place)
        return bool(left > right if self._backwards else left < right)

    def _take(self, lane: Lane, side: Side) -> bool:
        entry = lane.held.pop()
        place = index_place_of(entry.place, tuple(self._token_names))
        token = marked(place, "" if self._index.unique else REST if side == "target" else "source")
        name = key_name(self._pair.callers_key(entry.place))
        if entry.shown is None or name in self._shown_names:  # once, even if it has moved on while the page is made
            self._dropped += 1
            if self._dropped < self._dropped_max:
                return False
            if self._dropped_max > DROPPED_MAX:
                raise too_far()
            self.last = token if self._known is None or self._index.unique else at_place(self._known, token)
            return True
        self._known = place
        self._shown_names.add(name)
        self.looked_at += 1
        self._bytes += size_bytes(self._asked.entry(entry.shown))
        if self._asked.keep(entry.shown):
            self.items.append(entry.shown)
        if self.looked_at != self._limit and self._bytes < PAGE_BYTES_MAX:
            return False
        if not self._index.unique or own_course(self._pair, self._pair.view).keys.sort:
            self.last = token  # of a table without a sort key nothing can follow
        return True

    def _fetch(self, side: Side, lanes: Sequence[Lane]) -> Routine[None]:
        hungry = [lane for lane in lanes if lane.needs_more]
        replies = yield from Gather(tuple(Call(side, "Query", lane.request) for lane in hungry))
        for lane, reply in zip(hungry, replies, strict=True):
            self.sent.append(reply)
            images = yield from self._images(side, reply["Items"])
            places = [image for image in images if self._is_of_partition(image)]
            within = [image for image in places if self._asked.of_query.holds(image)]
            token = reply.get("LastEvaluatedKey")
            if token is not None:
                lane.request = {**lane.request, "ExclusiveStartKey": token}
            lane.ended = len(within) < len(places) or (token is None and not lane.following)
            if token is None and lane.following:
                lane.request = lane.following.pop()
            decided: Sequence[Image] = within
            if len(self._sides) > 1:
                decided = yield from (self._of_source(within) if side == "source" else self._of_target(within))
            lane.held = [Entry(place, shown) for place, shown in zip(within, decided, strict=True)][::-1]

    def _images(self, side: Side, entries: Sequence[Item]) -> Routine[list[Item]]:
        """What entries stand for. Of the source's, where both sides are asked, the items are looked up anyway."""
        pair, schema, counted = self._pair, self._index.sides[side], capacity_asked(self._request)
        entries = with_counterpart(pair, side, entries)
        if side == "target" or len(self._sides) == 1:
            return (yield from of_entries(pair, side, schema, self._asked, entries, self.sent, counted))
        found = yield from completed(pair, side, entries, self.sent, counted)
        images = (of_entry(pair, side, schema, item) for item in found)
        return [image for image in images if image is not None]

    def _is_of_partition(self, image: Item) -> bool:
        """A partition of the other table may hold items of several of the caller's."""
        name, value = self._asked.of_query.partition
        held: AttributeValue | None = image.get(name)
        return held is not None and same(held, value)

    def _of_source(self, places: Sequence[Item]) -> Routine[list[Image]]:
        """What is given for entries of the source: items that are at this place now."""
        pair, index, counted = self._pair, self._index, capacity_asked(self._request)
        lags = not self._request.get("ConsistentRead") and suffices(pair, "source", index.sides["source"], self._asked)
        keys = [pair.callers_key(place) for place in places]
        shown: list[Image] = [None] * len(keys)
        found = yield from look_both(pair, self._row, keys, self.sent, counted)
        for n, (side, stored) in enumerate(found):
            if stored.item is None:
                continue
            if index.same_place(pair.image(side, stored), places[n]):
                shown[n] = pair.image(side, stored)
            elif side == "source" and lags:
                shown[n] = places[n]  # the index lags behind its table
        if not self._row.merges:
            missing = [key for key, (_, stored) in zip(keys, found, strict=True) if stored.item is None]
            yield from look_later(pair, self._row, missing)
        return shown

    def _of_target(self, places: Sequence[Item]) -> Routine[list[Image]]:
        """Return those entries of the target that the source does not have at the same place."""
        pair = self._pair
        keys = [pair.callers_key(place) for place in places]
        held = yield from look_up(pair, "source", keys, self.sent, capacity_asked(self._request))
        return [
            place
            if pair.is_another("source", stored, key) or not self._index.same_place(pair.image("source", stored), place)
            else None
            for place, key, stored in zip(places, keys, held, strict=True)
        ]
