"""Placeholders in the caller's expressions, kept apart from those that are added here, which begin with `xf`.

A caller may be another migration of a chain (v1 -> v2, v2 -> v3), whose requests hold placeholders of that kind.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from crossfade.core.effects import Reply, Request, Routine
from crossfade.errors import Rejected

OURS: Final = ("#xf", ":xf")
EXPRESSIONS: Final = frozenset(
    {
        "ConditionExpression",
        "FilterExpression",
        "KeyConditionExpression",
        "ProjectionExpression",
        "UpdateExpression",
    }
)
PLACEHOLDERS: Final = ("ExpressionAttributeNames", "ExpressionAttributeValues")
# All that begin with x move on, so that no two become one however often this is done.
HERE: Final = re.compile(r"([#:])x")
BACK: Final = re.compile(r"([#:])x_x")


def apart(request: Request) -> Request:
    """The same request, none of whose placeholders is one of ours; this very request, if it has none."""
    if "TransactItems" in request:
        items: list[dict[str, Any]] = request["TransactItems"]
        if not any(has_ours(given) for entry in items for given in entry.values()):
            return request
        moved = [{kind: alone_apart(given) for kind, given in entry.items()} for entry in items]
        return {**request, "TransactItems": moved}
    if "RequestItems" in request:
        tables: dict[str, Any] = request["RequestItems"]
        if not any(has_ours(given) for given in tables.values()):
            return request
        return {**request, "RequestItems": {name: alone_apart(given) for name, given in tables.items()}}
    return alone_apart(request)


def has_ours(given: Any) -> bool:
    if not isinstance(given, dict):
        return False
    parts = cast("Request", given)
    return any(place.startswith(OURS) for kind in PLACEHOLDERS for place in parts.get(kind) or ())


def alone_apart(given: Request) -> Request:
    """Of one operation, or of one action of many."""
    return {name: _moved(name, inner) for name, inner in given.items()} if has_ours(given) else given


def _moved(name: str, inner: Any) -> Any:
    if name in EXPRESSIONS:
        return HERE.sub(r"\1x_x", inner)
    if name in PLACEHOLDERS:
        return {HERE.sub(r"\1x_x", place): value for place, value in inner.items()}
    return inner


def in_callers_placeholders(routine: Routine[Reply]) -> Routine[Reply]:
    """What is wrong with a request that was moved apart, in the words of the one that was given."""
    try:
        return (yield from routine)
    except Rejected as error:
        text = BACK.sub(r"\1x", error.text)
        if text == error.text:
            raise
        raise Rejected(error.code, text, {**error.response, "Error": {"Code": error.code, "Message": text}}) from None
