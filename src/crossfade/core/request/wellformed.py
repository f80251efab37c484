"""Whether a request has the shape that its operation has: the right JSON types, values with one type each, a key.

botocore looks at this unless a client switches it off (`parameter_validation=False`), and lets pass a value that has no
type or two. What has another shape is never carried out, and what is wrong with it is the service's to say. Members
that are not listed here are none of our business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from crossfade.core.effects import Request
from crossfade.core.items import VALUE_KINDS
from crossfade.core.request.cursor import INVALID_CURSOR, has_foreign_mark
from crossfade.errors import ServiceRejected


@dataclass(frozen=True, slots=True)
class ListOf:
    inner: Shape


@dataclass(frozen=True, slots=True)
class MapOf:
    inner: Shape


@dataclass(frozen=True, slots=True)
class Structure:
    members: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    is_choice: bool = False  # exactly one of its members


@dataclass(frozen=True, slots=True)
class Value:
    """An attribute value."""


Shape = type | ListOf | MapOf | Structure | Value

NAMES_PARAMETER: Final = "ExpressionAttributeNames"
ITEM: Final = MapOf(Value())
COMPARISON: Final[dict[str, Shape]] = {"AttributeValueList": ListOf(Value()), "ComparisonOperator": str}
# Members have the same shape wherever they are.
MEMBERS: Final[dict[str, Shape]] = {
    **dict.fromkeys(("TableName", "IndexName", "Select", "ReturnValues", "ReturnConsumedCapacity"), str),
    **dict.fromkeys(("ReturnItemCollectionMetrics", "ReturnValuesOnConditionCheckFailure"), str),
    **dict.fromkeys(("ConditionExpression", "UpdateExpression", "FilterExpression", "ProjectionExpression"), str),
    **dict.fromkeys(("KeyConditionExpression", "ConditionalOperator", "ClientRequestToken"), str),
    **dict.fromkeys(("ConsistentRead", "ScanIndexForward"), bool),
    **dict.fromkeys(("Limit", "Segment", "TotalSegments"), int),
    **dict.fromkeys(("Key", "Item", "ExclusiveStartKey", "ExpressionAttributeValues"), ITEM),
    **dict.fromkeys(
        ("KeyConditions", "QueryFilter", "ScanFilter"), MapOf(Structure(COMPARISON, ("ComparisonOperator",)))
    ),
    "Expected": MapOf(Structure({**COMPARISON, "Value": Value(), "Exists": bool})),
    "AttributeUpdates": MapOf(Structure({"Value": Value(), "Action": str})),
    NAMES_PARAMETER: MapOf(str),
    "AttributesToGet": ListOf(str),
}


def members(*required: str, **more: Shape) -> Structure:
    return Structure({**MEMBERS, **more}, (*required, *more))


BY_KEY: Final = members("TableName", "Key")
PUT: Final = members("TableName", "Item")
BATCH_WRITE: Final = Structure({"PutRequest": members("Item"), "DeleteRequest": members("Key")}, is_choice=True)
ACTION: Final = Structure(
    {
        "Put": PUT,
        "Update": members("TableName", "Key", "UpdateExpression"),
        "Delete": BY_KEY,
        "ConditionCheck": members("TableName", "Key", "ConditionExpression"),
    },
    is_choice=True,
)
SHAPES: Final[dict[str, Structure]] = {
    "GetItem": BY_KEY,
    "PutItem": PUT,
    "UpdateItem": BY_KEY,
    "DeleteItem": BY_KEY,
    "Query": members("TableName"),
    "Scan": members("TableName"),
    "BatchGetItem": members(RequestItems=MapOf(members(Keys=ListOf(ITEM)))),
    "BatchWriteItem": members(RequestItems=MapOf(ListOf(BATCH_WRITE))),
    "TransactGetItems": members(TransactItems=ListOf(Structure({"Get": BY_KEY}, ("Get",)))),
    "TransactWriteItems": members(TransactItems=ListOf(ACTION)),
}
KINDS_INSIDE: Final[dict[str, Shape]] = {
    "S": str,
    "N": str,
    "B": bytes,
    "BOOL": bool,
    "NULL": bool,
    "SS": ListOf(str),
    "NS": ListOf(str),
    "BS": ListOf(bytes),
    "L": ListOf(Value()),
    "M": ITEM,
}
# The service takes 32 levels and says so itself; what is far beyond that, not every encoder here can write.
DEPTH_MAX: Final = 100
TOO_DEEP: Final = "Nesting Levels have exceeded supported limits: Attributes have more than 32 levels"
HALF: Final = re.compile(r"[\ud800-\udfff]")
EMPTY_VALUE: Final = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
TWO: Final = (
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
)


def fault_in(operation: str, request: Request) -> ServiceRejected | None:
    """What is wrong with the shape of a request, or None."""
    shape = SHAPES.get(operation)
    if shape is None:
        return None
    try:
        fault = _fault(request, shape, 0)
        return (
            ServiceRejected("ValidationException", INVALID_CURSOR)
            if fault is None and has_foreign_mark(request)
            else fault
        )
    except RecursionError:  # the caller's own stack is deep: what is not seen here is for others to refuse
        return None


def without_nulls(value: Any) -> Any:
    """A copy in which no structure has a member that is null: on the wire that is no member."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        kept = {name: inner for name, inner in given.items() if inner is not None}
        return {name: inner if name == NAMES_PARAMETER else without_nulls(inner) for name, inner in kept.items()}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in cast("Sequence[Any]", value)]
    return value


def _fault(value: Any, shape: Shape, depth: int) -> ServiceRejected | None:
    match shape:
        case type():
            if isinstance(value, shape) and (shape is not int or not isinstance(value, bool)):
                return None if shape is not str else _fault_of_text(value)
            return unreadable(value, shape.__name__)
        case ListOf():
            if not isinstance(value, list):
                return unreadable(value, "list")
            return _first(_fault(inner, shape.inner, depth) for inner in cast("Sequence[Any]", value))
        case MapOf():
            if not isinstance(value, dict):
                return unreadable(value, "map")
            given = cast("dict[str, Any]", value)
            return _first(_fault_of_text(name) or _fault(inner, shape.inner, depth) for name, inner in given.items())
        case Structure():
            return _fault_of_structure(value, shape, depth)
        case Value():
            return _fault_of_value(value, depth)


def _fault_of_structure(value: Any, shape: Structure, depth: int) -> ServiceRejected | None:
    if not isinstance(value, dict):
        return unreadable(value, "structure")
    given = cast("dict[str, Any]", value)
    for name in shape.required:
        if given.get(name) is None:
            return ServiceRejected("ValidationException", f"{name}: Member must not be null")
    known = {name: inner for name, inner in given.items() if name in shape.members and inner is not None}
    if shape.is_choice and len(known) != 1:
        return ServiceRejected("ValidationException", f"exactly one of {', '.join(shape.members)} is needed")
    return _first(_fault(inner, shape.members[name], depth) for name, inner in known.items())


def _fault_of_value(value: Any, depth: int) -> ServiceRejected | None:
    if not isinstance(value, dict):
        return unreadable(value, "attribute value")
    given = cast("dict[str, Any]", value)
    known = {kind: inner for kind, inner in given.items() if kind in VALUE_KINDS and inner is not None}
    if len(known) != 1 or len(given) != 1:
        return ServiceRejected("ValidationException", TWO if len(known) > 1 else EMPTY_VALUE)
    if depth > DEPTH_MAX:
        return ServiceRejected("ValidationException", TOO_DEEP)
    ((kind, inner),) = known.items()
    return _fault(inner, KINDS_INSIDE[kind], depth + 1)


def _fault_of_text(text: Any) -> ServiceRejected | None:
    """Half a character, which JSON can spell and UTF-8 cannot. A name that is no text becomes one on the way."""
    if not isinstance(text, str) or text.isascii() or HALF.search(text) is None:
        return None
    return ServiceRejected("SerializationException", "a text holds half a surrogate pair, which is no character")


def _first(faults: Iterable[ServiceRejected | None]) -> ServiceRejected | None:
    return next((fault for fault in faults if fault is not None), None)


def unreadable(value: Any, wanted: str) -> ServiceRejected:
    return ServiceRejected("SerializationException", f"{type(value).__name__} cannot be converted to {wanted}")
