"""Whether a request has the shape that its operation has: the right JSON types, values with one type each, a key.

botocore looks at this unless a client switches it off (`parameter_validation=False`), but lets pass a value with no
type or two. What has another shape is never carried out, and what is wrong with it is the service's to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from crossfade.core.effects import Request
from crossfade.core.items import EMPTY_VALUE, TWO_KINDS, VALUE_KINDS
from crossfade.core.request.cursor import INVALID_CURSOR, has_foreign_mark
from crossfade.errors import ServiceRejected, invalid_request

# The service takes 32 levels and says so itself; what is far beyond that, not every encoder here can write.
DEPTH_MAX: Final = 100
TOO_DEEP: Final = "Nesting Levels have exceeded supported limits: Attributes have more than 32 levels"
HALF: Final = re.compile(r"[\ud800-\udfff]")


class Shape(Protocol):
    def fault(self, value: Any, depth: int) -> ServiceRejected | None:
        """What is wrong with a value that is to have this shape, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Of:
    """A scalar."""

    kind: type

    def fault(self, value: Any, depth: int) -> ServiceRejected | None:  # noqa: ARG002 - nothing is within
        if not isinstance(value, self.kind) or (self.kind is int and isinstance(value, bool)):
            return unreadable(value, self.kind.__name__)
        return fault_of_text(value) if isinstance(value, str) and not value.isascii() else None


@dataclass(frozen=True, slots=True)
class ListOf:
    inner: Shape

    def fault(self, value: Any, depth: int) -> ServiceRejected | None:
        if not isinstance(value, list):
            return unreadable(value, "list")
        for each in cast("Sequence[Any]", value):
            if (fault := self.inner.fault(each, depth)) is not None:
                return fault
        return None


@dataclass(frozen=True, slots=True)
class MapOf:
    inner: Shape

    def fault(self, value: Any, depth: int) -> ServiceRejected | None:
        if not isinstance(value, dict):
            return unreadable(value, "map")
        for name, inner in cast("dict[object, Any]", value).items():
            # A name that is no text becomes one on the way.
            of_name = fault_of_text(name) if isinstance(name, str) and not name.isascii() else None
            if (fault := of_name or self.inner.fault(inner, depth)) is not None:
                return fault
        return None


@dataclass(frozen=True, slots=True)
class Structure:
    members: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    is_choice: bool = False  # exactly one of its members

    def fault(self, value: Any, depth: int) -> ServiceRejected | None:
        if not isinstance(value, dict):
            return unreadable(value, "structure")
        given = cast("dict[str, Any]", value)
        for name in self.required:
            if given.get(name) is None:
                return invalid_request(f"{name}: Member must not be null")
        known = {name: inner for name, inner in given.items() if name in self.members and inner is not None}
        if self.is_choice and len(known) != 1:
            return invalid_request(f"exactly one of {', '.join(self.members)} is needed")
        for name, inner in known.items():
            if (fault := self.members[name].fault(inner, depth)) is not None:
                return fault
        return None


@dataclass(frozen=True, slots=True)
class Value:
    def fault(self, value: Any, depth: int) -> ServiceRejected | None:
        if not isinstance(value, dict):
            return unreadable(value, "attribute value")
        given = cast("dict[str, Any]", value)
        known = {kind: inner for kind, inner in given.items() if kind in VALUE_KINDS and inner is not None}
        if len(known) != 1 or len(given) != 1:
            return invalid_request(TWO_KINDS if len(known) > 1 else EMPTY_VALUE)
        if depth > DEPTH_MAX:
            return invalid_request(TOO_DEEP)
        ((kind, inner),) = known.items()
        return INSIDE[kind].fault(inner, depth + 1)


def fault_of_text(text: str) -> ServiceRejected | None:
    """Half a character, which JSON can spell and UTF-8 cannot."""
    if HALF.search(text) is None:
        return None
    return ServiceRejected("SerializationException", "a text holds half a surrogate pair, which is no character")


def unreadable(value: Any, wanted: str) -> ServiceRejected:
    return ServiceRejected("SerializationException", f"{type(value).__name__} cannot be converted to {wanted}")


TEXT: Final = Of(str)
TRUTH: Final = Of(bool)
NAMES_PARAMETER: Final = "ExpressionAttributeNames"
ITEM: Final = MapOf(Value())
COMPARISON: Final[dict[str, Shape]] = {"AttributeValueList": ListOf(Value()), "ComparisonOperator": TEXT}
# Members have the same shape wherever they are.
MEMBERS: Final[dict[str, Shape]] = {
    **dict.fromkeys(("TableName", "IndexName", "Select", "ReturnValues", "ReturnConsumedCapacity"), TEXT),
    **dict.fromkeys(("ReturnItemCollectionMetrics", "ReturnValuesOnConditionCheckFailure"), TEXT),
    **dict.fromkeys(("ConditionExpression", "UpdateExpression", "FilterExpression", "ProjectionExpression"), TEXT),
    **dict.fromkeys(("KeyConditionExpression", "ConditionalOperator", "ClientRequestToken"), TEXT),
    **dict.fromkeys(("ConsistentRead", "ScanIndexForward"), TRUTH),
    **dict.fromkeys(("Limit", "Segment", "TotalSegments"), Of(int)),
    **dict.fromkeys(("Key", "Item", "ExclusiveStartKey", "ExpressionAttributeValues"), ITEM),
    **dict.fromkeys(
        ("KeyConditions", "QueryFilter", "ScanFilter"), MapOf(Structure(COMPARISON, ("ComparisonOperator",)))
    ),
    "Expected": MapOf(Structure({**COMPARISON, "Value": Value(), "Exists": TRUTH})),
    "AttributeUpdates": MapOf(Structure({"Value": Value(), "Action": TEXT})),
    NAMES_PARAMETER: MapOf(TEXT),
    "AttributesToGet": ListOf(TEXT),
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
INSIDE: Final[dict[str, Shape]] = {
    "S": TEXT,
    "N": TEXT,
    "B": Of(bytes),
    "BOOL": TRUTH,
    "NULL": TRUTH,
    "SS": ListOf(TEXT),
    "NS": ListOf(TEXT),
    "BS": ListOf(Of(bytes)),
    "L": ListOf(Value()),
    "M": ITEM,
}


def fault_in(operation: str, request: Request) -> ServiceRejected | None:
    shape = SHAPES.get(operation)
    if shape is None:
        return None
    try:
        fault = shape.fault(request, 0)
        if fault is None and "ExclusiveStartKey" in request and has_foreign_mark(request):
            return invalid_request(INVALID_CURSOR)
        return fault
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
