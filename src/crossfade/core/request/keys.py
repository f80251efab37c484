"""The keys that a request names, checked as DynamoDB checks them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from crossfade.core.effects import Request
from crossfade.core.items import INVALID_VALUES, AttributeValue, Item
from crossfade.core.request.names import WRITES, mapping_in
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected, invalid_request

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
KEY_BYTES_MAX: Final = 2048  # of a partition key; what a sort key may have is left to the service


def is_strict(operation: str, request: Request) -> bool:
    """Whether a valid lease is needed: for a write, and for a read that asks for the latest value."""
    if operation in WRITES or operation == "TransactGetItems":
        return True
    if operation == "BatchGetItem":
        return any(mapping_in(entry).get("ConsistentRead") for entry in request["RequestItems"].values())
    return bool(request.get("ConsistentRead", False))


def checked_key(pair: Pair, request: Request) -> Item:
    """The source key that a request on single items names. A key may carry the attributes of both tables. Raises
    ServiceRejected in DynamoDB's words."""
    whole: Any = request.get("Item")
    given: Item = (request.get("Key") or {}) if whole is None else whole
    schema = pair.callers_schema
    if whole is None and len(given) != len(schema) and not is_of_both(pair, given):
        raise invalid_request("The number of conditions on the keys is invalid")
    for name, kind in schema:
        check_key_value(name, kind, given.get(name), in_item=whole is not None)
    return pair.callers_key(given)


def checked_keys(pair: Pair, authority: Side, requests: Iterable[Request]) -> list[Item] | None:
    """The source keys that these requests name. None: one is malformed, and the caller's own table decides, so that it
    may word its own error. Raises ServiceRejected where it does not."""
    try:
        return [checked_key(pair, request) for request in requests]
    except ServiceRejected:
        if authority != pair.view:
            raise
        return None


def is_of_both(pair: Pair, key: Item) -> bool:
    """Whether a key holds the attributes of both shapes and nothing else."""
    return key.keys() == {*pair.source.key_names, *pair.target.key_names}


def check_key_value(name: str, kind: str, value: AttributeValue | None, *, in_item: bool) -> None:
    if value is None or kind not in value:
        if not in_item:
            raise invalid_request("The provided key element does not match the schema")
        if value is None:
            raise invalid_key(f"Missing the key {name} in the item")
        raise invalid_key(f"Type mismatch for key {name} expected: {kind} actual: {next(iter(value), None)}")
    if len(value[kind] if kind == "B" else value[kind].encode()) > KEY_BYTES_MAX:
        raise invalid_request(
            "Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes"
        )
    if not value[kind]:
        what = "binary" if kind == "B" else "string"
        raise invalid_request(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an"
            f" empty {what} value. Key: {name}"
        )


def invalid_key(what: str) -> ServiceRejected:
    return invalid_request(INVALID_VALUES + what)
