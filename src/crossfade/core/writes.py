"""PutItem, UpdateItem and DeleteItem in every stage: one routine for each way of writing in the table of stages.

lockstep             read, evaluate, then one transaction writes both sides
plain or mirrored    on the authority alone: the caller's own call goes out, rekeyed where the authority is not the
                     table that the caller speaks to, if the server then evaluates its expressions rightly; else it is
                     evaluated here, and the result is put under a lock. If mirrored, the mirror of its key follows
"""

from __future__ import annotations

import re
from typing import Final

from crossfade.core.accounting import consumed, with_metrics
from crossfade.core.effects import Call, Effect, Forward, Later, Reply, Request, Routine, Sleep, Stamp
from crossfade.core.evaluating import ActionName, Evaluated, WriteName, as_reply, check_form, prepare
from crossfade.core.items import Item
from crossfade.core.legacy import modern, reworded
from crossfade.core.mapping import STAMP
from crossfade.core.mirroring import TRANSIENT, backoff_seconds, sync
from crossfade.core.pair import Guard, Pair, Stored, joined, key_name, operation_name, with_guard
from crossfade.core.requests import checked_key
from crossfade.core.stages import Row, Side, Writes
from crossfade.errors import DatabaseError, Rejected, UnknownOutcome

# An optimistic lock is tried so often (with the pauses below: some 40 s) before the caller is told that the item is too
# busy. The pauses stay short, since whoever waits longest would else lose to every newcomer.
TRIES_MAX: Final = 104
PAUSE_SECONDS_MAX: Final = 0.4


def pause_seconds(attempt: int) -> float:
    """Before an optimistic lock is tried again: 50 ms, doubling."""
    return min(PAUSE_SECONDS_MAX, backoff_seconds(attempt))


def write(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    """One write by the caller, in the stage that `row` describes."""
    if row.writes is Writes.LOCKSTEP:
        return (yield from in_lockstep(pair, row.authority, operation, request))
    try:
        key = checked_key(pair, request)
    except Rejected:
        if row.authority != pair.view:
            raise
        return (yield from Forward())  # a malformed request: the service words its own error
    mirrored = row.writes is Writes.MIRRORED
    try:
        reply = yield from on_authority(pair, row, operation, request, key)
    except UnknownOutcome:
        if mirrored:
            yield from mirror_later(pair, row.authority, key, may_land=True)
        raise
    if mirrored:
        yield from mirror_later(pair, row.authority, key, may_land=was_retried(reply))
    return reply


def on_authority(pair: Pair, row: Row, operation: WriteName, request: Request, key: Item) -> Routine[Reply]:
    side = row.authority
    if side == pair.view and (side == "source" or row.writes is Writes.PLAIN):
        try:
            reply = yield from calmly(Forward(), Call(side, operation, request))
        except Rejected as error:
            raise in_callers_terms(pair, side, error) from None
        return answered(pair, side, request, reply)
    given, request = request, modern(operation, request)
    if server_evaluates(pair, side, request):
        try:
            return (yield from rekeyed(pair, side, operation, request, key))
        except Rejected as error:
            raise reworded(operation, given, error) from None
    return (yield from evaluated_here(pair, side, operation, request, key))


def calmly(first: Effect[Reply], again: Call) -> Routine[Reply]:
    """The caller never meets a conflict with a transaction that only crossfade makes: nothing was written, so the
    request is sent again."""
    effect = first
    for attempt in range(TRIES_MAX):
        try:
            return (yield from effect)
        except Rejected as error:
            if error.code != "TransactionConflictException":
                raise
        yield from Sleep(pause_seconds(attempt))
        effect = again
    raise too_busy()


def mirror_later(pair: Pair, authority: Side, key: Item, *, may_land: bool) -> Routine[None]:
    """Queue the mirror. Where a request may still land after its answer, a second one follows when it no longer can."""
    yield from Later("mirror", key_name(key), sync(pair, authority, key))
    if may_land:
        yield from Later("mirror", key_name(key), sync(pair, authority, key), delay_seconds=pair.landing_seconds)


def was_retried(reply: Reply) -> bool:
    """Whether the caller's SDK sent more than one attempt: an earlier one, given up on, may land after the last."""
    return bool(reply.get("ResponseMetadata", {}).get("RetryAttempts", 0))


# --- the caller's request on a table that is not the one it names, or with a stamp ------------------------------------

EXISTENCE: Final = re.compile(r"attribute_(?:not_)?exists\s*\(\s*([#\w]+)\s*\)")
NAME: Final = re.compile(r"[#\w]+")
# Clauses are reserved words, so that as bare words they are nothing else.
MAKES_ITEMS: Final = re.compile(r"(?<![#:\w.])(?:SET|ADD)\b", re.IGNORECASE)


def server_evaluates(pair: Pair, side: Side, request: Request) -> bool:
    """Whether the caller's expressions mean the same on the item that `side` holds: it holds what the caller sees, or
    only keys differ and nothing looks at the value of a key (whether it exists is the same on both sides, where its
    name is). When in doubt, no."""
    change: str = request.get("UpdateExpression", "")
    if side == "target" and change and not MAKES_ITEMS.search(change):
        return False  # of an absent item such an update makes none; with the stamp's SET it would
    if side == pair.view:
        return True
    if not pair.mapping.keys_only:
        return False
    names: dict[str, str] = request.get("ExpressionAttributeNames", {})
    keys = {*pair.source.key_names, *pair.target.key_names}
    kept = set(pair.source.key_names) & set(pair.target.key_names)
    asked = request.get("ConditionExpression", "")
    for path in EXISTENCE.findall(asked):
        if names.get(path, path) in kept:
            asked = asked.replace(path, "", 1)
    words = NAME.findall(f"{asked} {change}")
    return not any(names.get(word, word) in keys for word in words)


def rekeyed(pair: Pair, side: Side, operation: WriteName, request: Request, key: Item) -> Routine[Reply]:
    """The caller's own call with `side`'s table and key, and a fresh stamp on the target; answered in its terms."""
    check_form(operation, request)
    moved = yield from moved_action(pair, side, operation, request, key)
    try:
        reply = yield from calmly(Forward(moved), Call(side, operation, moved))
    except Rejected as error:
        raise in_callers_terms(pair, side, error) from None
    return answered(pair, side, request, reply)


def moved_action(pair: Pair, side: Side, operation: ActionName, request: Request, key: Item) -> Routine[Request]:
    """The same write for `side`'s table, as a request or as an action of a transaction."""
    moved: Request = {**request, "TableName": pair.table(side).name}
    if operation == "PutItem":
        moved["Item"] = yield from pair.stored_form(side, request["Item"])
    else:
        moved["Key"] = pair.key(side, key)
    if operation == "UpdateItem" and side == "target":
        stamp = yield from Stamp()
        moved = stamped_update(moved, stamp)
    return moved


SET_CLAUSE: Final = re.compile(r"(?<![#:\w.])SET\b", re.IGNORECASE)


def stamped_update(request: Request, stamp: str) -> Request:
    """The same update, setting the stamp as well."""
    text: str = request.get("UpdateExpression", "")
    assignment = "#xf_stamp = :xf_stamp"
    if SET_CLAUSE.search(text):
        text = SET_CLAUSE.sub(f"SET {assignment},", text, count=1)
    else:
        text = f"{text} SET {assignment}".strip()
    return {
        **request,
        "UpdateExpression": text,
        "ExpressionAttributeNames": {**request.get("ExpressionAttributeNames", {}), "#xf_stamp": STAMP},
        "ExpressionAttributeValues": {**request.get("ExpressionAttributeValues", {}), ":xf_stamp": {"S": stamp}},
    }


def answered(pair: Pair, side: Side, request: Request, reply: Reply) -> Reply:
    """The answer of `side` in the caller's terms: whole items mapped, the stamp never shown."""
    if side != pair.view:
        reply = {**reply, **consumed(pair, [reply], request.get("TableName"))}
        reply = with_metrics(pair, reply, request.get("Item") or request["Key"])
    attributes: Item | None = reply.get("Attributes")
    if attributes is None or (side == pair.view and STAMP not in attributes):
        return reply
    rest = {name: value for name, value in reply.items() if name != "Attributes"}
    stored = pair.stored(side, attributes)
    if side != pair.view and request.get("ReturnValues") in ("ALL_OLD", "ALL_NEW"):
        return {**rest, "Attributes": pair.image(side, stored)}
    return {**rest, **as_reply(stored.item)}


def in_callers_terms(pair: Pair, side: Side, error: Rejected) -> Rejected:
    """A refusal, with the item that it shows as the caller would see it."""
    item: Item | None = error.response.get("Item")
    if side != pair.view and error.code == "ValidationException":
        text = in_callers_index_names(pair, error.text)
        return Rejected(error.code, text, {**error.response, "Error": {"Code": error.code, "Message": text}})
    if item is None or (side == pair.view and STAMP not in item):
        return error
    shown = pair.image(side, pair.stored(side, item))
    return Rejected(error.code, error.text, {**error.response, "Item": shown})


def in_callers_index_names(pair: Pair, text: str) -> str:
    """A message about an index, which with its key attribute may have another name in the caller's table."""
    found = ABOUT_INDEX.search(text)
    if found is None:
        return text
    index, attribute = found.groups()
    names = {target: source for source, target in pair.indexes.items()} if pair.view == "source" else pair.indexes
    back = pair.mapping.came_from if pair.view == "source" else pair.mapping.arrives
    return text.replace(found[0], f"IndexName: {names.get(index, index)}, IndexKey: {back(attribute) or attribute}")


ABOUT_INDEX: Final = re.compile(r"IndexName: (\S+), IndexKey: (\S+)")


def evaluated_here(pair: Pair, side: Side, operation: WriteName, request: Request, key: Item) -> Routine[Reply]:
    """Read the item, evaluate over the image, write under a lock; again when somebody was quicker.

    The lock is the stamp and the attributes: an application that has left the source behind sets no stamps any more.
    After an unknown outcome the next read tells: our own stamp there means that it was carried out.
    """
    prepared = prepare(operation, request, pair.caller.key_names)
    asked = accounting_asked(request)
    replies: list[Reply] = []
    for attempt in range(TRIES_MAX):
        before = yield from read_counting(pair, side, key, asked, replies)
        done = prepared.on(pair.image(side, before))
        if done.image is None and before.item is None:
            return whole_answer(pair, request, done, replies)
        guard = pair.unchanged(side, before)
        if side == "target":
            guard = joined(guard, pair.as_it_was(side, before.item))
        change = yield from pair.put_or_delete(side, key, done.image, guard)
        if (yield from attempt_locked(pair, side, key, {**change, **asked}, replies)):
            return whole_answer(pair, request, done, replies)
        yield from Sleep(pause_seconds(attempt))
    raise too_busy()


def accounting_asked(request: Request) -> Request:
    """What the caller asks to be told beside the item itself."""
    return {
        name: request[name] for name in ("ReturnConsumedCapacity", "ReturnItemCollectionMetrics") if name in request
    }


def read_counting(pair: Pair, side: Side, key: Item, asked: Request, replies: list[Reply]) -> Routine[Stored]:
    """One strongly consistent read; what it consumed is kept for the answer."""
    counted = {name: value for name, value in asked.items() if name == "ReturnConsumedCapacity"}
    request: Request = {
        "TableName": pair.table(side).name, "Key": pair.key(side, key), "ConsistentRead": True, **counted,
    }  # fmt: skip
    reply = yield from Call(side, "GetItem", request)
    replies.append(reply)
    return pair.stored(side, reply.get("Item"))


def whole_answer(pair: Pair, request: Request, done: Evaluated, replies: list[Reply]) -> Reply:
    reply: Reply = {**done.reply, **consumed(pair, replies, request.get("TableName"))}
    metrics = [part["ItemCollectionMetrics"] for part in replies if part.get("ItemCollectionMetrics")]
    if metrics:
        reply["ItemCollectionMetrics"] = metrics[-1]
    return with_metrics(pair, reply, request.get("Item") or request["Key"])


def attempt_locked(pair: Pair, side: Side, key: Item, change: Request, replies: list[Reply]) -> Routine[bool]:
    """Whether the locked write was carried out. Raises UnknownOutcome where that cannot be told."""
    try:
        replies.append((yield from Call(side, operation_name(change), change)))
    except Rejected as error:
        if error.code not in ("ConditionalCheckFailedException", "TransactionConflictException"):
            raise in_callers_terms(pair, side, error) from None
        return False
    except UnknownOutcome as unknown:
        if side == "source" or "Item" not in change:
            raise  # neither the source nor an absence carries a stamp
        try:
            now = yield from pair.read(side, key)
        except DatabaseError:
            raise unknown from None
        if now.stamp != change["Item"][STAMP]["S"]:
            raise
    return True


# --- lockstep ---------------------------------------------------------------------------------------------------------


def in_lockstep(pair: Pair, authority: Side, operation: WriteName, request: Request) -> Routine[Reply]:
    """Both sides in one transaction, the target's stamp as the lock.

    Where the source decides, its action is the caller's own expression, because clients still in the stage before write
    the source without a lock; the action is guarded by what the answer shows and by the item's existence (without that,
    an item deleted and mirrored between our reads would come back in the target: an absence has no stamp).
    """
    key = checked_key(pair, request)
    prepared = prepare(operation, request, pair.caller.key_names)
    asked = accounting_asked(request)
    replies: list[Reply] = []
    for attempt in range(TRIES_MAX):
        before = yield from read_counting(pair, "target", key, asked, replies)
        decides = before
        if authority == "source":
            decides = yield from read_counting(pair, "source", key, asked, replies)
        image = pair.image(authority, decides)
        done = prepared.on(image)
        if done.image is None and image is None and before.item is None:
            return whole_answer(pair, request, done, replies)
        if authority == "source":
            source_action = yield from deciding_action(pair, operation, prepared.request, decides, done, key)
        else:
            source_action = as_action((yield from pair.put_or_delete("source", key, done.image)))
        target = yield from pair.put_or_delete("target", key, done.image, lock(pair, before))
        if (yield from transact(source_action, as_action(target), asked, replies)):
            return whole_answer(pair, request, done, replies)
        yield from Sleep(pause_seconds(attempt))
    raise too_busy()


def lock(pair: Pair, before: Stored) -> Guard | None:
    """The target is still what was read, by its stamp."""
    return pair.unchanged("target", before) if pair.rules.stamp else None


def as_action(request: Request) -> Request:
    return {"Put" if "Item" in request else "Delete": request}


OWN_PARAMETERS: Final = (
    "TableName",
    "Key",
    "Item",
    "UpdateExpression",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
)


def deciding_action(
    pair: Pair, operation: ActionName, request: Request, before: Stored, done: Evaluated, key: Item
) -> Routine[Request]:
    """What the transaction does to a source that decides. Where there is no item, or the caller speaks of another form,
    the outcome is written as it was evaluated: the guard keeps it right. Else the caller's own request is carried out,
    on what the source then holds."""
    if pair.view == "target":
        return as_action((yield from pair.put_or_delete("source", key, done.image, pair.unchanged("source", before))))
    guard = pair.still(before.item, done.shown)
    if before.item is None:
        return as_action((yield from pair.put_or_delete("source", key, done.image, guard)))
    given: Request = {name: request[name] for name in OWN_PARAMETERS if name in request}
    own: Request = with_guard({**given, "TableName": pair.source.name}, guard)
    if "Key" in own:
        own["Key"] = key
    if operation == "UpdateItem" and "UpdateExpression" not in request:
        return {"ConditionCheck": own}
    return {operation.removesuffix("Item"): own}


def transact(source_action: Request, target_action: Request, asked: Request, replies: list[Reply]) -> Routine[bool]:
    """Whether both sides were written. False: somebody was quicker, so look again.

    After an unknown outcome the same token is sent again, which writes once; and until it is known that the first
    sending can never land, nothing but success or UnknownOutcome leaves here. Raises Rejected as the single operation
    would have been.
    """
    token = yield from Stamp()
    request: Request = {"TransactItems": [source_action, target_action], "ClientRequestToken": token, **asked}
    unsure: UnknownOutcome | None = None
    for attempt in range(TRIES_MAX):
        try:
            reply = yield from Call("target", "TransactWriteItems", request)
        except UnknownOutcome as unknown:
            unsure = unknown
        except Rejected as error:
            if unsure is None and error.code == "TransactionCanceledException":
                raise_unless_raced(error)
                return False
            if stamp_has_changed(target_action, error):
                return False
            if unsure is None and error.code != "TransactionInProgressException":
                raise
            if unsure is not None and not merely_busy(error):
                raise unsure from error
        else:
            replies.append(as_of_one(reply))
            return True
        yield from Sleep(pause_seconds(attempt))
    raise unsure or too_busy()


def as_of_one(reply: Reply) -> Reply:
    """What a transaction tells beside its success, as an operation on one item tells it."""
    told = {name: reply[name] for name in ("ConsumedCapacity",) if name in reply}
    metrics: dict[str, list[Reply]] = reply.get("ItemCollectionMetrics") or {}
    of_any = [entry for entries in metrics.values() for entry in entries]
    return {**told, "ItemCollectionMetrics": of_any[0]} if of_any else told


def stamp_has_changed(target_action: Request, error: Rejected) -> bool:
    """Whether the target's stamp is not what it was. A stamp never comes back, so no sending of this can land now."""
    ((_, action),) = target_action.items()
    reasons: list[Reply] = error.response.get("CancellationReasons", [])
    failed = len(reasons) == 2 and reasons[1].get("Code") == "ConditionalCheckFailed"
    return failed and ":xf_stamp" in action.get("ExpressionAttributeValues", {})


def merely_busy(error: Rejected) -> bool:
    """Whether the same transaction may still go through: nothing in it was judged."""
    reasons: list[Reply] = error.response.get("CancellationReasons", [])
    judged = {reason.get("Code", "None") for reason in reasons} - {"None"}
    return judged <= BUSY if judged else error.code in TRANSIENT


BUSY: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
RACED: Final = frozenset({"None", "ConditionalCheckFailed", "TransactionConflict"})
SINGLE: Final = {  # a transaction's reason -> the code that the single operation would have had
    "ValidationError": "ValidationException",
    "ThrottlingError": "ThrottlingException",
    "ProvisionedThroughputExceeded": "ProvisionedThroughputExceededException",
    "ItemCollectionSizeLimitExceeded": "ItemCollectionSizeLimitExceededException",
}


def raise_unless_raced(error: Rejected) -> None:
    """A cancelled transaction in which nobody was merely quicker is the caller's error."""
    reasons: list[Reply] = error.response.get("CancellationReasons", [])
    for reason in reasons:
        code: str = reason.get("Code", "None")
        if code not in RACED:
            raise Rejected(SINGLE.get(code, code), reason.get("Message", error.text))


def too_busy() -> Rejected:
    """What DynamoDB says of an item that too many transactions want at once; SDKs may retry it."""
    return Rejected("TransactionConflictException", "Transaction is ongoing for the item")
