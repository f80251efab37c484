"""Placeholders in the caller's expressions, kept apart from those that are added here, which begin with `xf`.

A caller may be another migration of a chain (v1 -> v2, v2 -> v3), whose requests hold placeholders of that kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.request.names import PLACEHOLDERS
from crossfade.errors import ServiceRejected

OUR_PREFIXES: Final = ("#xf", ":xf")
OURS_IN_TEXT: Final = re.compile(r"([#:])(?=xf)")
STEP: Final = "x_"


@dataclass(frozen=True, slots=True)
class PlaceholderMove:
    """A request none of whose placeholders is one of ours. `prefix`: what was put before those that were; none of the
    caller's begins with it."""

    request: Request
    prefix: str = ""

    def told(self, routine: Routine[Reply]) -> Routine[Reply]:
        """What is wrong with the request, in the words of the one that was given."""
        try:
            return (yield from routine)
        except ServiceRejected as error:
            text = re.sub(rf"([#:]){self.prefix}(?=xf)", r"\1", error.text)
            if text == error.text:
                raise
            raise error.with_text(text) from None


def avoid_placeholder_clash(request: Request) -> PlaceholderMove:
    if not any(map(has_ours, parts(request))):
        return PlaceholderMove(request)
    given = {place for part in parts(request) for place in placeholders(part)}
    prefix = STEP
    while any(place[1:].startswith(prefix) for place in given):
        prefix += STEP
    if "TransactItems" in request:
        entries: list[dict[str, Request]] = request["TransactItems"]
        items = [{kind: with_prefix(part, prefix) for kind, part in entry.items()} for entry in entries]
        return PlaceholderMove({**request, "TransactItems": items}, prefix)
    if "RequestItems" in request:
        tables = {name: with_prefix(part, prefix) for name, part in request["RequestItems"].items()}
        return PlaceholderMove({**request, "RequestItems": tables}, prefix)
    return PlaceholderMove(with_prefix(request, prefix), prefix)


def parts(request: Request) -> Iterator[Request]:
    """Yield the parts of a request that may have expressions: itself, or each of its operations."""
    if "TransactItems" in request:
        for entry in request["TransactItems"]:
            yield from entry.values()
    elif "RequestItems" in request:
        yield from (part for part in request["RequestItems"].values() if isinstance(part, dict))
    else:
        yield request


def placeholders(part: Request) -> Iterator[str]:
    for kind in PLACEHOLDERS:
        yield from part.get(kind) or ()


def has_ours(part: Request) -> bool:
    return any(place.startswith(OUR_PREFIXES) for place in placeholders(part))


def with_prefix(part: Any, prefix: str) -> Any:
    if not isinstance(part, dict):
        return part  # the entries of a BatchWriteItem, which have none
    found: Request = {**cast("Request", part)}
    for name, value in found.items():
        if name.endswith("Expression"):
            found[name] = OURS_IN_TEXT.sub(rf"\1{prefix}", value)
        elif name in PLACEHOLDERS:
            found[name] = {OURS_IN_TEXT.sub(rf"\1{prefix}", place): each for place, each in value.items()}
    return found
