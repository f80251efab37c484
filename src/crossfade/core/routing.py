"""Which routine carries out a request, in which stage: the one place where an operation meets the table of stages.

Where one plain call is right and nothing follows it, the answer is None: the caller's request passes through untouched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

from crossfade.core.batches import batch_get, batch_write
from crossfade.core.describing import DESCRIBING, SETTING, describe, refuse_setting
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.evaluating import WriteName
from crossfade.core.marks import is_marked
from crossfade.core.merged_index import query_index
from crossfade.core.merged_query import query_merged
from crossfade.core.merging import get_merged
from crossfade.core.ordering import scan
from crossfade.core.own_keys import in_own_keys, needs_whole_key, with_own_keys
from crossfade.core.pair import Pair
from crossfade.core.partiql import stated
from crossfade.core.placeholders import apart
from crossfade.core.query import query
from crossfade.core.query_by_key import query_by_key
from crossfade.core.reads import get_item
from crossfade.core.requests import (
    BATCH_GET_KEYS_MAX,
    BATCH_WRITE_ITEMS_MAX,
    PARTIQL,
    READS,
    TRANSACTION_ACTIONS_MAX,
    WRITES,
    names_any,
)
from crossfade.core.seals import PAGED, under_seal, without_seal
from crossfade.core.stages import LADDERS, Ramp, Row, Stage, Writes, other_side
from crossfade.core.stamp_names import hidden, told
from crossfade.core.tokens import keeps_token
from crossfade.core.transactions import transact_get, transact_write
from crossfade.core.walking import is_walked, walk
from crossfade.core.wording import worded
from crossfade.core.writes import write
from crossfade.errors import MappingError, Refused, Rejected


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
    """The routine for one request, or None to let it pass untouched. Raises Refused before anything is written.

    `in_own_words`: what is refused before anything is sent is not shown to the service for its words."""
    row = LADDERS[strategy][stage]
    if operation in SETTING and names_any(operation, request, frozenset({pair.caller.name})):
        refuse_setting(pair, row, operation)
    if operation not in WRITES and operation not in READS and operation not in DESCRIBING:
        return None  # operations on whole tables
    if names_any(operation, request, frozenset({pair.caller.name})):
        meant = hidden(pair, row, request)
        if meant is not request:
            routine = route(pair, stage, ramp_percent, operation, meant, strategy=strategy, in_own_words=in_own_words)
            return told(in_own_keys(routine, request, meant))
        pair = replace(pair, stamps_source=True) if row.stamps_source else pair
        if operation in PAGED:
            return page_of(pair, stage, row, ramp_percent, operation, request, in_own_words=in_own_words)
        own = with_own_keys(pair, operation, request)
        given = request
        if needs_no_counterpart(pair, row):
            pair, given = pair.of_caller_alone(), own
        routine = on_callers_table(pair, stage, row, ramp_percent, operation, given, own, in_own_words=in_own_words)
        return routine if own is request else in_own_keys(routine, request, own)
    if operation in WRITES and stage is not Stage.OFF:
        refuse_other_table(pair, stage, operation, request)
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
    except Rejected as refusal:
        return refused(refusal)
    routine = on_callers_table(pair, stage, row, ramp_percent, operation, own, own, in_own_words=in_own_words)
    if own is not request:
        routine = in_own_keys(routine, request, own)
    return None if routine is None else under_seal(pair, routine)


def refused(refusal: Rejected) -> Routine[Reply]:
    yield from ()
    raise refusal


def needs_no_counterpart(pair: Pair, row: Row) -> bool:
    """Whether the target serves its own callers alone: they may write by now what the mapping cannot take back. Items
    that are to have the attributes of both keys still need it, and so do pages that were begun in an earlier stage."""
    alone = row.authority == pair.view == "target" and row.writes is Writes.PLAIN
    return alone and not pair.mapping.kept


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
    alone = row.authority == pair.view
    reads = operation in READS or operation in DESCRIBING
    if (
        alone
        and not reads
        and row.writes is Writes.PLAIN
        and not needs_whole_key(pair, operation, request)
        and not (operation == "TransactWriteItems" and keeps_token(pair, request))
        and ((pair.view == "source" and not row.stamped_source) or shows_nothing(operation, request))
    ):
        return None
    if operation in PARTIQL:
        if alone and row.writes is Writes.PLAIN:
            return stated()
        raise Refused(
            f"PartiQL on {pair.caller.name}, which is being migrated, cannot be carried out in stage {stage}"
            f"{UNTOUCHED}",
            next_step="use the operations on items (GetItem, PutItem, UpdateItem, Query, TransactWriteItems, ...)",
        )
    if reads and alone and pair.view == "source" and passes(row, ramp_percent, request):
        return None
    moved = apart(request)
    routine = routine_of(pair, row, ramp_percent, operation, moved.request)
    if moved.prefix:
        routine = moved.told(routine)
    routine = in_callers_terms(routine)
    forwarded = row.authority == pair.view == "source" and row.writes not in (Writes.LOCKSTEP, Writes.STAMPED)
    on_ramp = reads and ramp_percent > 0 and row.ramp is not Ramp.NONE  # the target may answer
    if in_own_words or (forwarded and not on_ramp):
        return routine
    if operation in ENTRIES_MAX:
        routine = within_limit(operation, request, routine)
    return worded(pair, operation, own, routine)


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
        raise Rejected("ValidationException", f"Too many items requested for the {operation} call")
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


def passes(row: Row, ramp_percent: int, request: Request) -> bool:
    """Whether the source alone answers a read, and nothing follows."""
    if row.stamped_source or row.compare or is_marked(request):
        return False
    return row.ramp is Ramp.NONE or not ramp_percent


def routine_of(pair: Pair, row: Row, ramp_percent: int, operation: str, request: Request) -> Routine[Reply]:
    if operation in DESCRIBING:
        return describe(pair, row, request)
    match operation:
        case "GetItem":
            return get_merged(pair, request) if row.merges else get_item(pair, row, ramp_percent, request)
        case "Query":
            if "IndexName" in request and is_walked(row, request):
                return query_index(pair, row, request)
            if pair.mapping.kept and "IndexName" not in request and (row.merges or row.authority != pair.view):
                return query_by_key(pair, row, ramp_percent, request)
            merges = row.merges and "IndexName" not in request
            return query_merged(pair, request) if merges else query(pair, row, ramp_percent, request)
        case "Scan":
            return walk(pair, row, request) if is_walked(row, request) else scan(pair, row, request)
        case "BatchGetItem":
            return batch_get(pair, row, ramp_percent, request)
        case "TransactGetItems":
            return transact_get(pair, row, request)
        case "BatchWriteItem":
            return batch_write(pair, row, request)
        case "TransactWriteItems":
            return transact_write(pair, row, request)
        case _:
            return write(pair, row, cast("WriteName", operation), request)


def refuse_other_table(pair: Pair, stage: Stage, operation: str, request: Request) -> None:
    """A write to the table that only crossfade writes, by an application that speaks the other's key shape."""
    other = other_side(pair.view)
    if stage is Stage.COMPLETE or not names_any(operation, request, frozenset({pair.table(other).name})):
        return
    raise Refused(
        f"{operation} on {pair.table(other).name}: crossfade itself writes this table until the stage is complete;"
        " nothing was written",
        next_step=f"write to {pair.caller.name}: both tables get it; or attach with view={other!r}",
    )


def in_callers_terms(routine: Routine[Reply]) -> Routine[Reply]:
    """An item that the mapping cannot take is, to the caller, an item that the table does not take."""
    try:
        return (yield from routine)
    except MappingError as error:
        raise Rejected("ValidationException", f"One or more parameter values were invalid: {error.message}") from error
