"""A TransactWriteItems that is evaluated here: in lockstep, or where the stored form differs from the caller's.

Our items are read in one transaction, so that what is decided is true of one moment; then one transaction writes
whatever follows, locked on what was read. Actions on other tables are part of it, untouched, and their refusals come
back in their places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfade.core.effects import Call, Reply, Request, Routine, Stamp
from crossfade.core.evaluate.plain_table import Evaluated, Prepared, prepare
from crossfade.core.items import Item
from crossfade.core.multi.actions import Action
from crossfade.core.multi.idempotency import already_done, busy, recorded, was_done, with_record
from crossfade.core.request.cancellation import NO_REASON, cancellation, never, reason_of, reasons_of
from crossfade.core.request.capacity import accounting_asked, capacity_asked, consumed_by_table
from crossfade.core.request.error_codes import RACED_REASONS, SINGLE_CODE_OF
from crossfade.core.request.limits import transaction_explained, write_explained
from crossfade.core.request.names import TRANSACTION_ACTIONS_MAX
from crossfade.core.stages import Row, Side, Writes
from crossfade.core.sync.retry import LOCKING, item_too_busy
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.tables.actions import as_action
from crossfade.core.tables.guards import with_guard
from crossfade.core.tables.index_keys import as_of_update, is_of_form
from crossfade.core.tables.pair import Image, Pair, key_name
from crossfade.core.tables.stamps import ABSENT, Stored
from crossfade.core.write.copy_on_write import Held, moves_of
from crossfade.core.write.fitting import said_of_index_keys
from crossfade.core.write.lockstep import deciding_action
from crossfade.core.write.optimistic import decided_on, lock, locked_action
from crossfade.errors import NotPossibleInStage, ServiceRejected, UnknownOutcome


def transact_evaluated(pair: Pair, row: Row, request: Request, actions: Sequence[Action]) -> Routine[Reply]:
    """Read our items in one transaction, evaluate, write in one; again when somebody was quicker."""
    check_transaction(request, actions)
    if row.writes is Writes.LOCKSTEP:  # each of these is two, whatever the tables hold: told before anything is read
        doubled = sum(action.operation in ("PutItem", "UpdateItem") for action in actions)
        refuse_too_many(len(request["TransactItems"]), doubled)
    if "ClientRequestToken" in request and (yield from was_done(pair, request)):
        return {}
    prepared = [prepare(action.operation, action.request, pair.callers_names) for action in actions]
    replies: list[Reply] = []
    for pause in LOCKING.pauses():
        held = yield from snapshot(pair, row, actions, replies, capacity_asked(request))
        absent = [
            action.key for action, here in zip(actions, held, strict=True) if is_missed(action, here[row.authority])
        ]
        yield from look_later(pair, row, absent, written=True)
        images = [image_of(pair, row, here, action) for here, action in zip(held, actions, strict=True)]
        results = [evaluated(one, image) for one, image in zip(prepared, images, strict=True)]
        refused = {
            action.place: result
            for action, result in zip(actions, results, strict=True)
            if isinstance(result, ServiceRejected)
        }
        if refused and "ClientRequestToken" in request and (yield from was_done(pair, request)):
            return {}  # since we asked: what was read is what this very transaction has written
        if refused:
            refused |= yield from refused_by_indexes(pair, row, actions, results)
            return (yield from refused_with_others(pair, request, actions, refused))
        plan = ActionPlan(list(request["TransactItems"]), [], [])
        for action, one, here, result in zip(actions, prepared, held, results, strict=True):
            if isinstance(result, ServiceRejected):
                raise AssertionError("refusals have been dealt with")
            yield from plan_action(pair, row, plan, Decided(action, one, here, result))
        refuse_too_many(len(plan.items), len(plan.more))
        reply = yield from attempted(pair, request, plan, actions, replies)
        if reply is not None:
            return reply
        yield from pause
    raise item_too_busy()


def refuse_too_many(count: int, more: int) -> None:
    """Raises NotPossibleInStage where the caller's actions and those on the other side are more than a transaction may
    have."""
    if count + more > TRANSACTION_ACTIONS_MAX:
        raise NotPossibleInStage(
            f"a transaction of {count} actions needs {count + more} while both tables are used, and DynamoDB takes"
            f" {TRANSACTION_ACTIONS_MAX}; nothing was written",
            next_step="make it two transactions, or wait until the target alone is written",
        )


def is_missed(action: Action, held: Stored) -> bool:
    """Whether something is decided upon an absence. A delete takes both sides, and so does not mind."""
    decides = action.operation != "PutItem" or "ConditionExpression" in action.request
    return held.item is None and decides and action.operation != "DeleteItem"


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """`items`: one action in the place of each of the caller's; `more`: those on the other side, and `owners` the
    places of those that they belong to."""

    items: list[Request]
    more: list[Request]
    owners: list[int]

    def add(self, place: int, request: Request) -> None:
        self.more.append(request)
        self.owners.append(place)


@dataclass(frozen=True, slots=True)
class Decided:
    action: Action
    prepared: Prepared
    held: dict[Side, Stored]
    result: Evaluated


def check_transaction(request: Request, actions: Sequence[Action]) -> None:
    if len({key_name(action.key) for action in actions}) < len(actions):
        raise ServiceRejected(
            "ValidationException", "Transaction request cannot include multiple operations on one item"
        )
    if not 1 <= len(request["TransactItems"]) <= TRANSACTION_ACTIONS_MAX:
        raise ServiceRejected(
            "ValidationException", f"Member must have length less than or equal to {TRANSACTION_ACTIONS_MAX}"
        )


def snapshot(
    pair: Pair, row: Row, actions: Sequence[Action], replies: list[Reply], counted: Request
) -> Routine[list[dict[Side, Stored]]]:
    """What is held under our keys, all at one moment; in lockstep on the target too, for its stamps."""
    side = row.authority
    both = row.merges or (row.writes is Writes.LOCKSTEP and side == "source")
    both = both or (
        row.writes is Writes.DELETING and bool(pair.mapping.target_key_extras)
    )  # whose item it is that is there
    sides: tuple[Side, ...] = ("target", "source") if both else (side,)
    gets: list[tuple[int, Side]] = [(n, one) for n in range(len(actions)) for one in sides]
    held: list[dict[Side, Stored]] = [{} for _ in actions]
    for start in range(0, len(gets), TRANSACTION_ACTIONS_MAX):
        some = gets[start : start + TRANSACTION_ACTIONS_MAX]
        items = [{"Get": {"TableName": pair.table(one).name, "Key": pair.key(one, actions[n].key)}} for n, one in some]
        reply = yield from patient_snapshot(side, {"TransactItems": items, **counted}, len(actions))
        replies.append(reply)
        for (n, one), answer in zip(some, reply["Responses"], strict=True):
            held[n][one] = pair.stored(one, answer.get("Item"))
    return held


def image_of(pair: Pair, row: Row, here: Mapping[Side, Stored], action: Action) -> Image:
    key = action.key
    if "source" in here:
        pair.check_whole_key("source", here["source"], key)
    if row.merges and here["target"].item is None:
        return pair.image_under("source", here["source"], key)
    return pair.image_under(row.authority, here[row.authority], key)


def patient_snapshot(side: Side, request: Request, actions: int) -> Routine[Reply]:
    """Raises NotPossibleInStage where the items of so many `actions` are too large together; ServiceRejected, telling
    why a read of ours was refused as of one operation, since the reasons of a transaction belong to the caller's own
    actions."""
    for pause in LOCKING.pauses():
        try:
            return (yield from Call(side, "TransactGetItems", request))
        except ServiceRejected as error:
            if (too_large := transaction_explained(error, actions)) is not None:
                raise too_large from None
            if not (reasons := reasons_of(error)):
                raise
            for reason in reasons:
                code: str = reason.get("Code", "None")
                if code not in RACED_REASONS:
                    raise ServiceRejected(SINGLE_CODE_OF.get(code, code), reason.get("Message", error.text)) from None
        yield from pause
    raise item_too_busy()


def evaluated(prepared: Prepared, image: Item | None) -> Evaluated | ServiceRejected:
    try:
        return prepared.on(image)
    except ServiceRejected as error:
        return error


def plan_action(pair: Pair, row: Row, plan: ActionPlan, decided: Decided) -> Routine[None]:
    """What one of the caller's actions becomes: on the side that decides, and in lockstep on the other."""
    action, result, held, side = decided.action, decided.result, decided.held, row.authority
    if row.merges or row.writes is Writes.DELETING:
        both = Held(held["target"], held["source"] if row.merges else ABSENT)
        moves = yield from moves_of(pair, row, decided.prepared, both, result, action.key)
        plan.items[action.place] = moves.target
        if moves.source is not None:
            plan.add(action.place, moves.source)
        return
    changes = action.operation != "ConditionCheck" and not (result.image is None and held[side].item is None)
    named = decided_on(pair, side, decided.prepared)
    if not changes:
        locking = pair.unchanged if row.writes is Writes.LOCKSTEP else pair.locked
        guard = locking(side, held[side], named)
        check: Request = {"TableName": pair.table(side).name, "Key": pair.key(side, action.key)}
        plan.items[action.place] = {"ConditionCheck": with_guard(check, guard)}
        return
    if row.writes is not Writes.LOCKSTEP:
        guard = pair.locked(side, held[side], named)
        plan.items[action.place] = yield from locked_action(
            pair, side, action.key, held[side], decided.prepared, result.image, guard
        )
        return
    target = as_action((yield from pair.put_or_delete("target", action.key, result.image, lock(pair, held["target"]))))
    if side == "target":
        plan.items[action.place] = target
        plan.add(action.place, as_action((yield from pair.put_or_delete("source", action.key, result.image))))
        return
    plan.items[action.place] = yield from deciding_action(pair, decided.prepared, held["source"], result, action.key)
    plan.add(action.place, target)


def refused_by_indexes(
    pair: Pair, row: Row, actions: Sequence[Action], results: Sequence[Evaluated | ServiceRejected]
) -> Routine[dict[int, ServiceRejected]]:
    """Beside an action that is refused, by their places those whose item an index does not take: of a put, whether its
    own condition holds or not. Raises ServiceRejected where the service looks at that before any condition."""
    refused: dict[int, ServiceRejected] = {}
    for action, result in zip(actions, results, strict=True):
        image = action.request["Item"] if action.operation == "PutItem" else None
        if image is None and isinstance(result, Evaluated) and action.operation == "UpdateItem":
            image = result.image
        said = None if image is None else (yield from said_of_index_keys(pair, row, image))
        if said is None:
            continue
        told = ServiceRejected("ValidationException", as_of_update(said) if action.operation == "UpdateItem" else said)
        if is_of_form(said):
            raise told
        refused[action.place] = told
    return refused


def refused_with_others(
    pair: Pair, request: Request, actions: Sequence[Action], refused: dict[int, ServiceRejected]
) -> Routine[Reply]:
    """Nothing is written, but what other tables would say belongs to the answer: they are asked, in a transaction that
    cannot succeed."""
    ours = {action.place for action in actions}
    items: list[Request] = request["TransactItems"]
    reasons: list[Reply] = [NO_REASON] * len(items)
    places = [place for place in range(len(items)) if place not in ours]
    if places:
        given: Item = actions[0].request.get("Key") or actions[0].request["Item"]
        refusing = never(pair.caller.name, {name: given[name] for name in pair.caller.key_names})
        asked: Request = {"TransactItems": [*(items[place] for place in places), refusing]}
        try:
            _ = yield from Call(pair.view, "TransactWriteItems", asked)
        except ServiceRejected as error:
            if not reasons_of(error):
                raise
            for place, reason in zip(places, reasons_of(error), strict=False):
                reasons[place] = reason
        else:
            raise AssertionError("a transaction whose condition contradicts itself has succeeded")
    for place, refusal in refused.items():
        reasons[place] = reason_of(refusal)
    raise cancellation(reasons)


def attempted(
    pair: Pair, request: Request, plan: ActionPlan, actions: Sequence[Action], replies: list[Reply]
) -> Routine[Reply | None]:
    """The answer, or None when one of our items was changed meanwhile: look again.

    After an unknown outcome the same token is sent again, which writes once.
    """
    items = [*plan.items, *plan.more]
    whole = (yield from with_record(pair, request, items)) or items
    token = yield from Stamp()
    asked: Request = {"TransactItems": whole, "ClientRequestToken": token, **accounting_asked(request)}
    unsure: UnknownOutcome | None = None
    for pause in LOCKING.pauses():
        try:
            reply = yield from Call("target", "TransactWriteItems", asked)
        except UnknownOutcome as unknown:
            unsure = unknown
        except ServiceRejected as refusal:
            if unsure is not None:
                raise unsure from refusal
            if len(whole) > len(items) and recorded(refusal, len(items)):
                return (yield from already_done(pair, request))
            if len(whole) > len(items) and (told := busy(refusal, len(items))) is not None:
                if told.code != "TransactionInProgressException":
                    raise told from None
                return None
            if (too_large := too_large_with_more(pair, request, plan, refusal)) is not None:
                raise too_large from None
            if refusal.code != "TransactionInProgressException":
                raise_unless_conflict(refusal, plan, actions)
                return None
        else:
            replies.append(reply)
            return answer_of(pair, request, replies, reply)
        yield from pause
    raise unsure or item_too_busy()


def too_large_with_more(
    pair: Pair, request: Request, plan: ActionPlan, error: ServiceRejected
) -> NotPossibleInStage | None:
    """The refusal of a transaction that is too large with what is added to it; None for any other."""
    told = write_explained(error, request, f"{pair.source.name} or {pair.target.name}")
    return transaction_explained(error, len(plan.items)) if told is not None and plan.more else told


def raise_unless_conflict(error: ServiceRejected, plan: ActionPlan, actions: Sequence[Action]) -> None:
    """Returns where the transaction is worth another look; raises what is the caller's to know."""
    reasons = reasons_of(error)
    if error.code != "TransactionCanceledException" or not reasons:
        raise error
    count = len(plan.items)
    ours = {action.place for action in actions} | set(range(count, count + len(plan.more)))
    if any(reason.get("Code", "None") in RACED_REASONS - {"None"} for n, reason in enumerate(reasons) if n in ours):
        return
    codes = {reason.get("Code", "None") for reason in reasons}
    if codes <= {"None", "TransactionConflict"}:
        return
    told = [dict(reason) for reason in reasons[:count]]
    for n, reason in enumerate(reasons[count : count + len(plan.more)]):
        if (
            reason.get("Code", "None") not in RACED_REASONS
        ):  # the other side takes less, such as a larger form over 400 KB
            told[plan.owners[n]] = dict(reason)
    raise cancellation(told)


def answer_of(pair: Pair, request: Request, replies: Sequence[Reply], last: Reply) -> Reply:
    answer: Reply = {**consumed_by_table(pair, replies)}
    metrics: dict[str, list[Reply]] = last.get("ItemCollectionMetrics") or {}
    ours = metrics.get(pair.caller.name)
    others = {name: told for name, told in metrics.items() if name not in (pair.source.name, pair.target.name)}
    if request.get("ReturnItemCollectionMetrics") == "SIZE" and metrics:
        answer["ItemCollectionMetrics"] = {**others, **({pair.caller.name: ours} if ours else {})}
    return answer
