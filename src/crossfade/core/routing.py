"""Which routine carries out a request, in which stage: the one place where an operation meets the table of stages.

Where one plain call is right and nothing follows it, the answer is None: the caller's request passes through untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.evaluating import WriteName
from crossfade.core.pair import Pair
from crossfade.core.query import query
from crossfade.core.reads import get_item
from crossfade.core.requests import READS, WRITES, names_any
from crossfade.core.stages import LADDERS, Ramp, Row, Stage, Writes
from crossfade.core.writes import write
from crossfade.errors import MappingError, Refused, Rejected

ROUTED_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
ROUTED_READS: Final[dict[str, Callable[[Pair, Row, int, Request], Routine[Reply]]]] = {
    "GetItem": get_item,
    "Query": query,
}


def route(
    pair: Pair, stage: Stage, ramp_percent: int, operation: str, request: Request, *, strategy: str = "dual-write"
) -> Routine[Reply] | None:
    """The routine for one request, or None to let it pass untouched. Raises Refused before anything is written."""
    if operation not in WRITES and operation not in READS:
        return None  # operations on whole tables
    row = LADDERS[strategy][stage]
    if names_any(operation, request, frozenset({pair.source.name})):
        return on_source_table(pair, stage, row, ramp_percent, operation, request)
    ours_alone = operation in WRITES and stage not in (Stage.OFF, Stage.COMPLETE)
    if ours_alone and names_any(operation, request, frozenset({pair.target.name})):
        raise Refused(
            f"{operation} on {pair.target.name}: crossfade itself writes this table until the stage is complete;"
            " nothing was written",
            next_step=f"write to {pair.source.name}: both tables get it",
        )
    return None


def on_source_table(
    pair: Pair, stage: Stage, row: Row, ramp_percent: int, operation: str, request: Request
) -> Routine[Reply] | None:
    alone = row.authority == "source"
    if operation in ROUTED_WRITES:
        if alone and row.writes is Writes.PLAIN:
            return None
        return in_callers_terms(write(pair, row, cast("WriteName", operation), request))
    if operation in ROUTED_READS:
        if alone and not row.compare and (row.ramp is Ramp.NONE or not ramp_percent):
            return None
        return in_callers_terms(ROUTED_READS[operation](pair, row, ramp_percent, request))
    if alone and (operation in READS or row.writes is Writes.PLAIN):
        return None
    raise Refused(
        f"{operation} on {pair.source.name} cannot be carried out in stage {stage}; nothing was read or written",
        next_step=INSTEAD.get(operation, "use GetItem, PutItem, UpdateItem, DeleteItem or Query"),
    )


INSTEAD: Final = {
    "BatchGetItem": "read the items with GetItem, or with Query",
    "BatchWriteItem": "write the items one by one with PutItem and DeleteItem",
    "TransactWriteItems": "write the items one by one, each under its own condition",
    "TransactGetItems": "read the items with strongly consistent GetItem",
    "Scan": "query the partitions, or scan the table itself with a client that crossfade is not attached to",
}


def in_callers_terms(routine: Routine[Reply]) -> Routine[Reply]:
    """An item that the mapping cannot take is, to the caller, an item that the table does not take."""
    try:
        return (yield from routine)
    except MappingError as error:
        raise Rejected("ValidationException", f"One or more parameter values were invalid: {error.message}") from error
