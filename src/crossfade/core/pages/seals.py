"""Whose a mark is: applications keep cursors for long, and migrations follow one another.

What a mark says (see core/request/cursor.py) it says in the terms of one migration and one view: one migration's
`target` is the `source` of the next. So it goes out under their names; under other names it is understood where it can
be, or refused with the reason.
"""

from __future__ import annotations

from typing import Final

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.request.cursor import (
    MARK,
    REST,
    Seal,
    cursor_in,
    is_marked,
    mark_of,
    marked,
    said_by,
    seal_of,
    sealed,
    without_mark,
)
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected, invalid_request

PAGED: Final = ("Query", "Scan")


def own_seal(pair: Pair) -> Seal:
    return Seal(pair.source.name, pair.target.name, pair.view)


def under_seal(pair: Pair, routine: Routine[Reply]) -> Routine[Reply]:
    """The routine of a page, whose token goes out under our names."""
    reply = yield from routine
    last: Item | None = reply.get("LastEvaluatedKey")
    return {**reply, "LastEvaluatedKey": sealed(last, own_seal(pair))} if last and MARK in last else reply


def without_seal(pair: Pair, operation: str, request: Request) -> Request:
    """Return the request with its cursor unsealed. Raises ServiceRejected for a cursor of an unrelated migration."""
    seal = seal_of(request)
    if seal is None:
        return request
    if seal == own_seal(pair):
        return said_by(request)
    if pair.is_followed and pair.view == "target" and (seal.source, seal.view) == (pair.target.name, "source"):
        return request  # of the later migration alone, in the same terms: it goes down as it came
    if pair.view == "source" and (seal.target, seal.view) == (pair.source.name, "target"):
        given = said_by(request)
        within = without_mark(given)
        if mark_of(given) in ("", "target") and cursor_in(given["ExclusiveStartKey"]) is None:
            # A place in the order of the earlier one's target, which is our source; or what was said to us, within.
            return without_seal(pair, operation, within) if is_marked(within) else of_source(pair, operation, within)
    raise foreign(operation, seal)


def of_source(pair: Pair, operation: str, request: Request) -> Request:
    """Return the request with a cursor marked as the source's order; a Query of the table needs no mark."""
    if operation == "Query" and "IndexName" not in request and pair.mapping.sort == "same":
        return request
    return {**request, "ExclusiveStartKey": marked(request["ExclusiveStartKey"], "source")}


def handed_on(pair: Pair, request: Request, mark: str) -> Request:
    """For a later migration, if it has said nothing of the place itself: by `mark`, it is one in the target's order,
    whatever order the stage goes by in which it is asked."""
    if not pair.is_followed or is_marked(request) or mark not in ("target", REST):
        return request
    seal = Seal(pair.source.name, pair.target.name, "target")
    return {**request, "ExclusiveStartKey": sealed(marked(request["ExclusiveStartKey"], "target"), seal)}


def foreign(operation: str, seal: Seal) -> ServiceRejected:
    table = seal.source if seal.view == "source" else seal.target
    return invalid_request(
        f"The provided starting key is invalid: it was given to an application of {table} in the migration of"
        f" {seal.source} to {seal.target}, and here its place is not known; begin the {operation} anew"
    )
