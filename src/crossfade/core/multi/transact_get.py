"""TransactGetItems in every stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossfade.core.effects import Forward, Later, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.multi.actions import Action, actions_of
from crossfade.core.request.cancellation import cancellation, reasons_of
from crossfade.core.request.capacity import consumed_by_table
from crossfade.core.request.names import TRANSACTION_ACTIONS_MAX
from crossfade.core.request.projection import projector_alone
from crossfade.core.stages import Row
from crossfade.core.sync.compare import shadow_compare
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.tables.stamps import reply_without_stamp
from crossfade.errors import NotPossibleInStage, ServiceRejected


def transact_get(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One TransactGetItems; after the answer, the comparison of our keys with the other side."""
    side = row.authority
    try:
        gets = actions_of(pair, request)
    except ServiceRejected:
        if side != pair.view or row.merges:
            raise
        return all_shown((yield from Forward()))  # the service words its own error
    if side == pair.view and not row.merges:
        reply = all_shown((yield from Forward()))
    else:
        reply = yield from transact_get_elsewhere(pair, row, request, gets)
    yield from look_later(pair, row, (get.key for get in gets if "Item" not in reply["Responses"][get.place]))
    if row.compare:
        for get in gets:
            yield from Later("compare", key_name(get.key), shadow_compare(pair, get.key))
    return reply


def all_shown(reply: Reply) -> Reply:
    return {**reply, "Responses": [reply_without_stamp(answer) for answer in reply["Responses"]]}


def transact_get_elsewhere(pair: Pair, row: Row, request: Request, gets: Sequence[Action]) -> Routine[Reply]:
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
        raise NotPossibleInStage(
            f"a transaction of {count} reads needs {len(items)} while items are in both tables, and DynamoDB takes"
            f" {TRANSACTION_ACTIONS_MAX}; nothing was read",
            next_step="make it two transactions, or wait until the stage is rampdown",
        )
    try:
        reply = yield from Forward({**request, "TransactItems": items})
    except ServiceRejected as error:
        raise cancelled_reads(error, gets, count) from None
    answers, behind = list(reply["Responses"])[:count], list(reply["Responses"])[count:]
    for n, get in enumerate(gets):
        image = pair.image_under(side, pair.stored(side, answers[get.place].get("Item")), get.key)
        if image is None and behind:
            image = pair.image_under("source", pair.stored("source", behind[n].get("Item")), get.key)
        answers[get.place] = {} if image is None else {"Item": wanted[get.place](image)}
    return {**reply, "Responses": answers, **consumed_by_table(pair, [reply])}


def cancelled_reads(error: ServiceRejected, gets: Sequence[Action], count: int) -> ServiceRejected:
    """The refusal with a reason for each of the caller's own `count` reads, whichever table it came from."""
    reasons = reasons_of(error)
    told = reasons[:count]
    for get, behind in zip(gets, reasons[count:], strict=False):
        if told[get.place].get("Code", "None") == "None":
            told[get.place] = behind
    return cancellation(told) if len(reasons) > count else error
