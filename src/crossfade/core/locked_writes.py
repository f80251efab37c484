"""A write that is decided here upon what one side holds, and carried out under a lock on what was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crossfade.core.accounting import accounting_asked, whole_answer
from crossfade.core.changes import as_found, asking_for_all, change, decided_on, new_stamp
from crossfade.core.effects import Call, Reply, Request, Routine, Sleep
from crossfade.core.evaluating import WriteName, prepare
from crossfade.core.items import Item
from crossfade.core.limits import size_explained
from crossfade.core.locking import TRIES_MAX, pause_seconds, read_counting, too_busy
from crossfade.core.pair import Pair
from crossfade.core.rekeying import in_callers_terms
from crossfade.core.stages import Side
from crossfade.errors import DatabaseError, Rejected, UnknownOutcome


def evaluated_here(
    pair: Pair,
    side: Side,
    operation: WriteName,
    request: Request,
    key: Item,
    absent: Callable[[], Routine[None]] | None = None,
) -> Routine[Reply]:
    """Read the item, evaluate over the image, write under a lock; again when somebody was quicker. `absent` is carried
    out where there is none.

    After an unknown outcome the next read tells: our own stamp there means that it was carried out.
    """
    prepared = prepare(operation, request, pair.callers_names)
    asked = accounting_asked(request)
    replies: list[Reply] = []
    for attempt in range(TRIES_MAX):
        before = yield from read_counting(pair, side, key, asked, replies)
        if before.item is None and absent is not None:
            yield from absent()
        done = prepared.on(pair.image_under(side, before, key))
        if done.image is None and before.item is None:
            return whole_answer(pair, request, done, replies)
        lock = pair.locked(side, before, decided_on(pair, side, prepared))
        action = yield from change(pair, side, key, before, prepared, done.image, lock)
        reply = yield from attempt_locked(pair, side, key, action, asked | asking_for_all(prepared))
        if reply is not None:
            done = as_found(pair, side, key, prepared, done, reply)
            return whole_answer(pair, request, done, [*replies, reply])
        yield from Sleep(pause_seconds(attempt))
    raise too_busy()


def attempt_locked(pair: Pair, side: Side, key: Item, action: Request, asked: Request) -> Routine[Reply | None]:
    """The answer to the locked write, or None where it was not carried out. Raises UnknownOutcome where that cannot be
    told. `action` is one of a transaction; `asked`: what else is to be told."""
    ((kind, request),) = action.items()
    stamp = new_stamp(action)
    try:
        return (yield from Call(side, OPERATIONS[kind], {**request, **asked}))
    except Rejected as error:
        if error.code not in ("ConditionalCheckFailedException", "TransactionConflictException"):
            if pair.stamps(side):
                error = size_explained(error, pair.table(side).name)
            raise in_callers_terms(pair, side, error) from None
        return None
    except UnknownOutcome as unknown:
        if stamp is None:
            raise  # an absence carries no stamp, nor does the source in most stages
        try:
            now = yield from pair.read(side, key)
        except DatabaseError:
            raise unknown from None
        if now.stamp != stamp:
            raise
        return {}


# An update that would change nothing is its condition alone.
OPERATIONS: Final = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "UpdateItem"}
