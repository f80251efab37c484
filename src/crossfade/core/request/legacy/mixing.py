"""Which legacy parameters and which expressions an operation has, and that a request may not use both.

One mixture is allowed: a Query's KeyConditions with FilterExpression and ProjectionExpression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Request
from crossfade.core.items import ValidationError


@dataclass(frozen=True, slots=True)
class Forms:
    """The parameters of one operation in the order in which DynamoDB lists them; `valued` are the expressions that
    may hold values, as its message names them."""

    legacy: tuple[str, ...]
    expressions: tuple[str, ...]
    valued: str = ""


_CONDITIONAL: Final = Forms(
    ("Expected", "ConditionalOperator"), ("ConditionExpression",), "ConditionExpression is null"
)
_READ: Final = Forms(("AttributesToGet",), ("ProjectionExpression",))
FORMS: Final = {
    "GetItem": _READ,
    "BatchGetItem": _READ,  # of each table
    "PutItem": _CONDITIONAL,
    "DeleteItem": _CONDITIONAL,
    "UpdateItem": Forms(
        ("AttributeUpdates", "Expected", "ConditionalOperator"),
        ("UpdateExpression", "ConditionExpression"),
        "UpdateExpression and ConditionExpression are null",
    ),
    "Query": Forms(
        ("AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"),
        ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"),
        "FilterExpression and KeyConditionExpression are null",
    ),
    "Scan": Forms(
        ("AttributesToGet", "ScanFilter", "ConditionalOperator"),
        ("ProjectionExpression", "FilterExpression"),
        "FilterExpression is null",
    ),
}


def has_legacy(operation: str, request: Request) -> bool:
    """Whether there is something to translate; an operation that never had such parameters has none."""
    forms = FORMS.get(operation)
    return forms is not None and any(name in request for name in forms.legacy)


def check_not_mixed(operation: str, request: Request) -> None:
    """ValidationError for both forms at once, and for placeholders without an expression that could use them."""
    forms = FORMS[operation]
    used = [name for name in forms.expressions if name in request]
    if used:
        old = [name for name in forms.legacy if name in request]
        if "KeyConditionExpression" not in request and "KeyConditions" in old:
            old.remove("KeyConditions")
        if old:
            raise ValidationError(
                "Can not use both expression and non-expression parameters in the same request: "
                f"Non-expression parameters: {{{', '.join(old)}}} Expression parameters: {{{', '.join(used)}}}"
            )
    if "ExpressionAttributeNames" in request and not used:
        raise ValidationError("ExpressionAttributeNames can only be specified when using expressions")
    if "ExpressionAttributeValues" in request and set(used) <= {"ProjectionExpression"}:
        raise ValidationError(f"ExpressionAttributeValues can only be specified when using expressions: {forms.valued}")
