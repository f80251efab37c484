"""How what was decided upon a read is sent: one action as an operation of its own, more as a transaction; and again,
where nobody knows how that went."""

from __future__ import annotations

from collections.abc import Callable

from crossfade.core.effects import Call, Reply, Request, Routine, Stamp
from crossfade.core.items import Item
from crossfade.core.request.cancellation import reasons_of
from crossfade.core.request.error_codes import BUSY_REASONS, RACED_REASONS, SINGLE_CODE_OF
from crossfade.core.request.limits import size_explained
from crossfade.core.stages import Side
from crossfade.core.sync.retry import LOCKING, is_passing, item_too_busy
from crossfade.core.tables.pair import Pair
from crossfade.core.write.moves import Moves, new_stamp
from crossfade.core.write.translate import error_restored, index_error_of
from crossfade.errors import DatabaseError, ServiceRejected, UnknownOutcome

Judge = Callable[[ServiceRejected, UnknownOutcome | None], bool]


def until_done(attempt: Callable[[], Routine[Reply | None]]) -> Routine[Reply]:
    """Look, decide and write, again when somebody was quicker: then an attempt has no answer."""
    for pause in LOCKING.pauses():
        reply = yield from attempt()
        if reply is not None:
            return reply
        yield from pause
    raise item_too_busy()


def until_known(request: Request, looks_again: Judge) -> Routine[Reply | None]:
    """Send a transaction until it is known how it went: under one token it is carried out once. None: somebody was
    quicker, so look again. `looks_again` is told a refusal, and the outcome that is unknown if one is; where it is
    neither to look again nor to send the same once more, it raises what the caller is to know."""
    unsure: UnknownOutcome | None = None
    for pause in LOCKING.pauses():
        try:
            return (yield from Call("target", "TransactWriteItems", request))
        except UnknownOutcome as unknown:
            unsure = unknown
        except ServiceRejected as refusal:
            if looks_again(refusal, unsure):
                return None
        yield from pause
    raise unsure or item_too_busy()


def send_moves(pair: Pair, key: Item, moves: Moves, asked: Request) -> Routine[Reply | None]:
    """Return the answer as of an operation on one item; None: somebody was quicker. Raises UnknownOutcome where that
    cannot be told. `asked`: what else is to be told."""
    if len(moves) == 1:
        ((side, action),) = moves.items()
        return (yield from send_action(pair, side, key, action, asked))
    try:
        return (yield from transact(moves, asked))
    except ServiceRejected as error:  # by either table
        stamped: Side = "source" if pair.stamps_source and "ConditionCheck" not in moves["source"] else "target"
        raise index_error_of(pair, size_explained(error, pair.table(stamped).name)) from None


def send_action(pair: Pair, side: Side, key: Item, action: Request, asked: Request) -> Routine[Reply | None]:
    ((kind, request),) = action.items()
    operation = "UpdateItem" if kind == "ConditionCheck" else f"{kind}Item"  # one that changes nothing is its condition
    try:
        return (yield from Call(side, operation, {**request, **asked}))
    except ServiceRejected as error:
        if error.code in ("ConditionalCheckFailedException", "TransactionConflictException"):
            return None
        if pair.stamps(side):
            error = size_explained(error, pair.table(side).name)
        raise error_restored(pair, side, error) from None
    except UnknownOutcome as unknown:
        stamp = new_stamp(action)
        if stamp is None:
            raise  # an absence carries no stamp, nor does the source in most stages
        try:
            now = yield from pair.read(side, key)
        except DatabaseError:
            raise unknown from None
        if now.stamp != stamp:
            raise
        return {}  # our own stamp is there: it was carried out


def transact(moves: Moves, asked: Request) -> Routine[Reply | None]:
    """Write both sides at once. Until it is known that the first sending can never land, nothing but success or
    UnknownOutcome leaves here. Raises ServiceRejected as the single operation would have been."""

    def looks_again(refusal: ServiceRejected, unsure: UnknownOutcome | None) -> bool:
        if unsure is None and refusal.code == "TransactionCanceledException":
            raise_unless_raced(refusal)
            return True
        if stamp_has_changed(moves["target"], refusal):
            return True
        if unsure is None and refusal.code != "TransactionInProgressException":
            raise refusal
        if unsure is not None and not is_passing(refusal):
            raise unsure from refusal
        return False

    token = yield from Stamp()
    actions = [moves["source"], moves["target"]]
    reply = yield from until_known({"TransactItems": actions, "ClientRequestToken": token, **asked}, looks_again)
    return None if reply is None else as_of_one(reply)


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
    reasons = reasons_of(error)
    was_raced = any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons)
    for reason in reasons:
        code: str = reason.get("Code", "None")
        if code not in RACED_REASONS and not (was_raced and code in BUSY_REASONS):
            raise ServiceRejected(SINGLE_CODE_OF.get(code, code), reason.get("Message", error.text))
