"""The translation of one request, operation by operation, with DynamoDB's checks in DynamoDB's order.

The service looks at the whole request before it looks at the item, AttributeUpdates and AttributesToGet included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crossfade.core.effects import Request
from crossfade.core.expressions import bind, condition, projection
from crossfade.core.expressions.errors import incorrect_data_type
from crossfade.core.expressions.translated import TYPE_MISMATCH
from crossfade.core.items import INVALID_VALUES, ValidationError, stored_item
from crossfade.core.key_names import KeyNames
from crossfade.core.request.legacy.conditions import (
    OPERATORS,
    Comparison,
    check_operator_given,
    expected,
    filters,
    joined_comparisons,
)
from crossfade.core.request.legacy.keys import check_filtered, key_condition_expression
from crossfade.core.request.legacy.mixing import FORMS, check_not_mixed, has_legacy
from crossfade.core.request.legacy.placeholders import Placeholders
from crossfade.core.request.legacy.updates import ACTIONS, update_expression
from crossfade.core.request.projection import check_select
from crossfade.errors import ServiceRejected

_COMPARING: Final = ("Expected", "KeyConditions", "QueryFilter", "ScanFilter")


def modern(operation: str, request: Request, key_names: KeyNames | None = None) -> Request:
    """The request in terms of expressions; the same object if it has no legacy parameter. Of a BatchGetItem it takes
    the request or what it says of one table. Raises ValidationError in DynamoDB's words for what that would not take.

    `key_names`: of the table or index that is asked. Without them a filter on a key, or a key condition on another
    attribute, is found when the expression is read.
    """
    if operation == "BatchGetItem":
        return _batch_get(request) if "RequestItems" in request else _batch_get_part(request)
    if not has_legacy(operation, request):
        return request
    _check_words(request)
    check_not_mixed(operation, request)
    placeholders = Placeholders()
    match operation:
        case "Query":
            written = _query(request, key_names, placeholders)
        case "Scan":
            written = _scan(request, placeholders)
        case "GetItem":
            _ = stored_item(request["Key"])
            written = _projected(request, placeholders)
        case _:
            written = _write(request, placeholders)
    return _rewritten(operation, request, written, placeholders)


def reworded(operation: str, request: Request, error: ServiceRejected) -> ServiceRejected:
    """What a server says of the translated form of `request`, in its words for the form that the caller used."""
    old = operation == "UpdateItem" and "AttributeUpdates" in request
    return ValidationError(TYPE_MISMATCH) if old and error.text == incorrect_data_type().message else error


def _rewritten(operation: str, request: Request, written: Request, placeholders: Placeholders) -> Request:
    kept = {name: value for name, value in request.items() if name not in FORMS[operation].legacy}
    return {**kept, **written, **placeholders.given(request)}


def _check_words(request: Request) -> None:
    """Operators and actions that DynamoDB does not know are found before anything else."""
    for parameter in _COMPARING:
        for attribute, entry in request.get(parameter, {}).items():
            where = f"{parameter}.{attribute}.member.comparisonOperator"
            _check_word(where, entry.get("ComparisonOperator"), OPERATORS)
    for attribute, entry in request.get("AttributeUpdates", {}).items():
        _check_word(f"AttributeUpdates.{attribute}.member.action", entry.get("Action"), ACTIONS)
    _check_word("ConditionalOperator", request.get("ConditionalOperator"), ("OR", "AND"))


def _check_word(where: str, word: str | None, known: tuple[str, ...]) -> None:
    if word is not None and word not in known:
        raise ValidationError(
            f"1 validation error detected: Value '{word}' at '{where[0].lower()}{where[1:]}' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(known)}]"
        )


# --- writes


def _write(request: Request, placeholders: Placeholders) -> Request:
    _ = stored_item(request["Item"] if "Item" in request else request["Key"])
    written: Request = {}
    update = update_expression(request.get("AttributeUpdates", {}), placeholders)
    if update:
        written["UpdateExpression"] = update
    comparisons = expected(request.get("Expected", {}))
    return written | _joined("ConditionExpression", request, comparisons, placeholders)


def _joined(kind: str, request: Request, comparisons: list[Comparison], placeholders: Placeholders) -> Request:
    operator: str | None = request.get("ConditionalOperator")
    check_operator_given(operator, len(comparisons))
    return {kind: joined_comparisons(comparisons, operator, placeholders)} if comparisons else {}


# --- reads


def _query(request: Request, key_names: KeyNames | None, placeholders: Placeholders) -> Request:
    _check_attributes(request)
    _check_expressions(request)
    if "KeyConditions" not in request and "KeyConditionExpression" not in request:
        raise ValidationError(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
        )
    comparisons = filters(request["KeyConditions"])
    written: Request = {"KeyConditionExpression": key_condition_expression(comparisons, key_names, placeholders)}
    filtered = filters(request.get("QueryFilter", {}))
    written |= _joined("FilterExpression", request, filtered, placeholders)
    check_filtered(request.get("QueryFilter", {}), request["KeyConditions"], key_names)
    check_select(request)
    return written | _projected(request, placeholders)


def _check_expressions(request: Request) -> None:
    """A FilterExpression or ProjectionExpression beside KeyConditions is read before these."""
    names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    bindings = bind(names, values)
    if "FilterExpression" in request:
        _ = condition(request["FilterExpression"], bindings, kind="FilterExpression")
    if "ProjectionExpression" in request:
        _ = projection(request["ProjectionExpression"], bindings)
    bindings.finish()


def _scan(request: Request, placeholders: Placeholders) -> Request:
    _check_attributes(request)
    written = _joined("FilterExpression", request, filters(request.get("ScanFilter", {})), placeholders)
    check_select(request)
    return written | _projected(request, placeholders)


def _projected(request: Mapping[str, Any], placeholders: Placeholders) -> Request:
    """AttributesToGet names whole attributes: a dot or a bracket is part of the name."""
    if "AttributesToGet" not in request:
        return {}
    _check_attributes(request)
    return {"ProjectionExpression": ", ".join(map(placeholders.name, request["AttributesToGet"]))}


def _check_attributes(request: Mapping[str, Any]) -> None:
    names: list[str] | None = request.get("AttributesToGet")
    if names is None:
        return
    if not names:
        raise ValidationError(
            "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1"
        )
    for at, name in enumerate(names):
        if not name:
            raise ValidationError("Empty attribute name")
        if name in names[:at]:
            raise ValidationError(f"{INVALID_VALUES}Duplicate value in attribute name: {name}")


def _batch_get(request: Request) -> Request:
    """Each table of a BatchGetItem has its own parameters."""
    tables: Mapping[str, Request] = request["RequestItems"]
    changed = {table: _batch_get_part(part) for table, part in tables.items()}
    is_same = all(changed[name] is tables[name] for name in tables)
    return request if is_same else {**request, "RequestItems": changed}


def _batch_get_part(part: Request) -> Request:
    if not has_legacy("BatchGetItem", part):
        return part
    check_not_mixed("BatchGetItem", part)
    for key in part.get("Keys", ()):
        _ = stored_item(key)
    placeholders = Placeholders()
    return _rewritten("BatchGetItem", part, _projected(part, placeholders), placeholders)
