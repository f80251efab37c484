"""Which routine carries out a request, in which stage: the one place where an operation meets the table of stages.

Where one plain call is right and nothing follows it, the answer is None: the caller's request passes through untouched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import INVALID_VALUES
from crossfade.core.multi.idempotency import keeps_token
from crossfade.core.pages.seals import PAGED, under_seal, without_seal
from crossfade.core.read.passthrough import DESCRIBING, SETTING, refuse_setting, stated
from crossfade.core.request.cursor import is_marked
from crossfade.core.request.names import (
    BATCH_GET_KEYS_MAX,
    BATCH_WRITE_ITEMS_MAX,
    PARTIQL,
    READS,
    TRANSACTION_ACTIONS_MAX,
    WRITES,
    names_any,
)
from crossfade.core.request.own_keys import in_own_keys, needs_whole_key, with_own_keys
from crossfade.core.request.placeholders import avoid_placeholder_clash
from crossfade.core.request.service_errors import with_service_errors
from crossfade.core.request.stamp_names import hide_stamp_name, tell_stamp_name
from crossfade.core.stages import LADDERS, Row, Stage, Writes, other_side
from crossfade.core.sync.ramp import is_ramped
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError, NotPossibleInStage, ServiceRejected, invalid_request


def route(
    pair: Pair,
    stage: Stage,
    ramp_percent: int,
    operation: str,
    request: Request,
    *,
    strategy: str = "dual-write",
    in_own_words: bool = False,
) -> Routine[Reply] | None:
    """The routine for one request, or None to let it pass untouched. Raises NotPossibleInStage before anything is
    written. `in_own_words`: what is refused before anything is sent is not shown to the service for its words."""
    row = LADDERS[strategy][stage]
    if operation in SETTING and names_any(operation, request, frozenset({pair.caller.name})):
        refuse_setting(pair, row, operation)
    if operation not in WRITES and operation not in READS and operation not in DESCRIBING:
        return None  # operations on whole tables
    if names_any(operation, request, frozenset({pair.caller.name})):
        meant = hide_stamp_name(pair, row, request)
        if meant is not request:
            routine = route(pair, stage, ramp_percent, operation, meant, strategy=strategy, in_own_words=in_own_words)
            return tell_stamp_name(in_own_keys(routine, request, meant))
        pair = replace(pair, stamps_source=True) if row.stamps_source else pair
        if operation in PAGED:
            return page_of(pair, stage, row, ramp_percent, operation, request, in_own_words=in_own_words)
        own = with_own_keys(pair, operation, request)
        given = request
        if needs_no_counterpart(pair, row):
            pair, given = pair.of_caller_alone(), own
        routine = on_callers_table(pair, stage, row, ramp_percent, operation, given, own, in_own_words=in_own_words)
        return routine if own is request else in_own_keys(routine, request, own)
    if operation in WRITES and row.guards_other:
        refuse_other_table(pair, operation, request)
    return None


def page_of(
    pair: Pair,
    stage: Stage,
    row: Row,
    ramp_percent: int,
    operation: str,
    request: Request,
    *,
    in_own_words: bool,
) -> Routine[Reply] | None:
    """Return the routine for a page of a Query or a Scan, whose cursor may be sealed."""
    try:
        own = without_seal(pair, operation, request)
    except ServiceRejected as refusal:
        return refuse(refusal)
    routine = on_callers_table(pair, stage, row, ramp_percent, operation, own, own, in_own_words=in_own_words)
    if own is not request:
        routine = in_own_keys(routine, request, own)
    return None if routine is None else under_seal(pair, routine)


def refuse(refusal: ServiceRejected) -> Routine[Reply]:
    yield from ()
    raise refusal


def needs_no_counterpart(pair: Pair, row: Row) -> bool:
    """Whether the target serves its own callers alone: they may write by now what the mapping cannot take back. Items
    that are to have the attributes of both keys still need it, and so do pages that were begun in an earlier stage."""
    return pair.view == "target" and row.is_final and not pair.mapping.source_key_extras


def on_callers_table(
    pair: Pair,
    stage: Stage,
    row: Row,
    ramp_percent: int,
    operation: str,
    request: Request,
    own: Request,
    *,
    in_own_words: bool,
) -> Routine[Reply] | None:
    """`own`: the request as the caller's own table takes it."""
    reads = operation in READS or operation in DESCRIBING
    if not reads and write_passes(pair, row, operation, request):
        return None
    if operation in PARTIQL:
        if row.is_alone(pair.view):
            return stated()
        raise NotPossibleInStage(
            f"PartiQL on {pair.caller.name}, which is being migrated, cannot be carried out in stage {stage}"
            f"{UNTOUCHED}",
            next_step="use the operations on items (GetItem, PutItem, UpdateItem, Query, TransactWriteItems, ...)",
        )
    if reads and read_passes(pair, row, ramp_percent, request):
        return None
    # What most processes in off never need, and what takes half of the time in which crossfade is imported.
    from crossfade.core.routines import routine_of

    moved = avoid_placeholder_clash(request)
    routine = routine_of(pair, row, ramp_percent, operation, moved.request)
    if moved.prefix:
        routine = moved.told(routine)
    routine = with_mapping_errors(routine)
    forwarded = row.authority == pair.view == "source" and row.writes not in (Writes.LOCKSTEP, Writes.STAMPED)
    on_ramp = reads and is_ramped(row, ramp_percent)
    if in_own_words or (forwarded and not on_ramp):
        return routine
    if operation in ENTRIES_MAX:
        routine = within_limit(operation, request, routine)
    return with_service_errors(pair, operation, own, routine)


UNTOUCHED: Final = "; nothing was read or written"  # how a refusal ends
# Of one request, the service's limits.
ENTRIES_MAX: Final = {
    "BatchGetItem": BATCH_GET_KEYS_MAX,
    "BatchWriteItem": BATCH_WRITE_ITEMS_MAX,
    "TransactGetItems": TRANSACTION_ACTIONS_MAX,
    "TransactWriteItems": TRANSACTION_ACTIONS_MAX,
}


def within_limit(operation: str, request: Request, routine: Routine[Reply]) -> Routine[Reply]:
    """Refuse more than the service takes before our form of it is sent, whose refusal would tell of another table."""
    if entries_in(operation, request) > ENTRIES_MAX[operation]:
        raise invalid_request(f"Too many items requested for the {operation} call")
    return (yield from routine)


def entries_in(operation: str, request: Request) -> int:
    if "TransactItems" in request:
        return len(request["TransactItems"])
    by_table: dict[str, Any] = request["RequestItems"]
    parts: list[Any] = [part or {} for part in by_table.values()]  # an empty part is the service's to refuse
    return sum(len((part.get("Keys") or ()) if operation == "BatchGetItem" else part) for part in parts)


MAY_SHOW: Final = PARTIQL | {"TransactWriteItems"}
SHOWING: Final = ("ReturnValues", "ReturnValuesOnConditionCheckFailure")


def shows_nothing(operation: str, request: Request) -> bool:
    """Whether the answer to a write of the target can hold no item, and so no stamp to take away."""
    return operation not in MAY_SHOW and not any(name in request for name in SHOWING)


def write_passes(pair: Pair, row: Row, operation: str, request: Request) -> bool:
    """True if the caller's table alone takes a write as it is, and its reply shows nothing of ours."""
    return (
        row.is_alone(pair.view)
        and not needs_whole_key(pair, operation, request)
        and not (operation == "TransactWriteItems" and keeps_token(pair, request))
        and ((pair.view == "source" and not row.stamped_source) or shows_nothing(operation, request))
    )


def read_passes(pair: Pair, row: Row, ramp_percent: int, request: Request) -> bool:
    """True if the source alone answers a read, and nothing follows."""
    if row.stamped_source or row.compare or is_marked(request):
        return False
    return row.authority == pair.view == "source" and not is_ramped(row, ramp_percent)


def refuse_other_table(pair: Pair, operation: str, request: Request) -> None:
    """A write to the table that only crossfade writes, by an application that speaks the other's key shape."""
    other = other_side(pair.view)
    if not names_any(operation, request, frozenset({pair.table(other).name})):
        return
    raise NotPossibleInStage(
        f"{operation} on {pair.table(other).name}: crossfade itself writes this table until the stage is complete;"
        " nothing was written",
        next_step=f"write to {pair.caller.name}: both tables get it; or attach with view={other!r}",
    )


def with_mapping_errors(routine: Routine[Reply]) -> Routine[Reply]:
    """An item that the mapping cannot take is, to the caller, an item that the table does not take."""
    try:
        return (yield from routine)
    except MappingError as error:
        raise invalid_request(INVALID_VALUES + error.message) from error
