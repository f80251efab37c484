"""Scan, and Query of an index: where the order is the table's own, and a page begun in one stage goes on in the next.

Two tables keep the same items in different orders, so a page must go on in the order in which it was begun. That order
is the source's up to `live`: it is there from the start and is kept equal, so an eventually
consistent request is simply answered by the source. From `rampdown` on it is the target's, as it will be in `complete`:
what cannot be answered in that order shows while there is a way back. A strongly consistent request must see what has
just been created, so one that begins while the target is the authority goes by the target's order at once.

A cursor that a stage near would take for one of the other order carries a mark. One without a mark is taken for one of
the stage that it is used in: so a cursor of which only the key attributes were kept is good within a stage. A page in
the non-authority's order reads keys there, then fetches each item from the authority.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Forward, Reply, Request, Routine
from crossfade.core.expressions.keys import KeyNames
from crossfade.core.items import Item
from crossfade.core.pages.entries import of_entries
from crossfade.core.pages.index import check_alike, own_schema, shape_of
from crossfade.core.pages.one_side import page_of_other
from crossfade.core.pages.page import PAGING, Asked, compare_items_later, key_condition_in, page, understood
from crossfade.core.pages.seals import handed_on
from crossfade.core.pages.strangers import known_page
from crossfade.core.read.lookup import look_up
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import INVALID_CURSOR, is_marked, mark_of, marked, without_mark
from crossfade.core.request.legacy import modern
from crossfade.core.request.names import used_by
from crossfade.core.stages import Row, Side
from crossfade.core.tables.indexes import index_schema
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.schema import WHOLE_ITEMS, IndexSchema
from crossfade.core.tables.stamps import page_without_stamps
from crossfade.core.write.translate import index_error_of
from crossfade.errors import NotPossibleInStage, ServiceRejected


def scan(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One page of a Scan by the caller."""
    return (yield from in_its_order(pair, row, "Scan", request))


def in_its_order(pair: Pair, row: Row, operation: str, request: Request) -> Routine[Reply]:
    """One page; after the answer, the comparison of its items with the other side."""
    side, marks = order_of(row, request)
    own = None
    if is_marked(request):
        own = request = handed_on(pair, without_mark(request), mark_of(request))
    if side == pair.view and (side == row.authority or is_kept_equal(row, request)):
        reply = page_without_stamps((yield from Forward(own)))
        if row.compare:
            yield from compare_items_later(pair, side, request, reply, f"{operation} {request.get('Segment', '')}")
    else:
        declared = declared_names(pair, request["IndexName"]) if "IndexName" in request else None
        answer = page_of_other if pair.mapping.source_key_extras else in_terms_of
        reply = yield from answer(pair, row, side, operation, request, declared)
    last: Item | None = reply.get("LastEvaluatedKey")
    return {**reply, "LastEvaluatedKey": marked(last, side if marks else "")} if last else reply


def order_of(row: Row, request: Request) -> tuple[Side, bool]:
    """Return whose order the pages follow, and whether the cursor must say so."""
    side: Side = "source"
    if mark := mark_of(request):
        side = "target" if mark == "target" else "source"
    elif row.order.side == "target" or (row.authority == "target" and request.get("ConsistentRead")):
        side = "target"
    return side, row.order.is_marked or side != row.order.side


def is_kept_equal(row: Row, request: Request) -> bool:
    """Whether the side that is not the authority will do."""
    return not row.is_single and not request.get("ConsistentRead")


# --- the request in the terms of the side whose order it goes by ------------------------------------------------------


def in_terms_of(
    pair: Pair, row: Row, side: Side, operation: str, request: Request, names: KeyNames | None
) -> Routine[Reply]:
    """`names`: the key of the index, where it is declared."""
    index: str | None = request.get("IndexName")
    whole = modern(operation, request, names)
    asked = understood(operation, whole, names)
    own = schema = WHOLE_ITEMS
    if index is not None:
        own = yield from own_schema(pair, row, index)
        schema = yield from index_schema(pair, side, index)
        whole = modern(operation, request, own.names)
        asked = understood(operation, whole, own.names, shape_of(index, own))
        check_alike(pair, side, index, own.names, schema.names, operation)
    request = whole
    moved: Request = {name: request[name] for name in PAGING if name in request} | capacity_asked(request)
    moved["TableName"] = pair.table(side).name
    if index is not None:
        moved["IndexName"] = pair.index_name(side, index)
    if operation == "Query":
        moved |= condition_of(pair, side, asked, request)
    if "ExclusiveStartKey" in request:
        moved["ExclusiveStartKey"] = translated(pair, request["ExclusiveStartKey"], pair.view, side)
    reply = yield from send_page(pair, row, side, operation, moved)
    replies = list[Reply]()
    found, last = yield from known_page(pair, side, operation, moved, reply, replies)
    images: Sequence[Image]
    if side == row.authority or (index is None and row.authority != side and is_kept_equal(row, request)):
        images = yield from of_entries(pair, side, schema, asked, found, replies, capacity_asked(request))
    else:
        keys = [base_key_of(pair, side, item) for item in found]
        if side == "target":
            keys = [pair.mapping.backward_key(key) for key in keys]
        held = yield from look_up(pair, row.authority, keys, replies, capacity_asked(request))
        images = [pair.image(row.authority, stored) for stored in held]
    there = [image for image in images if image is not None and still_asked(asked, own, image)]
    kept = [image for image in there if asked.keep(image)]
    if last is not None:
        last = translated(pair, last, side, pair.view)
    metadata = {name: reply[name] for name in ("ResponseMetadata",) if name in reply}
    return {**metadata, **page(pair, asked, request, kept, len(there), last, replies)}


def declared_names(pair: Pair, index: str) -> KeyNames | None:
    """The key of an index, where it is declared."""
    declared = pair.caller.index(index)
    return None if declared is None else declared.names


def send_page(pair: Pair, row: Row, side: Side, operation: str, moved: Request) -> Routine[Reply]:
    """The caller's own call. A side that is not used any more may be gone."""
    try:
        return (yield from Forward(moved))
    except ServiceRejected as error:
        if side != pair.view:
            error = index_error_of(pair, error)
        raise error if side == row.authority else from_gone(pair, row, operation, error) from None


def from_gone(pair: Pair, row: Row, operation: str, error: ServiceRejected) -> ServiceRejected:
    """What is told where the side that a page was begun in is not used any more, and may be gone."""
    if not row.is_single or error.code != "ResourceNotFoundException":
        return error
    return ServiceRejected(
        "ValidationException",
        f"The provided starting key is invalid: it was given in an earlier stage of the migration, and"
        f" {pair.table(row.other).name} is gone; begin the {operation} anew",
    )


def base_key_of(pair: Pair, side: Side, item: Item) -> Item:
    """The base key in an item or a token of one side. Raises ServiceRejected where a caller's token has none."""
    names = pair.table(side).key_names
    if any(name not in item for name in names):
        raise ServiceRejected("ValidationException", INVALID_CURSOR)
    return {name: item[name] for name in names}


def condition_of(pair: Pair, side: Side, asked: Asked, request: Request) -> Request:
    """The caller's key condition in the terms of one side."""
    where = asked.of_query
    if side == pair.view:
        text: str = request["KeyConditionExpression"]
        return {"KeyConditionExpression": text, **used_by(text, request)}
    if "IndexName" not in request:
        raise NotPossibleInStage(
            f"this Query of {pair.caller.name} cannot be answered from {pair.table(side).name}: the sort key is stored"
            " in another form, and so in another order",
            next_step="read the items by their whole key, or query the other table in its own terms",
        )
    for name in (where.partition[0], *where.equal, *([] if where.sort is None else [where.sort.name])):
        if pair.name_across(side, name) is None:
            raise not_the_same(pair, side, request["IndexName"], name)
    sort_name = None if where.sort is None else name_on_side(pair, side, where.sort.name)
    equal = {name_on_side(pair, side, name): value for name, value in where.equal.items()}
    return key_condition_in(asked, name_on_side(pair, side, where.partition[0]), where.partition[1], sort_name, equal)


def not_the_same(pair: Pair, side: Side, index: str, name: str) -> NotPossibleInStage:
    """An attribute of an index is stored in another form on the other side. One by the partition key of a table whose
    partitions are spread is queried shard by shard, once the migration says what its key is."""
    step = f"query an index of {pair.table(side).name} in its own terms, or read the items by their whole key"
    if name == pair.source.partition_key and pair.view == "source" and pair.mapping.sort == "same":
        step = (
            f'declare the index in the migration file: Table("{pair.source.name}", ...,'
            f' indexes={{"{index}": {{"{name}": ...}}}}), with all attributes of its key and their types'
        )
    return NotPossibleInStage(
        f"a Query of index {index} of {pair.caller.name} cannot be answered from {pair.table(side).name}: {name!r} is"
        " stored in another form there",
        next_step=step,
    )


def still_asked(asked: Asked, own: IndexSchema, image: Item) -> bool:
    """An item may have left the index, or the part that was asked for, between the two reads."""
    return all(name in image for name in own.keys) and (asked.where is None or asked.where.holds(image))


# --- names and tokens -------------------------------------------------------------------------------------------------


def name_on_side(pair: Pair, side: Side, name: str) -> str:
    """The name that a root attribute of the other side has on this one, its value untouched."""
    found = pair.name_across(side, name)
    if found is None:
        raise NotPossibleInStage(
            f"an index by {name!r} is not the same in {pair.source.name} and {pair.target.name}: {name!r} is stored in"
            " another form",
            next_step="query an index of the other table in its own terms",
        )
    return found


def translated(pair: Pair, token: Item, given: Side, wanted: Side) -> Item:
    """A token of one side in the terms of another: a base key and, for an index, the attributes of its key."""
    if given == wanted:
        return token
    key = base_key_of(pair, given, token)
    key = pair.mapping.forward_key(key) if wanted == "target" else pair.mapping.backward_key(key)
    rest = {name: value for name, value in token.items() if name not in pair.table(given).key_names}
    return {**{name_on_side(pair, wanted, name): value for name, value in rest.items()}, **key}
