"""Expected, QueryFilter and ScanFilter: comparisons of attributes with values, all joined by AND or all by OR.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.Conditions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.core.expressions.comparing import in_order
from crossfade.core.expressions.conditions import IN_OPERANDS_MAX
from crossfade.core.items import INVALID_VALUES, AttributeValue, ValidationError, stored_item
from crossfade.core.request.legacy.placeholders import Placeholders

OPERATORS: Final = (  # in the order of the service's message
    *("IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT"),
    *("NOT_NULL", "NE", "LE", "BEGINS_WITH", "GE", "CONTAINS"),
)
_COUNTS: Final = {"NULL": 0, "NOT_NULL": 0, "BETWEEN": 2}  # of values; every other operator takes one, IN any number
_ORDERED: Final = frozenset({"S", "N", "B"})
_TYPES: Final = {
    **dict.fromkeys(("LE", "LT", "GE", "GT", "BETWEEN", "IN"), _ORDERED),
    **dict.fromkeys(("CONTAINS", "NOT_CONTAINS"), _ORDERED | {"BOOL", "NULL"}),
    "BEGINS_WITH": frozenset({"S", "B"}),
}
SIGNS: Final = {"EQ": "=", "NE": "<>", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One attribute compared with some values; the operator is one of OPERATORS."""

    attribute: str
    operator: str
    values: tuple[AttributeValue, ...] = ()

    @classmethod
    def checked(cls, attribute: str, operator: str, values: Sequence[AttributeValue]) -> Comparison:
        """ValidationError for values that are none, or are too many, too few or of the wrong type for the operator."""
        stored = tuple(stored_item({attribute: value})[attribute] for value in values)
        wanted = _COUNTS.get(operator, 1)
        if not stored if operator == "IN" else len(stored) != wanted:
            raise ValidationError(
                f"{INVALID_VALUES}Invalid number of argument(s) for the {operator} ComparisonOperator"
            )
        _check_types(operator, stored)
        if operator == "BETWEEN" and in_order(stored[0], ">", stored[1]):
            raise ValidationError(
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
            )
        return cls(attribute, operator, stored)


def _check_types(operator: str, values: Sequence[AttributeValue]) -> None:
    kinds = [next(iter(value)) for value in values]
    for kind in kinds:
        if operator in _TYPES and kind not in _TYPES[operator]:
            raise ValidationError(
                f"{INVALID_VALUES}ComparisonOperator {operator} is not valid for {kind} AttributeValue type"
            )
        if kind != kinds[0]:
            raise ValidationError(f"{INVALID_VALUES}AttributeValues inside AttributeValueList must be of same type")


# --- what the request says


def filters(given: Mapping[str, Any]) -> list[Comparison]:
    """The comparisons of QueryFilter, ScanFilter or KeyConditions."""
    return [
        Comparison.checked(attribute, entry["ComparisonOperator"], entry.get("AttributeValueList", ()))
        for attribute, entry in given.items()
    ]


def expected(given: Mapping[str, Any]) -> list[Comparison]:
    """The comparisons of Expected, which has short forms: Value alone is EQ, Exists=False is NULL."""
    return [_expected(attribute, entry) for attribute, entry in given.items()]


def _expected(attribute: str, entry: Mapping[str, Any]) -> Comparison:
    _check_shape(attribute, entry)
    values = [entry["Value"]] if "Value" in entry else entry.get("AttributeValueList", ())
    operator = entry.get("ComparisonOperator") or ("EQ" if "Value" in entry else "NULL")
    return Comparison.checked(attribute, operator, values)


def _check_shape(attribute: str, entry: Mapping[str, Any]) -> None:
    """Raise ServiceRejected unless the parts of one entry of Expected go together."""
    exists, operator = entry.get("Exists"), entry.get("ComparisonOperator")
    has_value, has_list = "Value" in entry, "AttributeValueList" in entry
    fault = ""
    if exists is not None and operator is not None:
        fault = "Exists and ComparisonOperator cannot be used together"
    elif has_value and has_list:
        fault = "Value and AttributeValueList cannot be used together"
    elif has_list and operator is None:
        fault = "AttributeValueList can only be used with a ComparisonOperator"
    elif has_value and exists is False:
        fault = "Value cannot be used when Exists is false"
    elif not has_value and not has_list:
        if operator is None and exists is not False:
            fault = f"Value must be provided when Exists is {'null' if exists is None else 'true'}"
        elif operator not in (None, "NULL", "NOT_NULL"):
            fault = f"Value or AttributeValueList must be used with ComparisonOperator: {operator}"
    if fault:
        raise ValidationError(f"{INVALID_VALUES}{fault} for Attribute: {attribute}")


def check_operator_given(operator: str | None, count: int) -> None:
    """ConditionalOperator needs at least two conditions to join."""
    if operator is None:
        return
    if not count:
        raise ValidationError("ConditionalOperator cannot be used without Filter or Expected")
    if count == 1:
        raise ValidationError("ConditionalOperator can only be used when Filter or Expected has two or more elements")


# --- what it means


def joined_comparisons(comparisons: Sequence[Comparison], operator: str | None, placeholders: Placeholders) -> str:
    """A condition that holds where the comparisons hold: all of them, or with `OR` any."""
    return f" {operator or 'AND'} ".join(_written(each, placeholders) for each in comparisons)


WRITTEN: Final = {
    "NULL": "attribute_not_exists({0})",
    "NOT_NULL": "attribute_exists({0})",
    "BETWEEN": "({0} BETWEEN {1} AND {2})",
    "BEGINS_WITH": "begins_with({0}, {1})",
    "CONTAINS": "contains({0}, {1})",
    "NOT_CONTAINS": "(attribute_exists({0}) AND NOT contains({0}, {1}))",  # an absent attribute does not fulfil it
    **{word: f"{{0}} {sign} {{1}}" for word, sign in SIGNS.items()},
}


def _written(comparison: Comparison, placeholders: Placeholders) -> str:
    name = placeholders.name(comparison.attribute)
    values = [placeholders.value(value) for value in comparison.values]
    return _one_of(name, values) if comparison.operator == "IN" else WRITTEN[comparison.operator].format(name, *values)


def _one_of(name: str, values: Sequence[str]) -> str:
    """The legacy form knows no limit to the number of values; an expression's IN does."""
    starts = range(0, len(values), IN_OPERANDS_MAX)
    parts = [f"{name} IN ({', '.join(values[start : start + IN_OPERANDS_MAX])})" for start in starts]
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"
