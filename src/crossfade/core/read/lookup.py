"""Strongly consistent reads of our own for an answer under way, whose capacity is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Call, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.names import BATCH_GET_KEYS_MAX
from crossfade.core.stages import Side
from crossfade.core.sync.retry import LOCKING
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.tables.stamps import Stored
from crossfade.errors import ServiceRejected

TOO_FAST: Final = "The level of configured provisioned throughput for the table was exceeded."


def look_up(pair: Pair, side: Side, keys: Sequence[Item], sent: list[Reply], counted: Request) -> Routine[list[Stored]]:
    """What `side` holds under these source keys, in their order, strongly consistent; for an answer under way."""
    return (yield from look_under(pair, side, [pair.key(side, key) for key in keys], sent, counted))


def look_under(
    pair: Pair, side: Side, wanted: Sequence[Item], sent: list[Reply], counted: Request
) -> Routine[list[Stored]]:
    """Read items by keys of that side. Raises ServiceRejected where DynamoDB leaves some unread for too long."""
    table = pair.table(side)
    found: dict[str, Item] = {}
    names = [key_name(key) for key in wanted]
    left = list(dict(zip(names, wanted, strict=True)).values())
    pauses = LOCKING.pauses()
    while left:
        some, left = left[:BATCH_GET_KEYS_MAX], left[BATCH_GET_KEYS_MAX:]
        request: Request = {"RequestItems": {table.name: {"Keys": some, "ConsistentRead": True}}, **counted}
        reply = yield from Call(side, "BatchGetItem", request)
        sent.append(reply)
        for item in reply.get("Responses", {}).get(table.name, ()):
            found[key_name({name: item[name] for name in table.key_names})] = item
        unread: Sequence[Item] = reply.get("UnprocessedKeys", {}).get(table.name, {}).get("Keys", ())
        if len(unread) == len(some):
            pause = next(pauses, None)
            if pause is None:
                raise ServiceRejected("ProvisionedThroughputExceededException", TOO_FAST)
            yield from pause
        left = [*unread, *left]
    return [pair.stored(side, found.get(name)) for name in names]


def read_counting(pair: Pair, side: Side, key: Item, asked: Request, replies: list[Reply]) -> Routine[Stored]:
    """One strongly consistent read; what it consumed is kept for the answer."""
    reply = yield from Call(side, "GetItem", pair.get_request(side, key) | capacity_asked(asked))
    replies.append(reply)
    return pair.stored(side, reply.get("Item"))
