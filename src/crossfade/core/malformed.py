"""A request without the shape of its operation: the service says what is wrong, and nothing is written.

Where the caller's own request goes out as it is anyway, so does this one. Elsewhere the caller's own table is shown it
in a form that it never carries out: a single write under a condition that nothing fulfils, a batch or a transaction
with one item in it twice.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.mirroring import mirrored
from crossfade.core.pair import Pair
from crossfade.core.requests import READS, checked_key, entries_of, mapping_in, plain_name
from crossfade.core.stages import Row, Writes
from crossfade.errors import CrossfadeError, Rejected

FORM: Final = ("SerializationException", "ValidationException")
NEVER_HOLDS: Final = (
    "attribute_exists(xf_never) AND attribute_not_exists(xf_never)"  # without placeholders, which may be wrong
)
# What the service says of our own part of the request: then it has found nothing wrong with the caller's.
OURS: Final = (
    "list of item keys contains duplicates",
    "multiple operations on one item",
    "expression and non-expression",
    "xf_never",
)


def refused(
    pair: Pair, row: Row, operation: str, request: Request, fault: Rejected, *, sent: bool = False
) -> Routine[Reply]:
    """`fault`: in our own words, for where the service has none. `sent`: a form of the request is on its way already,
    to the other table, which alone is written."""
    if operation in READS:
        _ = yield from Forward()
        raise fault
    if row.takes_as_it_is(pair.view) and row.writes is not Writes.LOCKSTEP:  # one of two tables is never written alone
        return (yield from mirrored(pair, row, keys_told(pair, operation, request), forwarded()))
    if sent:
        with suppress(Rejected):
            return (yield from Forward())
    try:
        _ = yield from Call(pair.view, operation, never_done(pair, operation, request))
    except Rejected as said:
        if said.code in FORM and not is_about_ours(said):
            raise
    except CrossfadeError:  # the caller is answered all the same
        pass
    raise fault


def is_about_ours(error: Rejected) -> bool:
    """Whether it is our own part of a request that is wrong."""
    return any(words in error.text for words in OURS)


def forwarded() -> Routine[Reply]:
    return (yield from Forward())


def keys_told(pair: Pair, operation: str, request: Request) -> list[Item]:
    """Return the keys of a malformed write that a service might still carry out; without a key none would."""
    keys: list[Item] = []
    for entry in entries_of(pair, operation, request):
        try:
            keys.append(checked_key(pair, entry))
        except (CrossfadeError, LookupError, TypeError, ValueError, AttributeError):
            continue
    return keys


def never_done(pair: Pair, operation: str, request: Request) -> Request:
    """The request, wrong as it is, in a form that changes nothing whatever happens."""
    schema = pair.callers_schema
    key: Item = {name: {kind: b"0" if kind == "B" else "0"} for name, kind in schema}
    match operation:
        case "BatchWriteItem":
            parts = mapping_in(request.get("RequestItems"))
            deleted: Request = {"DeleteRequest": {"Key": key}}
            ours = {name: twice(part, deleted) for name, part in parts.items() if plain_name(name) == pair.caller.name}
            return {**request, "RequestItems": {**parts, **ours}} if parts else request
        case "TransactWriteItems":
            deletion: Request = {"Delete": {"TableName": pair.caller.name, "Key": key}}
            return {**request, "TransactItems": twice(request.get("TransactItems"), deletion)}
        case _:
            return under_no_condition(request)


def twice(entries: Any, entry: Request) -> Any:
    return [*entries, entry, entry] if isinstance(entries, list) else entries


def under_no_condition(request: Request) -> Request:
    own: Any = request.get("ConditionExpression")
    if own is not None and not isinstance(own, str):
        return request
    return {**request, "ConditionExpression": f"({own}) AND {NEVER_HOLDS}" if own else NEVER_HOLDS}
