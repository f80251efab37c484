"""Queries where the target's sort key is the source's behind a constant text, such as `ORDER#`.

That keeps the order, so a condition on one sort key is one on the other. What else is in a partition of the target,
without the text, has no counterpart: it is left out, and no condition reaches beyond the text where that can be said.
"""

from __future__ import annotations

from typing import Final, Literal

from crossfade.core.effects import Request
from crossfade.core.expressions.keys import KeyCondition, SortCondition
from crossfade.core.items import AttributeValue, Item
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import invalid_request

Beyond = Literal["before", "behind"]  # all that there is on the other side
NO_ITEM: Final = "nothing"  # what no item of the other side can fulfil
NO_MATCH: Final = "The provided starting key does not match the range key predicate"


def value_there(pair: Pair, side: Side, value: AttributeValue) -> AttributeValue | Beyond:
    """The caller's sort key value on the other side, or where it lies."""
    prefix, text = pair.mapping.sort_prefix, value.get("S")
    if not text:
        return value  # which the service refuses
    if side == "target":
        return {"S": prefix + text}
    if text.startswith(prefix) and text != prefix:
        return {"S": text[len(prefix) :]}
    return "before" if text.encode() <= prefix.encode() else "behind"


def bounds_there(
    pair: Pair, side: Side, where: KeyCondition, start: Item | None, request: Request, *, of_index: bool
) -> tuple[SortCondition | None, Item | None] | None:
    """The caller's condition on what is sorted by, and the caller's token, with the sort key values of this side; None
    where no item can be meant. The condition may let in more than is asked for, which is to be left out here.

    `of_index`: by a local index, of whose key the table's sort key is no part. Raises ServiceRejected for a token that
    does not belong to the condition."""
    own, there = pair.caller.sort_key or "", pair.table(side).sort_key or ""
    given = None if start is None else start[own]
    place = None if given is None else value_there(pair, side, given)
    if start is not None and isinstance(place, dict):
        start = {**start, own: place}
    if of_index:
        return where.sort, start
    if given is not None and "S" in given and not (where.sort is None or where.sort.holds(given)):
        raise invalid_request(NO_MATCH)
    if isinstance(place, str):
        if (place == "before") == (request.get("ScanIndexForward") is False):
            return None
        start = None
    sort: SortCondition | Literal["nothing"] | None = where.sort
    if where.sort is not None and not all(operand.get("S") for operand in where.sort.operands):
        pass  # which the service refuses
    elif side == "target":
        sort = _ahead(pair.mapping.sort_prefix, there, where.sort)
    elif where.sort is not None:
        sort = _back(pair, there, where.sort)
    return None if sort == NO_ITEM else (sort, start)


def _ahead(prefix: str, name: str, sort: SortCondition | None) -> SortCondition:
    first: AttributeValue = {"S": prefix}
    if sort is None:
        return SortCondition(name, "begins_with", (first,))
    operands = tuple[AttributeValue, ...]({"S": prefix + str(operand["S"])} for operand in sort.operands)
    match sort.operator:
        case "<" | "<=":
            return SortCondition(name, "BETWEEN", (first, *operands))
        case ">" | ">=":
            return SortCondition(name, "BETWEEN", (*operands, {"S": successor(prefix)}))
        case operator:
            return SortCondition(name, operator, operands)


def _back(pair: Pair, name: str, sort: SortCondition) -> SortCondition | Literal["nothing"] | None:
    if sort.operator == "begins_with":
        prefix, text = pair.mapping.sort_prefix, str(sort.operands[0]["S"])
        if prefix.startswith(text):
            return None
        return SortCondition(name, "begins_with", ({"S": text[len(prefix) :]},)) if text.startswith(prefix) else NO_ITEM
    there = [value_there(pair, "source", operand) for operand in sort.operands]
    bounds = [value for value in there if isinstance(value, dict)]
    if len(bounds) == len(there):
        return SortCondition(name, sort.operator, tuple(bounds))
    match sort.operator:
        case "BETWEEN":
            if there[0] == "behind" or there[1] == "before":
                return NO_ITEM
            if there[0] == "before":
                return None if there[1] == "behind" else SortCondition(name, "<=", (bounds[0],))
            return SortCondition(name, ">=", (bounds[0],))
        case "<" | "<=":
            return None if there[0] == "behind" else NO_ITEM
        case ">" | ">=":
            return None if there[0] == "before" else NO_ITEM
        case _:
            return NO_ITEM


LAST: Final = 0x10FFFF
SURROGATES: Final = range(0xD800, 0xE000)  # no characters


def successor(prefix: str) -> str:
    """The first text behind all those that begin so, as DynamoDB orders texts; "" where there is none."""
    kept = prefix.rstrip(chr(LAST))
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(SURROGATES.stop if following in SURROGATES else following)
