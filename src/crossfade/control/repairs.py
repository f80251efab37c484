"""The durable repair queue: keys that a client has begun to write and that both stores may not hold alike yet.

A client puts a record before it writes and deletes it when the mirror has seen both stores equal. So whatever ends in
between (the process, the other store, the caller's patience) leaves the record behind, and somebody repairs the key.
Whose lease stands, repairs its own; the records of one that was counted out are anybody's: by then nothing that it has
sent can land any more.
"""

from __future__ import annotations

from typing import Final

from crossfade.control.calls import ask, change_surely
from crossfade.control.record_items import from_item, record_name, text
from crossfade.control.records import PARTITION_KEY, REPAIRS, SORT_KEY, RepairRecord
from crossfade.control.store import Control
from crossfade.core.effects import Request, Routine

LISTED_MAX: Final = 200  # of one look; a round of repairs is about as long, and the next one sees the others


def put_repair(control: Control, record: RepairRecord) -> Routine[None]:
    """Put the record, perhaps twice. Raises DatabaseError; it may have been put all the same."""
    _ = yield from ask("PutItem", control.put(record))


def forget_repair(control: Control, record: RepairRecord) -> Routine[None]:
    """Delete it, unless it was put anew meanwhile. Raises DatabaseError: a later round deletes it."""
    request: Request = control.delete(record_name(record)) | {
        "ConditionExpression": "#serial = :serial",
        "ExpressionAttributeNames": {"#serial": "serial"},
        "ExpressionAttributeValues": {":serial": text(record.serial)},
    }
    _ = yield from change_surely("DeleteItem", request)


def list_repairs(control: Control, count: int = LISTED_MAX, after: str = "") -> Routine[tuple[RepairRecord, ...]]:
    """The first of them behind a record's name, strongly consistent."""
    request: Request = {
        "TableName": control.table,
        "ConsistentRead": True,
        "Limit": count,
        "KeyConditionExpression": "#migration = :migration AND begins_with(#record, :prefix)",
        "ExpressionAttributeNames": {"#migration": PARTITION_KEY, "#record": SORT_KEY},
        "ExpressionAttributeValues": {":migration": text(control.migration), ":prefix": text(REPAIRS)},
    }
    if after:
        request["ExclusiveStartKey"] = control.key(after)
    reply = yield from ask("Query", request)
    return tuple(from_item(RepairRecord, item) for item in reply["Items"])


def remove_repairs(control: Control) -> Routine[None]:
    """All of them: to be called where nothing is mirrored any more."""
    while records := (yield from list_repairs(control)):
        for record in records:
            yield from forget_repair(control, record)
