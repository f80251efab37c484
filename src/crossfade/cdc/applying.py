"""Writing what a change means, so that nothing which is late, sent twice or read again does any harm.

A row that makes items by itself: each write carries the change's version and is conditional on nothing newer being
there. Equal is allowed, so a replay with a corrected mapping writes again. An item that is gone leaves a tombstone with
its version, or a late insert would bring it back.

Rows that make one item together: each row is kept as a part, conditional on its version in the same way, in a table
beside the target. Then the item is made again from all its parts, by the discipline of every mirror here: look at the
target, then read the parts, then write, locked on what the target held at that look; and again until it succeeds. Each
part that is written is followed by such a write, and the last of them has read the parts after all the others had
written. So the item is right in whatever order its rows come.

What the target holds besides the application's attributes is `_crossfade`: a map with `version`, with `of` (the row
that makes the item: it leads back from it), for an item of several rows `lock`, for a tombstone `deleted` and `at`
(seconds since 1970).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from crossfade.cdc.changes import Change, Version
from crossfade.cdc.planning import Part, RowData, Written, folded, name_of_row, planned
from crossfade.cdc.rows import Rows
from crossfade.cdc.wire import packed_row, unpacked_row
from crossfade.core.effects import Call, Reply, Request, Routine, Stamp, Today
from crossfade.core.items import AttributeValue, Item
from crossfade.core.mapping import STAMP
from crossfade.core.sync.retry import Backoff, read_again, send_conditional
from crossfade.errors import ServiceRejected

REBUILDS: Final = Backoff(
    pauses_max=100
)  # of one item against others that rebuild it at the same time: somebody always gets through
NAMES: Final = {"#stamp": STAMP, "#version": "version"}
NOT_NEWER: Final = "attribute_not_exists(#stamp.#version) OR #stamp.#version <= :version"

PART_NOT_NEWER: Final = "attribute_not_exists(#version) OR #version <= :version"


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a change: how many items were written, and of how many something newer was there already.

    `passed`: changes that were not to be carried out.
    """

    written: int = 0
    late: int = 0
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Destination:
    """The tables to which items are written.

    `parts_table` (partition key `item`, sort key `part`, both S) is needed by folds alone.
    """

    rows: Rows
    parts_table: str

    @property
    def table(self) -> str:
        return self.rows.target.name


def apply(destination: Destination, change: Change) -> Routine[Applied]:
    """Carry one change out. May be repeated, at any time. Raises MappingError, ChangeUnreadable or ServiceRejected."""
    stored = yield from store(destination, change)
    for part in stored.parts:
        yield from rebuild(destination, part)
    return stored.applied


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of a change, where the items of these parts have been rebuilt."""

    applied: Applied
    parts: tuple[Part, ...]


def store(destination: Destination, change: Change) -> Routine[Stored]:
    """Write the change's items and keep its parts; each part must be followed by a rebuild that begins after this."""
    plan = planned(destination.rows, change)
    written = late = 0
    for entry in plan.written:
        if (yield from write(destination.table, entry, change.version)):
            written += 1
        else:
            late += 1
    kept: list[Part] = []
    for part in plan.parts:
        if (yield from keep_part(destination, part, change.version)):
            kept.append(part)
        else:
            late += 1
    return Stored(Applied(written + len(kept), late), tuple(kept))


def pass_over(destination: Destination, change: Change) -> Routine[Applied]:
    """Write no item: the target decides what is in it. The rows that are parts of an item are kept all the same, since
    where the source decides again the item is made of all of them."""
    for part in planned(destination.rows, change, parts_only=True).parts:
        _ = yield from keep_part(destination, part, change.version)
    return Applied(passed=1)


def write(table: str, entry: Written, version: Version) -> Routine[bool]:
    """One item, or its tombstone; False where something newer is there."""
    stamp: Item = {"version": {"S": str(version)}, "of": {"S": entry.of}}
    if entry.item is None:
        stamp |= yield from tombstone()
    request: Request = {
        "TableName": table,
        "Item": {**(entry.key if entry.item is None else entry.item), STAMP: {"M": stamp}},
        "ConditionExpression": NOT_NEWER,
        "ExpressionAttributeNames": NAMES,
        "ExpressionAttributeValues": {":version": stamp["version"]},
    }
    return (yield from put_if(request))


def tombstone() -> Routine[Item]:
    """What tells that an item is gone, and since when."""
    return {"deleted": {"BOOL": True}, "at": {"N": str((yield from Today()))}}


def keep_part(destination: Destination, part: Part, version: Version) -> Routine[bool]:
    """Keep the row, or that it is gone; False where something newer is known of it."""
    item = part_item(part, version)
    request: Request = {
        "TableName": destination.parts_table,
        "Item": item,
        "ConditionExpression": PART_NOT_NEWER,
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": item["version"]},
    }
    return (yield from put_if(request))


def part_item(part: Part, version: Version) -> Item:
    """The part as it is kept."""
    item: Item = {
        **part_key(part),
        "part": {"S": name_of_row(part.table, part.key)},
        "table": {"S": part.table},
        "version": {"S": str(version)},
    }
    if part.row is not None:
        item["row"] = {"S": orjson.dumps(packed_row(part.row)).decode()}
    return item


def rebuild(destination: Destination, part: Part) -> Routine[None]:
    """Make the item again from all its parts. Raises ServiceRejected where others never let it through."""
    for pause in REBUILDS.pauses():
        key = folded(part.fold, destination.rows.target, part.parent, ()).key
        look = {"TableName": destination.table, "Key": key, "ConsistentRead": True}
        reply = yield from read_again(Call("target", "GetItem", look))
        found: Item = reply.get("Item", {})
        stamp, parts = found.get(STAMP), (yield from kept_parts(destination, part))
        entry = folded(part.fold, destination.rows.target, part.parent, parts.rows)
        if (yield from put_locked(destination.table, entry, stamp, parts.version)):
            return
        yield from pause
    raise ServiceRejected("TransactionConflictException", f"item {part.parent} of {part.fold.table} never stood still")


def put_locked(table: str, entry: Written, found: AttributeValue | None, version: str) -> Routine[bool]:
    """Write the item where the target still holds what it held; False where it does not."""
    lock: str = yield from Stamp()
    stamp: Item = {"version": {"S": version}, "of": {"S": entry.of}, "lock": {"S": lock}}
    if entry.item is None:
        stamp |= yield from tombstone()
    request: Request = {
        "TableName": table,
        "Item": {**(entry.key if entry.item is None else entry.item), STAMP: {"M": stamp}},
        "ConditionExpression": "attribute_not_exists(#stamp)" if found is None else "#stamp = :found",
        "ExpressionAttributeNames": {"#stamp": STAMP},
    }
    if found is not None:
        request["ExpressionAttributeValues"] = {":found": found}
    return (yield from put_if(request, lock=lock, key=entry.key))


@dataclass(frozen=True, slots=True)
class Kept:
    """The parts of one item: the rows, each with its table, and the greatest version among them and those gone."""

    rows: tuple[tuple[str, RowData], ...]
    version: str


def kept_parts(destination: Destination, part: Part) -> Routine[Kept]:
    """Read all rows that are kept for the part's item."""
    found = yield from parts_held(destination, part)
    return Kept(tuple(rows_of(found)), max((item["version"]["S"] for item in found), default=str(Version(0, 0))))


def parts_held(destination: Destination, part: Part) -> Routine[list[Item]]:
    """All that is kept for the part's item, strongly consistent, however many pages that takes."""
    key = part_key(part)
    request: Request = {
        "TableName": destination.parts_table,
        "KeyConditionExpression": "#item = :item",
        "ExpressionAttributeNames": {"#item": "item"},
        "ExpressionAttributeValues": {":item": key["item"]},
        "ConsistentRead": True,
    }
    found: list[Item] = []
    while True:
        reply: Reply = yield from read_again(Call("target", "Query", request))
        found += reply["Items"]
        if "LastEvaluatedKey" not in reply:
            break
        request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
    return found


def rows_of(parts: Iterable[Item]) -> Iterable[tuple[str, RowData]]:
    for part in parts:
        if "row" in part:
            row = unpacked_row(orjson.loads(part["row"]["S"]))
            if row is not None:
                yield part["table"]["S"], row


def part_key(part: Part) -> Item:
    return {"item": {"S": name_of_row(part.fold.name, part.parent)}}


def put_if(request: Request, *, lock: str = "", key: Item | None = None) -> Routine[bool]:
    """Send the same write until it is answered; False where its condition did not hold.

    A write that is sent again may find itself: by version that is allowed; by lock, the lock tells that it was there.
    """
    reply, again = yield from send_conditional(Call("target", "PutItem", request))
    if reply is None:
        return again and bool(lock) and (yield from holds(request["TableName"], key or {}, lock))
    return True


def holds(table: str, key: Item, lock: str) -> Routine[bool]:
    """Whether the item carries this lock."""
    request: Request = {"TableName": table, "Key": key, "ConsistentRead": True}
    reply = yield from read_again(Call("target", "GetItem", request))
    stamp: Any = reply.get("Item", {}).get(STAMP, {})
    return bool(stamp.get("M", {}).get("lock") == {"S": lock})
