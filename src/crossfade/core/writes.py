"""PutItem, UpdateItem and DeleteItem in every stage: one routine for each way of writing in the table of stages.

plain, source       the caller's request goes through untouched
mirrored, source    the caller's request goes through untouched, then its key is mirrored
lockstep            read, evaluate, then one transaction writes both sides
mirrored, target    as `plain, target`, then its key is mirrored back
plain, target       where the mapping changes keys alone, the server evaluates the caller's request on the target's
                    key; else it is evaluated here, and the result is put conditionally on the stamp
"""

from __future__ import annotations

import re
from typing import Final

from crossfade.core.effects import Call, Effect, Forward, Later, Reply, Request, Routine, Sleep, Stamp
from crossfade.core.evaluating import Evaluated, WriteName, as_reply, evaluate
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.mirroring import TRANSIENT, backoff_seconds, sync
from crossfade.core.pair import Guard, Image, Pair, Stored, key_name, operation_name, with_guard
from crossfade.core.reads import in_callers_capacity
from crossfade.core.requests import checked_key
from crossfade.core.stages import Row, Side, Writes
from crossfade.errors import DatabaseError, Rejected, UnknownOutcome

# An optimistic lock is tried so often (with backoff: some 40 s) before the caller is told that the item is too busy.
TRIES_MAX: Final = 14


def write(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    """One write by the caller, in the stage that `row` describes."""
    if row.writes is Writes.LOCKSTEP:
        return (yield from in_lockstep(pair, row.authority, operation, request))
    if row.authority == "target":
        return (yield from on_target(pair, row, operation, request))
    return (yield from on_source(pair, operation, request))


def on_source(pair: Pair, operation: WriteName, request: Request) -> Routine[Reply]:
    """The caller's own request, then the mirror of its key."""
    try:
        key = pair.source_key(request.get("Item") or request["Key"])
    except KeyError:
        return (yield from Forward())  # a malformed request: the service words its own error
    try:
        reply = yield from forward_calmly(operation, request)
    except UnknownOutcome:
        yield from mirror_later(pair, "source", key, may_land=True)
        raise
    yield from mirror_later(pair, "source", key, may_land=was_retried(reply))
    return reply


def forward_calmly(operation: WriteName, request: Request) -> Routine[Reply]:
    return (yield from calmly(Forward(), Call("source", operation, request)))


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
        yield from Sleep(backoff_seconds(attempt))
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


# --- the target is the authority, or will be --------------------------------------------------------------------------


def on_target(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    """The write on the target, then, while the source is kept as the way back, the mirror of its key."""
    key = checked_key(pair, request)
    mirrored = row.writes is Writes.MIRRORED
    carry_out = rekeyed if server_evaluates(pair, request) else evaluated_here
    try:
        reply = yield from carry_out(pair, operation, request, key)
    except UnknownOutcome:
        if mirrored:
            yield from mirror_later(pair, "target", key, may_land=True)
        raise
    if mirrored:
        yield from mirror_later(pair, "target", key, may_land=was_retried(reply))
    return reply


EXISTENCE: Final = re.compile(r"attribute_(?:not_)?exists\s*\(\s*([#\w]+)\s*\)")
NAME: Final = re.compile(r"[#\w]+")
# Clauses are reserved words, so that as bare words they are nothing else.
MAKES_ITEMS: Final = re.compile(r"(?<![#:\w.])(?:SET|ADD)\b", re.IGNORECASE)


def server_evaluates(pair: Pair, request: Request) -> bool:
    """Whether the caller's expressions mean the same on the target's item: only keys differ, and nothing looks at the
    value of a key (whether it exists is the same on both sides, where its name is). When in doubt, no."""
    if not pair.mapping.keys_only:
        return False
    change: str = request.get("UpdateExpression", "")
    if change and not MAKES_ITEMS.search(change):
        return False  # of an absent item such an update makes none; with the stamp's SET it would
    names: dict[str, str] = request.get("ExpressionAttributeNames", {})
    keys = {*pair.source.key_names, *pair.target.key_names}
    kept = set(pair.source.key_names) & set(pair.target.key_names)
    asked = request.get("ConditionExpression", "")
    for path in EXISTENCE.findall(asked):
        if names.get(path, path) in kept:
            asked = asked.replace(path, "", 1)
    words = NAME.findall(f"{asked} {change}")
    return not any(names.get(word, word) in keys for word in words)


def rekeyed(pair: Pair, operation: WriteName, request: Request, key: Item) -> Routine[Reply]:
    """The caller's request with the target's table, key and a fresh stamp; the answer in the caller's terms."""
    moved: Request = {**request, "TableName": pair.target.name}
    if operation == "PutItem":
        moved["Item"] = yield from pair.stored_form("target", request["Item"])
    else:
        moved["Key"] = pair.key("target", key)
    if operation == "UpdateItem":
        stamp = yield from Stamp()
        moved = stamped_update(moved, stamp)
    call = Call("target", operation, moved)
    try:
        reply = yield from calmly(call, call)
    except Rejected as error:
        raise in_source_terms(pair, error) from None
    return answered(pair, request, reply)


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


def answered(pair: Pair, request: Request, reply: Reply) -> Reply:
    """The target's answer in the caller's terms: whole items mapped back, the stamp never shown."""
    reply = in_callers_capacity(pair, reply)
    attributes: Item | None = reply.get("Attributes")
    if attributes is None:
        return reply
    rest = {name: value for name, value in reply.items() if name != "Attributes"}
    if request.get("ReturnValues") in ("ALL_OLD", "ALL_NEW"):
        return {**rest, "Attributes": pair.mapping.backward(attributes)}
    return {**rest, **as_reply({name: value for name, value in attributes.items() if name != STAMP})}


def in_source_terms(pair: Pair, error: Rejected) -> Rejected:
    """The target's refusal, with the item that it shows as the caller would see it."""
    item: Item | None = error.response.get("Item")
    if item is None:
        return error
    return Rejected(error.code, error.text, {**error.response, "Item": pair.mapping.backward(item)})


def evaluated_here(pair: Pair, operation: WriteName, request: Request, key: Item) -> Routine[Reply]:
    """Read the target, evaluate over the image, write conditionally on the stamp; again when somebody was quicker.

    After an unknown outcome the next read tells: our own stamp there means that it was carried out.
    """
    for attempt in range(TRIES_MAX):
        before = yield from pair.read("target", key)
        image = pair.image("target", before)
        done = evaluate(operation, request, image, pair.source.key_names)
        if done.image is None and before.item is None:
            return done.reply
        change = yield from pair.put_or_delete("target", key, done.image, pair.unchanged("target", before))
        outcome = yield from attempt_locked(pair, key, change)
        if outcome:
            return done.reply
        yield from Sleep(backoff_seconds(attempt))
    raise too_busy()


def attempt_locked(pair: Pair, key: Item, change: Request) -> Routine[bool]:
    """Whether the locked write was carried out. Raises UnknownOutcome where that cannot be told."""
    try:
        _ = yield from Call("target", operation_name(change), change)
    except Rejected as error:
        if error.code not in ("ConditionalCheckFailedException", "TransactionConflictException"):
            raise
        return False
    except UnknownOutcome as unknown:
        if "Item" not in change:
            raise  # an absence carries no stamp
        try:
            now = yield from pair.read("target", key)
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
    for attempt in range(TRIES_MAX):
        before = yield from pair.read("target", key)
        source = (yield from pair.read("source", key)) if authority == "source" else None
        image = pair.image("target", before) if source is None else source.item
        done = evaluate(operation, request, image, pair.source.key_names)
        if done.image is None and image is None and before.item is None:
            return done.reply
        if authority == "source":
            source_action = yield from deciding_action(pair, operation, request, image, done)
        else:
            source_action = as_action((yield from pair.put_or_delete("source", key, done.image)))
        target = yield from pair.put_or_delete("target", key, done.image, lock(pair, before))
        if (yield from transact(source_action, as_action(target))):
            return done.reply
        yield from Sleep(backoff_seconds(attempt))
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
    pair: Pair, operation: WriteName, request: Request, image: Image, done: Evaluated
) -> Routine[Request]:
    """What the transaction does to a source that decides. Where there is no item the outcome is written as it was
    evaluated: the guard keeps it right. Else the caller's own request is carried out, on what the source then holds."""
    guard = pair.still(image, done.shown)
    if image is None:
        return as_action((yield from pair.put_or_delete("source", checked_key(pair, request), done.image, guard)))
    own: Request = with_guard({name: request[name] for name in OWN_PARAMETERS if name in request}, guard)
    if operation == "UpdateItem" and "UpdateExpression" not in request:
        return {"ConditionCheck": own}
    return {operation.removesuffix("Item"): own}


def transact(source_action: Request, target_action: Request) -> Routine[bool]:
    """Whether both sides were written. False: somebody was quicker, so look again.

    After an unknown outcome the same token is sent again, which writes once; and until it is known that the first
    sending can never land, nothing but success or UnknownOutcome leaves here. Raises Rejected as the single operation
    would have been.
    """
    token = yield from Stamp()
    request: Request = {"TransactItems": [source_action, target_action], "ClientRequestToken": token}
    unsure: UnknownOutcome | None = None
    for attempt in range(TRIES_MAX):
        try:
            _ = yield from Call("target", "TransactWriteItems", request)
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
            return True
        yield from Sleep(backoff_seconds(attempt))
    raise unsure or too_busy()


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
