"""What a process may do on one table of its migration and not on the other, found out before a stage needs it.

Each action is tried by a request that changes nothing: reads of a key that no item has, writes on a condition that
never holds, and a delete of such a key in a batch, which knows no conditions. A denial on one side of what the other
side allows is told; what is denied on both, the application does not do. So one that only reads is not asked for
writes. Whatever else is answered, or not, is no denial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Final, TypeAlias

from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.effects import Call, Place, Request, Routine, Stamp
from crossfade.core.items import AttributeValue, Item
from crossfade.core.request.cancellation import NEVER, never, reasons_of
from crossfade.core.stages import SIDES, Side, other_side
from crossfade.core.tables.indexes import described
from crossfade.core.tables.pair import Pair
from crossfade.errors import CrossfadeError, ServiceRejected

DENIED_CODES: Final = ("AccessDenied", "AccessDeniedException")  # those of keys of KMS begin with KMS
KMS_ACTION: Final = re.compile(r"\bkms:\w+")
TOLD_LENGTH_MAX: Final = 400  # the lease is a small record, read by everybody who waits
WRITES_ITEMS: Final = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
NOTHING: Final[Request] = {"Limit": 1, "FilterExpression": NEVER["ConditionExpression"],
                           "ExpressionAttributeNames": NEVER["ExpressionAttributeNames"]}  # fmt: skip
GET: Final = ("GetItem", "")
MIRRORING: Final = ("GetItem", "ConditionCheckItem")  # what each write takes on either table
# What a write on one table may become on the other, beside itself: an image that is put, or deleted.
BECOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "UpdateItem": ("PutItem",),
    "BatchWriteItem": ("PutItem", "DeleteItem"),
}
LEADING_KEYS: Final = (
    " (of a key that no item has: does a condition on dynamodb:LeadingKeys name the keys? it has to allow those of both"
    " tables, and a key that the mapping spreads is another one)"
)


Action: TypeAlias = tuple[str, str]  # with the index, of the caller's name, or ""
Denied: TypeAlias = Mapping[Action, str]  # with the reason where it is another than IAM's


def find_denials(pair: Pair) -> Routine[str]:
    """Return what is allowed on one table and denied on the other, as people read it; "" for nothing."""
    pair = replace(pair, schemas={}, index_keys={})  # what is found here of indexes is not to be remembered
    token = yield from Stamp()
    found: dict[Side, Denied] = {}
    for side in SIDES:
        found[side] = yield from _denied_on(pair, side, token)
    names = {side: pair.table(side).name for side in SIDES}
    told: list[str] = []
    if all(GET in found[side] for side in SIDES):
        told.append(f"GetItem on {names['source']} and {names['target']}{found['source'][GET] or LEADING_KEYS}")
    for side in SIDES:
        for (action, index), why in found[side].items():
            if _is_asked_for((action, index), found[other_side(side)]):
                below = f"/index/{pair.index_name(side, index)}" if index else ""
                told.append(f"{action} on {names[side]}{below}{why}")
    told += yield from _denied_on_control(pair, token)
    return shortened(told)


def shortened(told: list[str]) -> str:
    """Return them as one text, of the length that a lease takes."""
    text = ", ".join(told)
    while len(text) > TOLD_LENGTH_MAX and len(told) > 1:
        told = told[:-1]
        text = ", ".join(told) + ", and more"
    return text[:TOLD_LENGTH_MAX]


def denial(error: CrossfadeError) -> str | None:
    """Return why a request was denied, "" where that is only IAM; None where it was not denied."""
    if not isinstance(error, ServiceRejected):
        return None
    codes = [error.code, *(str(reason.get("Code", "")) for reason in reasons_of(error))]
    if not any(code in DENIED_CODES or code.startswith("KMS") for code in codes):
        return None
    of_keys = KMS_ACTION.search(str(error.text))
    if of_keys is not None:
        return f" ({of_keys[0]} of its key)"
    return " (the KMS key of it)" if any(code.startswith("KMS") for code in codes) else ""


def _is_asked_for(action: Action, elsewhere: Denied) -> bool:
    """Whether what the other table allows takes this action, which is denied here."""
    if action not in elsewhere:
        return True
    name, index = action
    allowed = [] if index else [each for each in WRITES_ITEMS if (each, "") not in elsewhere]
    return any(name in MIRRORING or name in BECOMES.get(each, ()) for each in allowed)


def _denied_on(pair: Pair, side: Side, token: str) -> Routine[Denied]:
    """Return what is denied on a side, with the reason where that is a key's."""
    denied: dict[Action, str] = {}
    try:
        yield from described(pair, side)
    except CrossfadeError as error:
        if (why := denial(error)) is not None:
            denied["DescribeTable", ""] = why
    for action, operation, request in _attempts(pair, side, token):
        why = yield from _denied(side, operation, request)
        if why is not None:
            denied[action] = why
    return denied


def _denied(place: Place, operation: str, request: Request) -> Routine[str | None]:
    try:
        _ = yield from Call(place, operation, request)
    except CrossfadeError as error:
        return denial(error)
    return None


def _attempts(pair: Pair, side: Side, token: str) -> Iterator[tuple[Action, str, Request]]:
    table = pair.table(side)
    kinds = dict(pair.mapping.source_key if side == "source" else pair.mapping.target_key)
    key = {name: absent(kind, token) for name, kind in kinds.items()}
    named: Request = {"TableName": table.name}
    one: Request = {**named, "Key": key}
    # With a projection, so that a client which gathers reads sends no BatchGetItem for it.
    yield GET, "GetItem", {**one, "ProjectionExpression": "#k", "ExpressionAttributeNames": {"#k": table.partition_key}}
    yield ("BatchGetItem", ""), "BatchGetItem", {"RequestItems": {table.name: {"Keys": [key]}}}
    yield ("Query", ""), "Query", {**named, **_of_partition({table.partition_key: key[table.partition_key]})}
    yield ("Scan", ""), "Scan", {**named, **NOTHING}
    yield ("PutItem", ""), "PutItem", {**named, "Item": key, **NEVER}
    yield ("UpdateItem", ""), "UpdateItem", {**one, **NEVER}
    yield ("DeleteItem", ""), "DeleteItem", {**one, **NEVER}
    yield ("BatchWriteItem", ""), "BatchWriteItem", {"RequestItems": {table.name: [{"DeleteRequest": {"Key": key}}]}}
    yield ("ConditionCheckItem", ""), "TransactWriteItems", {"TransactItems": [never(table.name, key)]}
    kinds |= {each.attribute: each.kind for each in pair.index_keys.get(side, ())}
    for of, index in [each for each in pair.schemas if each[0] == side]:
        partition = {name: absent(kinds[name], token) for name in pair.schemas[of, index].names.partition}
        action = index if side == pair.view else pair.callers_index_name(index)
        yield ("Query", action), "Query", {**named, "IndexName": index, **_of_partition(partition)}
        yield ("Scan", action), "Scan", {**named, "IndexName": index, **NOTHING}


def absent(kind: str, token: str) -> AttributeValue:
    """Return a value of a key that no item has: 15 bytes of chance, which as a Number are no more than 38 digits."""
    digest = blake2b(token.encode(), digest_size=15)
    match kind:
        case "S":
            return {"S": f"crossfade {digest.hexdigest()}"}
        case "B":
            return {"B": digest.digest()}
        case _:
            return {"N": str(int.from_bytes(digest.digest()))}


def _of_partition(values: Item) -> Request:
    names = list(values)
    return {
        "Limit": 1,
        "KeyConditionExpression": " AND ".join(f"#k{n} = :k{n}" for n in range(len(names))),
        "ExpressionAttributeNames": {f"#k{n}": name for n, name in enumerate(names)},
        "ExpressionAttributeValues": {f":k{n}": values[name] for n, name in enumerate(names)},
    }


def _denied_on_control(pair: Pair, token: str) -> Routine[list[str]]:
    """What the lease has not shown yet: that records may be found, checked and deleted."""
    if pair.ledger is None:
        return []
    table = pair.ledger.table
    key: Item = {PARTITION_KEY: {"S": pair.ledger.migration}, SORT_KEY: {"S": f"none#{token}"}}
    told: list[str] = []
    for action, operation, request in (
        ("Query", "Query", {"TableName": table, **_of_partition({PARTITION_KEY: {"S": f"none#{token}"}})}),
        ("DeleteItem", "DeleteItem", {"TableName": table, "Key": key, **NEVER}),
        ("ConditionCheckItem", "TransactWriteItems", {"TransactItems": [never(table, key)]}),
    ):
        why = yield from _denied("control", operation, request)
        told += [] if why is None else [f"{action} on {table}{why}"]
    return told
