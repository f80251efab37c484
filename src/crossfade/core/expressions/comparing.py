"""Comparing values as conditions do: only values of one type have an order, and only text, numbers and binary do.

Text is ordered by its UTF-8 bytes, which is the order of Python's strings (code points); binary by unsigned bytes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from crossfade.core.items import AttributeValue, parse_number, same

ORDERED = frozenset({"S", "N", "B"})

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def in_order(left: AttributeValue | None, comparator: str, right: AttributeValue | None) -> bool:
    """Whether `left comparator right` for `<`, `<=`, `>`, `>=`; false if absent, of two types or without order."""
    if left is None or right is None:
        return False
    ((kind, mine),) = left.items()
    if kind not in right or kind not in ORDERED:
        return False
    theirs = right[kind]
    if kind == "N":
        mine, theirs = parse_number(mine), parse_number(theirs)
    return _COMPARE[comparator](mine, theirs)


def between(value: AttributeValue | None, lower: AttributeValue | None, upper: AttributeValue | None) -> bool:
    """Whether `lower <= value <= upper`."""
    return in_order(lower, "<=", value) and in_order(value, "<=", upper)


def begins_with(value: AttributeValue | None, prefix: AttributeValue | None) -> bool:
    """Whether text or binary begins with the prefix of its own type."""
    if value is None or prefix is None:
        return False
    for kind in ("S", "B"):
        if kind in value and kind in prefix:
            return bool(value[kind].startswith(prefix[kind]))
    return False


def contains(value: AttributeValue | None, part: AttributeValue | None) -> bool:
    """Whether text or binary has `part` inside, or a set or list has it as an element."""
    if value is None or part is None:
        return False
    ((kind, content),) = value.items()
    match kind:
        case "S" | "B":
            return kind in part and part[kind] in content
        case "SS" | "BS":
            return kind[0] in part and part[kind[0]] in content
        case "NS":
            return "N" in part and parse_number(part["N"]) in map(parse_number, content)
        case "L":
            return any(same(element, part) for element in content)
        case _:
            return False
