"""The token that makes a caller's transaction happen once, however often it is sent.

DynamoDB remembers a token together with the very request it came with. Ours is another one in every stage, and is
evaluated anew, so the token is kept as an item of the control table, written in the same transaction: there if and only
if the transaction was carried out. Tokens that an SDK makes up for itself never come twice, and are not kept.

DynamoDB remembers for ten minutes; here it is an hour at least, until the control table's TTL takes the item away.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, cast

from crossfade.core.cancelling import reason_at, reasons_of
from crossfade.core.effects import Call, Reply, Request, Routine, Today
from crossfade.core.items import Item
from crossfade.core.pair import Pair
from crossfade.core.requests import TRANSACTION_ACTIONS_MAX
from crossfade.errors import Rejected

KEPT_SECONDS: Final = 3600


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
        "ConditionExpression": "attribute_not_exists(#record)",
        "ExpressionAttributeNames": {"#record": "record"},
    }
    return [*items, {"Put": put}]


def digest_of(request: Request) -> str:
    """The same for the same actions, in whatever form their numbers and sets are."""
    return sha256(repr(settled(request["TransactItems"])).encode()).hexdigest()


def settled(value: object) -> object:
    if isinstance(value, dict):
        return sorted((name, settled(inner)) for name, inner in cast("dict[str, object]", value).items())
    if isinstance(value, (list, tuple)):
        return [settled(inner) for inner in cast("Sequence[object]", value)]
    return value


def recorded(error: Rejected, place: int) -> bool:
    """Whether the transaction failed because its token is there already."""
    return reason_at(reasons_of(error), place).get("Code") == "ConditionalCheckFailed"


def busy(error: Rejected, place: int) -> Rejected | None:
    """What the caller is told where the token itself could not be kept: DynamoDB's words for a token that is in use at
    this moment, and for a table that is throttled."""
    reason = reason_at(reasons_of(error), place)
    code: str = reason.get("Code", "None")
    if code == "None" or recorded(error, place):
        return None
    if code == "TransactionConflict":
        return Rejected("TransactionInProgressException", "The transaction with the given request token is in progress")
    return Rejected("ThrottlingException", reason.get("Message", error.text))


def already_done(pair: Pair, request: Request) -> Routine[Reply]:
    """The answer to a transaction whose token is kept. Raises Rejected where it came with another transaction."""
    _ = yield from was_done(pair, request)
    return {}


def was_done(pair: Pair, request: Request) -> Routine[bool]:
    """Whether the caller's token is kept. Raises Rejected where it came with another transaction."""
    if pair.ledger is None:
        return False
    key = token_key(pair, request["ClientRequestToken"])
    reply = yield from Call("control", "GetItem", {"TableName": pair.ledger.table, "Key": key, "ConsistentRead": True})
    found: Item = reply.get("Item", {})
    if found and found["digest"]["S"] != digest_of(request):
        raise Rejected("IdempotentParameterMismatchException", "")
    return bool(found)
