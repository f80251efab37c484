"""The token that makes a caller's transaction happen once, however often it is sent.

DynamoDB remembers a token together with the very request it came with. Ours is another one in every stage, and is
evaluated anew, so the token is kept as an item of the control table, written in the same transaction: there if and only
if the transaction was carried out. Tokens that an SDK makes up for itself never come twice, and are not kept.

DynamoDB remembers for ten minutes, and so do we, by the time in the item: the control table's TTL takes it away days
later, or never. After that the same token is that of another transaction.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, cast

from crossfade.core.effects import Call, Reply, Request, Routine, Today
from crossfade.core.items import Item
from crossfade.core.request.cancellation import reason_at, reasons_of
from crossfade.core.request.names import TRANSACTION_ACTIONS_MAX, plain_name
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected

KEPT_SECONDS: Final = 600
ANOTHER_TRANSACTION: Final = "The ClientRequestToken came with another transaction, less than ten minutes ago"


def token_key(pair: Pair, token: str) -> Item:
    if pair.ledger is None:
        raise AssertionError("tokens are kept where there is a control table")
    named = sha256(token.encode()).hexdigest()
    return {"migration": {"S": f"{pair.ledger.migration}#token#{named}"}, "record": {"S": "token"}}


def keeps_token(pair: Pair, request: Request) -> bool:
    """Whether a token is to be kept: one that the application chose. Also where one table alone is written, since the
    same transaction may be sent again in the next stage, as another request."""
    return pair.ledger is not None and "ClientRequestToken" in request


def with_record(pair: Pair, request: Request, items: Sequence[Request]) -> Routine[list[Request] | None]:
    """The actions with one more, which keeps the token; as they are, where there is none. None: there is no room."""
    token: str | None = request.get("ClientRequestToken")
    if token is None or pair.ledger is None:
        return list(items)
    if len(items) >= TRANSACTION_ACTIONS_MAX:
        return None
    today = yield from Today()
    put: Request = {
        "TableName": pair.ledger.table,
        "Item": {
            **token_key(pair, token),
            "digest": {"S": digest_of(request)},
            "expires": {"N": str(today + KEPT_SECONDS)},
        },
        "ConditionExpression": "attribute_not_exists(#record) OR #expires <= :today",
        "ExpressionAttributeNames": {"#record": "record", "#expires": "expires"},
        "ExpressionAttributeValues": {":today": {"N": str(today)}},
    }
    return [*items, {"Put": put}]


def digest_of(request: Request) -> str:
    """Digest the actions so that equal ones agree, whatever the order of sets and maps and the tables' naming."""
    actions: list[dict[str, Request]] = request["TransactItems"]
    named = [{kind: plainly_named(given) for kind, given in action.items()} for action in actions]
    return sha256(repr(settled(named)).encode()).hexdigest()


def plainly_named(given: Request) -> Request:
    """One action with its table by name, since an ARN names the same table."""
    return {**given, "TableName": plain_name(given["TableName"])} if "TableName" in given else given


def settled(value: object) -> object:
    if isinstance(value, dict):
        given = cast("dict[str, object]", value)
        if len(given) == 1:
            ((kind, content),) = given.items()
            if kind in ("SS", "NS", "BS") and isinstance(content, (list, tuple, set, frozenset)):
                return kind, sorted(map(repr, cast("Iterable[object]", content)))
        return sorted((name, settled(inner)) for name, inner in given.items())
    if isinstance(value, (list, tuple)):
        return [settled(inner) for inner in cast("Sequence[object]", value)]
    return value


def recorded(error: ServiceRejected, place: int) -> bool:
    """Whether the transaction failed because its token is there already."""
    return reason_at(reasons_of(error), place).get("Code") == "ConditionalCheckFailed"


def busy(error: ServiceRejected, place: int) -> ServiceRejected | None:
    """What the caller is told where the token itself could not be kept: DynamoDB's words for a token that is in use at
    this moment, and for a table that is throttled."""
    reason = reason_at(reasons_of(error), place)
    code: str = reason.get("Code", "None")
    if code == "None" or recorded(error, place):
        return None
    if code == "TransactionConflict":
        return ServiceRejected(
            "TransactionInProgressException", "The transaction with the given request token is in progress"
        )
    return ServiceRejected("ThrottlingException", reason.get("Message", error.text))


def already_done(pair: Pair, request: Request) -> Routine[Reply]:
    """The answer to a transaction whose token is kept. Raises ServiceRejected where another one came with it."""
    _ = yield from kept(pair, request)
    return {}


def was_done(pair: Pair, request: Request) -> Routine[bool]:
    """Whether the caller's token is kept still. Raises ServiceRejected where it came with another transaction."""
    if pair.ledger is None:
        return False
    today = yield from Today()
    return bool((yield from kept(pair, request, today)))


def kept(pair: Pair, request: Request, today: int = 0) -> Routine[Item]:
    """What is kept of the caller's token, unless it has expired by `today`. Raises ServiceRejected."""
    if pair.ledger is None:
        raise AssertionError("tokens are kept where there is a control table")
    key = token_key(pair, request["ClientRequestToken"])
    reply = yield from Call("control", "GetItem", {"TableName": pair.ledger.table, "Key": key, "ConsistentRead": True})
    found: Item = reply.get("Item", {})
    if not found or int(found["expires"]["N"]) <= today:
        return {}
    if found["digest"]["S"] != digest_of(request):
        raise ServiceRejected("IdempotentParameterMismatchException", ANOTHER_TRANSACTION)
    return found
