"""PutItem, UpdateItem and DeleteItem in every stage: one routine for each way of writing in the table of stages.

lockstep             read, evaluate, then one transaction writes both sides
prepared or drained  to the side that has the item, which it may move to the target (core/draining.py)
plain or mirrored    on the authority alone: the caller's own call goes out, rekeyed where the authority is not the
                     table that the caller speaks to, if the server then evaluates its expressions rightly; else it is
                     evaluated here, and the result is put under a lock. If mirrored, the mirror of its key follows
"""

from __future__ import annotations

from functools import partial
from typing import Final

from crossfade.core.draining import check_source, drained, is_blind
from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.evaluating import WriteName
from crossfade.core.fallback import look_later
from crossfade.core.fitting import said_of_index_keys
from crossfade.core.items import Item
from crossfade.core.legacy import modern, reworded
from crossfade.core.locked_writes import evaluated_here
from crossfade.core.locking import calmly
from crossfade.core.lockstep import in_lockstep
from crossfade.core.mirroring import mirrored
from crossfade.core.own_keys import needs_whole_key
from crossfade.core.pair import Pair
from crossfade.core.rekeying import answered, in_callers_terms, of_callers_index, rekeyed, server_evaluates
from crossfade.core.requests import checked_key, checked_keys
from crossfade.core.stages import Fallback, Row, Side, Writes
from crossfade.errors import Rejected


def write(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    """One write by the caller, in the stage that `row` describes."""
    try:
        return (yield from carried_out(pair, row, operation, request))
    except Rejected as error:
        forwarded = row.takes_as_it_is(pair.view) and row.writes is not Writes.LOCKSTEP
        if operation == "PutItem" and error.code == CONDITION_FAILED and not forwarded:
            # The service looks at the item of a put before it looks at the condition.
            said = yield from said_of_index_keys(pair, row, request["Item"])
            if said is not None:
                raise of_callers_index(pair, Rejected("ValidationException", said)) from None
        raise


CONDITION_FAILED: Final = "ConditionalCheckFailedException"


def carried_out(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    if row.writes is Writes.LOCKSTEP:
        return (yield from in_lockstep(pair, row.authority, operation, request))
    if row.merges and operation == "PutItem" and is_blind(pair, row, operation, modern(operation, request)):
        key = checked_key(pair, request)
        return (yield from rekeyed(pair, "target", operation, modern(operation, request), key))
    if row.merges or (row.writes is Writes.DELETING and operation == "DeleteItem"):
        return (yield from drained(pair, row, operation, request))
    keys = checked_keys(pair, row.decides(pair.view, whole=bool(pair.mapping.kept)), [request])
    if keys is None:
        return (yield from as_it_is(pair, row.authority, operation, request))
    return (yield from mirrored(pair, row, keys, on_authority(pair, row, operation, request, keys[0])))


def on_authority(pair: Pair, row: Row, operation: WriteName, request: Request, key: Item) -> Routine[Reply]:
    side = row.authority
    if row.takes_as_it_is(pair.view) and not needs_whole_key(pair, operation, request):
        return (yield from as_it_is(pair, side, operation, request))
    if row.writes is Writes.DELETING:
        yield from check_source(pair, [key])
    given, request = request, modern(operation, request)
    absent = partial(look_later, pair, row, (key,), written=True) if row.fallback is Fallback.LOOKED_UP else None
    if server_evaluates(pair, side, operation, request):
        try:
            return (yield from rekeyed(pair, side, operation, request, key, absent))
        except Rejected as error:
            raise reworded(operation, given, error) from None
    return (yield from evaluated_here(pair, side, operation, request, key, absent))


def as_it_is(pair: Pair, side: Side, operation: WriteName, request: Request) -> Routine[Reply]:
    """The caller's own call on its own table; no stamp is shown."""
    try:
        reply = yield from calmly(Forward(), Call(side, operation, request))
    except Rejected as error:
        raise in_callers_terms(pair, side, error) from None
    return answered(pair, side, request, reply)
