"""The words for what is wrong with a request: DynamoDB's own.

DynamoDB knows every rule, and which it looks at first. So a request that we refuse is shown to the caller's own table,
in a form that cannot write: a read as it is, a write under a condition that nothing fulfils in place of its own. What
it says is the answer. Our own words stand where it finds nothing wrong, and where the table is gone.
"""

from __future__ import annotations

from typing import Any, Final

from crossfade.core.effects import Call, Effect, Forward, Gather, Reply, Request, Routine, relayed
from crossfade.core.items import Item
from crossfade.core.request.cancellation import NEVER, NO_REASON, cancellation, never, reasons_of
from crossfade.core.request.cursor import opened, without_mark
from crossfade.core.request.names import (
    PLACEHOLDERS,
    READS,
    TRANSACTION_ACTIONS_MAX,
    mapping_in,
    plain_name,
    used_by,
    uses_no_expression,
)
from crossfade.core.tables.index_keys import as_of_update
from crossfade.core.tables.pair import Pair
from crossfade.errors import CrossfadeError, NotPossibleInStage, ServiceRejected

SINGLE_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
LEGACY_WRITE_PARAMETERS: Final = ("Expected", "ConditionalOperator", "AttributeUpdates")


def with_service_errors(pair: Pair, operation: str, request: Request, routine: Routine[Reply]) -> Routine[Reply]:
    """The routine; what it refuses before it has sent anything is in DynamoDB's words. Later, it is about an item."""
    sent = False

    def seen(effect: Effect[Any]) -> Effect[Any]:
        nonlocal sent
        asks_about_table = isinstance(effect, Call) and effect.operation == "DescribeTable"
        sent = sent or (isinstance(effect, (Call, Forward, Gather)) and not asks_about_table)
        return effect

    try:
        return (yield from relayed(routine, seen))
    except (ServiceRejected, NotPossibleInStage) as refusal:
        asks = not sent and (
            operation in READS if isinstance(refusal, NotPossibleInStage) else refusal.code == "ValidationException"
        )
        asks = asks or QUOTING in refusal.message  # of our form of an expression
        said = (yield from theirs(pair, operation, request, refusal)) if asks else None
        raise said or in_words_of(operation, request, refusal) from None


QUOTING: Final = "Syntax error; token"


def in_words_of(
    operation: str, request: Request, refusal: ServiceRejected | NotPossibleInStage
) -> ServiceRejected | NotPossibleInStage:
    """An update that was evaluated here is written as a put, and the service has other words for that one where an
    index does not take the item."""
    if not isinstance(refusal, ServiceRejected):
        return refusal
    if operation == "UpdateItem":
        text = as_of_update(refusal.text)
        return refusal if text == refusal.text else ServiceRejected(refusal.code, text)
    if operation != "TransactWriteItems":
        return refusal
    told = reasons_of(refusal)
    updates = ["Update" in action for action in request["TransactItems"]]
    if not told and not any("Put" in action for action in request["TransactItems"]):
        return ServiceRejected(refusal.code, as_of_update(refusal.text)) if all(updates) else refusal
    reasons = [
        {**reason, "Message": as_of_update(reason["Message"])} if update and "Message" in reason else reason
        for reason, update in zip(told, updates, strict=False)
    ]
    return cancellation([*reasons, *told[len(reasons) :]]) if reasons != told[: len(reasons)] else refusal


def theirs(pair: Pair, operation: str, request: Request, refusal: CrossfadeError) -> Routine[ServiceRejected | None]:
    """What the service says of a request that we refuse, or None where it has nothing to say."""
    condition_is_wrong = "Invalid ConditionExpression" in refusal.message
    harmless = harmless_form(pair, operation, request, condition_is_wrong=condition_is_wrong)
    if harmless is None:
        return None
    try:
        _ = yield from Call(pair.view, operation, harmless)
    except ServiceRejected as error:
        if error.code == "ValidationException" and "InvalidToken" not in error.text:
            return None if is_about_ours(error) else error
        told = reasons_of(error)[: len(request.get("TransactItems", ()))]
        # A condition that does not hold there is about an item, which that table need not have.
        reasons = [NO_REASON if reason.get("Code") == "ConditionalCheckFailed" else reason for reason in told]
        if any(reason.get("Code", "None") != "None" for reason in reasons):
            return cancellation(reasons)
    except CrossfadeError:  # the caller is answered all the same
        return None
    return None


def harmless_form(pair: Pair, operation: str, request: Request, *, condition_is_wrong: bool) -> Request | None:
    """The request in a form that changes nothing whatever happens; None where there is none. A condition that is not
    what is wrong stays in it, for the sake of its values."""
    if operation in READS:
        return without_mark(opened(request))
    if operation in SINGLE_WRITES and request.get("ConditionExpression") and not condition_is_wrong:
        return never_done(pair, operation, request)
    placeholders_alone = uses_no_expression(request) and any(name in request for name in PLACEHOLDERS)
    if operation in SINGLE_WRITES and not placeholders_alone:  # with our condition they would not be alone
        own = {name: value for name, value in request.items() if name not in (*LEGACY_WRITE_PARAMETERS, *PLACEHOLDERS)}
        update: str = request.get("UpdateExpression", "")
        used = used_by(update, request)
        names = {**used.pop("ExpressionAttributeNames", {}), **NEVER["ExpressionAttributeNames"]}
        return {**own, **used, **NEVER, "ExpressionAttributeNames": names}
    if operation == "BatchWriteItem":
        return never_done(pair, operation, request)
    if operation == "TransactWriteItems" and pair.ledger is not None:
        actions: list[Request] = request["TransactItems"]
        key: Item = {"migration": {"S": "never"}, "record": {"S": "never"}}
        if len(actions) < TRANSACTION_ACTIONS_MAX:
            return {**request, "TransactItems": [*actions, never(pair.ledger.table, key)]}
    return None


# Without placeholders: the request's own may be wrong.
NEVER_HOLDS: Final = "attribute_exists(xf_never) AND attribute_not_exists(xf_never)"
# What the service says of our own part of the request: then it has found nothing wrong with the caller's.
ABOUT_OUR_PART: Final = (
    "list of item keys contains duplicates",
    "multiple operations on one item",
    "expression and non-expression",
    "xf_never",
)


def is_about_ours(error: ServiceRejected) -> bool:
    return any(words in error.text for words in ABOUT_OUR_PART)


def never_done(pair: Pair, operation: str, request: Request) -> Request:
    """The request, wrong as it is, in a form that changes nothing whatever happens."""
    schema = pair.callers_schema
    key: Item = {name: {kind: b"0" if kind == "B" else "0"} for name, kind in schema}
    match operation:
        case "BatchWriteItem":
            parts = mapping_in(request.get("RequestItems"))
            deleted: Request = {"DeleteRequest": {"Key": key}}
            ours = {name: twice(part, deleted) for name, part in parts.items() if plain_name(name) == pair.caller.name}
            return {**request, "RequestItems": {**parts, **ours}} if parts else request
        case "TransactWriteItems":
            deletion: Request = {"Delete": {"TableName": pair.caller.name, "Key": key}}
            return {**request, "TransactItems": twice(request.get("TransactItems"), deletion)}
        case _:
            return under_no_condition(request)


def twice(entries: Any, entry: Request) -> Any:
    return [*entries, entry, entry] if isinstance(entries, list) else entries


def under_no_condition(request: Request) -> Request:
    own: Any = request.get("ConditionExpression")
    if own is not None and not isinstance(own, str):
        return request
    return {**request, "ConditionExpression": f"({own}) AND {NEVER_HOLDS}" if own else NEVER_HOLDS}
