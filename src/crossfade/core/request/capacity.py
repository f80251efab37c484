"""What a request consumed, told under the name of the table that the caller asked.

Where one answer took several requests, on one side or on both, it is the sum of what they really consumed. Capacity
units are the one thing that DynamoDB itself tells in floating point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, cast

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.request.names import plain_name
from crossfade.core.tables.pair import Pair, key_name

ASKING: Final = ("ReturnConsumedCapacity",)


def capacity_asked(request: Request) -> Request:
    """The part of a request that asks for what it consumes."""
    return {name: request[name] for name in ASKING if name in request}


def accounting_asked(request: Request) -> Request:
    """What the caller asks to be told beside the item itself."""
    return {name: request[name] for name in (*ASKING, "ReturnItemCollectionMetrics") if name in request}


def consumed(pair: Pair, replies: Iterable[Reply], name: str | None = None) -> Reply:
    """The ConsumedCapacity of an answer that took these requests about both tables, or nothing if none was told."""
    told = [reply for reply in replies if "ConsumedCapacity" in reply]
    given = [part for reply in told for part in parts_of(reply) if is_ours(pair, part)]
    parts = [index_capacity_restored(pair, part) for part in given]
    return {"ConsumedCapacity": summed(name or pair.caller.name, parts)} if parts else {}


def consumed_by_table(pair: Pair, replies: Iterable[Reply], name: str | None = None) -> Reply:
    """Return what an operation on several tables consumed: the migration's tables first, as one."""
    given = [part for reply in replies for part in parts_of(reply)]
    ours = [index_capacity_restored(pair, part) for part in given if is_ours(pair, part)]
    ledger = None if pair.ledger is None else pair.ledger.table
    tables = [part for part in given if not is_ours(pair, part) and plain_name(part.get("TableName", "")) != ledger]
    if not ours and not tables:
        return {}
    ours_summed = [summed(name or pair.caller.name, ours)] if ours else []
    return {"ConsumedCapacity": [*ours_summed, *by_name(tables)]}


def parts_of(reply: Reply) -> Sequence[Reply]:
    found: Any = reply.get("ConsumedCapacity")
    if found is None:
        return ()
    return cast("list[Reply]", found) if isinstance(found, list) else (cast("Reply", found),)


def is_ours(pair: Pair, part: Reply) -> bool:
    return plain_name(part.get("TableName", "")) in (pair.source.name, pair.target.name)


def by_name(parts: Sequence[Reply]) -> list[Reply]:
    names = dict.fromkeys(part["TableName"] for part in parts)
    return [summed(name, [part for part in parts if part["TableName"] == name]) for name in names]


def summed(name: str, parts: Sequence[Reply]) -> Reply:
    total: Reply = {"TableName": name}
    for part in parts:
        add(total, {inner: value for inner, value in part.items() if inner != "TableName"})
    return total


def index_capacity_restored(pair: Pair, part: Reply) -> Reply:
    """The part with its indexes under the names that they have in the caller's table."""
    if not pair.indexes or plain_name(part.get("TableName", "")) == pair.caller.name:
        return part
    restored = dict(part)
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if kind in part:
            restored[kind] = {pair.callers_index_name(index): units for index, units in part[kind].items()}
    return restored


def add(total: Reply, part: Reply) -> None:
    for name, value in part.items():
        if isinstance(value, dict):
            add(total.setdefault(name, {}), cast("Reply", value))
        else:
            total[name] = float(Decimal(str(total.get(name, 0))) + Decimal(str(value)))


def with_metrics(pair: Pair, reply: Reply, key: Item) -> Reply:
    """The answer with its ItemCollectionMetrics about the caller's partition; `key` is the caller's."""
    metrics: Reply | None = reply.get("ItemCollectionMetrics")
    if not metrics or "ItemCollectionKey" not in metrics:
        return reply
    name = pair.caller.partition_key
    return {**reply, "ItemCollectionMetrics": {**metrics, "ItemCollectionKey": {name: key[name]}}}


def one_a_collection(metrics: Iterable[Reply]) -> list[Reply]:
    """Metrics of item collections, the last of each: what is one to the caller may be several that are written to."""
    return list({key_name(entry.get("ItemCollectionKey") or {}): entry for entry in metrics}.values())
