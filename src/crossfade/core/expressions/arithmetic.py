"""What ADD and DELETE make of the value that is there."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from crossfade.core.expressions.errors import incorrect_data_type
from crossfade.core.items import AttributeValue, add_numbers, parse_number

SETS = frozenset({"SS", "NS", "BS"})


def added(held: AttributeValue | None, given: AttributeValue) -> AttributeValue:
    """The sum of numbers or the union of sets; `given` itself if nothing was there."""
    if held is None:
        return given
    ((kind, content),) = given.items()
    if kind not in held:
        raise incorrect_data_type()
    if kind == "N":
        return {"N": add_numbers(held["N"], content)}
    known = {_meaning(kind, element) for element in held[kind]}
    return {kind: [*held[kind], *(element for element in content if _meaning(kind, element) not in known)]}


def deleted(held: AttributeValue | None, given: AttributeValue) -> AttributeValue | None:
    """The set without the elements of `given`; None if nothing is left."""
    if held is None:
        return None
    ((kind, content),) = given.items()
    if kind not in held:
        raise incorrect_data_type()
    unwanted = {_meaning(kind, element) for element in content}
    left = [element for element in held[kind] if _meaning(kind, element) not in unwanted]
    return {kind: left} if left else None


def _meaning(kind: str, element: Any) -> Hashable:
    return parse_number(element) if kind == "NS" else element
