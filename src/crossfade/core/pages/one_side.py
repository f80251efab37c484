"""One page that one side answers, asked in its own terms: Scan, and Query of an index.

Mostly the key of one table leads to that of the other, and so does a token (`page_by_key`). That side's items are the
answer where it is the authority, or a Scan or Query of a table that may be eventually consistent is asked while it is
kept equal. Else it tells which items they are, and the authority what they hold.

Where the target's key is an attribute of its own (`page_by_item`), a token is that of the last item, which holds both
keys. Which index of the other table is meant may be for its description to tell: an index of the target by the old key
stands for the source itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.items import Item, same
from crossfade.core.key_names import KeyNames
from crossfade.core.pages.asked import Asked, key_condition_in, paging_there, understood
from crossfade.core.pages.builder import PageBuilder
from crossfade.core.pages.cursors import (
    base_key_of,
    cursor_of,
    name_on_side,
    name_there,
    translated,
    whole_cursor_there,
)
from crossfade.core.pages.entries import Entries
from crossfade.core.pages.index import MergedIndex, check_alike, merged_index, own_schema, shape_of
from crossfade.core.pages.page_ends import ANEW_MAX, Answered, ChangedError, cursor_behind, is_of, pages_too_busy
from crossfade.core.read.lookup import look_up
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import MARK, cursor_in, with_cursor
from crossfade.core.request.legacy import modern
from crossfade.core.request.names import used_by
from crossfade.core.stages import Row, Side
from crossfade.core.tables.indexes import index_schema
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.schema import WHOLE_ITEMS, IndexSchema
from crossfade.core.write.translate import index_error_of
from crossfade.errors import NotPossibleInStage, ServiceRejected, invalid_request


def page_by_key(
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
    moved = paging_there(pair, side, whole, None if index is None else pair.index_name(side, index), None)
    if operation == "Query":
        moved |= condition_of(pair, side, asked, whole)
    if "ExclusiveStartKey" in whole:
        moved["ExclusiveStartKey"] = translated(pair, whole["ExclusiveStartKey"], pair.view, side)
    builder = PageBuilder(pair, asked, whole)
    entries = Entries(pair, side, schema, asked, whole, builder.sent)
    reply = yield from send_page(pair, row, side, operation, moved)
    found, last = yield from known_page(side, operation, moved, reply, entries, builder.sent)
    images: Sequence[Image]
    if side == row.authority or (index is None and is_kept_equal(row, whole)):
        images = yield from entries.images(found)
    else:
        keys = [base_key_of(pair, side, item) for item in found]
        if side == "target":
            keys = [pair.mapping.backward_key(key) for key in keys]
        held = yield from look_up(pair, row.authority, keys, builder.sent, capacity_asked(whole))
        images = [pair.image(row.authority, stored) for stored in held]
        if operation == "Query":
            images = [image for n, image in enumerate(images) if is_at_place(own, schema, found[n], image)]
    builder.add_all([image for image in images if image is not None and still_asked(asked, own, image)])
    builder.last = None if last is None else translated(pair, last, side, pair.view)
    return metadata_of(reply) | builder.reply()


def is_kept_equal(row: Row, request: Request) -> bool:
    """Whether the side that is not the authority will do."""
    return not row.is_single and not request.get("ConsistentRead")


def metadata_of(reply: Reply) -> Reply:
    return {name: reply[name] for name in ("ResponseMetadata",) if name in reply}


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
    return invalid_request(
        f"The provided starting key is invalid: it was given in an earlier stage of the migration, and"
        f" {pair.table(row.other).name} is gone; begin the {operation} anew"
    )


def known_page(
    side: Side, operation: str, asked: Request, first: Reply, entries: Entries, sent: list[Reply]
) -> Routine[tuple[list[Item], Item | None]]:
    """The items of a page without strangers, and that side's token of what follows; `first` is the reply to `asked`.
    The page goes on where strangers have taken the places of items, and does not end at one, whose key would be no
    token; nor before one, where a later migration's token alone tells the place."""
    limit: int | None = asked.get("Limit")
    found: list[Item] = []
    reply, left = first, limit
    while True:
        sent.append(reply)
        items: list[Item] = reply["Items"]
        last: Item | None = reply.get("LastEvaluatedKey")
        known = entries.without_strangers(items)
        found += known
        if last is None or len(known) == len(items):
            return found, last
        if found and len(items) != left and MARK not in last:  # as large as a page may be
            return found, {name: found[-1][name] for name in last}
        left = None if limit is None else limit - len(found)
        more = {**asked, "ExclusiveStartKey": last} | ({} if left is None else {"Limit": left})
        reply = yield from Call(side, operation, more)


def condition_of(pair: Pair, side: Side, asked: Asked, request: Request) -> Request:
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


def is_at_place(own: IndexSchema, there: IndexSchema, entry: Item, image: Image) -> bool:
    """Whether an item still has the place that its entry has told: elsewhere it would be out of the page's order."""
    if image is None:
        return False
    return all(
        same(entry[other], image.get(mine)) for mine, other in zip(own.names.sort, there.names.sort, strict=True)
    )


# --- where the target's key is an attribute of its own ----------------------------------------------------------------


def page_by_item(
    pair: Pair, row: Row, side: Side, operation: str, request: Request, names: KeyNames | None
) -> Routine[Reply]:
    """`request` has no mark; `names`: the key of the index it names, where it is declared."""
    index: MergedIndex | None = None
    if "IndexName" in request:
        # What is wrong with it is told before a table is described.
        _ = understood(operation, modern(operation, request, names), names)
        index = yield from merged_index(pair, row, request["IndexName"], names, sides=(side,))
        index.check(operation, request)
    names = None if index is None else index.names
    request = modern(operation, request, names)
    asked = understood(operation, request, names, None if index is None else index.shape)
    builder = PageBuilder(pair, asked, request)
    schema = WHOLE_ITEMS if index is None else index.sides[side]
    entries = Entries(pair, side, schema, asked, request, builder.sent)
    moved = moved_page(pair, side, operation, request, asked, index)
    there, changes = moved, 0
    call: Call | Forward = Forward(there)
    while True:
        reply = yield from call
        builder.sent.append(reply)
        answered = Answered(side, operation, there, reply)
        images = yield from entries.images(answered.entries)
        there = moved
        if not images and answered.token is not None:
            there = {**moved, "ExclusiveStartKey": answered.token}
        else:
            try:
                key_names = () if index is None else index.names.every
                builder.last = yield from cursor_behind_page(pair, answered, images, key_names, builder.sent)
                break
            except ChangedError:
                changes += 1
                if changes == ANEW_MAX:
                    raise pages_too_busy() from None
        call = Call(side, operation, there)
    builder.add_all(images)
    return metadata_of(reply) | builder.reply()


def cursor_behind_page(
    pair: Pair, answered: Answered, images: Sequence[Item], names: Sequence[str], sent: list[Reply]
) -> Routine[Item | None]:
    """The caller's token for what follows a page of these items; None where nothing does. Raises ChangedError. A later
    migration's pages may end elsewhere than at an item, so its token goes into ours. And an item that has moved in the
    index may have been found at another place than it shows: that place is what the key attributes of our token
    tell."""
    side, last = answered.side, answered.token
    if last is None:
        return None
    token = cursor_of(images[-1], (*pair.callers_names, *names))
    if all(answered.entries[-1].get(name) == value for name, value in last.items()):
        return token
    key = pair.key(side, pair.callers_key(images[-1]))
    there = {name: name_there(pair, side, name) for name in names}
    place: Item | None = last
    if not is_of(last, key) or any(name not in last for name in there.values()):
        place = yield from cursor_behind(answered, key, sent)
    if place is not None and is_of(place, key):
        token |= {name: place[other] for name, other in there.items() if other in place}
    return with_cursor(token, last)


def moved_page(
    pair: Pair, side: Side, operation: str, request: Request, asked: Asked, index: MergedIndex | None
) -> Request:
    moved = paging_there(pair, side, request, None if index is None else index.there[side], None)
    if operation == "Query":
        (partition, value), sort = asked.of_query.partition, asked.of_query.sort
        sort_there = None if sort is None else name_there(pair, side, sort.name)
        equal = {name_there(pair, side, name): given for name, given in asked.of_query.equal.items()}
        moved |= key_condition_in(asked, name_there(pair, side, partition), value, sort_there, equal)
    if "ExclusiveStartKey" in request:
        names = () if index is None else index.names.every
        token: Item = request["ExclusiveStartKey"]
        said = {name: token[name] for name in (MARK,) if name in token}
        bare = {name: value for name, value in token.items() if name != MARK}
        moved["ExclusiveStartKey"] = cursor_in(token) or {**whole_cursor_there(pair, bare, side, names), **said}
    return moved
