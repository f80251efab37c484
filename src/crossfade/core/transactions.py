"""TransactGetItems and TransactWriteItems in every stage.

On one side alone, a transaction goes out as it is or rekeyed. Where it must be evaluated here (in lockstep, or where
the forms differ), our items are read in one transaction, so that what is decided is true of one moment; then one
transaction writes whatever follows, locked on what was read. Actions on other tables are part of it, untouched, and
their refusals come back in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from crossfade.core.accounting import consumed_by_table
from crossfade.core.cancelling import cancellation, reason_at, reasons_of
from crossfade.core.effects import Call, Forward, Later, Reply, Request, Routine, Stamp
from crossfade.core.evaluated_transactions import OPERATIONS, Action, evaluated_here
from crossfade.core.fallback import look_later
from crossfade.core.items import Item
from crossfade.core.limits import is_too_large, write_explained
from crossfade.core.mirroring import mirrored, shadow_compare
from crossfade.core.own_keys import needs_whole_key, with_own_keys
from crossfade.core.pair import Pair, key_name
from crossfade.core.reads import projector_alone, shown
from crossfade.core.rekeying import looked_at, moved_action, of_callers_indexes, server_evaluates
from crossfade.core.requests import TRANSACTION_ACTIONS_MAX, checked_key, plain_name
from crossfade.core.stages import Fallback, Row, Side, Writes
from crossfade.core.tokens import already_done, busy, keeps_token, recorded, was_done, with_record
from crossfade.errors import Refused, Rejected

NO_EXPRESSION: Final = (
    "Value null at 'transactItems.{}.member.update.updateExpression' failed to satisfy constraint: Member must not be"
    " null"
)


def actions_of(pair: Pair, request: Request) -> list[Action]:
    """Ours. Raises Rejected for a malformed key."""
    found: list[Action] = []
    for place, entry in enumerate(request["TransactItems"]):
        for kind, given in entry.items():
            if plain_name(given.get("TableName", "")) == pair.caller.name:
                if len(entry) > 1:
                    raise Rejected("ValidationException", "an action is one of Put, Update, Delete, ConditionCheck")
                if kind == "Update" and given.get("UpdateExpression") is None:
                    raise Rejected("ValidationException", NO_EXPRESSION.format(place + 1))
                found.append(Action(place, OPERATIONS.get(kind, "ConditionCheck"), given, checked_key(pair, given)))
    return found


# --- reading ----------------------------------------------------------------------------------------------------------


def transact_get(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One TransactGetItems; after the answer, the comparison of our keys with the other side."""
    side = row.authority
    try:
        gets = actions_of(pair, request)
    except Rejected:
        if side != pair.view or row.merges:
            raise
        return all_shown((yield from Forward()))  # the service words its own error
    if side == pair.view and not row.merges:
        reply = all_shown((yield from Forward()))
    else:
        reply = yield from get_elsewhere(pair, row, request, gets)
    yield from look_later(pair, row, (get.key for get in gets if "Item" not in reply["Responses"][get.place]))
    if row.compare:
        for get in gets:
            yield from Later("compare", key_name(get.key), shadow_compare(pair, get.key))
    return reply


def all_shown(reply: Reply) -> Reply:
    """The answer of the caller's own table, the stamps not shown."""
    return {**reply, "Responses": [shown(answer) for answer in reply["Responses"]]}


def get_elsewhere(pair: Pair, row: Row, request: Request, gets: Sequence[Action]) -> Routine[Reply]:
    """Read from the other table; or, where items are in both, from both at one moment."""
    side = row.authority
    items: list[Request] = list(request["TransactItems"])
    wanted: dict[int, Callable[[Item], Item]] = {}
    for get in gets:
        wanted[get.place] = projector_alone(get.request)
        items[get.place] = {"Get": {"TableName": pair.table(side).name, "Key": pair.key(side, get.key)}}
    count = len(items)
    if row.merges:
        items += [{"Get": {"TableName": pair.source.name, "Key": pair.key("source", get.key)}} for get in gets]
    if len(items) > TRANSACTION_ACTIONS_MAX >= count:
        raise Refused(
            f"a transaction of {count} reads needs {len(items)} while items are in both tables, and DynamoDB takes"
            f" {TRANSACTION_ACTIONS_MAX}; nothing was read",
            next_step="make it two transactions, or wait until the stage is rampdown",
        )
    try:
        reply = yield from Forward({**request, "TransactItems": items})
    except Rejected as error:
        raise cancelled_reads(error, gets, count) from None
    answers, behind = list(reply["Responses"])[:count], list(reply["Responses"])[count:]
    for n, get in enumerate(gets):
        image = pair.image_under(side, pair.stored(side, answers[get.place].get("Item")), get.key)
        if image is None and behind:
            image = pair.image_under("source", pair.stored("source", behind[n].get("Item")), get.key)
        answers[get.place] = {} if image is None else {"Item": wanted[get.place](image)}
    return {**reply, "Responses": answers, **consumed_by_table(pair, [reply])}


def cancelled_reads(error: Rejected, gets: Sequence[Action], count: int) -> Rejected:
    """The refusal with a reason for each of the caller's own `count` reads, whichever table it came from."""
    reasons = reasons_of(error)
    told = reasons[:count]
    for get, behind in zip(gets, reasons[count:], strict=False):
        if told[get.place].get("Code", "None") == "None":
            told[get.place] = behind
    return cancellation(told) if len(reasons) > count else error


# --- writing ----------------------------------------------------------------------------------------------------------


def transact_write(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One TransactWriteItems, and the mirrors of our keys. `ClientRequestToken` is there if the caller chose one."""
    try:
        check_token(request)
        actions = actions_of(pair, request)
    except Rejected:
        if row.decides(pair.view, whole=bool(pair.mapping.kept)) != pair.view:
            raise
        return (yield from Forward())  # the service words its own error
    changed = [action.key for action in actions if action.operation != "ConditionCheck"]
    try:
        return (yield from mirrored(pair, row, changed, carried_out(pair, row, request, actions)))
    except Rejected as error:
        raise of_callers_indexes(pair, error, [action.place for action in actions]) from None


TOKEN_CHARACTERS_MAX: Final = 36
ON_FAILURE: Final = "ReturnValuesOnConditionCheckFailure"


def check_token(request: Request) -> None:
    if not 1 <= len(request.get("ClientRequestToken", "x")) <= TOKEN_CHARACTERS_MAX:
        raise Rejected("ValidationException", f"a ClientRequestToken has 1 to {TOKEN_CHARACTERS_MAX} characters")


def carried_out(pair: Pair, row: Row, request: Request, actions: Sequence[Action]) -> Routine[Reply]:
    side = row.authority
    deletes = any(action.operation == "DeleteItem" for action in actions)
    looks = deletes or bool(pair.mapping.held)  # at the source
    if row.takes_two(deletes=looks):
        return (yield from evaluated_here(pair, row, request, actions))
    if row.takes_as_it_is(pair.view) and not needs_whole_key(pair, "TransactWriteItems", request):
        if row.writes is Writes.PLAIN and not keeps_token(pair, request):
            return (yield from untouched(pair, side, actions))
        own = with_own_keys(pair, "TransactWriteItems", request)
        return (yield from sent(pair, request, list(own["TransactItems"]), side, actions, repeats=True))
    if all(server_evaluates(pair, side, action.operation, action.request) for action in actions):
        items: list[Request] = list(request["TransactItems"])
        for action in actions:
            moved = yield from moved_action(pair, side, action.operation, action.request, action.key)
            moved = asking_what_was_there(row, moved)
            if action.operation != "PutItem" or not row.takes_as_it_is(pair.view):
                moved = looked_at(pair, side, moved, action.key)
            items[action.place] = named(action, moved)
        try:
            return (yield from sent(pair, request, items, side, actions, repeats=not pair.stamps(side)))
        except Rejected as error:
            yield from look_later(pair, row, [action.key for action in actions if missed(error, action)])
            raise without_unasked(error, actions) from None
    return (yield from evaluated_here(pair, row, request, actions))


def asking_what_was_there(row: Row, moved: Request) -> Request:
    """Ask a failing condition to return the item, in a stage that must know whether there was one."""
    if row.fallback is not Fallback.LOOKED_UP or "ConditionExpression" not in moved:
        return moved
    return {**moved, ON_FAILURE: "ALL_OLD"}


def missed(error: Rejected, action: Action) -> bool:
    """Whether this action was refused upon an absence."""
    if error.code != "TransactionCanceledException":
        return False
    reason = reason_at(reasons_of(error), action.place)
    return reason.get("Code") == "ConditionalCheckFailed" and not reason.get("Item")


def without_unasked(error: Rejected, actions: Sequence[Action]) -> Rejected:
    """The refusal without the items that only we have asked for."""
    reasons = list(reasons_of(error))
    if error.code != "TransactionCanceledException" or not reasons:
        return error
    for action in actions:
        reason = reason_at(reasons, action.place)
        if "Item" in reason and action.request.get(ON_FAILURE) != "ALL_OLD":
            reasons[action.place] = {name: told for name, told in reason.items() if name != "Item"}
    return cancellation(reasons)


def untouched(pair: Pair, side: Side, actions: Sequence[Action]) -> Routine[Reply]:
    """The caller's own transaction on its own table; the stamps in a refusal are not shown."""
    try:
        return (yield from Forward())
    except Rejected as error:
        raise cancelled(pair, error, list(reasons_of(error)), side, actions) from None


def named(action: Action, request: Request) -> Request:
    return {next(kind for kind, operation in OPERATIONS.items() if operation == action.operation): request}


def sent(
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
    except Rejected as error:
        has_record = len(whole) > len(items)
        if has_record and recorded(error, len(items)):
            return (yield from already_done(pair, request))
        if has_record and (told := busy(error, len(items))) is not None:
            raise told from None
        if has_record and repeats and is_too_large(error):
            return (yield from sent_without_record(pair, request, items, side, actions))
        raise refused(pair, request, error, len(items), side, actions) from None
    return in_callers_terms(pair, side, reply)


def sent_without_record(
    pair: Pair, request: Request, items: list[Request], side: Side, actions: Sequence[Action]
) -> Routine[Reply]:
    """Send the transaction where a record of the token would make it too large: DynamoDB itself remembers the
    token within this stage. It may have been recorded in another stage, in which the items are smaller."""
    if (yield from was_done(pair, request)):
        return {}
    try:
        reply = yield from Call(side, "TransactWriteItems", {**request, "TransactItems": items})
    except Rejected as error:
        raise refused(pair, request, error, len(items), side, actions) from None
    return in_callers_terms(pair, side, reply)


def refused(
    pair: Pair, request: Request, error: Rejected, count: int, side: Side, actions: Sequence[Action]
) -> Rejected | Refused:
    """The refusal as the caller is told it, of the caller's own `count` actions."""
    too_large = write_explained(error, request, pair.table(side).name)
    return too_large or cancelled(pair, error, reasons_of(error)[:count], side, actions)


def in_callers_terms(pair: Pair, side: Side, reply: Reply) -> Reply:
    answer: Reply = {**reply, **consumed_by_table(pair, [reply])}
    metrics: dict[str, list[Reply]] = {**(reply.get("ItemCollectionMetrics") or {})}
    if pair.table(side).name in metrics:
        metrics[pair.caller.name] = metrics.pop(pair.table(side).name)
        answer["ItemCollectionMetrics"] = metrics
    return answer


def cancelled(pair: Pair, error: Rejected, reasons: list[Reply], side: Side, actions: Sequence[Action]) -> Rejected:
    """The refusal with the reasons of the caller's own actions, the items in them as the caller sees them."""
    if error.code != "TransactionCanceledException" or not reasons:
        return error
    for action in actions:
        reason = reason_at(reasons, action.place)
        if "Item" in reason:
            stored = pair.stored(side, reason["Item"])
            reasons[action.place] = {**reason, "Item": pair.image_under(side, stored, action.key)}
    return cancellation(reasons)
