"""Query: which way its pages are made, and those of the table itself.

A page of the table is made as Vitess makes one of several shards: each partition that may hold items of the one asked
for is a lane, the lanes are merged by sort key, and the page ends where the plain table's would. The token is the
caller's key of the last item looked at, and so good in every stage. An index that is spread with the partitions of its
table is read in lanes too (`spread_course`); any other in the order of one side, or merged (`query_index`).

Where each item is the target's, or else the source's, the lanes are those of both. Under one key the target must have
been read before the source (see core/write/moves.py). So whenever the target is read on, what is held of the source is
dropped and read again: its page may reach further than that of the target before it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from crossfade.core.effects import Call, Forward, Later, Reply, Request, Routine
from crossfade.core.expressions.keys import names_of_key
from crossfade.core.items import Item
from crossfade.core.pages.asked import Asked, understood
from crossfade.core.pages.builder import PageBuilder
from crossfade.core.pages.compared import compare_replies
from crossfade.core.pages.cursors import cursor_of
from crossfade.core.pages.entries import Entries
from crossfade.core.pages.index import check_alike, own_schema, shape_of
from crossfade.core.pages.index_query import query_index
from crossfade.core.pages.lanes import Lane, ask_lanes, is_backwards, next_lane, rank_by
from crossfade.core.pages.order import declared_names, in_its_order, is_merged, order_asked
from crossfade.core.pages.page_ends import ANEW_MAX, ChangedError, cursor_behind, pages_too_busy
from crossfade.core.pages.page_fallback import ITEMS_MAX, is_looked_behind, look_at_page_later
from crossfade.core.pages.partitions import Course, key_of_one, lanes_of, own_course, partitions
from crossfade.core.pages.seals import handed_on
from crossfade.core.request.cursor import MARK, mark_of, marked, with_cursor, without_mark
from crossfade.core.request.legacy import modern
from crossfade.core.stages import Fallback, Row, Side, other_side
from crossfade.core.sync.ramp import serving_side
from crossfade.core.tables.indexes import index_schema
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.tables.schema import WHOLE_ITEMS
from crossfade.core.tables.stamps import page_without_stamps
from crossfade.errors import MappingError, NotPossibleInStage, ServiceRejected


def query(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    if "IndexName" in request:
        return query_index(pair, row, request) if is_merged(row, request) else query_in_order(pair, row, request)
    by_own_key = pair.mapping.source_key_extras and (row.merges or row.authority != pair.view)
    if by_own_key and not leads(pair, request):
        return query_index(pair, row, request)  # of the other table, which does for this one
    return query_both(pair, request) if row.merges else query_one_side(pair, row, ramp_percent, request)


def leads(pair: Pair, request: Request) -> bool:
    """Whether the items of the partition that is asked for are in partitions of the other table that can be told, and
    in the same order."""
    if pair.view == "target" or pair.mapping.sort == "other":
        return False
    try:
        _ = partitions(pair, meant_by(pair, request).asked.of_query, "target")
    except (ServiceRejected, MappingError):
        return True  # which is told there
    except NotPossibleInStage:
        return False
    return True


class Meant(NamedTuple):
    """A Query that is understood, and the request itself in terms of expressions."""

    asked: Asked
    request: Request


def meant_by(pair: Pair, request: Request) -> Meant:
    """A Query of the table. Raises ServiceRejected."""
    names = names_of_key(pair.caller.key_names)
    request = modern("Query", request, names)
    return Meant(understood("Query", request, names), request)


def is_of_one(pair: Pair, request: Request) -> bool:
    """Whether a Query of the table is about one whole key, so that no order matters."""
    try:
        return bool(key_of_one(pair, meant_by(pair, request).asked.of_query))
    except ServiceRejected:
        return False


# --- one side answers -------------------------------------------------------------------------------------------------


def query_one_side(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    """One page; after the answer, the comparison with the other side."""
    if pair.mapping.sort == "other" and not is_of_one(pair, request):
        return (yield from query_in_order(pair, row, request))
    side = row.authority
    meant = None if side == pair.view and not row.compare else mapped(pair, request, side)
    partition = ""
    if meant is not None:
        partition = key_name({"": meant.asked.of_query.partition[1]})
        side = serving_side(row, ramp_percent, request, partition)
    if side == pair.view:
        reply = page_without_stamps((yield from Forward()))
    else:
        if meant is None:
            raise AssertionError("a request that the other table serves has been understood")
        reply = yield from query_other(pair, meant, own_course(pair, side))
    if row.compare and meant is not None:
        yield from Later("compare", partition, compare_page(pair, meant, side, request, reply))
    if (
        row.fallback is Fallback.LOOKED_UP
        and not pair.mapping.source_key_extras
        and (yield from is_looked_behind(reply))
    ):
        meant = meant or mapped(pair, request, side)
        if meant is not None:
            size = min(request.get("Limit", ITEMS_MAX), ITEMS_MAX)
            lanes = lanes_of(pair, meant.asked, meant.request, own_course(pair, "source"), size)
            if lanes:
                yield from look_at_page_later(pair, [lane.request for lane in lanes], reply)
    return reply


def mapped(pair: Pair, request: Request, authority: Side) -> Meant | None:
    """None for what only the table itself can make sense of, while it is the one that answers."""
    try:
        meant = meant_by(pair, request)
        _ = partitions(pair, meant.asked.of_query, other_side(pair.view))
    except (ServiceRejected, NotPossibleInStage, MappingError):
        if authority == pair.view:
            return None
        raise
    return meant


def compare_page(pair: Pair, meant: Meant, served_by: Side, request: Request, reply: Reply) -> Routine[None]:
    left_out, side = ("Select", "ReturnConsumedCapacity"), other_side(served_by)
    asked, whole = meant
    if side == pair.view:
        plain = {name: value for name, value in request.items() if name not in left_out}
        other = page_without_stamps((yield from Call(side, "Query", {**plain, "TableName": pair.caller.name})))
    else:
        plain = {name: value for name, value in whole.items() if name not in left_out}
        other = yield from query_other(pair, Meant(asked, plain), own_course(pair, side))
    yield from compare_replies(pair, reply, other)


def query_other(pair: Pair, meant: Meant, course: Course) -> Routine[Reply]:
    """One page, merged from every partition of one side that may hold items of the one asked for.

    The tokens of a later migration say more; what has changed before one was asked for is read anew. Raises
    ServiceRejected where that does not end."""
    sent = list[Reply]()
    for _ in range(ANEW_MAX):
        try:
            return (yield from page_of_lanes(pair, meant, course, sent))
        except ChangedError:
            continue
    raise pages_too_busy()


def page_of_lanes(pair: Pair, meant: Meant, course: Course, sent: list[Reply]) -> Routine[Reply]:
    """Make the page once. Raises ChangedError where the items changed meanwhile."""
    (asked, request), side, where = meant, course.side, meant.asked.of_query
    builder = PageBuilder(pair, asked, request, sent)
    lanes = lanes_of(pair, asked, request, course, request.get("Limit"), shares=True)
    entries = Entries(pair, side, course.schema, asked, request, sent)
    rank, backwards = rank_by(course.keys.sort), is_backwards(request)
    while True:
        if any(lane.needs_more for lane in lanes):
            answers = yield from ask_lanes(side, lanes, sent)
            pages = yield from entries.of_replies([reply for _, reply in answers])
            for (each, reply), images in zip(answers, pages, strict=True):
                _ = each.take(where, images, reply)
            continue
        lane = next_lane(lanes, rank, backwards=backwards)
        if lane is None:
            break
        image = lane.held.pop().place
        if builder.add(image):
            builder.last = cursor_of(image, (*pair.caller.key_names, *course.keys.sort))
            if pair.is_followed and course.index is not None and side == "target":
                more = yield from more_of(pair, lane, image, sent)
                builder.last = builder.last if more is None else with_cursor(builder.last, more)
            break
    return builder.reply()


def more_of(pair: Pair, lane: Lane, image: Item, sent: list[Reply]) -> Routine[Item | None]:
    """The token of the partition where a page ends, at this image, if the later migration has more to say of the place.
    Where that partition ended within the page, or goes on behind it, it is asked for. Raises ChangedError."""
    answered = lane.answered
    if answered is None:
        raise AssertionError("an image is of a page")
    there = answered.token
    if there is None or (MARK in there and lane.held):
        there = yield from cursor_behind(answered, pair.key(answered.side, pair.callers_key(image)), sent)
    return None if there is None or MARK not in there else there


# --- in the order of one side -----------------------------------------------------------------------------------------


def query_in_order(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One page of an index; or of a table whose items the other has in another order."""
    index: str | None = request.get("IndexName")
    side, marks = order_asked(pair, row, "Query", request)
    course = None if index is None or side == pair.view else spread_course(pair, index, side)
    if index is None or course is None:
        return (yield from in_its_order(pair, row, "Query", request))
    bare = handed_on(pair, without_mark(request), mark_of(request))
    reply = yield from query_spread(pair, row, bare, index, course)
    last: Item | None = reply.get("LastEvaluatedKey")
    if last is not None:  # the other table may have items with one sort value in another order
        reply = {**reply, "LastEvaluatedKey": marked(last, side if marks else "")}
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
    return Course(side, names, there, pair.index_name(side, index))


def query_spread(pair: Pair, row: Row, request: Request, index: str, course: Course) -> Routine[Reply]:
    """One page of such an index. What is wrong with the request is told before a table is described."""
    request = modern("Query", request, course.keys)
    _ = understood("Query", request, course.keys)
    own = yield from own_schema(pair, row, index)
    course = replace(course, schema=(yield from index_schema(pair, course.side, index)))
    check_alike(pair, course.side, index, own.names, course.schema.names, "Query")
    asked = understood("Query", request, course.keys, shape_of(index, own))
    return (yield from query_other(pair, Meant(asked, request), course))


# --- both sides -------------------------------------------------------------------------------------------------------


def query_both(pair: Pair, request: Request) -> Routine[Reply]:
    """One page, while each item is the target's, or else the source's."""
    if pair.mapping.sort == "other" and not is_of_one(pair, request):
        raise NotPossibleInStage(NOT_MERGED.format(table=pair.caller.name), next_step=NEXT_STEP)
    meant = meant_by(pair, request)
    asked, at = meant
    builder = PageBuilder(pair, asked, at)
    names, backwards = pair.caller.key_names, is_backwards(at)
    rank = rank_by(names[1:])
    target, source = (lanes_from(pair, meant, side, at) for side in ("target", "source"))
    while True:
        if any(lane.needs_more for lane in target):
            yield from fetch_whole(pair, meant, target, builder)
            source = lanes_from(pair, meant, "source", at)  # what was read of it was read too early
        elif any(lane.needs_more for lane in source):
            yield from fetch_whole(pair, meant, source, builder)
        else:
            lane = next_lane((*target, *source), rank, backwards=backwards)  # where both have an item, the target's
            if lane is None:
                break
            image = lane.held[-1].place
            place = rank(image)
            for each in (*target, *source):
                if each.held and rank(each.held[-1].place) == place:
                    _ = each.held.pop()
            token = cursor_of(image, names)
            at = {**at, "ExclusiveStartKey": token}
            if builder.add(image):
                builder.last = token
                break
    return builder.reply()


NOT_MERGED: Final = (
    "this Query of {table} goes by a sort key that the two tables keep in different orders; while items are in both"
    " tables, it cannot be answered"
)
NEXT_STEP: Final = (
    "read the items by their whole key, or scan the table; from the stage rampdown on the target is queried in its own"
    ' terms (view="target")'
)


def lanes_from(pair: Pair, meant: Meant, side: Side, at: Request) -> list[Lane]:
    """The lanes of one side, from where the request at hand goes on."""
    # What the source had a second ago may be older than that: see core/read/both_tables.py.
    request = {**at, "ConsistentRead": True} if side == "source" else at
    return lanes_of(pair, meant.asked, request, own_course(pair, side), at.get("Limit"))


def fetch_whole(pair: Pair, meant: Meant, lanes: list[Lane], builder: PageBuilder) -> Routine[None]:
    side = lanes[0].side
    entries = Entries(pair, side, WHOLE_ITEMS, meant.asked, meant.request, builder.sent)
    for lane, reply in (yield from ask_lanes(side, lanes, builder.sent)):
        _ = lane.take(meant.asked.of_query, entries.shown(entries.without_strangers(reply["Items"])), reply)
