"""Conditions that are added to a request, so that it is carried out only upon what was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.tables.schema import TableShape
from crossfade.core.tables.stamps import Stored

# A guard names at most this many attributes: DynamoDB takes 300 operators (two a clause) and 4 KB an expression.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
GUARDED_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition with its placeholders, ready to be put into a request."""

    expression: str
    names: dict[str, str]
    values: Item


def stamp_as_read(before: Stored) -> Guard:
    """An item that was there has its stamp still, or still none; beside an update that sets a new one."""
    names = {"#xf_before": STAMP}
    if before.stamp is None:
        return Guard("attribute_not_exists(#xf_before)", names, {})
    return Guard("#xf_before = :xf_before", names, {":xf_before": {"S": before.stamp}})


def attributes_guard(
    table: TableShape, item: Item | None, attributes: frozenset[str], first: frozenset[str] = frozenset()
) -> Guard:
    """`first`: those that must be in the guard, should there be too many."""
    names = {"#xf_key": table.partition_key}
    if item is None:
        return Guard("attribute_not_exists(#xf_key)", names, {})
    clauses = ["attribute_exists(#xf_key)"]
    values: Item = {}
    chosen = sorted(attributes.difference(table.key_names), key=lambda name: (name not in first, name))[:GUARDED_MAX]
    for n, name in enumerate(chosen):
        names[f"#xf{n}"] = name
        if name in item:
            values[f":xf{n}"] = item[name]
            clauses.append(f"#xf{n} = :xf{n}")
        else:
            clauses.append(f"attribute_not_exists(#xf{n})")
    return Guard(" AND ".join(clauses), names, values)


def joined_guards(left: Guard, right: Guard) -> Guard:
    expression = f"{left.expression} AND {right.expression}"
    return Guard(expression, {**left.names, **right.names}, {**left.values, **right.values})


def with_guard(request: Request, guard: Guard | None) -> Request:
    """The request with the guard added to whatever condition it has."""
    if guard is None:
        return request
    own = request.get("ConditionExpression")
    expression = f"{in_parentheses(own)} AND {guard.expression}" if own else guard.expression
    guarded = {**request, "ConditionExpression": expression}
    if guard.names:
        guarded["ExpressionAttributeNames"] = {**request.get("ExpressionAttributeNames", {}), **guard.names}
    if guard.values:
        guarded["ExpressionAttributeValues"] = {**request.get("ExpressionAttributeValues", {}), **guard.values}
    return guarded


def in_parentheses(expression: str) -> str:
    """The expression in one pair of parentheses: DynamoDB refuses a second pair as redundant."""
    text = expression.strip()
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth and place < len(text) - 1:
            return f"({text})"
    return text
