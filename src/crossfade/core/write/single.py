"""PutItem, UpdateItem and DeleteItem in every stage: one routine for each way of writing in the table of stages.

lockstep             read, evaluate, then one transaction writes both sides
prepared or drained  to the side that has the item, which it may move to the target (core/write/copy_on_write.py)
plain or mirrored    on the authority alone: the caller's own call goes out, rekeyed where the authority is not the
                     table that the caller speaks to, if the server then evaluates its expressions rightly; else it is
                     evaluated here, and the result is put under a lock. If mirrored, the mirror of its key follows
"""

from __future__ import annotations

from functools import partial
from typing import Final

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.evaluate.plain_table import WriteName
from crossfade.core.items import Item
from crossfade.core.request.keys import checked_key, checked_keys
from crossfade.core.request.legacy import modern, reworded
from crossfade.core.request.own_keys import needs_whole_key
from crossfade.core.stages import Fallback, Row, Side, Writes
from crossfade.core.sync.retry import calmly
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.sync.sync import mirrored
from crossfade.core.tables.pair import Pair
from crossfade.core.write.copy_on_write import check_source, copy_on_write, is_blind
from crossfade.core.write.fitting import said_of_index_keys
from crossfade.core.write.lockstep import write_lockstep
from crossfade.core.write.optimistic import write_optimistic
from crossfade.core.write.translate import (
    error_restored,
    index_error_of,
    reply_in_callers_terms,
    server_evaluates,
    translate_request,
)
from crossfade.errors import ServiceRejected


def write(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    """One write by the caller, in the stage that `row` describes."""
    try:
        return (yield from write_on_tables(pair, row, operation, request))
    except ServiceRejected as error:
        if operation == "PutItem" and error.code == CONDITION_FAILED and not row.takes_alone(pair.view):
            # The service looks at the item of a put before it looks at the condition.
            said = yield from said_of_index_keys(pair, row, request["Item"])
            if said is not None:
                raise index_error_of(pair, ServiceRejected("ValidationException", said)) from None
        raise


CONDITION_FAILED: Final = "ConditionalCheckFailedException"


def write_on_tables(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    if row.writes is Writes.LOCKSTEP:
        return (yield from write_lockstep(pair, row.authority, operation, request))
    if row.merges and operation == "PutItem" and is_blind(pair, row, operation, modern(operation, request)):
        key = checked_key(pair, request)
        return (yield from translate_request(pair, "target", operation, modern(operation, request), key))
    if row.merges or (row.writes is Writes.DELETING and operation == "DeleteItem"):
        return (yield from copy_on_write(pair, row, operation, request))
    keys = checked_keys(pair, row.decides(pair.view, whole=bool(pair.mapping.source_key_extras)), [request])
    if keys is None:
        return (yield from forward_unchanged(pair, row.authority, operation, request))
    return (yield from mirrored(pair, row, keys, write_on_authority(pair, row, operation, request, keys[0])))


def write_on_authority(pair: Pair, row: Row, operation: WriteName, request: Request, key: Item) -> Routine[Reply]:
    side = row.authority
    if row.takes_as_it_is(pair.view) and not needs_whole_key(pair, operation, request):
        return (yield from forward_unchanged(pair, side, operation, request))
    if row.writes is Writes.DELETING:
        yield from check_source(pair, [key])
    given, request = request, modern(operation, request)
    absent = partial(look_later, pair, row, (key,), written=True) if row.fallback is Fallback.LOOKED_UP else None
    if server_evaluates(pair, side, operation, request):
        try:
            return (yield from translate_request(pair, side, operation, request, key, absent))
        except ServiceRejected as error:
            raise reworded(operation, given, error) from None
    return (yield from write_optimistic(pair, side, operation, request, key, absent))


def forward_unchanged(pair: Pair, side: Side, operation: WriteName, request: Request) -> Routine[Reply]:
    """The caller's own call on its own table; no stamp is shown."""
    try:
        reply = yield from calmly(Forward(), Call(side, operation, request))
    except ServiceRejected as error:
        raise error_restored(pair, side, error) from None
    return reply_in_callers_terms(pair, side, request, reply)
