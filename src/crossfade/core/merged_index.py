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
from crossfade.core.ordering import MARK, from_gone, index_keys, name_in, translated, without_mark
from crossfade.core.pages import Asked, key_condition_in, look_up, page, understood
from crossfade.core.pair import Image, Pair, key_name
from crossfade.core.query import PAGE_BYTES_MAX, partitions, rank_by
from crossfade.core.stages import Row, Side
from crossfade.core.walking import REST, mark_of, source_mark
from crossfade.errors import Rejected

# A page ends after so many entries that stand for nothing (an item that is at another place now, or that was given
# already), as DynamoDB's end after 1 MB whether anything passed the filter or not: a caller must not wait for long.
DROPPED_MAX: Final = 1_000


def query_index(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One page of a Query of an index by the caller."""
    mark = mark_of(request)
    names = index_keys(pair, request["IndexName"])
    whole = modern("Query", without_mark(request), names)
    asked = understood("Query", whole, names)
    if names is not None:
        _ = [place_in(pair, names, side) for side in SIDES]  # refused, if at all, before anything is sent
    try:
        index = yield from merged_index(
            pair, request["IndexName"], names, whole=request.get("Select") == "ALL_ATTRIBUTES"
        )
        if names is None:
            whole = modern("Query", without_mark(request), index.names)
            asked = understood("Query", whole, index.names)
        merge = Merge(index, row, asked, whole, mark == REST)
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

    def __init__(self, index: MergedIndex, row: Row, asked: Asked, request: Request, in_rest: bool) -> None:
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
        self._token_names = dict.fromkeys((*self._pair.caller.key_names, *index.names))
        self._rank = rank_by(tuple(name for name in (index.names[1], self._pair.caller.sort_key) if name is not None))
        self._sort_rank = rank_by(() if index.names[1] is None else (index.names[1],))
        self._bytes = 0
        self._dropped = 0
        self._shown_names: set[str] = set()
        start: Item | None = request.get("ExclusiveStartKey")
        self._source = self._lanes("source", start, behind=not in_rest)
        self._target = self._lanes("target", start, behind=in_rest)
        if in_rest and index.names[1] is None:
            self._source = []

    # --- what is asked of each side

    def _lanes(self, side: Side, start: Item | None, *, behind: bool) -> list[Lane]:
        """`behind`: it goes on behind the token itself; the other side goes on at its sort value: from the first item
        with that value if the token is of the source's kind, else behind the last."""
        pair, asked = self._pair, self._asked
        first, sort = place_in(pair, self._index.names, side)
        if start is not None and not behind:
            asked = self._from_sort_value(start, inclusive=side == "target")
        table = pair.table(side)
        base: Request = {
            name: self._request[name] for name in ("ConsistentRead", "ScanIndexForward") if name in self._request
        }
        base |= {"TableName": table.name, "IndexName": pair.index_name(side, self._index.name)}
        base |= capacity_asked(self._request)
        if self._limit is not None:
            base["Limit"] = self._limit
        if self._index.whole:
            base["Select"] = "ALL_ATTRIBUTES"
        values = partitions(pair, asked, side) if first is None else (asked.of_query.partition[1],)
        lanes: list[Lane] = []
        for value in values:
            request = {**base, **key_condition_in(asked, first or table.partition_key, value, sort)}
            if start is not None and behind:
                token = translated(pair, start, pair.view, side)
                request["ExclusiveStartKey"] = token if first is not None else {**token, table.partition_key: value}
            lanes.append(Lane(request))
        return lanes

    def _from_sort_value(self, start: Item, *, inclusive: bool) -> Asked:
        """Entries from the token's sort value on. What the caller's own condition then does not let in ends them."""
        name = self._index.names[1]
        if name is None:
            return self._asked
        if name not in start:
            raise Rejected("ValidationException", "The provided starting key is invalid")
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
        token = place_of(entry.place, tuple(self._token_names))
        mark = REST if side == "target" else source_mark(self._row)
        token = {**token, MARK: {"S": mark}} if mark else token
        name = key_name(self._pair.callers_key(entry.place))
        if entry.shown is None or name in self._shown_names:  # once, even if it has moved on while the page is made
            self._dropped += 1
            if self._dropped < DROPPED_MAX:
                return False
            self.last = token
            return True
        self._shown_names.add(name)
        self.looked_at += 1
        self._bytes += size_bytes(entry.shown)
        if self._asked.keep(entry.shown):
            self.items.append(entry.shown)
        if self.looked_at != self._limit and self._bytes < PAGE_BYTES_MAX:
            return False
        self.last = token
        return True

    def _fetch(self, side: Side, lanes: Sequence[Lane]) -> Routine[None]:
        pair = self._pair
        hungry = [lane for lane in lanes if lane.needs_more]
        replies = yield from Gather(tuple(Call(side, "Query", lane.request) for lane in hungry))
        for lane, reply in zip(hungry, replies, strict=True):
            self.sent.append(reply)
            images = [pair.image(side, pair.stored(side, item)) for item in reply["Items"]]
            places = [image for image in images if image is not None and self._is_of_partition(image)]
            within = [image for image in places if self._asked.of_query.holds(image)]
            token = reply.get("LastEvaluatedKey")
            lane.ended = token is None or len(within) < len(places)
            if token is not None:
                lane.request = {**lane.request, "ExclusiveStartKey": token}
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
        missing: list[int] = []
        held = yield from look_up(pair, "target", keys, self.sent, counted)
        for n, stored in enumerate(held):
            if stored.item is None:
                missing.append(n)
            elif index.same_place(pair.image("target", stored), places[n]):
                shown[n] = index.entry("target", stored)
        if self._row.authority == "target" and not self._row.merges:
            yield from look_later(pair, self._row, [keys[n] for n in missing])
            return shown
        # Once more, now that the target is known to have none: the entry may have been of an item that was deleted.
        behind = yield from look_up(pair, "source", [keys[n] for n in missing], self.sent, counted)
        for n, stored in zip(missing, behind, strict=True):
            if stored.item is not None and index.same_place(pair.image("source", stored), places[n]):
                shown[n] = index.entry("source", stored)
            elif stored.item is not None and not self._request.get("ConsistentRead"):
                shown[n] = places[n]  # the index lags behind its table
        return shown

    def _of_target(self, places: Sequence[Item]) -> Routine[list[Image]]:
        """Of entries of the target those that the source has not at the same place."""
        pair = self._pair
        keys = [pair.callers_key(place) for place in places]
        held = yield from look_up(pair, "source", keys, self.sent, capacity_asked(self._request))
        return [
            None if self._index.same_place(pair.image("source", stored), place) else place
            for place, stored in zip(places, held, strict=True)
        ]
