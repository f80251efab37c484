"""One page that the other table answers alone, where the target's key is an attribute of its own: Scan, and Query of an
index, in `off` for who speaks of the target, and from `rampdown` on for who speaks of the source.

Which index of the other table it is may be for the table's description to tell: what is an index by the old key in the
target is the source itself.
"""

from __future__ import annotations

from crossfade.core.accounting import capacity_asked
from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.indexing import MergedIndex, merged_index
from crossfade.core.items import Item
from crossfade.core.marks import token_in, with_token
from crossfade.core.pages import PAGING, Asked, key_condition_in, page, understood
from crossfade.core.pair import Pair
from crossfade.core.stages import Side
from crossfade.core.whole_keys import completed, name_there, token_of, token_there


def page_of_other(
    pair: Pair, side: Side, operation: str, request: Request, declared: tuple[str, str | None] | None
) -> Routine[Reply]:
    """`request` has no legacy parameters and no mark; `declared`: the key of the index it names, where it is known."""
    counted, sent = capacity_asked(request), list[Reply]()
    index: MergedIndex | None = None
    if "IndexName" in request:
        asked = understood(operation, request, declared)
        index = yield from merged_index(pair, request["IndexName"], declared, whole=False, sides=(side,))
        if request.get("ConsistentRead"):
            index.check_consistency(operation, (side,))
    asked = understood(operation, request, None if index is None else index.names)
    names = () if index is None else index.key_names
    moved = moved_page(pair, side, operation, request, asked, index)
    call: Call | Forward = Forward(moved)
    while True:
        reply = yield call
        sent.append(reply)
        last: Item | None = reply.get("LastEvaluatedKey")
        entries = yield from completed(pair, side, reply["Items"], sent, counted)
        if entries or last is None:
            break
        call = Call(side, operation, {**moved, "ExclusiveStartKey": last})
    images = [image for entry in entries if (image := pair.image(side, pair.stored(side, entry))) is not None]
    shown = images if index is None else [index.cut(image) for image in images]
    kept = [image for image in shown if asked.keep(image)]
    token = None if last is None else token_of(pair, images[-1], names)
    if token is not None and last is not None and any(reply["Items"][-1].get(name) != last[name] for name in last):
        token = with_token(token, last)  # of a later migration, whose pages may end elsewhere than at an item
    metadata = {name: reply[name] for name in ("ResponseMetadata",) if name in reply}
    return {**metadata, **page(pair, asked, request, kept, len(shown), token, sent)}


def moved_page(
    pair: Pair, side: Side, operation: str, request: Request, asked: Asked, index: MergedIndex | None
) -> Request:
    """What that side is asked."""
    moved: Request = {name: request[name] for name in PAGING if name in request} | capacity_asked(request)
    moved["TableName"] = pair.table(side).name
    if index is not None and index.there[side] is not None:
        moved["IndexName"] = index.there[side]
        if request.get("Select") == "ALL_ATTRIBUTES":
            moved["Select"] = "ALL_ATTRIBUTES"  # for the service to say whether the index can
    if operation == "Query":
        (partition, value), sort = asked.of_query.partition, asked.of_query.sort
        sort_there = None if sort is None else name_there(pair, side, sort.name)
        moved |= key_condition_in(asked, name_there(pair, side, partition), value, sort_there)
    if "ExclusiveStartKey" in request:
        names = () if index is None else index.key_names
        token: Item = request["ExclusiveStartKey"]
        moved["ExclusiveStartKey"] = token_in(token) or token_there(pair, token, side, names)
    return moved
