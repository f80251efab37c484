"""GetItem in every stage: answered by the authority (or by the target, for keys on the ramp), then compared."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from crossfade.core.accounting import capacity_asked, consumed
from crossfade.core.effects import Forward, Later, Reply, Request, Routine
from crossfade.core.evaluating import NAMES_ALONE
from crossfade.core.expressions import Bindings, bind, projection
from crossfade.core.fallback import look_later
from crossfade.core.items import Item
from crossfade.core.legacy import modern
from crossfade.core.mirroring import shadow_compare
from crossfade.core.pair import Pair, key_name, without_stamp
from crossfade.core.requests import checked_keys
from crossfade.core.stages import Fallback, Ramp, Row, Side
from crossfade.errors import Rejected

PROJECTING = ("ProjectionExpression", "AttributesToGet")


def serving_side(row: Row, ramp_percent: int, request: Request, name: str) -> Side:
    """Return the side that answers a read of `name` (a key or a partition): the target if the ramp covers it."""
    if row.authority == "target" or row.ramp is Ramp.NONE or not ramp_percent:
        return row.authority
    if row.ramp is Ramp.EVENTUAL and request.get("ConsistentRead"):
        return row.authority
    return "target" if ramp_bucket(name) < ramp_percent else row.authority


def ramp_bucket(name: str) -> int:
    """0..99, the same for one key in every process and at every step of the ramp."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") % 100


def get_item(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    """One read of one item; after the answer, the comparison with the other side."""
    keys = checked_keys(pair, row.authority, [request])
    if keys is None:
        return shown((yield from Forward()))
    (key,) = keys
    side = serving_side(row, ramp_percent, request, key_name(key))
    if side == pair.view:
        reply = shown((yield from Forward()))
    else:
        reply = yield from get_from(pair, side, request, key)
    if row.fallback is Fallback.LOOKED_UP and "Item" not in reply:
        yield from look_later(pair, row, keys)
    if row.compare:
        whole = side == pair.view == "source" and not any(name in request for name in PROJECTING)
        served = pair.stored(side, reply.get("Item")) if whole else None
        yield from Later("compare", key_name(key), shadow_compare(pair, key, served))
    return reply


def shown(reply: Reply) -> Reply:
    """The answer of the caller's own table, or one of several in it, the stamp not shown."""
    item: Item | None = reply.get("Item")
    return reply if item is None else {**reply, "Item": without_stamp(item)}


def get_from(pair: Pair, side: Side, request: Request, key: Item) -> Routine[Reply]:
    """The caller's own call to the other table, and what it finds as the caller sees it."""
    request = modern("GetItem", request)
    moved: Request = {name: request[name] for name in ("ConsistentRead",) if name in request}
    moved |= {"TableName": pair.table(side).name, "Key": pair.key(side, key), **capacity_asked(request)}
    wanted = projector_alone(request)
    reply = yield from Forward(moved)
    image = pair.image_under(side, pair.stored(side, reply.get("Item")), key)
    answer: Reply = {name: value for name, value in reply.items() if name != "Item"}
    answer |= consumed(pair, [reply], request["TableName"])
    return answer if image is None else {**answer, "Item": wanted(image)}


def as_it_is(image: Item) -> Item:
    return image


def projector_alone(request: Request) -> Callable[[Item], Item]:
    """`projector`, where the request has no other expression."""
    if "ExpressionAttributeNames" in request and "ProjectionExpression" not in request:
        raise Rejected("ValidationException", NAMES_ALONE)
    bindings = bind(request.get("ExpressionAttributeNames"), None)
    wanted = projector(request, bindings)
    bindings.finish()
    return wanted


def projector(request: Request, bindings: Bindings) -> Callable[[Item], Item]:
    """What the request's projection leaves of an item; evaluated over the image, so the stored form never shows."""
    text: str | None = request.get("ProjectionExpression")
    if text is None:
        return as_it_is
    return projection(text, bindings).apply
