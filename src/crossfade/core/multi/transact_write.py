"""TransactWriteItems in every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Call, Forward, Reply, Request, Routine, Stamp
from crossfade.core.multi.actions import MULTIPLE_OPERATIONS, Action, actions_of, check_apart
from crossfade.core.multi.idempotency import already_done, busy, keeps_token, recorded, was_done, with_record
from crossfade.core.multi.transact_evaluated import transact_evaluated
from crossfade.core.request.cancellation import cancellation, reason_at, reasons_of
from crossfade.core.request.capacity import consumed_by_table
from crossfade.core.request.limits import is_too_large, write_explained
from crossfade.core.request.own_keys import needs_whole_key, with_own_keys
from crossfade.core.stages import Fallback, Row, Side, Writes
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.sync.sync import mirrored
from crossfade.core.tables.pair import Pair
from crossfade.core.write.translate import (
    RETURN_VALUES_ON_FAILURE,
    index_errors_of,
    looked_at,
    server_evaluates,
    translate_action,
)
from crossfade.errors import NotPossibleInStage, ServiceRejected, invalid_request

TOKEN_CHARACTERS_MAX: Final = 36


def transact_write(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One TransactWriteItems, and the mirrors of our keys. `ClientRequestToken` is there if the caller chose one."""
    try:
        if not 1 <= len(request.get("ClientRequestToken", "x")) <= TOKEN_CHARACTERS_MAX:
            raise invalid_request(f"a ClientRequestToken has 1 to {TOKEN_CHARACTERS_MAX} characters")
        actions = actions_of(pair, request)
    except ServiceRejected:
        if row.decides(pair.view, whole=bool(pair.mapping.source_key_extras)) != pair.view:
            raise
        return (yield from Forward())  # the service words its own error
    changed = [action.key for action in actions if action.operation != "ConditionCheck"]
    try:
        return (yield from mirrored(pair, row, changed, transact_on_tables(pair, row, request, actions)))
    except ServiceRejected as error:
        raise index_errors_of(pair, error, [action.place for action in actions]) from None


def transact_on_tables(pair: Pair, row: Row, request: Request, actions: Sequence[Action]) -> Routine[Reply]:
    side = row.authority
    deletes = any(action.operation == "DeleteItem" for action in actions)
    looks = deletes or bool(pair.mapping.target_key_extras)  # at the source
    if row.may_write_both(deletes=looks):
        return (yield from transact_evaluated(pair, row, request, actions))
    if pair.mapping.target_key_extras and not row.is_final:
        check_apart(pair, [action.key for action in actions], MULTIPLE_OPERATIONS)
    if row.takes_as_it_is(pair.view) and not needs_whole_key(pair, "TransactWriteItems", request):
        if row.writes is Writes.PLAIN and not keeps_token(pair, request):
            return (yield from untouched(pair, side, actions))
        own = with_own_keys(pair, "TransactWriteItems", request)
        return (yield from send_actions(pair, request, list(own["TransactItems"]), side, actions, repeats=True))
    if all(server_evaluates(pair, side, action.operation, action.request) for action in actions):
        items: list[Request] = list(request["TransactItems"])
        for action in actions:
            moved = yield from translate_action(pair, side, action.operation, action.request, action.key)
            if row.fallback is Fallback.LOOKED_UP and "ConditionExpression" in moved:
                moved[RETURN_VALUES_ON_FAILURE] = "ALL_OLD"  # the stage has to know whether there was an item
            if action.operation != "PutItem" or not row.takes_as_it_is(pair.view):
                moved = looked_at(pair, side, moved, action.key)
            items[action.place] = {action.operation.removesuffix("Item"): moved}
        try:
            return (yield from send_actions(pair, request, items, side, actions, repeats=not pair.stamps(side)))
        except ServiceRejected as error:
            yield from look_later(pair, row, [action.key for action in actions if missed(error, action)])
            raise without_unasked(error, actions) from None
    return (yield from transact_evaluated(pair, row, request, actions))


def missed(error: ServiceRejected, action: Action) -> bool:
    """Whether this action was refused upon an absence."""
    if error.code != "TransactionCanceledException":
        return False
    reason = reason_at(reasons_of(error), action.place)
    return reason.get("Code") == "ConditionalCheckFailed" and not reason.get("Item")


def without_unasked(error: ServiceRejected, actions: Sequence[Action]) -> ServiceRejected:
    """The refusal without the items that only we have asked for."""
    reasons = list(reasons_of(error))
    if error.code != "TransactionCanceledException" or not reasons:
        return error
    for action in actions:
        reason = reason_at(reasons, action.place)
        if "Item" in reason and action.request.get(RETURN_VALUES_ON_FAILURE) != "ALL_OLD":
            reasons[action.place] = {name: told for name, told in reason.items() if name != "Item"}
    return cancellation(reasons)


def untouched(pair: Pair, side: Side, actions: Sequence[Action]) -> Routine[Reply]:
    """The caller's own transaction on its own table; the stamps in a refusal are not shown."""
    try:
        return (yield from Forward())
    except ServiceRejected as error:
        raise cancelled(pair, error, list(reasons_of(error)), side, actions) from None


def send_actions(
    pair: Pair, request: Request, items: list[Request], side: Side, actions: Sequence[Action], *, repeats: bool
) -> Routine[Reply]:
    """The caller's own call with these actions in the place of its own; answered in its terms. `repeats`: the same
    transaction becomes the same request, however often it is sent."""
    token: str | None = request.get("ClientRequestToken")
    whole = yield from with_record(pair, request, items)
    fresh = yield from Stamp()
    if whole is None:  # the transaction is full: DynamoDB itself remembers the token, within this stage
        whole, fresh = items, token or fresh
    try:
        reply = yield from Forward({**request, "TransactItems": whole, "ClientRequestToken": fresh})
    except ServiceRejected as error:
        has_record = len(whole) > len(items)
        if has_record and recorded(error, len(items)):
            return (yield from already_done(pair, request))
        if has_record and (told := busy(error, len(items))) is not None:
            raise told from None
        if has_record and repeats and is_too_large(error):
            return (yield from sent_without_record(pair, request, items, side, actions))
        raise transact_refusal(pair, request, error, len(items), side, actions) from None
    return transact_reply_restored(pair, side, reply)


def sent_without_record(
    pair: Pair, request: Request, items: list[Request], side: Side, actions: Sequence[Action]
) -> Routine[Reply]:
    """Send the transaction where a record of the token would make it too large: DynamoDB itself remembers the
    token within this stage. It may have been recorded in another stage, in which the items are smaller."""
    if (yield from was_done(pair, request)):
        return {}
    try:
        reply = yield from Call(side, "TransactWriteItems", {**request, "TransactItems": items})
    except ServiceRejected as error:
        raise transact_refusal(pair, request, error, len(items), side, actions) from None
    return transact_reply_restored(pair, side, reply)


def transact_refusal(
    pair: Pair, request: Request, error: ServiceRejected, count: int, side: Side, actions: Sequence[Action]
) -> ServiceRejected | NotPossibleInStage:
    """The refusal as the caller is told it, of the caller's own `count` actions."""
    too_large = write_explained(error, request, pair.table(side).name)
    return too_large or cancelled(pair, error, reasons_of(error)[:count], side, actions)


def transact_reply_restored(pair: Pair, side: Side, reply: Reply) -> Reply:
    answer: Reply = {**reply, **consumed_by_table(pair, [reply])}
    metrics: dict[str, list[Reply]] = {**(reply.get("ItemCollectionMetrics") or {})}
    if pair.table(side).name in metrics:
        metrics[pair.caller.name] = metrics.pop(pair.table(side).name)
        answer["ItemCollectionMetrics"] = metrics
    return answer


def cancelled(
    pair: Pair, error: ServiceRejected, reasons: list[Reply], side: Side, actions: Sequence[Action]
) -> ServiceRejected:
    """The refusal with the reasons of the caller's own actions, the items in them as the caller sees them."""
    if error.code != "TransactionCanceledException" or not reasons:
        return error
    for action in actions:
        reason = reason_at(reasons, action.place)
        if "Item" in reason:
            stored = pair.stored(side, reason["Item"])
            reasons[action.place] = {**reason, "Item": pair.image_under(side, stored, action.key)}
    return cancellation(reasons)
