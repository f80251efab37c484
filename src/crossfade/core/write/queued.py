"""Turns: in one process those who are about to write one item do so one after the other, for two of them at once would
but refuse each other; and in lockstep those that wait together are written together.

What is written together is read once, evaluated one upon what the one before makes of the item, and put as one image in
one transaction. So each has the very answer that it would have had in that order, a condition that does not hold
included, and all of them take effect at the moment of the transaction, or none. All have begun before the read. Where
anything is wrong with the whole, each is written by itself, and told what is wrong with it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Final

from crossfade.core.effects import Queued, Reply, Request, Routine, Turn
from crossfade.core.evaluate.plain_table import Evaluated, Prepared, several
from crossfade.core.items import Item
from crossfade.core.request.capacity import accounting_asked
from crossfade.core.stages import Row, Writes
from crossfade.core.sync.retry import item_too_busy
from crossfade.core.tables.guards import GUARDED_MAX
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.write.moves import Decision, Held, decided_on, image_of, lockstep_moves
from crossfade.core.write.sending import send_moves
from crossfade.errors import MappingError, ServiceRejected, UnknownOutcome

SHARED_MAX: Final = 50  # a transaction: some milliseconds of evaluation

WriteOutcome = Reply | ServiceRejected


def queued_write(pair: Pair, row: Row, key: Item, prepared: Prepared, request: Request, *, both: bool) -> Queued:
    """Return the place of a write. One that asks what it has consumed has its turn alone."""
    shares = both and row.writes is Writes.LOCKSTEP and not accounting_asked(request)
    return Queued(place_of(pair, key), prepared, (pair, row) if shares else None)


def place_of(pair: Pair, key: Item) -> tuple[str, ...]:
    """Return what is waited for. Of a chain of migrations each has its own: the write of one is the caller's of the
    next."""
    return (pair.source.name, pair.target.name, key_name(key))


def in_turn(queue: Sequence[Queued], carry_out: Callable[[], Routine[Reply]]) -> Routine[Reply]:
    """Carry out a write when it has its turn on each of its keys; these are in the order that all keep to."""
    try:
        for queued in queue:
            yield from Turn(queued)
            if queued.outcome is not None:
                return answered(queued.outcome)
        return (yield from carry_out())
    except ServiceRejected as error:
        if error.code == item_too_busy().code:  # those who were to be written with it have waited as long
            for member in (member for queued in queue for member in queued.company):
                member.outcome = item_too_busy()
        raise
    finally:
        for queued in queue:
            queued.leave()


def answered(outcome: Reply | Exception) -> Reply:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def attempt_together(
    pair: Pair, row: Row, key: Item, first: Queued, look: Callable[[], Routine[Held]]
) -> Routine[Reply | None]:
    """One attempt to write the first and its company; None: again, since somebody was quicker, or by itself."""
    held = yield from look()
    members = [first, *first.company]
    writes: list[Prepared] = [member.work for member in members]
    try:
        outcomes = yield from written_together(pair, row, key, held, writes)
    except UnknownOutcome as unknown:
        for member in first.company:
            member.outcome = UnknownOutcome(unknown.message)
        raise
    except (ServiceRejected, MappingError):
        for member in members:
            member.kind = None  # each by itself from now on
        return None
    if outcomes is None:
        return None
    for member, outcome in zip(members, outcomes, strict=True):
        member.outcome = outcome
    return answered(outcomes[0])


def written_together(
    pair: Pair, row: Row, key: Item, held: Held, writes: Sequence[Prepared]
) -> Routine[list[WriteOutcome] | None]:
    """The outcome of each; None: somebody was quicker. Raises what the whole was refused for."""
    image = image_of(pair, row, held, key)
    outcomes: list[WriteOutcome] = []
    for write in writes:
        try:
            done = write.on(image)
        except ServiceRejected as refused:
            outcomes.append(deepcopy(refused))
        else:
            outcomes.append(deepcopy(done.reply))  # what one caller is shown is another's to go on from
            image = done.image
    is_nothing = image is None and all(stored.item is None for stored in held.values())
    if is_nothing or all(isinstance(outcome, ServiceRejected) for outcome in outcomes):
        return outcomes
    whole = several(writes)
    if len(decided_on(pair, row.authority, whole)) > GUARDED_MAX:  # more than a lock can name
        raise item_too_busy()
    decision = Decision(whole, key, held, Evaluated(image, {}, frozenset()), joint=True)
    moves = yield from lockstep_moves(pair, row.authority, decision)
    return None if (yield from send_moves(pair, key, moves, {})) is None else outcomes
