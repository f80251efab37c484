"""Query of an index while each item is the target's, or else the source's: both tables' indexes, merged by what they
sort by.

An item is at the place that its own attributes give it, so a source entry counts only if the item itself, which is
looked up by its key, is still there. Items with one sort value come in an order that DynamoDB does not tell, and that
each table has for itself; so that pages neither skip nor repeat an item that is copied meanwhile, it keeps its place
among them:

- first come those that the source has at this place, in its order, copied or not: the source's entry stays where it is
  until the item is deleted. Of a copied one the target's item is shown;
- then those that only the target has at this place, in its order. The token of one of these carries a mark.

A token without a mark is of the first kind, or of `off`. Where one side serves alone, what was begun here goes on here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from crossfade.core.accounting import capacity_asked
from crossfade.core.effects import Call, Gather, Reply, Request, Routine
from crossfade.core.expressions.keys import SortCondition
from crossfade.core.fallback import look_later
from crossfade.core.indexing import MergedIndex, merged_index, place_of
from crossfade.core.items import AttributeValue, Item, same, size_bytes
from crossfade.core.legacy import modern
from crossfade.core.marks import mark_of, marked, without_mark
from crossfade.core.merging import look_both
from crossfade.core.ordering import from_gone, index_keys, name_in, translated
from crossfade.core.pages import Asked, key_condition_in, look_up, page, understood
from crossfade.core.pair import Image, Pair, key_name
from crossfade.core.query import (
    NO_MATCH,
    OUTSIDE,
    PAGE_BYTES_MAX,
    at_bound,
    key_names,
    own_course,
    partitions,
    rank_by,
)
from crossfade.core.requests import check_key_value
from crossfade.core.stages import Row, Side
from crossfade.core.walking import REST, source_mark
from crossfade.core.whole_keys import INVALID, completed, token_there
from crossfade.errors import Rejected

# A page ends after so many entries that stand for nothing (an item that is at another place now, or that was given
# already), as DynamoDB's end after 1 MB whether anything passed the filter or not: a caller must not wait for long.
DROPPED_MAX: Final = 1_000


def query_index(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One page of a Query of an index by the caller; or of the table, where an index of the other does for it."""
    mark = mark_of(request)
    name: str | None = request.get("IndexName")
    names = key_names(pair) if name is None else index_keys(pair, name)
    whole = modern("Query", without_mark(request), names)
    asked = understood("Query", whole, names)
    sides = SIDES if name is not None or row.merges else (row.authority,)
    if names is not None and not pair.mapping.kept:
        _ = [place_in(pair, names, side) for side in sides]  # refused, if at all, before anything is sent
    try:
        index = yield from merged_index(
            pair, name, names, whole=name is not None and request.get("Select") == "ALL_ATTRIBUTES", sides=sides
        )
        if names is None:
            whole = modern("Query", without_mark(request), index.names)
            asked = understood("Query", whole, index.names)
        if request.get("ConsistentRead"):
            index.check_consistency("Query", sides)
        merge = Merge(index, row, asked, whole, mark == REST, sides)
        while not (yield from merge.goes_on()):
            pass
    except Rejected as error:
        raise from_gone(pair, row, "Query", error) from None
    return page(pair, asked, whole, merge.items, merge.looked_at, merge.last, merge.sent)


SIDES: Final[tuple[Side, Side]] = ("source", "target")


def place_in(pair: Pair, names: tuple[str, str | None], side: Side) -> tuple[str | None, str | None]:
    """The names of an index's key on one side; None for a partition that is spread there. Raises Refused where it is
    not the same attribute."""
    partition, sort = names
    spread = partition == pair.caller.partition_key and pair.attribute_name(side, partition) is None
    first = None if spread else name_in(pair, side, partition) if side != pair.view else partition
    second = sort if sort is None or side == pair.view else name_in(pair, side, sort)
    return first, second


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an index: its place, and the item that is to be given for it, if any."""

    place: Item
    shown: Image


@dataclass(slots=True)
class Lane:
    """One partition of one side's index, read page by page."""

    request: Request
    held: list[Entry] = field(default_factory=list[Entry])  # the next one last
    ended: bool = False

    @property
    def needs_more(self) -> bool:
        return not self.held and not self.ended


class Merge:
    """One page in the making."""

    def __init__(
        self, index: MergedIndex, row: Row, asked: Asked, request: Request, in_rest: bool, sides: Sequence[Side]
    ) -> None:
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
        self._alone = len(sides) == 1
        self._token_names = dict.fromkeys((*self._pair.callers_names, *index.names))
        self._rank = rank_by(tuple(name for name in (index.names[1], self._pair.caller.sort_key) if name is not None))
        self._sort_rank = rank_by(() if index.names[1] is None else (index.names[1],))
        self._bytes = 0
        self._dropped = 0
        self._shown_names: set[str] = set()
        start: Item | None = request.get("ExclusiveStartKey")
        if index.unique:
            self._check_words(start)
        ours = self._pair.view
        self._source: list[Lane] = []
        self._target: list[Lane] = []
        if "source" in sides and not (in_rest and index.names[1] is None):
            self._source = self._lanes("source", start, behind=ours == "source" if index.unique else not in_rest)
        if "target" in sides:
            self._target = self._lanes("target", start, behind=ours == "target" if index.unique else in_rest)

    # --- what is asked of each side

    def _lanes(self, side: Side, start: Item | None, *, behind: bool) -> list[Lane]:
        """`behind`: it goes on behind the token itself; the other side goes on at its sort value: from the first item
        with that value if the token is of the source's kind, else behind the last, as where each place has one item."""
        pair, asked, names = self._pair, self._asked, self._index.names
        first, sort = place_in(pair, names, side)
        if start is not None and not behind:
            if self._index.unique and names[1] is None:
                return []
            asked = self._from_sort_value(start, inclusive=side == "target" and not self._index.unique)
        table = pair.table(side)
        base: Request = {
            name: self._request[name] for name in ("ConsistentRead", "ScanIndexForward") if name in self._request
        }
        base |= {"TableName": table.name, **capacity_asked(self._request)}
        if self._index.there[side] is not None:
            base["IndexName"] = self._index.there[side]
        if self._limit is not None:
            base["Limit"] = self._limit
        if self._index.whole:
            base["Select"] = "ALL_ATTRIBUTES"
        values = partitions(pair, asked, side) if first is None else (asked.of_query.partition[1],)
        lanes: list[Lane] = []
        for value in values:
            request = {**base, **key_condition_in(asked, first or table.partition_key, value, sort)}
            if start is not None and behind:
                token = self._there(start, side)
                request["ExclusiveStartKey"] = token if first is not None else {**token, table.partition_key: value}
            lanes.append(Lane(request))
        return lanes

    def _there(self, token: Item, side: Side) -> Item:
        """The caller's token in the terms of one side."""
        if self._pair.mapping.kept:
            return token_there(self._pair, token, side, self._index.key_names)
        return translated(self._pair, token, self._pair.view, side)

    def _check_words(self, start: Item | None) -> None:
        """The words of DynamoDB for what is wrong with a Query of a table: those of an index are others."""
        pair, where = self._pair, self._asked.of_query
        name, value = where.partition
        check_key_value(name, next(iter(value)), value, in_item=False)
        if start is None:
            return
        if not {*pair.caller.key_names} <= start.keys() <= {*pair.callers_names}:
            raise Rejected("ValidationException", INVALID)
        if not same(start[name], value):
            raise Rejected("ValidationException", OUTSIDE)
        if not where.holds(start):
            raise Rejected("ValidationException", NO_MATCH)

    def _from_sort_value(self, start: Item, *, inclusive: bool) -> Asked:
        """Entries from the token's sort value on. What the caller's own condition then does not let in ends them."""
        name = self._index.names[1]
        if name is None:
            return self._asked
        if name not in start:
            raise Rejected("ValidationException", INVALID)
        operator = ("<" if self._backwards else ">") + ("=" if inclusive else "")
        condition = SortCondition(name, operator, (start[name],))
        return replace(self._asked, where=replace(self._asked.of_query, sort=condition))

    # --- what comes back

    def goes_on(self) -> Routine[bool]:
        """One step: pages of one side, or an entry. Whether the page is complete."""
        if any(lane.needs_more for lane in self._source):
            yield from self._fetch("source", self._source)
            return False
        source = self._first(self._source)
        both = self._index.names[1] is not None or source is None
        if both and any(lane.needs_more for lane in self._target):
            yield from self._fetch("target", self._target)
            return False
        target = self._first(self._target)
        if source is None and target is None:
            return True
        if target is None or (source is not None and not self._comes_first(target, source)):
            return source is not None and self._take(source, "source")
        return self._take(target, "target")

    def _first(self, lanes: Sequence[Lane]) -> Lane | None:
        waiting = [lane for lane in lanes if lane.held]
        choose = max if self._backwards else min

        def rank(lane: Lane) -> Any:
            return self._rank(lane.held[-1].place)

        return choose(waiting, key=rank) if len(waiting) > 1 else waiting[0] if waiting else None

    def _comes_first(self, target: Lane, source: Lane) -> bool:
        """Of one sort value the source's entries come first."""
        left, right = self._sort_rank(target.held[-1].place), self._sort_rank(source.held[-1].place)
        return bool(left > right if self._backwards else left < right)

    def _take(self, lane: Lane, side: Side) -> bool:
        entry = lane.held.pop()
        mark = "" if self._index.unique else REST if side == "target" else source_mark(self._row)
        token = marked(place_of(entry.place, tuple(self._token_names)), mark)
        name = key_name(self._pair.callers_key(entry.place))
        if entry.shown is None or name in self._shown_names:  # once, even if it has moved on while the page is made
            self._dropped += 1
            if self._dropped < DROPPED_MAX:
                return False
            self.last = token
            return True
        self._shown_names.add(name)
        self.looked_at += 1
        shown = self._index.cut(entry.shown)
        self._bytes += size_bytes(shown)
        if self._asked.keep(shown):
            self.items.append(shown)
        if self.looked_at != self._limit and self._bytes < PAGE_BYTES_MAX:
            return False
        if not self._index.unique or not self._is_last(entry.place):
            self.last = token
        return True

    def _is_last(self, place: Item) -> bool:
        """Whether nothing can follow in the table itself: then DynamoDB gives no token."""
        course = own_course(self._pair, self._pair.view)
        return course.keys[1] is None or at_bound(course, self._asked, place, self._backwards)

    def _fetch(self, side: Side, lanes: Sequence[Lane]) -> Routine[None]:
        pair = self._pair
        hungry = [lane for lane in lanes if lane.needs_more]
        replies = yield from Gather(tuple(Call(side, "Query", lane.request) for lane in hungry))
        for lane, reply in zip(hungry, replies, strict=True):
            self.sent.append(reply)
            whole, counted = self._index.holds_less(side), capacity_asked(self._request)
            entries = yield from completed(pair, side, reply["Items"], self.sent, counted, whole=whole)
            images = [pair.image(side, pair.stored(side, item)) for item in entries]
            places = [image for image in images if image is not None and self._is_of_partition(image)]
            within = [image for image in places if self._asked.of_query.holds(image)]
            token = reply.get("LastEvaluatedKey")
            lane.ended = token is None or len(within) < len(places)
            if token is not None:
                lane.request = {**lane.request, "ExclusiveStartKey": token}
            decided: Sequence[Image] = within
            if not self._alone:
                decided = yield from (self._of_source(within) if side == "source" else self._of_target(within))
            lane.held = [Entry(place, shown) for place, shown in zip(within, decided, strict=True)][::-1]

    def _is_of_partition(self, image: Item) -> bool:
        """A partition of the other table may hold items of several of the caller's."""
        name, value = self._asked.of_query.partition
        held: AttributeValue | None = image.get(name)
        return held is not None and same(held, value)

    def _of_source(self, places: Sequence[Item]) -> Routine[list[Image]]:
        """What is given for entries of the source: items that are at this place now."""
        pair, index, counted = self._pair, self._index, capacity_asked(self._request)
        keys = [pair.callers_key(place) for place in places]
        shown: list[Image] = [None] * len(keys)
        found = yield from look_both(pair, self._row, keys, self.sent, counted)
        for n, (side, stored) in enumerate(found):
            if stored.item is None:
                continue
            if index.same_place(pair.image(side, stored), places[n]):
                shown[n] = index.entry(side, stored)
            elif side == "source" and not self._request.get("ConsistentRead"):
                shown[n] = places[n]  # the index lags behind its table
        if not self._row.merges:
            missing = [key for key, (_, stored) in zip(keys, found, strict=True) if stored.item is None]
            yield from look_later(pair, self._row, missing)
        return shown

    def _of_target(self, places: Sequence[Item]) -> Routine[list[Image]]:
        """Of entries of the target those that the source has not at the same place."""
        pair = self._pair
        keys = [pair.callers_key(place) for place in places]
        held = yield from look_up(pair, "source", keys, self.sent, capacity_asked(self._request))
        return [
            place
            if pair.is_another("source", stored, key) or not self._index.same_place(pair.image("source", stored), place)
            else None
            for place, key, stored in zip(places, keys, held, strict=True)
        ]
