"""Query of the table itself, on the side that the caller does not speak to: same items, order, pages and counts.

One partition of one side may be spread over several of the other (write sharding). Each is queried with the caller's
own sort condition, and the streams are merged by sort key; so are local indexes (see core/pages/lanes.py). A page ends
where the plain table's would: after `Limit` items looked at, or 1 MB of them. The token is the caller's key of the last
item looked at, so that of a table is good in every stage.
"""

from __future__ import annotations

from dataclasses import replace

from crossfade.core.effects import Call, Forward, Gather, Later, Reply, Request, Routine
from crossfade.core.items import Item, size_bytes
from crossfade.core.pages.entries import of_entries
from crossfade.core.pages.index import check_alike, own_schema, shape_of
from crossfade.core.pages.order import declared_names, in_its_order, order_of
from crossfade.core.pages.page import COMPARED_MAX, Asked, note_matching, page, understood
from crossfade.core.pages.page_ends import ANEW_MAX, Answered, ChangedError, cursor_behind, pages_too_busy
from crossfade.core.pages.page_fallback import ITEMS_MAX, is_looked_behind, look_at_page_later
from crossfade.core.pages.seals import handed_on
from crossfade.core.pages.strangers import with_counterpart
from crossfade.core.pages.streams import (
    PAGE_BYTES_MAX,
    Course,
    Stream,
    key_names,
    key_of_one,
    own_course,
    partition_of,
    partitions,
    rank_by,
    streams,
)
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import MARK, mark_of, marked, with_cursor, without_mark
from crossfade.core.request.legacy import modern
from crossfade.core.stages import Fallback, Row, Side, other_side
from crossfade.core.sync.compare import shadow_compare
from crossfade.core.sync.ramp import serving_side
from crossfade.core.tables.indexes import index_schema
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.tables.stamps import page_without_stamps
from crossfade.errors import MappingError, NotPossibleInStage, ServiceRejected


def query(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    """One page of a Query by the caller; after the answer, the comparison with the other side."""
    index: str | None = request.get("IndexName")
    if index is not None or (pair.mapping.sort == "other" and not is_of_one(pair, request)):
        side, marks = order_of(row, request)
        course = None if index is None or side == pair.view else spread_course(pair, index, side)
        if index is None or course is None:
            return (yield from in_its_order(pair, row, "Query", request))
        bare = handed_on(pair, without_mark(request), mark_of(request))
        reply = yield from query_spread(pair, row, bare, index, side, course)
        last: Item | None = reply.get("LastEvaluatedKey")
        if last is not None:  # the other table may have items with one sort value in another order
            reply = {**reply, "LastEvaluatedKey": marked(last, side if marks else "")}
        return reply
    side = row.authority
    asked = None if side == pair.view and not row.compare else asked_of(pair, request, side)
    if asked is not None:
        side = serving_side(row, ramp_percent, request, key_name({"": partition_of(asked)}))
    if side == pair.view:
        reply = page_without_stamps((yield from Forward()))
    else:
        if asked is None:
            raise AssertionError("a request that the other table serves has been understood")
        reply = yield from query_other(pair, asked, modern_query(pair, request), side)
    if row.compare and asked is not None:
        comparison = compare_page(pair, asked, side, request, reply)
        yield from Later("compare", key_name({"": partition_of(asked)}), comparison)
    if (
        row.fallback is Fallback.LOOKED_UP
        and not pair.mapping.source_key_extras
        and (yield from is_looked_behind(reply))
    ):
        asked = asked or asked_of(pair, request, side)
        if asked is not None:
            size = min(request.get("Limit", ITEMS_MAX), ITEMS_MAX)
            fan = streams(pair, asked, modern_query(pair, request), "source", own_course(pair, "source"), size)
            if fan:
                yield from look_at_page_later(pair, [stream.request for stream in fan], reply)
    return reply


def spread_course(pair: Pair, index: str, side: Side) -> Course | None:
    """For an index by the partition key of a table whose partitions the mapping spreads: it is spread alike. None for
    any other."""
    names = declared_names(pair, index)
    base = pair.caller.partition_key
    if names is None or names.is_several or not names.sort:
        return None
    if names.partition[0] != base or pair.attribute_name(side, base) is not None:
        return None
    there = pair.attribute_name(side, names.sort[0])
    if there is None or pair.mapping.sort != "same":
        return None
    return Course(names, there, pair.index_name(side, index))


def query_spread(pair: Pair, row: Row, request: Request, index: str, side: Side, course: Course) -> Routine[Reply]:
    """One page of such an index. What is wrong with the request is told before a table is described."""
    request = modern("Query", request, course.keys)
    _ = understood("Query", request, course.keys)
    own = yield from own_schema(pair, row, index)
    course = replace(course, schema=(yield from index_schema(pair, side, index)))
    check_alike(pair, side, index, own.names, course.schema.names, "Query")
    asked = understood("Query", request, course.keys, shape_of(index, own))
    return (yield from query_other(pair, asked, request, side, course))


def asked_of(pair: Pair, request: Request, authority: Side) -> Asked | None:
    """None for what only the table itself can make sense of, while it is the one that answers."""
    try:
        asked = understood("Query", modern_query(pair, request), key_names(pair))
        _ = partitions(pair, asked, other_side(pair.view))
    except (ServiceRejected, NotPossibleInStage, MappingError):
        if authority == pair.view:
            return None
        raise
    return asked


def modern_query(pair: Pair, request: Request) -> Request:
    return modern("Query", request, key_names(pair))


def is_of_one(pair: Pair, request: Request) -> bool:
    """Whether a Query of the table is about one whole key, so that no order matters."""
    try:
        return bool(key_of_one(pair, understood("Query", modern_query(pair, request), key_names(pair))))
    except ServiceRejected:
        return False


def query_other(
    pair: Pair,
    asked: Asked,
    request: Request,
    side: Side,
    course: Course | None = None,
) -> Routine[Reply]:
    """One page, merged from every partition of `side` that may hold items of the one asked for.

    The tokens of a later migration say more; what has changed before one was asked for is read anew. Raises
    ServiceRejected where that does not end."""
    course = course or own_course(pair, side)
    sent = list[Reply]()
    for _ in range(ANEW_MAX):
        try:
            return (yield from merged_page(pair, asked, request, side, course, sent))
        except ChangedError:
            continue
    raise pages_too_busy()


def merged_page(
    pair: Pair,
    asked: Asked,
    request: Request,
    side: Side,
    course: Course,
    sent: list[Reply],
) -> Routine[Reply]:
    """Make the page once. Raises ChangedError where the items changed meanwhile."""
    limit: int | None = request.get("Limit")
    count = len(partitions(pair, asked, side))
    size = None if limit is None else min(limit, limit // count + 2) if count > 1 else limit
    fan = streams(pair, asked, request, side, course, size)
    backwards = request.get("ScanIndexForward") is False
    rank = rank_by(course.keys.sort)
    items: list[Item] = []
    looked_at, page_bytes = 0, 0
    last: Item | None = None
    while True:
        hungry = [stream for stream in fan if stream.needs_more]
        if hungry:
            replies = yield from Gather(tuple(Call(side, "Query", stream.request) for stream in hungry))
            for stream, reply in zip(hungry, replies, strict=True):
                sent.append(reply)
                counted = capacity_asked(request)
                entries = with_counterpart(pair, side, reply["Items"])
                images = yield from of_entries(pair, side, course.schema, asked, entries, sent, counted)
                stream.take(asked, images, Answered(side, "Query", stream.request, reply))
            continue
        waiting = [stream for stream in fan if stream.held]
        if not waiting:
            last = None
            break
        choose = max if backwards else min
        stream = choose(waiting, key=lambda stream: rank(stream.held[-1]))
        image = stream.held.pop()
        looked_at += 1
        page_bytes += size_bytes(asked.entry(image))
        if asked.keep(image):
            items.append(image)
        if looked_at == limit or page_bytes >= PAGE_BYTES_MAX:
            last = cursor_on_course(pair, course, image)
            if pair.is_followed and course.index is not None and side == "target":
                more = yield from more_of(pair, stream, image, sent)
                last = last if more is None else with_cursor(last, more)
            break
    return page(pair, asked, request, items, looked_at, last, sent)


def more_of(pair: Pair, stream: Stream, image: Item, sent: list[Reply]) -> Routine[Item | None]:
    """The token of the partition where a page ends, at this image, if the later migration has more to say of the place.
    Where that partition ended within the page, or goes on behind it, it is asked for. Raises ChangedError."""
    answered = stream.answered
    if answered is None:
        raise AssertionError("an image is of a page")
    there = answered.token
    if there is None or (MARK in there and stream.held):
        there = yield from cursor_behind(answered, pair.key(answered.side, pair.callers_key(image)), sent)
    return None if there is None or MARK not in there else there


def cursor_of_image(pair: Pair, image: Item) -> Item:
    return {name: image[name] for name in pair.caller.key_names}


def cursor_on_course(pair: Pair, course: Course, image: Item) -> Item:
    return {name: image[name] for name in (*pair.caller.key_names, *course.keys.sort)}


def compare_page(pair: Pair, asked: Asked, served_by: Side, request: Request, reply: Reply) -> Routine[None]:
    """Ask the other side the same and compare; what differs is then compared key by key, with rechecks."""
    plain = {name: value for name, value in request.items() if name not in ("Select", "ReturnConsumedCapacity")}
    side = other_side(served_by)
    if side == pair.view:
        other = page_without_stamps((yield from Call(side, "Query", {**plain, "TableName": pair.caller.name})))
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
    ours, theirs = ({key_name(cursor_of_image(pair, item)): item for item in side} for side in lists)
    return [pair.callers_key(item) for name, item in {**theirs, **ours}.items() if ours.get(name) != theirs.get(name)]
