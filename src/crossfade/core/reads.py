"""GetItem in every stage: answered by the authority (or by the target, for keys on the ramp), then compared."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from crossfade.core.effects import Call, Forward, Later, Reply, Request, Routine
from crossfade.core.evaluating import refuse_legacy
from crossfade.core.expressions import Bindings, bind, projection
from crossfade.core.items import Item
from crossfade.core.mirroring import shadow_compare
from crossfade.core.pair import Pair, Stored, key_name
from crossfade.core.requests import checked_key
from crossfade.core.stages import Ramp, Row, Side
from crossfade.errors import Rejected


def serving_side(row: Row, ramp_percent: int, request: Request, name: str) -> Side:
    """Who answers a read about `name` (a key, or a partition): the authority, or the target for names on the ramp."""
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
    key = compare_later_key(pair, request)
    side: Side = row.authority if key is None else serving_side(row, ramp_percent, request, key_name(key))
    if side == "source":
        reply = yield from Forward()
    else:
        reply = yield from get_from_target(pair, request)
    if row.compare and key is not None:
        whole = side == "source" and "ProjectionExpression" not in request and "AttributesToGet" not in request
        served = Stored(reply.get("Item")) if whole else None
        yield from Later("compare", key_name(key), shadow_compare(pair, key, served))
    return reply


def compare_later_key(pair: Pair, request: Request) -> Item | None:
    """The key, or None for a malformed request, which the serving side will refuse."""
    try:
        return checked_key(pair, request)
    except Rejected:
        return None


def get_from_target(pair: Pair, request: Request) -> Routine[Reply]:
    refuse_legacy(request)
    key = checked_key(pair, request)
    keep = ("ConsistentRead", "ReturnConsumedCapacity")
    moved: Request = {name: request[name] for name in keep if name in request}
    moved |= {"TableName": pair.target.name, "Key": pair.key("target", key)}
    bindings = bind(request.get("ExpressionAttributeNames"), None)
    wanted = projector(request, bindings)
    bindings.finish()
    reply = yield from Call("target", "GetItem", moved)
    image = pair.image("target", pair.stored("target", reply.get("Item")))
    answer = in_callers_capacity(pair, {name: value for name, value in reply.items() if name != "Item"})
    return answer if image is None else {**answer, "Item": wanted(image)}


def projector(request: Request, bindings: Bindings) -> Callable[[Item], Item]:
    """What the request's projection leaves of an item; evaluated over the image, so the stored form never shows."""
    text: str | None = request.get("ProjectionExpression")
    if text is None:
        return lambda image: image
    return projection(text, bindings).apply


def in_callers_capacity(pair: Pair, reply: Reply) -> Reply:
    """What was consumed, under the name of the table that the caller asked."""
    consumed: Reply | None = reply.get("ConsumedCapacity")
    if consumed is None:
        return reply
    return {**reply, "ConsumedCapacity": {**consumed, "TableName": pair.source.name}}
