"""Query of an index while each item is the target's, or else the source's: both tables' indexes, merged by what they
sort by.

A source entry counts only if the item itself, looked up by its key, is still at its place. Each table has an order of
its own for items with one sort value (see core/pages/lanes.py). So that pages neither skip nor repeat an item that is
copied meanwhile, of one sort value

- first come those that the source has there, in its order, copied or not: its entry stays until the item is deleted. Of
  a copied one the target's item is shown;
- then those that only the target has there, in its order.

The mark of a token tells of which kind it is, and where it was cut off, the tables do (see core/pages/unmarked.py).
Where one side serves alone, what was begun here goes on here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crossfade.core.effects import Call, Gather, Reply, Request, Routine
from crossfade.core.expressions.keys import SortCondition, names_of_key
from crossfade.core.items import AttributeValue, Item
from crossfade.core.key_names import KeyNames
from crossfade.core.pages.asked import Asked, key_condition_in, paging_there, understood
from crossfade.core.pages.builder import PageBuilder
from crossfade.core.pages.cursors import cursor_of, cursor_there, name_on_side
from crossfade.core.pages.entries import Entries
from crossfade.core.pages.index import MergedIndex, merged_index
from crossfade.core.pages.lanes import Entry, Lane, ask_lanes, is_backwards, next_lane, rank_by
from crossfade.core.pages.one_side import from_gone
from crossfade.core.pages.order import declared_names
from crossfade.core.pages.partitions import check_start, lane_of, partitions, parts_around
from crossfade.core.pages.seals import handed_on
from crossfade.core.pages.unmarked import Dropped, check_kinds, is_whole, side_of, unknown
from crossfade.core.read.both_tables import look_both
from crossfade.core.read.lookup import look_up
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import REST, at_place, mark_of, marked, opened, without_mark
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
    names = names_of_key(pair.caller.key_names) if name is None else declared_names(pair, name)
    given = without_mark(request)
    given = given if pair.mapping.source_key_extras else handed_on(pair, given, mark)
    whole = modern("Query", given, names)
    asked = understood("Query", whole, names)
    sides = SIDES if name is not None or row.merges else (row.authority,)
    if names is not None and not pair.mapping.source_key_extras:
        _ = [names_in(pair, names, side) for side in sides]  # refused, if at all, before anything is sent
    try:
        index = yield from merged_index(pair, row, name, names, sides)
        asked, whole = index.understood("Query", given)
        check_kinds(pair, whole)
        return (yield from MergedIndexPage(index, row, asked, whole, sides).made(mark))
    except ServiceRejected as error:
        raise from_gone(pair, row, "Query", error) from None


def names_in(pair: Pair, names: KeyNames, side: Side) -> dict[str, str]:
    """The caller's names of an index's key -> those on one side, without a partition that is spread there. Raises
    NotPossibleInStage where one is not the same attribute."""
    first = names.partition[0]
    spread = first == pair.caller.partition_key and pair.attribute_name(side, first) is None
    asked = names.every[1:] if spread else names.every
    return {name: name if side == pair.view else name_on_side(pair, side, name) for name in asked}


class MergedIndexPage:
    def __init__(self, index: MergedIndex, row: Row, asked: Asked, request: Request, sides: Sequence[Side]) -> None:
        pair = index.pair
        self._builder = PageBuilder(pair, asked, request)
        self._index = index
        self._pair = pair
        self._row = row
        self._asked = asked
        self._request = request
        self._counted = capacity_asked(request)
        self._sides = sides
        self._start: Item | None = request.get("ExclusiveStartKey")
        self._known = self._start  # a place that tells by its key what it is
        self._dropped = Dropped()
        self._token_names = (*pair.callers_names, *index.names.every)
        self._rank = rank_by(index.names.sort)
        self._backwards = is_backwards(request)
        self._shown_names: set[str] = set()
        self._lanes_of: dict[Side, list[Lane]] = {"source": [], "target": []}
        self._names_there = {side: names_in(pair, index.names, side) for side in sides}
        self._entries = {
            side: Entries(pair, side, index.sides[side], asked, request, self._builder.sent) for side in sides
        }

    def made(self, mark: str) -> Routine[Reply]:
        """All of it. `mark` is that of the caller's token."""
        yield from self._begin(mark)
        while not (yield from self._goes_on()):
            pass
        return self._builder.reply()

    def _begin(self, mark: str) -> Routine[None]:
        if self._index.unique:
            self._check_words(self._start)
            for side in self._sides:
                self._lanes_of[side] = self._lanes(side, own=side == self._pair.view, inclusive=False)
            return
        self._dropped = Dropped(self._start, mark)
        place: Side | None = "target" if mark == REST else "source"
        if self._start is not None and not mark and self._may_be_one(self._start):
            place = yield from side_of(self._pair, self._start, self._source_has, self._builder.sent, self._counted)
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
            self._builder.sent += replies
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
        token = cursor_there(self._pair, start, side, self._index.names.every) if own else None
        at = lane_of(self._pair, side, values, start) if own else -1 if inclusive else len(values)
        parts = parts_around(at, len(values), self._asked, sort, start, backwards=self._backwards)
        return [
            self._lane(side, value, part, token if n == at else None)
            for n, (value, part) in enumerate(zip(values, parts, strict=True))
            if part
        ]

    def _partitions(self, side: Side) -> Sequence[AttributeValue]:
        is_spread = self._index.names.partition[0] not in self._names_there[side]
        return partitions(self._pair, self._asked.of_query, side) if is_spread else (self._asked.of_query.partition[1],)

    def _lane(self, side: Side, value: AttributeValue, parts: Sequence[Asked], token: Item | None = None) -> Lane:
        """One partition of one side, from its beginning or from behind the token, which is in that side's terms; part
        after part of it."""
        there = self._names_there[side]
        first = there.get(self._index.names.partition[0], self._pair.table(side).partition_key)
        base = paging_there(self._pair, side, self._request, self._index.there[side], None)
        requests: list[Request] = []
        for part in parts:
            sort = None if part.of_query.sort is None else there[part.of_query.sort.name]
            equal = {there[name]: given for name, given in part.of_query.equal.items()}
            requests.append(base | key_condition_in(part, first, value, sort, equal))
        if token is not None:
            requests[0]["ExclusiveStartKey"] = token
        return Lane(side, requests[0], requests[:0:-1], goes_beyond=True)

    def _check_words(self, start: Item | None) -> None:
        """The words of DynamoDB for what is wrong with a Query of a table: those of an index are others."""
        pair, where = self._pair, self._asked.of_query
        name, value = where.partition
        check_key_value(name, next(iter(value)), value, in_item=False)
        if start is not None:
            has_names = {*pair.caller.key_names} <= start.keys() <= {*pair.callers_names}
            check_start(where, start, has_names=has_names, is_ordered=False)

    # --- what comes back

    def _goes_on(self) -> Routine[bool]:
        """One step: pages of one side, or an entry. Whether the page is complete."""
        lanes, backwards = self._lanes_of, self._backwards
        if any(lane.needs_more for lane in lanes["source"]):
            yield from self._fetch("source", lanes["source"])
            return False
        source = next_lane(lanes["source"], self._rank, backwards=backwards)
        both = bool(self._index.names.sort) or source is None
        if both and any(lane.needs_more for lane in lanes["target"]):
            yield from self._fetch("target", lanes["target"])
            return False
        target = next_lane(lanes["target"], self._rank, backwards=backwards)
        # Among equal sort values the source's comes first.
        lane = next_lane([lane for lane in (source, target) if lane is not None], self._rank, backwards=backwards)
        return lane is None or self._take(lane)

    def _take(self, lane: Lane) -> bool:
        place, shown = lane.held.pop()
        known = cursor_of(place, self._token_names)
        token = marked(known, "" if self._index.unique else REST if lane.side == "target" else "source")
        name = key_name(self._pair.callers_key(place))
        if shown is None or name in self._shown_names:  # once, even if it has moved on while the page is made
            if not self._dropped.ends():
                return False
            self._builder.last = token if self._known is None or self._index.unique else at_place(self._known, token)
            return True
        self._known = known
        self._shown_names.add(name)
        if not self._builder.add(shown):
            return False
        if not self._index.unique or self._pair.caller.sort_key is not None:
            self._builder.last = token  # of a table without a sort key nothing can follow
        return True

    def _fetch(self, side: Side, lanes: Sequence[Lane]) -> Routine[None]:
        for lane, reply in (yield from ask_lanes(side, lanes, self._builder.sent)):
            places = lane.take(self._asked.of_query, (yield from self._images(side, reply["Items"])), reply)
            if len(self._sides) > 1:
                shown = yield from (self._of_source(places) if side == "source" else self._of_target(places))
                lane.held = [Entry(*pair) for pair in zip(places, shown, strict=True)][::-1]

    def _images(self, side: Side, given: Sequence[Item]) -> Routine[list[Item]]:
        """What entries stand for. Of the source's, where both sides are asked, the items are looked up anyway."""
        entries = self._entries[side]
        known = entries.without_strangers(given)
        if side == "target" or len(self._sides) == 1:
            return (yield from entries.images(known))
        return entries.shown((yield from entries.with_keys(known)))

    def _of_source(self, places: Sequence[Item]) -> Routine[list[Image]]:
        """What is given for entries of the source: items that are at this place now."""
        pair, index = self._pair, self._index
        lags = not self._request.get("ConsistentRead") and self._entries["source"].suffice
        keys = [pair.callers_key(place) for place in places]
        shown: list[Image] = [None] * len(keys)
        found = yield from look_both(pair, self._row, keys, self._builder.sent, self._counted)
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
        held = yield from look_up(pair, "source", keys, self._builder.sent, self._counted)
        return [
            place
            if pair.is_another("source", stored, key) or not self._index.same_place(pair.image("source", stored), place)
            else None
            for place, key, stored in zip(places, keys, held, strict=True)
        ]
