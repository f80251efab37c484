"""One page that the other table answers alone, where the target's key is an attribute of its own: Scan, and Query of an
index, in `off` for who speaks of the target, and from `rampdown` on for who speaks of the source.

Which index of the other table it is may be for the table's description to tell: what is an index by the old key in the
target is the source itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.expressions.keys import KeyNames
from crossfade.core.items import Item
from crossfade.core.pages.entries import of_entries
from crossfade.core.pages.index import MergedIndex, merged_index
from crossfade.core.pages.page import PAGING, Asked, key_condition_in, page, understood
from crossfade.core.pages.page_ends import ANEW_MAX, Answered, ChangedError, cursor_behind, is_of, pages_too_busy
from crossfade.core.pages.whole_keys import name_there, whole_cursor_of, whole_cursor_there
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import MARK, cursor_in, with_cursor
from crossfade.core.request.legacy import modern
from crossfade.core.stages import Row, Side
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.schema import WHOLE_ITEMS


def page_of_other(
    pair: Pair, row: Row, side: Side, operation: str, request: Request, declared: KeyNames | None
) -> Routine[Reply]:
    """`request` has no mark; `declared`: the key of the index it names, where it is known."""
    counted, sent = capacity_asked(request), list[Reply]()
    index: MergedIndex | None = None
    if "IndexName" in request:
        # What is wrong with it is told before a table is described.
        _ = understood(operation, modern(operation, request, declared), declared)
        index = yield from merged_index(pair, row, request["IndexName"], declared, sides=(side,))
        index.check_alike(operation)
        if request.get("ConsistentRead"):
            index.check_consistency(operation, (side,))
    request = modern(operation, request, None if index is None else index.names)
    names, schema = tuple[str, ...](), WHOLE_ITEMS
    if index is None:
        asked = understood(operation, request, None)
    else:
        asked = understood(operation, request, index.names, index.shape)
        names, schema = index.key_names, index.sides[side]
    moved = moved_page(pair, side, operation, request, asked, index)
    there, changes = moved, 0
    call: Call | Forward = Forward(there)
    while True:
        reply = yield from call
        sent.append(reply)
        answered = Answered(side, operation, there, reply)
        images = yield from of_entries(pair, side, schema, asked, answered.entries, sent, counted)
        there = moved
        if not images and answered.token is not None:
            there = {**moved, "ExclusiveStartKey": answered.token}
        else:
            try:
                token = yield from cursor_behind_page(pair, answered, images, names, sent)
                break
            except ChangedError:
                changes += 1
                if changes == ANEW_MAX:
                    raise pages_too_busy() from None
        call = Call(side, operation, there)
    kept = [image for image in images if asked.keep(image)]
    metadata = {name: reply[name] for name in ("ResponseMetadata",) if name in reply}
    return {**metadata, **page(pair, asked, request, kept, len(images), token, sent)}


def cursor_behind_page(
    pair: Pair, answered: Answered, images: Sequence[Item], names: Sequence[str], sent: list[Reply]
) -> Routine[Item | None]:
    """The caller's token for what follows a page of these items; None where nothing does. Raises ChangedError.

    A later migration's pages may end elsewhere than at an item, so its token goes into ours. And an item that has moved
    in the index may have been found at another place than it shows, so this place is what our own token tells: whoever
    keeps the key attributes alone goes on from there."""
    side, last = answered.side, answered.token
    if last is None:
        return None
    token = whole_cursor_of(pair, images[-1], names)
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
    """What that side is asked."""
    moved: Request = {name: request[name] for name in PAGING if name in request} | capacity_asked(request)
    moved["TableName"] = pair.table(side).name
    if index is not None and index.there[side] is not None:
        moved["IndexName"] = index.there[side]
    if operation == "Query":
        (partition, value), sort = asked.of_query.partition, asked.of_query.sort
        sort_there = None if sort is None else name_there(pair, side, sort.name)
        equal = {name_there(pair, side, name): given for name, given in asked.of_query.equal.items()}
        moved |= key_condition_in(asked, name_there(pair, side, partition), value, sort_there, equal)
    if "ExclusiveStartKey" in request:
        names = () if index is None else index.key_names
        token: Item = request["ExclusiveStartKey"]
        said = {name: token[name] for name in (MARK,) if name in token}
        bare = {name: value for name, value in token.items() if name != MARK}
        moved["ExclusiveStartKey"] = cursor_in(token) or {**whole_cursor_there(pair, bare, side, names), **said}
    return moved
