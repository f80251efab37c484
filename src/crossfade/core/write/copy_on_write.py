"""Writes of the strategy copy-on-write: an item moves to the target with the first write that finds it in the source.

Under one key the item is what the target holds, or else what the source holds. Three rules keep that true whoever else
is at work:

- nothing is written to the source once the target has the item, and what is decided upon the source alone is carried
  out in one transaction with "the target has no such item";
- a copy is made in one transaction with "the source still is what was read", which a fresh stamp tells, set by every
  write to the source from `prepare` on;
- a delete takes both sides in one transaction, so that nothing is left in the source to come back.

So whoever looks at the target first, and then, if it has none, at the source, has seen the item as it was at some
moment between the two looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.evaluate.plain_table import Evaluated, Prepared, WriteName, prepare, whole_answer
from crossfade.core.items import Item
from crossfade.core.read.lookup import read_counting
from crossfade.core.request.capacity import accounting_asked
from crossfade.core.request.keys import checked_key
from crossfade.core.request.limits import size_explained
from crossfade.core.request.names import uses_no_expression
from crossfade.core.stages import Row, Side, Writes
from crossfade.core.sync.retry import LOCKING, item_too_busy
from crossfade.core.tables.actions import as_action, condition_check, delete_action, is_condition_check
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.stamps import ABSENT, Stored
from crossfade.core.write.lockstep import deciding_action, transact
from crossfade.core.write.optimistic import attempt_locked, decided_on
from crossfade.core.write.translate import index_error_of
from crossfade.errors import ServiceRejected


@dataclass(frozen=True, slots=True)
class Held:
    """What was found under one key. `source` is not looked at where the target has the item, or serves alone."""

    target: Stored
    source: Stored = ABSENT

    def image(self, pair: Pair, key: Item) -> Image:
        if self.target.item is None:
            return pair.image_under("source", self.source, key)
        return pair.image_under("target", self.target, key)


@dataclass(frozen=True, slots=True)
class Moves:
    """What one write does to the two sides, as actions of a transaction."""

    target: Request
    source: Request | None


def copy_on_write(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    """One write by the caller, in a stage whose writes are prepared, drained, or (a delete) deleting."""
    key = checked_key(pair, request)
    prepared = prepare(operation, request, pair.callers_names)
    asked = accounting_asked(request)
    replies: list[Reply] = []
    for pause in LOCKING.pauses():
        if is_blind(pair, row, operation, prepared.request):
            done = prepared.on(None)
            moves = yield from blind_moves(pair, key, done.image)
        else:
            held = yield from look_at_both(pair, row, key, asked, replies)
            if operation == "DeleteItem":
                yield from check_source(pair, [key])
            image = held.image(pair, key)
            done = prepared.on(image)
            if done.image is None and image is None and row.merges:
                return whole_answer(pair, request, done, replies)
            moves = yield from moves_of(pair, row, prepared, held, done, key)
        try:
            written = yield from attempt_moves(pair, key, moves, asked, replies)
        except ServiceRejected as error:
            side: Side = "source" if moves.source is not None and not is_condition_check(moves.source) else "target"
            raise size_explained(error, pair.table(side).name, prepared.request.get("Item")) from None
        if written:
            return whole_answer(pair, request, done, replies)
        yield from pause
    raise item_too_busy()


def is_blind(pair: Pair, row: Row, operation: str, request: Request) -> bool:
    """Whether neither where and what is written, nor the answer, depends on what was there. The request has no legacy
    parameters."""
    if not uses_no_expression(request) or request.get("ReturnValues", "NONE") != "NONE":
        return False
    if pair.mapping.target_key_extras:
        return False  # one of its keys may be another item's
    if operation == "DeleteItem":
        return pair.rules.delete_both
    return operation == "PutItem" and row.writes is not Writes.PREPARED


def look_at_both(pair: Pair, row: Row, key: Item, asked: Request, replies: list[Reply]) -> Routine[Held]:
    """The target first: the order is what makes the two looks one."""
    target = yield from read_counting(pair, "target", key, asked, replies)
    if target.item is not None or not row.merges:
        return Held(target)
    return Held(target, (yield from read_counting(pair, "source", key, asked, replies)))


def check_source(pair: Pair, keys: Sequence[Item]) -> Routine[None]:
    """What the source has under these keys are no other items. Raises MappingError."""
    for key in keys if pair.mapping.target_key_extras else ():
        pair.check_whole_key("source", (yield from pair.read("source", key)), key)


def moves_of(pair: Pair, row: Row, prepared: Prepared, held: Held, done: Evaluated, key: Item) -> Routine[Moves]:
    """What has been decided upon `held`, as actions that are carried out only while that is how things are."""
    operation = prepared.operation
    changes = operation != "ConditionCheck" and not (done.image is None and held.image(pair, key) is None)
    absent = condition_check(pair, "target", key, pair.unchanged("target", ABSENT))
    if held.target.item is not None:
        lock = pair.locked("target", held.target) if pair.rules.stamp else None
        if not changes:
            return Moves(condition_check(pair, "target", key, pair.unchanged("target", held.target)), None)
        target = as_action((yield from pair.put_or_delete("target", key, done.image, lock)))
        takes_both = done.image is None and pair.rules.delete_both
        return Moves(target, delete_action(pair, "source", key) if takes_both else None)
    if row.writes is Writes.DELETING:  # what the source may still have of it was nobody's to see
        if done.image is not None and operation != "ConditionCheck":
            put = yield from pair.put_or_delete("target", key, done.image, pair.unchanged("target", ABSENT))
            return Moves({"Put": put}, None)
        return Moves(absent, delete_action(pair, "source", key) if operation == "DeleteItem" else None)
    guard = pair.source_as_read(held.source) if pair.rules.stamp else None
    if not changes:
        named = decided_on(pair, "source", prepared)
        return Moves(absent, condition_check(pair, "source", key, pair.source_as_read(held.source, named)))
    if row.writes is Writes.PREPARED:
        return Moves(absent, (yield from deciding_action(pair, prepared, held.source, done, key)))
    if done.image is None:
        return Moves(absent, delete_action(pair, "source", key, guard))
    put = yield from pair.put_or_delete("target", key, done.image, pair.unchanged("target", ABSENT))
    return Moves({"Put": put}, None if guard is None else condition_check(pair, "source", key, guard))


def blind_moves(pair: Pair, key: Item, image: Image) -> Routine[Moves]:
    """A put to the target, or a deletion wherever it is."""
    if image is None:
        return Moves(delete_action(pair, "target", key), delete_action(pair, "source", key))
    return Moves(as_action((yield from pair.put_or_delete("target", key, image))), None)


def attempt_moves(pair: Pair, key: Item, moves: Moves, asked: Request, replies: list[Reply]) -> Routine[bool]:
    """False: somebody was quicker, so look again."""
    if moves.source is not None:
        try:
            return (yield from transact(moves.source, moves.target, asked, replies))
        except ServiceRejected as error:
            raise index_error_of(pair, error) from None
    reply = yield from attempt_locked(pair, "target", key, moves.target, asked)
    if reply is None:
        return False
    replies.append(reply)
    return True
