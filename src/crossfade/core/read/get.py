"""GetItem in every stage: answered by the authority (or by the target, for keys on the ramp), then compared."""

from __future__ import annotations

from crossfade.core.effects import Call, Forward, Later, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.request.capacity import capacity_asked, consumed
from crossfade.core.request.keys import checked_key, checked_keys
from crossfade.core.request.legacy import modern
from crossfade.core.request.projection import PROJECTING, projector_alone
from crossfade.core.stages import Fallback, Row, Side
from crossfade.core.sync.compare import shadow_compare
from crossfade.core.sync.ramp import serving_side
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.tables.stamps import reply_without_stamp


def get_item(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    """One read of one item; after the answer, the comparison with the other side."""
    keys = checked_keys(pair, row.authority, [request])
    if keys is None:
        return reply_without_stamp((yield from Forward()))
    (key,) = keys
    side = serving_side(row, ramp_percent, request, key_name(key))
    if side == pair.view:
        reply = reply_without_stamp((yield from Forward()))
    else:
        reply = yield from get_from(pair, side, request, key)
    if row.fallback is Fallback.LOOKED_UP and "Item" not in reply:
        yield from look_later(pair, row, keys)
    if row.compare:
        whole = side == pair.view == "source" and not any(name in request for name in PROJECTING)
        served = pair.stored(side, reply.get("Item")) if whole else None
        yield from Later("compare", key_name(key), shadow_compare(pair, key, served))
    return reply


def get_from(pair: Pair, side: Side, request: Request, key: Item, *, merges: bool = False) -> Routine[Reply]:
    """The caller's own call to that table, and what it finds as the caller sees it. `merges`: or else what the source
    has."""
    request = modern("GetItem", request)
    moved: Request = {name: request[name] for name in ("ConsistentRead",) if name in request}
    moved |= {"TableName": pair.table(side).name, "Key": pair.key(side, key), **capacity_asked(request)}
    wanted = projector_alone(request)
    reply = yield from Forward(moved)
    replies = [reply]
    image = pair.image_under(side, pair.stored(side, reply.get("Item")), key)
    if merges and image is None:
        behind = yield from Call("source", "GetItem", pair.get_request("source", key) | capacity_asked(request))
        replies.append(behind)
        image = pair.image_under("source", pair.stored("source", behind.get("Item")), key)
    answer: Reply = {name: value for name, value in reply.items() if name != "Item"}
    answer |= consumed(pair, replies, request["TableName"])
    return answer if image is None else {**answer, "Item": wanted(image)}


def get_merged(pair: Pair, request: Request) -> Routine[Reply]:
    """One read of one item, while items are in both tables."""
    return (yield from get_from(pair, "target", request, checked_key(pair, request), merges=True))
