"""KeyConditions: a partition, and a condition on its sort key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from crossfade.core.expressions.keys import check_given, guessed_names
from crossfade.core.items import ValidationError
from crossfade.core.key_names import KeyNames
from crossfade.core.request.legacy.conditions import WRITTEN, Comparison
from crossfade.core.request.legacy.placeholders import Placeholders

_ON_A_SORT_KEY: Final = frozenset({"EQ", "LE", "LT", "GE", "GT", "BETWEEN", "BEGINS_WITH"})


def key_condition_expression(
    given: Sequence[Comparison], key_names: KeyNames | None, placeholders: Placeholders
) -> str:
    """The conditions as an expression; ValidationError for what no Query could follow. Without `key_names` that is only
    an operator that no key condition may have."""
    if not given or (len(given) > 2 and key_names is not None and not key_names.is_several):
        raise ValidationError("Conditions can be of length 1 or 2 only")
    if key_names is not None or any(each.operator not in _ON_A_SORT_KEY for each in given):
        _check_keys(given, key_names)
    return " AND ".join(_written(each, placeholders) for each in given)


def _check_keys(given: Sequence[Comparison], key_names: KeyNames | None) -> None:
    equal = {each.attribute: each.operator == "EQ" for each in given}
    check_given(equal, key_names or guessed_names(equal))
    if any(each.operator not in _ON_A_SORT_KEY for each in given):
        raise ValidationError("Attempted conditional constraint is not an indexable operation")


def _written(comparison: Comparison, placeholders: Placeholders) -> str:
    name = placeholders.name(comparison.attribute)
    values = [placeholders.value(value) for value in comparison.values]
    form = "{0} BETWEEN {1} AND {2}" if comparison.operator == "BETWEEN" else WRITTEN[comparison.operator]
    return form.format(name, *values)


def check_filtered(filtered: Collection[str], asked: Collection[str], key_names: KeyNames | None) -> None:
    """A QueryFilter is about what is not a key; without `key_names` only the keys in `asked` are known."""
    keys = set(asked) if key_names is None else set(key_names.every)
    for attribute in filtered:
        if attribute in keys:
            raise ValidationError(
                f"QueryFilter can only contain non-primary key attributes: Primary key attribute: {attribute}"
            )
