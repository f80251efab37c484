"""The words for what is wrong with a request: DynamoDB's own.

A request that is carried out here is also checked here, and what is wrong with it is DynamoDB's to say: it knows every
rule, and which it looks at first. So a request that we refuse is shown to the caller's own table, in a form that cannot
write: a read as it is, a write under a condition that nothing fulfils in place of its own. What it says is the answer.
Our own words stand where it finds nothing wrong, as in conditions (which are read here in its very words), and where
the table is gone.
"""

from __future__ import annotations

from typing import Any, Final

from crossfade.core.cancelling import NEVER, NO_REASON, cancellation, never, reasons_of
from crossfade.core.effects import Call, Effect, Forward, Gather, Reply, Request, Routine, relayed
from crossfade.core.items import Item
from crossfade.core.pair import Pair
from crossfade.core.requests import PLACEHOLDERS, READS, TRANSACTION_ACTIONS_MAX, used_by, uses_no_expression
from crossfade.errors import CrossfadeError, Refused, Rejected

SINGLE_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
LEGACY: Final = ("Expected", "ConditionalOperator", "AttributeUpdates")


def worded(pair: Pair, operation: str, request: Request, routine: Routine[Reply]) -> Routine[Reply]:
    """The routine; what it refuses before it has sent anything is in DynamoDB's words. Later, it is about an item."""
    sent = False

    def seen(effect: Effect[Any]) -> Effect[Any]:
        nonlocal sent
        sent = sent or isinstance(effect, (Call, Forward, Gather))
        return effect

    try:
        return (yield from relayed(routine, seen))
    except (Rejected, Refused) as refusal:
        asks = not sent and (operation in READS if isinstance(refusal, Refused) else is_about_form(refusal))
        said = (yield from theirs(pair, operation, request)) if asks else None
        raise said or refusal from None


def is_about_form(error: Rejected) -> bool:
    return error.code == "ValidationException"


def theirs(pair: Pair, operation: str, request: Request) -> Routine[Rejected | None]:
    """What the service says of the request, or None where it has nothing to say."""
    harmless = harmless_form(pair, operation, request)
    if harmless is None:
        return None
    try:
        _ = yield from Call(pair.view, operation, harmless)
    except Rejected as error:
        if error.code == "ValidationException" and "InvalidToken" not in error.text:
            return error
        told = reasons_of(error)[: len(request.get("TransactItems", ()))]
        # A condition that does not hold there is about an item, which that table need not have.
        reasons = [NO_REASON if reason.get("Code") == "ConditionalCheckFailed" else reason for reason in told]
        if any(reason.get("Code", "None") != "None" for reason in reasons):
            return cancellation(reasons)
    except CrossfadeError:  # the caller is answered all the same
        return None
    return None


def placeholders_alone(request: Request) -> bool:
    """Placeholders without any expression: with our condition there would be one."""
    return uses_no_expression(request) and any(name in request for name in PLACEHOLDERS)


def harmless_form(pair: Pair, operation: str, request: Request) -> Request | None:
    """The request in a form that changes nothing whatever happens; None where there is none."""
    if operation in READS:
        return request
    if operation in SINGLE_WRITES and not placeholders_alone(request):
        own = {name: value for name, value in request.items() if name not in (*LEGACY, *PLACEHOLDERS)}
        update: str = request.get("UpdateExpression", "")
        used = used_by(update, request)
        names = {**used.pop("ExpressionAttributeNames", {}), **NEVER["ExpressionAttributeNames"]}
        return {**own, **used, **NEVER, "ExpressionAttributeNames": names}
    if operation == "TransactWriteItems" and pair.ledger is not None:
        actions: list[Request] = request["TransactItems"]
        key: Item = {"migration": {"S": "never"}, "record": {"S": "never"}}
        if len(actions) < TRANSACTION_ACTIONS_MAX:
            return {**request, "TransactItems": [*actions, never(pair.ledger.table, key)]}
    return None
