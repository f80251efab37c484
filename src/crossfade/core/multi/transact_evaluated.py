"""A TransactWriteItems that is evaluated here: in lockstep, or where the stored form differs from the caller's.

Our items are read in one transaction, so that what is decided is true of one moment; then one transaction writes
whatever follows, locked on what was read. Actions on other tables are part of it, untouched, and their refusals come
back in their places.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from crossfade.core.effects import Call, Queued, Reply, Request, Routine, Stamp
from crossfade.core.evaluate.plain_table import Prepared, prepare
from crossfade.core.items import Item
from crossfade.core.multi.actions import MULTIPLE_OPERATIONS, Action, check_apart
from crossfade.core.multi.idempotency import already_done, busy, recorded, was_done, with_record
from crossfade.core.request.cancellation import NO_REASON, cancellation, never, reason_of, reasons_of
from crossfade.core.request.capacity import accounting_asked, capacity_asked, consumed_by_table
from crossfade.core.request.error_codes import RACED_REASONS
from crossfade.core.request.legacy import modern
from crossfade.core.request.limits import transaction_explained, write_explained
from crossfade.core.request.names import TRANSACTION_ACTIONS_MAX
from crossfade.core.stages import Row, Side, Writes
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.tables.index_keys import as_of_update, is_of_form
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.core.write.fitting import said_of_index_keys
from crossfade.core.write.moves import Decision, Held, Moves, image_of, moves_of
from crossfade.core.write.queued import in_turn, place_of
from crossfade.core.write.sending import raise_unless_raced, until_done, until_known
from crossfade.errors import NotPossibleInStage, ServiceRejected, UnknownOutcome, invalid_request


def transact_evaluated(pair: Pair, row: Row, request: Request, actions: Sequence[Action]) -> Routine[Reply]:
    """Read our items in one transaction, evaluate, write in one; again when somebody was quicker."""
    check_apart(pair, [action.key for action in actions], MULTIPLE_OPERATIONS)
    if not 1 <= len(request["TransactItems"]) <= TRANSACTION_ACTIONS_MAX:
        raise invalid_request(f"Member must have length less than or equal to {TRANSACTION_ACTIONS_MAX}")
    if row.writes is Writes.LOCKSTEP:  # each of these is two, whatever the tables hold: told before anything is read
        doubled = sum(action.operation in ("PutItem", "UpdateItem") for action in actions)
        refuse_too_many(len(request["TransactItems"]), doubled)
    if "ClientRequestToken" in request and (yield from was_done(pair, request)):
        return {}
    prepared = [prepared_action(pair, action) for action in actions]
    replies: list[Reply] = []

    def attempt() -> Routine[Reply | None]:
        held = yield from snapshot(pair, row, actions, replies, capacity_asked(request))
        looked_at = zip(actions, held, strict=True)
        absent = [action.key for action, here in looked_at if is_missed(action, here[row.authority])]
        yield from look_later(pair, row, absent, written=True)
        decided: list[Decision] = []
        refused: dict[int, ServiceRejected] = {}
        images = [image_of(pair, row, here, action.key) for here, action in zip(held, actions, strict=True)]
        for action, one, here, image in zip(actions, prepared, held, images, strict=True):
            try:
                done = one.on(image)
            except ServiceRejected as error:
                refused[action.place] = error
            else:
                changes = action.operation != "ConditionCheck" and not (done.image is None and image is None)
                decided.append(Decision(one, action.key, here, done, changes))
        if refused and "ClientRequestToken" in request and (yield from was_done(pair, request)):
            return {}  # since we asked: what was read is what this very transaction has written
        if refused:
            refused |= yield from refused_by_indexes(pair, row, actions, refused, decided)
            return (yield from refused_with_others(pair, request, actions, refused))
        plan = ActionPlan(list(request["TransactItems"]), [], [])
        for action, decision in zip(actions, decided, strict=True):
            moves = yield from moves_of(pair, row, decision, both=row.may_write_both(deletes=True))
            plan.add(action.place, moves, row.authority)
        refuse_too_many(len(plan.items), len(plan.more))
        return (yield from attempted(pair, request, plan, actions, replies))

    queue = [Queued(place) for place in sorted({place_of(pair, action.key) for action in actions})]
    return (yield from in_turn(queue, partial(until_done, attempt)))


def prepared_action(pair: Pair, action: Action) -> Prepared:
    return prepare(action.operation, modern(action.operation, action.request), pair.callers_names)


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

    def add(self, place: int, moves: Moves, side: Side) -> None:
        """Put the action of the side that decides into its place."""
        for one, action in moves.items():
            if one == side:
                self.items[place] = action
            else:
                self.more.append(action)
                self.owners.append(place)


def snapshot(
    pair: Pair, row: Row, actions: Sequence[Action], replies: list[Reply], counted: Request
) -> Routine[list[Held]]:
    """What is held under our keys, all at one moment; in lockstep on the target too, for its stamps."""
    side = row.authority
    looks = bool(pair.mapping.target_key_extras)  # at the source too, whose item it is that is there
    both = row.may_write_both(deletes=looks) and not (row.writes is Writes.LOCKSTEP and side == "target")
    sides: tuple[Side, ...] = ("target", "source") if both else (side,)
    gets: list[tuple[int, Side]] = [(n, one) for n in range(len(actions)) for one in sides]
    held: list[Held] = [{} for _ in actions]
    for start in range(0, len(gets), TRANSACTION_ACTIONS_MAX):
        some = gets[start : start + TRANSACTION_ACTIONS_MAX]
        items = [{"Get": {"TableName": pair.table(one).name, "Key": pair.key(one, actions[n].key)}} for n, one in some]
        asked: Request = {"TransactItems": items, **counted}
        reply = yield from until_done(partial(attempt_snapshot, side, asked, len(actions)))
        replies.append(reply)
        for (n, one), answer in zip(some, reply["Responses"], strict=True):
            held[n][one] = pair.stored(one, answer.get("Item"))
    return held


def attempt_snapshot(side: Side, request: Request, actions: int) -> Routine[Reply | None]:
    """Raises NotPossibleInStage where the items of so many `actions` are too large together; ServiceRejected, telling
    why a read of ours was refused as of one operation, since the reasons of a transaction belong to the caller's own
    actions."""
    try:
        return (yield from Call(side, "TransactGetItems", request))
    except ServiceRejected as error:
        if (too_large := transaction_explained(error, actions)) is not None:
            raise too_large from None
        if not reasons_of(error):
            raise
        raise_unless_raced(error)
        return None


def refused_by_indexes(
    pair: Pair, row: Row, actions: Sequence[Action], refused: Container[int], decided: Iterable[Decision]
) -> Routine[dict[int, ServiceRejected]]:
    """Beside an action that is refused, by their places those whose item an index does not take: of a put, whether its
    own condition holds or not. Raises ServiceRejected where the service looks at that before any condition."""
    found: dict[int, ServiceRejected] = {}
    results = iter(decided)
    for action in actions:
        result = None if action.place in refused else next(results).done.image
        image = action.request["Item"] if action.operation == "PutItem" else result
        if image is None or action.operation == "ConditionCheck":
            continue
        if (said := (yield from said_of_index_keys(pair, row, image))) is not None:
            told = as_of_update(said) if action.operation == "UpdateItem" else said
            found[action.place] = invalid_request(told)
            if is_of_form(said):
                raise found[action.place]
    return found


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
    """The answer, or None when one of our items was changed meanwhile: look again."""
    items = [*plan.items, *plan.more]
    whole = (yield from with_record(pair, request, items)) or items
    has_record = len(whole) > len(items)

    def looks_again(refusal: ServiceRejected, unsure: UnknownOutcome | None) -> bool:
        if unsure is not None:
            raise unsure from refusal
        if has_record and recorded(refusal, len(items)):
            raise refusal
        if has_record and (told := busy(refusal, len(items))) is not None:
            if told.code != "TransactionInProgressException":
                raise told
            return True
        if (too_large := too_large_with_more(pair, request, plan, refusal)) is not None:
            raise too_large
        if refusal.code == "TransactionInProgressException":
            return False
        raise_unless_conflict(refusal, plan, actions)
        return True

    token = yield from Stamp()
    asked: Request = {"TransactItems": whole, "ClientRequestToken": token, **accounting_asked(request)}
    try:
        reply = yield from until_known(asked, looks_again)
    except ServiceRejected as refusal:
        if has_record and recorded(refusal, len(items)):
            return (yield from already_done(pair, request))
        raise
    return None if reply is None else answer_of(pair, request, [*replies, reply], reply)


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
    codes: list[str] = [reason.get("Code", "None") for reason in reasons]
    ours = [*(action.place for action in actions), *range(count, count + len(plan.more))]
    if any(codes[n] in RACED_REASONS - {"None"} for n in ours if n < len(codes)):
        return
    if set(codes) <= {"None", "TransactionConflict"}:
        return
    told = list(reasons[:count])
    for owner, reason, code in zip(plan.owners, reasons[count:], codes[count:], strict=False):
        if code not in RACED_REASONS:  # the other side takes less, such as a larger form over 400 KB
            told[owner] = reason
    raise cancellation(told)


def answer_of(pair: Pair, request: Request, replies: Sequence[Reply], last: Reply) -> Reply:
    answer: Reply = {**consumed_by_table(pair, replies)}
    metrics: dict[str, list[Reply]] = last.get("ItemCollectionMetrics") or {}
    ours = metrics.get(pair.caller.name)
    others = {name: told for name, told in metrics.items() if name not in (pair.source.name, pair.target.name)}
    if request.get("ReturnItemCollectionMetrics") == "SIZE" and metrics:
        answer["ItemCollectionMetrics"] = {**others, **({pair.caller.name: ours} if ours else {})}
    return answer
