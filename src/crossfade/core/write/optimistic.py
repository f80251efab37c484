"""Optimistic locks: what a write that was decided upon a read has in common, wherever it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crossfade.core.effects import Call, Reply, Request, Routine
from crossfade.core.evaluate.plain_table import Evaluated, Prepared, WriteName, prepare, whole_answer
from crossfade.core.items import Item, same
from crossfade.core.mapping import STAMP
from crossfade.core.read.lookup import read_counting
from crossfade.core.request.capacity import accounting_asked
from crossfade.core.request.limits import is_allowed, size_explained
from crossfade.core.stages import Side
from crossfade.core.sync.retry import LOCKING, item_too_busy
from crossfade.core.tables.actions import as_action
from crossfade.core.tables.guards import Guard, with_guard
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.stamps import Stored
from crossfade.core.write.translate import error_restored
from crossfade.errors import DatabaseError, MappingError, ServiceRejected, UnknownOutcome


def lock(pair: Pair, before: Stored) -> Guard | None:
    """The target is still what was read, by its stamp."""
    return pair.unchanged("target", before) if pair.rules.stamp else None


def locked_action(
    pair: Pair, side: Side, key: Item, before: Stored, prepared: Prepared, after: Image, lock: Guard
) -> Routine[Request]:
    """What makes `after` of `before`: a Put, Update or Delete, or, where nothing changes, a ConditionCheck. The `lock`
    has the attributes of `decided_on` in it."""
    if after is None or before.item is None or prepared.operation != "UpdateItem":
        return as_action((yield from pair.put_or_delete(side, key, after, lock)))
    held: Item = before.item
    item = yield from pair.stored_form(side, after)
    names = pair.table(side).key_names
    put = {name: value for name, value in item.items() if name not in held or not same(value, held[name])}
    gone = sorted(held.keys() - item.keys())
    whole: Request = {"TableName": pair.table(side).name, "Item": item}
    if any(name in put for name in names):
        return as_action(with_guard(whole, lock))
    request: Request = {"TableName": pair.table(side).name, "Key": {name: held[name] for name in names}}
    if not put and not gone:
        return {"ConditionCheck": with_guard(request, lock)}
    sets = {f"#xf_set{n}": name for n, name in enumerate(put)}
    removes = {f"#xf_remove{n}": name for n, name in enumerate(gone)}
    clauses = [f"SET {', '.join(f'{place} = :{place[1:]}' for place in sets)}"] if sets else []
    clauses += [f"REMOVE {', '.join(removes)}"] if removes else []
    request["UpdateExpression"] = " ".join(clauses)
    if not is_allowed(request["UpdateExpression"]):  # what changes more is put as a whole
        return as_action(with_guard(whole, lock))
    request["ExpressionAttributeNames"] = {**sets, **removes}
    if sets:
        request["ExpressionAttributeValues"] = {f":{place[1:]}": put[name] for place, name in sets.items()}
    return {"Update": with_guard(request, lock)}


def decided_on(pair: Pair, side: Side, prepared: Prepared) -> frozenset[str]:
    """The attributes of one side, there or not, on which it may depend what a request does, its whole key included. The
    stamp that an earlier migration names is not the one that is there."""
    names = prepared.names - {STAMP}
    whole = pair.whole_key_names(side)
    if side == pair.view:
        return names.union(whole)
    there = (pair.name_across(side, name) for name in names)
    return pair.mapping.touched.union(whole, (name for name in there if name is not None))


def new_stamp(action: Request) -> str | None:
    """The stamp that an action leaves, if it does."""
    ((_, request),) = action.items()
    if "Item" in request:
        stamp: dict[str, str] = request["Item"].get(STAMP, {})
        return stamp.get("S")
    for place, name in request.get("ExpressionAttributeNames", {}).items():
        if name == STAMP and place.startswith("#xf_set"):
            value: Item = request["ExpressionAttributeValues"]
            return str(value[f":{place[1:]}"]["S"])
    return None


def asking_for_all(prepared: Prepared) -> Request:
    """What else the one request must ask for, where the answer shows a whole item."""
    return {"ReturnValues": "ALL_OLD"} if prepared.shows_whole else {}


def as_found(pair: Pair, side: Side, key: Item, prepared: Prepared, done: Evaluated, reply: Reply) -> Evaluated:
    """Decide again upon the item that the write met, as the reply's attributes show it."""
    if "Attributes" not in reply:
        return done
    try:
        return prepared.on(pair.image_under(side, pair.stored(side, reply["Attributes"]), key))
    except (MappingError, ServiceRejected):
        return done  # the attribute that was added since fits neither: it was written a moment later, then


def write_optimistic(
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
    for pause in LOCKING.pauses():
        before = yield from read_counting(pair, side, key, asked, replies)
        if before.item is None and absent is not None:
            yield from absent()
        done = prepared.on(pair.image_under(side, before, key))
        if done.image is None and before.item is None:
            return whole_answer(pair, request, done, replies)
        lock = pair.locked(side, before, decided_on(pair, side, prepared))
        action = yield from locked_action(pair, side, key, before, prepared, done.image, lock)
        reply = yield from attempt_locked(pair, side, key, action, asked | asking_for_all(prepared))
        if reply is not None:
            done = as_found(pair, side, key, prepared, done, reply)
            return whole_answer(pair, request, done, [*replies, reply])
        yield from pause
    raise item_too_busy()


def attempt_locked(pair: Pair, side: Side, key: Item, action: Request, asked: Request) -> Routine[Reply | None]:
    """The answer to the locked write, or None where it was not carried out. Raises UnknownOutcome where that cannot be
    told. `action` is one of a transaction; `asked`: what else is to be told."""
    ((kind, request),) = action.items()
    stamp = new_stamp(action)
    try:
        return (yield from Call(side, SINGLE_OPERATION_OF[kind], {**request, **asked}))
    except ServiceRejected as error:
        if error.code not in ("ConditionalCheckFailedException", "TransactionConflictException"):
            if pair.stamps(side):
                error = size_explained(error, pair.table(side).name)
            raise error_restored(pair, side, error) from None
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
SINGLE_OPERATION_OF: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "UpdateItem",
}
