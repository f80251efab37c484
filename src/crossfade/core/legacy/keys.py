"""KeyConditions: a partition, and a condition on its sort key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from crossfade.core.items import ValidationError
from crossfade.core.legacy.conditions import SIGNS, Comparison
from crossfade.core.legacy.placeholders import Placeholders

_ON_A_SORT_KEY: Final = frozenset({"EQ", "LE", "LT", "GE", "GT", "BETWEEN", "BEGINS_WITH"})
_MISSED: Final = "Query condition missed key schema element"

KeyNames = tuple[str, str | None]  # of the partition key and of the sort key


def key_condition_expression(
    given: Sequence[Comparison], key_names: KeyNames | None, placeholders: Placeholders
) -> str:
    """The conditions as an expression; ValidationError for what no Query could follow.

    Without `key_names` only an operator that no key condition may have is refused here, as if a condition with EQ were
    the partition's; the rest shows when the expression is read by one who knows the names.
    """
    if len(given) not in (1, 2):
        raise ValidationError("Conditions can be of length 1 or 2 only")
    if key_names is not None:
        _check_keys(given, key_names)
    elif any(each.operator not in _ON_A_SORT_KEY for each in given):
        names = [each.attribute for each in sorted(given, key=lambda each: each.operator != "EQ")]
        _check_keys(given, (names[0], names[1] if len(names) > 1 else None))
    return " AND ".join(_written(each, placeholders) for each in given)


def _check_keys(given: Sequence[Comparison], key_names: KeyNames) -> None:
    partition, sort = key_names
    operators = {each.attribute: each.operator for each in given}
    if partition not in operators:
        raise ValidationError(_MISSED)
    if operators[partition] != "EQ":
        raise ValidationError("Query key condition not supported")
    if len(given) == 2 and sort not in operators:
        raise ValidationError(_MISSED)
    if any(operator not in _ON_A_SORT_KEY for operator in operators.values()):
        raise ValidationError("Attempted conditional constraint is not an indexable operation")


def _written(comparison: Comparison, placeholders: Placeholders) -> str:
    name = placeholders.name(comparison.attribute)
    values = [placeholders.value(value) for value in comparison.values]
    match comparison.operator:
        case "BETWEEN":
            return f"{name} BETWEEN {values[0]} AND {values[1]}"
        case "BEGINS_WITH":
            return f"begins_with({name}, {values[0]})"
        case operator:
            return f"{name} {SIGNS[operator]} {values[0]}"


def check_filtered(filtered: Collection[str], asked: Collection[str], key_names: KeyNames | None) -> None:
    """A QueryFilter is about what is not a key; without `key_names` only the keys in `asked` are known."""
    keys = set(asked) if key_names is None else set(key_names)
    for attribute in filtered:
        if attribute in keys:
            raise ValidationError(
                f"QueryFilter can only contain non-primary key attributes: Primary key attribute: {attribute}"
            )
