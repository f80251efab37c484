"""Scan, and Query of an index: where the order is the table's own, and a page begun in one stage goes on in the next.

Two tables keep the same items in different orders, so a page must go on in the order in which it was begun. Up to
`live` that is the source's, which has all items and is kept equal. From `rampdown` on it is the target's, as it will be
in `complete`: what cannot be answered in that order shows while there is a way back. A strongly consistent request must
see what was created a moment ago, which reaches the other side later: it goes in the order of the side that decides,
and one that was begun in the other order is refused where it would go on.

A cursor that a neighbouring stage would take for one of the other order carries a mark. One without a mark is taken for
one of the stage that it is used in: so a cursor of which only the key attributes were kept is good within a stage.
"""

from __future__ import annotations

from crossfade.core.effects import Forward, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.key_names import KeyNames
from crossfade.core.pages.compared import compare_items_later
from crossfade.core.pages.one_side import is_kept_equal, page_by_item, page_by_key
from crossfade.core.pages.seals import handed_on
from crossfade.core.request.cursor import (
    ELSEWHERE,
    INVALID_CURSOR,
    REST,
    REST_BEGINS,
    is_marked,
    mark_of,
    marked,
    without_mark,
)
from crossfade.core.stages import Row, Side
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import page_without_stamps
from crossfade.errors import invalid_request


def in_its_order(pair: Pair, row: Row, operation: str, request: Request) -> Routine[Reply]:
    """One page; after the answer, the comparison of its items with the other side."""
    side, marks = order_asked(pair, row, operation, request)
    own = None
    if is_marked(request):
        own = request = handed_on(pair, without_mark(request), mark_of(request))
    if side == pair.view and (side == row.authority or is_kept_equal(row, request)):
        reply = page_without_stamps((yield from Forward(own)))
        if row.compare:
            yield from compare_items_later(pair, side, request, reply, f"{operation} {request.get('Segment', '')}")
    else:
        declared = declared_names(pair, request["IndexName"]) if "IndexName" in request else None
        answer = page_by_item if pair.mapping.source_key_extras else page_by_key
        reply = yield from answer(pair, row, side, operation, request, declared)
    last: Item | None = reply.get("LastEvaluatedKey")
    return {**reply, "LastEvaluatedKey": marked(last, side if marks else "")} if last else reply


def order_of(row: Row, request: Request) -> tuple[Side, bool]:
    """Return whose order the pages follow, and whether the cursor must say so."""
    side: Side = "source"
    if mark := mark_of(request):
        side = "target" if mark == "target" else "source"
    elif row.order.side == "target" or (row.authority == "target" and request.get("ConsistentRead")):
        side = "target"
    return side, row.order.is_marked or side != row.order.side


def order_asked(pair: Pair, row: Row, operation: str, request: Request) -> tuple[Side, bool]:
    """Return what `order_of` does. Raises ServiceRejected where the page is to be strongly consistent and goes on in an
    order in which it would be without what others have just been told is written. Nor are both sides equal in lockstep,
    where a neighbouring stage that others may be in already is not."""
    side, marks = order_of(row, request)
    if request.get("ConsistentRead") and (row.merges or side != row.authority):
        raise invalid_request(
            f"{INVALID_CURSOR}: this strongly consistent {operation} was begun in the order of"
            f" {pair.table(side).name}, before the stage of the migration moved, and would miss what was just written;"
            f" begin the {operation} anew, or go on without ConsistentRead"
        )
    return side, marks


def is_merged(row: Row, request: Request) -> bool:
    """Whether both tables answer this page, merged: there are no others where both have items, and where the target
    serves alone those that were begun before go on."""
    if not row.stamped_source or row.authority == "source":
        return False
    mark = mark_of(request)
    return mark != "target" if row.merges else mark in (REST, REST_BEGINS, ELSEWHERE, "source")


def declared_names(pair: Pair, index: str) -> KeyNames | None:
    declared = pair.caller.index(index)
    return None if declared is None else declared.names
