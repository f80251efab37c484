"""PutItem, UpdateItem and DeleteItem in every stage.

Where one write is, or may be, of both sides (lockstep, copy-on-write), it is evaluated here; but in `drain` a put that
neither looks at what is there nor shows it goes to the target as it is. Any other write is made on the authority alone:
the caller's own call goes out, rekeyed where the authority is not the table that it names, if the server then evaluates
its expressions rightly; if not, it is evaluated here and put under a lock. Where writes are mirrored, the mirror of its
key follows.
"""

from __future__ import annotations

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.evaluate.plain_table import WriteName
from crossfade.core.items import Item
from crossfade.core.request.keys import checked_key
from crossfade.core.request.legacy import modern, reworded
from crossfade.core.request.own_keys import needs_whole_key
from crossfade.core.stages import Row, Side, Writes
from crossfade.core.sync.retry import calmly
from crossfade.core.sync.sync import mirrored
from crossfade.core.tables.pair import Pair
from crossfade.core.write.evaluated import check_source, is_blind, write_evaluated
from crossfade.core.write.fitting import said_of_index_keys
from crossfade.core.write.translate import (
    error_restored,
    index_error_of,
    reply_in_callers_terms,
    server_evaluates,
    translate_request,
)
from crossfade.errors import ServiceRejected, invalid_request


def write(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    """One write by the caller, in the stage that `row` describes."""
    try:
        return (yield from write_on_tables(pair, row, operation, request))
    except ServiceRejected as error:
        is_failed_put = operation == "PutItem" and error.code == "ConditionalCheckFailedException"
        if is_failed_put and not row.takes_alone(pair.view):
            # The service looks at the item of a put before it looks at the condition.
            said = yield from said_of_index_keys(pair, row, request["Item"])
            if said is not None:
                raise index_error_of(pair, invalid_request(said)) from None
        raise


def write_on_tables(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    if row.may_write_both(deletes=operation == "DeleteItem"):
        if row.merges and operation == "PutItem":
            changed, key = modern(operation, request), checked_key(pair, request)
            if is_blind(pair, row, operation, changed):
                return (yield from translate_request(pair, row, operation, changed, key))
        else:
            key, changed = checked_key(pair, request), modern(operation, request)
        return (yield from write_evaluated(pair, row, operation, changed, key, both=True))
    try:
        key = checked_key(pair, request)
    except ServiceRejected:
        if row.decides(pair.view, whole=bool(pair.mapping.source_key_extras)) != pair.view:
            raise
        return (yield from forward_unchanged(pair, row.authority, operation, request))  # it words its own error
    return (yield from mirrored(pair, row, [key], write_on_authority(pair, row, operation, request, key)))


def write_on_authority(pair: Pair, row: Row, operation: WriteName, request: Request, key: Item) -> Routine[Reply]:
    if row.takes_as_it_is(pair.view) and not needs_whole_key(pair, operation, request):
        return (yield from forward_unchanged(pair, row.authority, operation, request))
    if row.writes is Writes.DELETING:
        yield from check_source(pair, [key])
    changed = modern(operation, request)
    if not server_evaluates(pair, row.authority, operation, changed):
        return (yield from write_evaluated(pair, row, operation, changed, key, both=False))
    try:
        return (yield from translate_request(pair, row, operation, changed, key))
    except ServiceRejected as error:
        raise reworded(operation, request, error) from None


def forward_unchanged(pair: Pair, side: Side, operation: WriteName, request: Request) -> Routine[Reply]:
    """The caller's own call on its own table; no stamp is shown."""
    try:
        reply = yield from calmly(Forward(), Call(side, operation, request))
    except ServiceRejected as error:
        raise error_restored(pair, side, error) from None
    return reply_in_callers_terms(pair, side, request, reply)
