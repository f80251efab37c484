"""Scan, BatchGetItem and BatchWriteItem as routines, with everything that they leave undone done again.

The batch operations answer "done" with a list of what was not. That list is asked for again, with backoff. What a write
in bulk cannot say is which of its items was wrong: then each is written alone, and tells for itself. And a bulk write
without an answer may be carried out later, over something newer; its keys come back as `unsettled`, with the moment
from which on it no longer can. Whoever called must make sure of them again then.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossfade.core.effects import Call, Now, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.request.error_codes import ABOUT_THE_ITEM
from crossfade.core.request.names import BATCH_GET_KEYS_MAX, BATCH_WRITE_ITEMS_MAX
from crossfade.core.stages import Side
from crossfade.core.sync.retry import BACKGROUND, is_passing, patiently, read_again
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.errors import ServiceRejected, UnknownOutcome
from crossfade.jobs.keys import namer


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a parallel scan."""

    number: int
    total: int


@dataclass(frozen=True, slots=True)
class Page:
    """What one Scan answered. `last_key` is None at the end of the segment; a page may be empty before it.

    `items` is the reader's to empty, so that what has been done with takes no more room.
    """

    items: list[Item]
    last_key: Item | None


@dataclass(slots=True)
class Written:
    """What came of a bulk write, by position in the list that was given. Nothing said: it is written."""

    refused: dict[int, ServiceRejected] = field(default_factory=dict[int, ServiceRejected])
    unsettled: set[int] = field(default_factory=set[int])
    settles_at: float = 0.0  # monotonic seconds: from then on nothing of `unsettled` can land any more


def scan_page(
    pair: Pair,
    side: Side,
    segment: Segment,
    start_key: Item | None,
    items_max: int,
    *,
    strongly: bool = False,
    names: Sequence[str] = (),
) -> Routine[Page]:
    """The next page of a segment: up to `items_max` items or 1 MB; of each item only `names`, where given."""
    table = pair.table(side).name
    return (yield from scan_table(table, side, segment, start_key, items_max, strongly=strongly, names=names))


def scan_table(
    table: str,
    place: Side,
    segment: Segment,
    start_key: Item | None,
    items_max: int,
    *,
    strongly: bool = False,
    names: Sequence[str] = (),
) -> Routine[Page]:
    """Scan a page of a table that is of no pair."""
    request: Request = {
        "TableName": table,
        "Segment": segment.number,
        "TotalSegments": segment.total,
        "Limit": items_max,
        "ConsistentRead": strongly,
        **projection(names),
    }
    if start_key is not None:
        request["ExclusiveStartKey"] = start_key
    reply = yield from read_again(Call(place, "Scan", request))
    return Page(reply.get("Items", []), reply.get("LastEvaluatedKey") or None)


def projection(names: Sequence[str]) -> Request:
    if not names:
        return {}
    placeholders = {f"#n{n}": name for n, name in enumerate(names)}
    return {"ProjectionExpression": ", ".join(placeholders), "ExpressionAttributeNames": placeholders}


def get_in_bulk(pair: Pair, side: Side, source_keys: Sequence[Item]) -> Routine[list[Stored]]:
    """What one side holds under each of these keys, in their order; strongly consistent."""
    items = yield from get_items(pair, side, [pair.key(side, key) for key in source_keys])
    return [pair.stored(side, item) for item in items]


def get_items(pair: Pair, side: Side, keys: Sequence[Item], *, names: Sequence[str] = ()) -> Routine[list[Item | None]]:
    """Read the items under that side's own keys, unmapped; of each only `names`."""
    table = pair.table(side)
    return (yield from get_of_table(table.name, table.key_names, side, keys, names=names))


def get_of_table(
    table: str, key_names: Sequence[str], place: Side, keys: Sequence[Item], *, names: Sequence[str] = ()
) -> Routine[list[Item | None]]:
    """Read the items under these keys of a table that is of no pair."""
    found: dict[Hashable, Item] = {}
    name_of = namer(key_names)
    names_of_keys = list(map(name_of, keys))
    different = keys
    if len(set(names_of_keys)) < len(keys):  # no key may come twice in a request
        different = list(dict(zip(names_of_keys, keys, strict=True)).values())
    for start in range(0, len(different), BATCH_GET_KEYS_MAX):
        some = different[start : start + BATCH_GET_KEYS_MAX]
        for item in (yield from _get_batch(table, place, some, names)):
            found[name_of(item)] = item
    return list(map(found.get, names_of_keys))


def _get_batch(table: str, place: Side, keys: Sequence[Item], names: Sequence[str]) -> Routine[list[Item]]:
    found: list[Item] = []
    pauses = BACKGROUND.pauses()
    while keys:
        request: Request = {"RequestItems": {table: {"Keys": list(keys), "ConsistentRead": True, **projection(names)}}}
        reply = yield from read_again(Call(place, "BatchGetItem", request))
        found += reply.get("Responses", {}).get(table, ())
        left: Any = reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
        if left:
            pauses = BACKGROUND.pauses() if len(left) < len(keys) else pauses
            yield from next(pauses)
        keys = left
    return found


def put_in_bulk(pair: Pair, items: Sequence[Item]) -> Routine[Written]:
    """Put items, as the target holds them and with no key twice, into the target."""
    written = Written()
    for start in range(0, len(items), BATCH_WRITE_ITEMS_MAX):
        positions = range(start, min(start + BATCH_WRITE_ITEMS_MAX, len(items)))
        yield from _put_batch(pair, {n: items[n] for n in positions}, written)
    return written


def _put_batch(pair: Pair, items: dict[int, Item], written: Written) -> Routine[None]:
    left = items
    pauses = BACKGROUND.pauses()
    while left:
        puts = [{"PutRequest": {"Item": item}} for item in left.values()]
        sent = yield from Now()
        try:
            reply = yield from Call("target", "BatchWriteItem", {"RequestItems": {pair.target.name: puts}})
        except UnknownOutcome:
            _unsettle(pair, written, left, sent)
            return
        except ServiceRejected as error:
            if error.code in ABOUT_THE_ITEM:
                yield from _put_each(pair, left, written)
                return
            if not is_passing(error):
                raise
            unprocessed = left
        else:
            unprocessed = _unprocessed(pair, reply, left)
        if unprocessed:
            pauses = BACKGROUND.pauses() if len(unprocessed) < len(left) else pauses
            yield from next(pauses)
        left = unprocessed


def _unprocessed(pair: Pair, reply: Reply, sent: dict[int, Item]) -> dict[int, Item]:
    requests: Any = reply.get("UnprocessedItems", {}).get(pair.target.name, ())
    if not requests:
        return {}
    name_of = namer(pair.target.key_names)
    again = {name_of(each["PutRequest"]["Item"]) for each in requests}
    return {n: item for n, item in sent.items() if name_of(item) in again}


def _unsettle(pair: Pair, written: Written, items: dict[int, Item], sent: float) -> None:
    """`sent`: monotonic seconds, before the request went out."""
    written.unsettled |= items.keys()
    written.settles_at = max(written.settles_at, sent + pair.landing_seconds)


def _put_each(pair: Pair, items: dict[int, Item], written: Written) -> Routine[None]:
    """One by one: the batch was refused as a whole for the sake of one of them."""
    for n, item in items.items():
        sent = yield from Now()
        try:
            _ = yield from patiently(Call("target", "PutItem", {"TableName": pair.target.name, "Item": item}))
        except UnknownOutcome:
            _unsettle(pair, written, {n: item}, sent)
        except ServiceRejected as error:
            if error.code not in ABOUT_THE_ITEM:
                raise
            written.refused[n] = error
