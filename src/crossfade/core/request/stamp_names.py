"""The stamp's name in what a caller asks: to callers no item has that attribute, so a condition or a filter is made to
speak of one that no item has.

This is for requests that the service evaluates, which sees the items as they are. What an update reads is made to speak
so too; what it writes stays as it is.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.mapping import STAMP
from crossfade.core.request.names import mapping_in, plain_name
from crossfade.core.stages import Row
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected

NO_ATTRIBUTE: Final = f"{STAMP}_hidden"
PLACEHOLDER: Final = "#hidden"
CHANGE: Final = "UpdateExpression"
LOOKING: Final = ("ConditionExpression", "FilterExpression", CHANGE)
LEGACY_CONDITIONS: Final = ("Expected", "QueryFilter", "ScanFilter")
ATTRIBUTE_NAMES: Final = "ExpressionAttributeNames"
USED: Final = re.compile(r"(\.\s*)?(#\w+)")  # behind a dot it is the name of something within an attribute


def names_stamp(request: Request) -> bool:
    """Whether its expressions speak of a stamp, as those of an earlier migration of a chain do."""
    return STAMP in mapping_in(request.get(ATTRIBUTE_NAMES)).values() or any(
        STAMP in mapping_in(request.get(name)) for name in LEGACY_CONDITIONS
    )


def hide_stamp_name(pair: Pair, row: Row, request: Request) -> Request:
    """The request as it is meant; the same one where that is what it says."""
    if pair.view == "source" and not row.stamped_source:
        return request
    if "TransactItems" not in request:
        return of_one(request)
    actions: list[dict[str, Request]] = request["TransactItems"]
    items = [{kind: of_ours(pair, part) for kind, part in action.items()} for action in actions]
    return {**request, "TransactItems": items} if items != actions else request


def of_ours(pair: Pair, part: Request) -> Request:
    """An action; one of a table of another migration is its own affair, as it may look at its stamps."""
    return of_one(part) if plain_name(part["TableName"]) == pair.caller.name else part


def of_one(request: Request) -> Request:
    """Hide the stamp's name in an operation on one table, or in one action of a transaction."""
    if not names_stamp(request):
        return request
    changed = dict(request)
    for name in LEGACY_CONDITIONS:
        if name in request:
            entries = cast("dict[str, Any]", request[name])
            changed[name] = {NO_ATTRIBUTE if each == STAMP else each: entry for each, entry in entries.items()}
    names: dict[str, str] = request.get(ATTRIBUTE_NAMES, {})
    placeholder = PLACEHOLDER
    while placeholder in names:
        placeholder += "_"

    for name in LOOKING:
        if name in request:
            changed[name] = speaking_of(request[name], names, placeholder, is_change=name == CHANGE)
    if any(changed.get(name) != request.get(name) for name in LOOKING):
        left = {name for text in changed if text.endswith("Expression") for _, name in USED.findall(changed[text])}
        kept = {name: each for name, each in names.items() if each != STAMP or name in left}
        changed[ATTRIBUTE_NAMES] = {**kept, placeholder: NO_ATTRIBUTE}
    return changed if changed != request else request


def speaking_of(expression: str, names: dict[str, str], placeholder: str, *, is_change: bool) -> str:
    """The expression with `placeholder` wherever it looks at a stamp."""

    def another(found: re.Match[str]) -> str:
        within, name = found.groups()
        looks = within is None and names.get(name) == STAMP
        return placeholder if looks and not (is_change and is_written(expression[: found.start()])) else found.group()

    return USED.sub(another, expression)


def is_written(before: str) -> bool:
    """Whether what follows this part of an update is changed by it, and not read."""
    return before.count("(") == before.count(")") and not before.rstrip().endswith(("=", "+", "-"))


def tell_stamp_name(routine: Routine[Reply]) -> Routine[Reply]:
    """What is wrong with the request, in the words of the one that was given."""
    try:
        return (yield from routine)
    except ServiceRejected as error:
        text = error.text.replace(NO_ATTRIBUTE, STAMP)
        if text == error.text:
            raise
        raise error.with_text(text) from None
