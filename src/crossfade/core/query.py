"""Query of the table itself, on the side that the caller does not speak to: same items, order, pages and counts.

One partition of one side may be spread over several of the other (write sharding). Each is queried with the caller's
own sort condition, and the streams are merged by sort key. A page ends where the plain table's would: after `Limit`
items looked at, or 1 MB of them. The token is the caller's key of the last item looked at, so it is good in every
stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from crossfade.core.accounting import capacity_asked
from crossfade.core.effects import Call, Forward, Gather, Later, Reply, Request, Routine
from crossfade.core.expressions.keys import SortCondition
from crossfade.core.items import AttributeValue, Item, parse_number, same, size_bytes
from crossfade.core.legacy import modern
from crossfade.core.marks import marked, without_mark
from crossfade.core.mirroring import shadow_compare
from crossfade.core.ordering import in_its_order, order_of
from crossfade.core.page_looks import ITEMS_MAX, is_looked_behind, look_at_page_later
from crossfade.core.pages import COMPARED_MAX, Asked, key_condition_in, note_matching, page, understood, without_stamps
from crossfade.core.pair import Pair, TableShape, key_name
from crossfade.core.reads import serving_side
from crossfade.core.stages import Fallback, Row, Side, other_side
from crossfade.core.whole_keys import INVALID
from crossfade.errors import MappingError, Refused, Rejected

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
PAGE_BYTES_MAX: Final = 1024 * 1024

OUTSIDE: Final = "The provided starting key is outside query boundaries based on provided conditions"
NO_MATCH: Final = "The provided starting key does not match the range key predicate"


def query(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    """One page of a Query by the caller; after the answer, the comparison with the other side."""
    index: str | None = request.get("IndexName")
    if index is not None or pair.mapping.sort == "other":
        side, marks = order_of(row, request)
        course = None if index is None or side == pair.view else spread_course(pair, index, side)
        if course is None:
            return (yield from in_its_order(pair, row, "Query", request))
        request = without_mark(request)
        request = modern("Query", request, course.keys)
        reply = yield from query_other(pair, understood("Query", request, course.keys), request, side, course)
        last: Item | None = reply.get("LastEvaluatedKey")
        if marks and last is not None:  # the other table has items with one sort value in another order
            reply = {**reply, "LastEvaluatedKey": marked(last, side)}
        return reply
    side = row.authority
    asked = None if side == pair.view and not row.compare else asked_of(pair, request, side)
    if asked is not None:
        side = serving_side(row, ramp_percent, request, key_name({"": partition_of(asked)}))
    if side == pair.view:
        reply = without_stamps((yield from Forward()))
    else:
        if asked is None:
            raise AssertionError("a request that the other table serves has been understood")
        reply = yield from query_other(pair, asked, modern_query(pair, request), side)
    if row.compare and asked is not None:
        comparison = compare_page(pair, asked, side, request, reply)
        yield from Later("compare", key_name({"": partition_of(asked)}), comparison)
    if row.fallback is Fallback.LOOKED_UP and not pair.mapping.kept and (yield from is_looked_behind(reply)):
        asked = asked or asked_of(pair, request, side)
        if asked is not None:
            size = min(request.get("Limit", ITEMS_MAX), ITEMS_MAX)
            fan = streams(pair, asked, modern_query(pair, request), "source", own_course(pair, "source"), size)
            yield from look_at_page_later(pair, [stream.request for stream in fan], reply)
    return reply


@dataclass(frozen=True, slots=True)
class Course:
    """By what a Query goes through a partition: the table's own sort key, or that of a local index."""

    keys: tuple[str, str | None]  # the caller's names of the partition key and of what is sorted by
    order: tuple[str, ...]  # the caller's attributes that decide the order
    sort_there: str | None  # the other table's name of what is sorted by
    index: str | None = None  # its name in the other table


def own_course(pair: Pair, side: Side) -> Course:
    sort = pair.caller.sort_key
    return Course((pair.caller.partition_key, sort), () if sort is None else (sort,), pair.table(side).sort_key)


def spread_course(pair: Pair, index: str, side: Side) -> Course | None:
    """For a local index of a table whose partitions the mapping spreads: it is spread alike. None for any other.

    Items with the same sort value come in the order of the table's sort key.
    """
    declared = tuple(pair.caller.indexes.get(index, ()))
    base = pair.caller.partition_key
    if len(declared) != 2 or declared[0] != base or pair.attribute_name(side, base) is not None:
        return None
    there = pair.attribute_name(side, declared[1])
    if there is None or pair.mapping.sort != "same":
        return None
    order = tuple(name for name in (declared[1], pair.caller.sort_key) if name is not None)
    return Course((base, declared[1]), order, there, pair.index_name(side, index))


def asked_of(pair: Pair, request: Request, authority: Side) -> Asked | None:
    """None for what only the table itself can make sense of, while it is the one that answers."""
    try:
        asked = understood("Query", modern_query(pair, request), key_names(pair))
        _ = partitions(pair, asked, other_side(pair.view))
    except (Rejected, Refused, MappingError):
        if authority == pair.view:
            return None
        raise
    return asked


def modern_query(pair: Pair, request: Request) -> Request:
    return modern("Query", request, key_names(pair))


def key_names(pair: Pair) -> tuple[str, str | None]:
    return pair.caller.partition_key, pair.caller.sort_key


def partition_of(asked: Asked) -> AttributeValue:
    return asked.of_query.partition[1]


def partitions(pair: Pair, asked: Asked, side: Side) -> tuple[AttributeValue, ...]:
    """The partitions of a table that may hold items of the one asked for."""
    if side == pair.view:
        return (partition_of(asked),)
    return pair.mapping.partitions(partition_of(asked), back=side == "source")


# --- one partition of the other table, read page by page --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Runs:
    """Of an index, items with one sort value come in an order that DynamoDB does not tell. So those are taken together,
    and put into the order of the table's sort key; `behind`: the rank of the caller's token, which lies among them.
    `within`: the caller's own condition, where the one that is asked has no end."""

    by: str
    rank: Callable[[Item], Any]
    backwards: bool
    within: Callable[[Item], bool]
    behind: Any = None

    def goes_on_with(self, image: Item) -> bool:
        if self.behind is None:
            return True
        return bool(self.rank(image) < self.behind if self.backwards else self.rank(image) > self.behind)


@dataclass(slots=True)
class Stream:
    """What has been fetched of one partition and not yet merged."""

    request: Request
    runs: Runs | None = None
    held: list[Item] = field(default_factory=list[Item])  # images, the next one last
    unsettled: list[Item] = field(default_factory=list[Item])  # of a sort value of which there may be more
    ended: bool = False

    def take(self, pair: Pair, side: Side, asked: Asked, reply: Reply) -> None:
        """A partition may hold items of other partitions of the caller's table too."""
        images = (pair.image(side, pair.stored(side, item)) for item in reply["Items"])
        name, value = asked.of_query.partition
        found = [image for image in images if image is not None and same(image[name], value)]
        token = reply.get("LastEvaluatedKey")
        self.ended = token is None
        if token is not None:
            self.request = {**self.request, "ExclusiveStartKey": token}
        self.held = (found if self.runs is None else self._whole(self.runs, [*self.unsettled, *found]))[::-1]

    def _whole(self, runs: Runs, found: list[Item]) -> list[Item]:
        within = [image for image in found if runs.within(image)]
        if len(within) < len(found):
            found, self.ended = within, True
        whole = len(found)
        while not self.ended and whole and same(found[whole - 1][runs.by], found[-1][runs.by]):
            whole -= 1
        self.unsettled = found[whole:]
        return sorted(filter(runs.goes_on_with, found[:whole]), key=runs.rank, reverse=runs.backwards)

    @property
    def needs_more(self) -> bool:
        return not self.held and not self.ended


def streams(pair: Pair, asked: Asked, request: Request, side: Side, course: Course, size: int | None) -> list[Stream]:
    """Of one side: a stream for every partition, each starting behind the caller's token."""
    start: Item | None = request.get("ExclusiveStartKey")
    name, value = asked.of_query.partition
    if start is not None and start.keys() != {*pair.caller.key_names, *course.order}:
        raise Rejected("ValidationException", INVALID)
    if start is not None and not same(start.get(name), value):
        raise Rejected("ValidationException", OUTSIDE)
    keep = ("ConsistentRead", "ScanIndexForward")
    base: Request = {name: request[name] for name in keep if name in request} | capacity_asked(request)
    base["TableName"] = pair.table(side).name
    if course.index is not None:
        base["IndexName"] = course.index
    if size is not None:
        base["Limit"] = size
    runs: Runs | None = None
    if course.index is not None and course.keys[1] is not None:
        rank, backwards = rank_by(course.order), request.get("ScanIndexForward") is False
        runs = Runs(course.keys[1], rank, backwards, asked.of_query.holds)
        if start is not None and may_lie_here(pair, request, asked, start, runs.by):
            runs = replace(runs, behind=rank(start))
            condition = SortCondition(runs.by, "<=" if backwards else ">=", (start[runs.by],))
            asked, start = replace(asked, where=replace(asked.of_query, sort=condition)), None
    return [
        Stream({**base, **narrowed(pair, asked, pair.table(side), course, partition, start)}, runs)
        for partition in partitions(pair, asked, side)
    ]


def may_lie_here(pair: Pair, request: Request, asked: Asked, start: Item, by: str) -> bool:
    """Whether a token of an index may be one; what cannot be one is DynamoDB's to refuse."""
    kind = pair.caller.indexes[request["IndexName"]][by]
    return kind in start[by] and asked.of_query.holds(start)


def narrowed(
    pair: Pair, asked: Asked, table: TableShape, course: Course, partition: AttributeValue, start: Item | None
) -> Request:
    """The key condition, and the token, in terms of one partition of the other table."""
    request = key_condition_in(asked, table.partition_key, partition, course.sort_there)
    if start is not None:
        token: Item = {table.partition_key: partition}
        if table.sort_key is not None and pair.caller.sort_key is not None:
            token[table.sort_key] = start[pair.caller.sort_key]
        if course.sort_there is not None and course.keys[1] is not None:
            token[course.sort_there] = start[course.keys[1]]
        request["ExclusiveStartKey"] = token
    return request


# --- the merge ----------------------------------------------------------------------------------------------


def query_other(pair: Pair, asked: Asked, request: Request, side: Side, course: Course | None = None) -> Routine[Reply]:
    """One page, merged from every partition of `side` that may hold items of the one asked for."""
    course = course or own_course(pair, side)
    limit: int | None = request.get("Limit")
    count = len(partitions(pair, asked, side))
    size = None if limit is None else min(limit, limit // count + 2) if count > 1 else limit
    fan = streams(pair, asked, request, side, course, size)
    backwards = request.get("ScanIndexForward") is False
    rank = rank_by(course.order)
    items: list[Item] = []
    looked_at, page_bytes, sent = 0, 0, list[Reply]()
    last: Item | None = None
    while True:
        hungry = [stream for stream in fan if stream.needs_more]
        if hungry:
            replies = yield from Gather(tuple(Call(side, "Query", stream.request) for stream in hungry))
            for stream, reply in zip(hungry, replies, strict=True):
                stream.take(pair, side, asked, reply)
                sent.append(reply)
            continue
        waiting = [stream for stream in fan if stream.held]
        if not waiting:
            last = None
            break
        choose = max if backwards else min
        image = choose(waiting, key=lambda stream: rank(stream.held[-1])).held.pop()
        looked_at += 1
        page_bytes += size_bytes(image)
        if asked.keep(image):
            items.append(image)
        if looked_at == limit or page_bytes >= PAGE_BYTES_MAX:
            last = None if at_bound(course, asked, image, backwards) else token_of(pair, course, image)
            break
    return page(pair, asked, request, items, looked_at, last, sent)


def callers_token(pair: Pair, image: Item) -> Item:
    return {name: image[name] for name in pair.caller.key_names}


def token_of(pair: Pair, course: Course, image: Item) -> Item:
    return {name: image[name] for name in (*pair.caller.key_names, *course.order)}


def at_bound(course: Course, asked: Asked, image: Item, backwards: bool) -> bool:
    """Whether the item has the very last sort key that the condition lets in: then DynamoDB gives no token."""
    sort = asked.of_query.sort
    if sort is None or course.index is not None or sort.operator not in LAST_INCLUSIVE[backwards]:
        return False
    bound = sort.operands[0] if backwards else sort.operands[-1]
    return same(image[sort.name], bound)


LAST_INCLUSIVE: Final = {False: ("<=", "BETWEEN"), True: (">=", "BETWEEN")}  # by whether the query goes backwards


def rank_by(names: tuple[str, ...]) -> Callable[[Item], Any]:
    """How DynamoDB orders items within a partition: numbers by value, text by UTF-8 bytes, binary by unsigned bytes."""

    def rank(image: Item) -> Any:
        return [rank_of(image[name]) for name in names]

    return rank


def rank_of(value: AttributeValue) -> Any:
    ((kind, held),) = value.items()
    return parse_number(held) if kind == "N" else held.encode() if kind == "S" else held


# --- the comparison -----------------------------------------------------------------------------------------


def compare_page(pair: Pair, asked: Asked, served_by: Side, request: Request, reply: Reply) -> Routine[None]:
    """Ask the other side the same and compare; what differs is then compared key by key, with rechecks."""
    plain = {name: value for name, value in request.items() if name not in ("Select", "ReturnConsumedCapacity")}
    side = other_side(served_by)
    if side == pair.view:
        other = without_stamps((yield from Call(side, "Query", {**plain, "TableName": pair.caller.name})))
    else:
        other = yield from query_other(pair, asked, modern_query(pair, plain), side)
    served: list[Item] | None = reply.get("Items")
    found: list[Item] = other["Items"]
    if (served == found) if served is not None else (reply["Count"] == other["Count"]):
        yield from note_matching()
        return
    for key in differing(pair, served or [], found)[:COMPARED_MAX]:
        yield from shadow_compare(pair, key)


def differing(pair: Pair, served: list[Item], found: list[Item]) -> list[Item]:
    """The source keys of what one list has and the other has not, or has otherwise. Items without keys say nothing."""
    names = pair.caller.key_names
    lists = [[item for item in side if all(name in item for name in names)] for side in (served, found)]
    ours, theirs = ({key_name(callers_own_key(pair, item)): item for item in side} for side in lists)
    return [pair.callers_key(item) for name, item in {**theirs, **ours}.items() if ours.get(name) != theirs.get(name)]


def callers_own_key(pair: Pair, image: Item) -> Item:
    return {name: image[name] for name in pair.caller.key_names}
