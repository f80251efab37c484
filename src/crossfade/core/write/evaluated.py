"""A write that is evaluated here: read, evaluate, write under a lock, again when somebody was quicker.

So it is where one write is of both sides, and where the server would not evaluate the caller's expressions rightly.
After an unknown outcome the next read tells: our own stamp there means that it was carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.evaluate.plain_table import Evaluated, Prepared, WriteName, prepare, whole_answer
from crossfade.core.items import Item
from crossfade.core.read.lookup import read_counting
from crossfade.core.request.capacity import accounting_asked
from crossfade.core.request.names import uses_no_expression
from crossfade.core.stages import Fallback, Row, Side, Writes
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.tables.pair import Pair
from crossfade.core.write.moves import Decision, Held, image_of, moves_of
from crossfade.core.write.queued import SHARED_MAX, attempt_together, in_turn, queued_write
from crossfade.core.write.sending import send_moves, until_done
from crossfade.errors import MappingError, ServiceRejected


def write_evaluated(
    pair: Pair, row: Row, operation: WriteName, request: Request, key: Item, *, both: bool
) -> Routine[Reply]:
    """One write by the caller, without legacy parameters. `both`: it may be of both sides; in copy-on-write it may move
    the item to the target."""
    prepared = prepare(operation, request, pair.callers_names)
    is_unseen = both and is_blind(pair, row, operation, request)
    asked = accounting_asked(request)
    shown: Request = {"ReturnValues": "ALL_OLD"} if prepared.shows_whole and not both else {}
    replies: list[Reply] = []

    def attempt() -> Routine[Reply | None]:
        queued.share(SHARED_MAX)
        if queued.kind is not None and queued.company:
            look = partial(look_at_sides, pair, row, operation, key, {}, [])
            return (yield from attempt_together(pair, row, key, queued, look))
        held: Held = {} if is_unseen else (yield from look_at_sides(pair, row, operation, key, asked, replies))
        if not both and held[row.authority].item is None:
            yield from look_later(pair, row, [key], written=True)
        done = prepared.on(image_of(pair, row, held, key))
        is_nothing = done.image is None and bool(held) and all(stored.item is None for stored in held.values())
        if is_nothing and not (both and row.writes is Writes.DELETING):  # what the source has then, nobody knows
            return whole_answer(pair, request, done, replies)
        moves = yield from moves_of(pair, row, Decision(prepared, key, held, done), both=both)
        reply = yield from send_moves(pair, key, moves, asked | shown)
        if reply is None:
            return None
        if "Attributes" in reply:
            done = as_found(pair, row.authority, key, prepared, done, reply)
        return whole_answer(pair, request, done, [*replies, reply])

    queued = queued_write(pair, row, key, prepared, request, both=both)
    if is_unseen:  # whoever else writes it does not matter
        return (yield from until_done(attempt))
    return (yield from in_turn([queued], partial(until_done, attempt)))


def is_blind(pair: Pair, row: Row, operation: str, request: Request) -> bool:
    """Whether neither where and what is written, nor the answer, depends on what was there. The request has no legacy
    parameters any more."""
    if row.writes is Writes.LOCKSTEP or pair.mapping.target_key_extras:
        return False  # the other side has to be as it was; or one of its keys may be another item's
    if not uses_no_expression(request) or request.get("ReturnValues", "NONE") != "NONE":
        return False
    if operation == "DeleteItem":
        return pair.rules.delete_both
    return operation == "PutItem" and row.writes is not Writes.PREPARED


def look_at_sides(
    pair: Pair, row: Row, operation: str, key: Item, asked: Request, replies: list[Reply]
) -> Routine[Held]:
    """Read what a write is decided upon, the target first: in copy-on-write the order makes the two looks one."""
    lockstep = row.writes is Writes.LOCKSTEP
    first: Side = "target" if lockstep else row.authority
    held: Held = {first: (yield from read_counting(pair, first, key, asked, replies))}
    if (lockstep and row.authority == "source") or (row.merges and held["target"].item is None):
        held["source"] = yield from read_counting(pair, "source", key, asked, replies)
    if operation == "DeleteItem" and row.fallback is not Fallback.NONE:
        yield from check_source(pair, [key])
    return held


def check_source(pair: Pair, keys: Sequence[Item]) -> Routine[None]:
    """What the source has under these keys are no other items. Raises MappingError."""
    for key in keys if pair.mapping.target_key_extras else ():
        pair.check_whole_key("source", (yield from pair.read("source", key)), key)


def as_found(pair: Pair, side: Side, key: Item, prepared: Prepared, done: Evaluated, reply: Reply) -> Evaluated:
    """Decide again upon the item that the write met, as the reply's attributes show it."""
    try:
        return prepared.on(pair.image_under(side, pair.stored(side, reply["Attributes"]), key))
    except (MappingError, ServiceRejected):
        return done  # the attribute that was added since fits neither: it was written a moment later, then
