"""Lockstep: one transaction writes both sides, so that neither is ever ahead."""

from __future__ import annotations

from typing import Final

from crossfade.core.effects import Call, Reply, Request, Routine, Stamp
from crossfade.core.evaluate.plain_table import Evaluated, Prepared, WriteName, prepare, whole_answer
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.read.lookup import read_counting
from crossfade.core.request.cancellation import reasons_of
from crossfade.core.request.capacity import accounting_asked
from crossfade.core.request.error_codes import RACED_REASONS, SINGLE_CODE_OF
from crossfade.core.request.keys import checked_key
from crossfade.core.request.limits import are_allowed, size_explained
from crossfade.core.request.stamp_names import names_stamp
from crossfade.core.stages import Side
from crossfade.core.sync.retry import LOCKING, is_passing, item_too_busy
from crossfade.core.tables.actions import as_action
from crossfade.core.tables.guards import joined_guards, stamp_as_read, with_guard
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.core.write.optimistic import decided_on, lock, locked_action
from crossfade.core.write.translate import index_error_of, stamped_request
from crossfade.errors import ServiceRejected, UnknownOutcome


def write_lockstep(pair: Pair, authority: Side, operation: WriteName, request: Request) -> Routine[Reply]:
    """Both sides in one transaction, the target's stamp as the lock.

    Where the source decides, its action is the caller's own expression, because clients still in the stage before write
    the source without a lock; the action is guarded by what the answer shows and by the item's existence (without that,
    an item deleted and mirrored between our reads would come back in the target: an absence has no stamp).
    """
    key = checked_key(pair, request)
    prepared = prepare(operation, request, pair.callers_names)
    asked = accounting_asked(request)
    replies: list[Reply] = []
    for pause in LOCKING.pauses():
        before = yield from read_counting(pair, "target", key, asked, replies)
        decides = before
        if authority == "source":
            decides = yield from read_counting(pair, "source", key, asked, replies)
        image = pair.image(authority, decides)
        done = prepared.on(image)
        if done.image is None and image is None and before.item is None:
            return whole_answer(pair, request, done, replies)
        if authority == "source":
            source_action = yield from deciding_action(pair, prepared, decides, done, key)
        else:
            source_action = as_action((yield from pair.put_or_delete("source", key, done.image)))
        target = yield from pair.put_or_delete("target", key, done.image, lock(pair, before))
        try:
            written = yield from transact(source_action, as_action(target), asked, replies)
        except ServiceRejected as error:  # by either table
            error = size_explained(error, pair.target.name, prepared.request.get("Item"))
            raise index_error_of(pair, error) from None
        if written:
            return whole_answer(pair, request, done, replies)
        yield from pause
    raise item_too_busy()


OWN_PARAMETERS: Final = (
    "TableName",
    "Key",
    "Item",
    "UpdateExpression",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
)


def deciding_action(pair: Pair, prepared: Prepared, before: Stored, done: Evaluated, key: Item) -> Routine[Request]:
    """What the transaction does to a source that decides. Where there is no item, or the caller speaks of another form
    or of a stamp that is not the one there, what was evaluated is written: the guard keeps it right. Else the caller's
    own request is carried out, on what the source then holds.

    Where writes leave stamps on the source, the stamp is part of the lock if the answer depends on what was read: of an
    attribute that somebody has added meanwhile, nothing else tells.
    """
    stamped = pair.stamps_source and pair.rules.stamp
    operation, request = prepared.operation, prepared.request
    if pair.view == "target" or (stamped and names_stamp(request)):
        return (yield from as_evaluated(pair, prepared, before, done, key))
    shown = done.shown - {STAMP}
    guard = pair.still(before.item, shown)
    if before.item is None:
        return as_action((yield from pair.put_or_delete("source", key, done.image, guard)))
    if stamped and shown:
        guard = joined_guards(stamp_as_read(before), guard)
    given: Request = {name: request[name] for name in OWN_PARAMETERS if name in request}
    own: Request = with_guard({**given, "TableName": pair.source.name}, guard)
    if "Key" in own:
        own["Key"] = key
    if operation == "UpdateItem" and "UpdateExpression" not in request:
        return {"ConditionCheck": own}
    if pair.stamps_source and operation != "DeleteItem":
        stamp = yield from Stamp()
        own = stamped_request(own, stamp)
    if not are_allowed(own):  # what is added is too much: what was evaluated says the same in few words
        return (yield from as_evaluated(pair, prepared, before, done, key))
    return {operation.removesuffix("Item"): own}


def as_evaluated(pair: Pair, prepared: Prepared, before: Stored, done: Evaluated, key: Item) -> Routine[Request]:
    """What was decided upon `before`, under a lock on all of it."""
    named = decided_on(pair, "source", prepared)
    stamped = pair.stamps_source and pair.rules.stamp
    lock_on_source = pair.source_as_read(before, named) if stamped else pair.unchanged("source", before, named)
    return (yield from locked_action(pair, "source", key, before, prepared, done.image, lock_on_source))


def transact(source_action: Request, target_action: Request, asked: Request, replies: list[Reply]) -> Routine[bool]:
    """Whether both sides were written. False: somebody was quicker, so look again.

    After an unknown outcome the same token is sent again, which writes once; and until it is known that the first
    sending can never land, nothing but success or UnknownOutcome leaves here. Raises ServiceRejected as the single
    operation would have been.
    """
    token = yield from Stamp()
    request: Request = {"TransactItems": [source_action, target_action], "ClientRequestToken": token, **asked}
    unsure: UnknownOutcome | None = None
    for pause in LOCKING.pauses():
        try:
            reply = yield from Call("target", "TransactWriteItems", request)
        except UnknownOutcome as unknown:
            unsure = unknown
        except ServiceRejected as error:
            if unsure is None and error.code == "TransactionCanceledException":
                raise_unless_raced(error)
                return False
            if stamp_has_changed(target_action, error):
                return False
            if unsure is None and error.code != "TransactionInProgressException":
                raise
            if unsure is not None and not is_passing(error):
                raise unsure from error
        else:
            replies.append(as_of_one(reply))
            return True
        yield from pause
    raise unsure or item_too_busy()


def as_of_one(reply: Reply) -> Reply:
    """What a transaction tells beside its success, as an operation on one item tells it."""
    told = {name: reply[name] for name in ("ConsumedCapacity",) if name in reply}
    metrics: dict[str, list[Reply]] = reply.get("ItemCollectionMetrics") or {}
    of_any = [entry for entries in metrics.values() for entry in entries]
    return {**told, "ItemCollectionMetrics": of_any[0]} if of_any else told


def stamp_has_changed(target_action: Request, error: ServiceRejected) -> bool:
    """Whether the target's stamp is not what it was. A stamp never comes back, so no sending of this can land now."""
    ((_, action),) = target_action.items()
    reasons = reasons_of(error)
    failed = len(reasons) == 2 and reasons[1].get("Code") == "ConditionalCheckFailed"
    return failed and ":xf_stamp" in action.get("ExpressionAttributeValues", {})


def raise_unless_raced(error: ServiceRejected) -> None:
    """A cancelled transaction in which nobody was merely quicker is the caller's error."""
    for reason in reasons_of(error):
        code: str = reason.get("Code", "None")
        if code not in RACED_REASONS:
            raise ServiceRejected(SINGLE_CODE_OF.get(code, code), reason.get("Message", error.text))
