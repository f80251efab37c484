"""Pages of the in-memory tables: of a table in its own order, of an index by what that sorts by."""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Reply, Request
from crossfade.core.expressions import bind, condition
from crossfade.core.expressions.keys import KeyCondition
from crossfade.core.items import Item
from crossfade.errors import invalid_request
from crossfade.sim.indexes import SimIndex
from crossfade.sim.table import Key, SimTable, partition_hash


def table_page(table: SimTable, rows: list[tuple[int, Key, Item]], request: Request, as_of: float | None) -> Reply:
    """One page of rows in order, after ExclusiveStartKey; Limit counts what was looked at, before the filter."""
    start: Item | None = request.get("ExclusiveStartKey")
    if start is not None:
        check_cursor(start, table.key_names)
        after = table.key(start)
        position = (partition_hash(after), after)
        if request.get("ScanIndexForward") is False:
            rows = [row for row in rows if (row[0], row[1]) < position]
        else:
            rows = [row for row in rows if (row[0], row[1]) > position]
    limit: int | None = request.get("Limit")
    page = rows if limit is None else rows[:limit]
    seen = [item for item in (table.get(key, as_of) for _, key, _ in page) if item is not None]
    kept = [item for item in seen if filtered(item, request)]
    reply: Reply = {"Count": len(kept), "ScannedCount": len(page)}
    if request.get("Select") != "COUNT":
        reply["Items"] = [project(item, request) for item in kept]
    if limit is not None and len(page) == limit:
        reply["LastEvaluatedKey"] = {name: page[-1][2][name] for name in table.key_names}
    return reply


def index_page(table: SimTable, index: SimIndex, keyed: KeyCondition, request: Request, as_of: float | None) -> Reply:
    """One page of a Query of an index, whose entries are all read at one moment."""
    if request.get("ConsistentRead"):
        if index.is_global:
            raise invalid_request("Consistent reads are not supported on global secondary indexes")
        as_of = None
    entries = [entry for _, entry in table.entries(index, as_of) if keyed.holds(entry)]
    placed = sorted((table.index_place(index, entry), entry) for entry in entries)
    backwards = request.get("ScanIndexForward") is False
    start: Item | None = request.get("ExclusiveStartKey")
    if start is not None:
        check_cursor(start, (*table.key_names, *index.names.every))
        after = table.index_place(index, start)
        placed = [each for each in placed if (each[0] < after if backwards else each[0] > after)]
    if backwards:
        placed.reverse()
    limit: int | None = request.get("Limit")
    page = [entry for _, entry in (placed if limit is None else placed[:limit])]
    kept = [entry for entry in page if filtered(entry, request)]
    reply: Reply = {"Count": len(kept), "ScannedCount": len(page)}
    if request.get("Select") != "COUNT":
        reply["Items"] = [project(entry, request) for entry in kept]
    if limit is not None and len(page) == limit:
        reply["LastEvaluatedKey"] = {
            name: page[-1][name] for name in dict.fromkeys((*index.names.every, *table.key_names))
        }
    return reply


def check_cursor(start: Item, names: Sequence[str]) -> None:
    if start.keys() != {*names}:
        raise invalid_request(f"The provided starting key is invalid: it has {sorted(start)}, not {sorted({*names})}")


def filtered(item: Item, request: Request) -> bool:
    text: str | None = request.get("FilterExpression")
    if text is None:
        return True
    bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    return condition(text, bindings).holds(item)


def project(item: Item, request: Request) -> Item:
    """A copy of the item's root, with only what the request's projection names (root attributes alone)."""
    text: str | None = request.get("ProjectionExpression")
    if text is None:
        return dict(item)
    names: dict[str, str] = request.get("ExpressionAttributeNames", {})
    wanted = [names.get(part.strip(), part.strip()) for part in text.split(",")]
    return {name: item[name] for name in wanted if name in item}
