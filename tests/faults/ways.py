"""What one request can come to: each way in which it fails, and whether it was carried out all the same.

The words and codes are the service's:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Final, Literal, TypeAlias

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from crossfade.core.request.names import WRITES
from tests.aws.faults import NO_HEADERS, Raw, Sent

SILENCE: Final = 598  # the status by which the detour says that there is no answer: the client then times out at once
ACCOUNT: Final = "arn:aws:dynamodb:us-east-1:123456789012:table/"

Body: TypeAlias = dict[str, Any]
Ending: TypeAlias = "tuple[int, Body] | Literal['reset']"


@dataclass(frozen=True, slots=True)
class Way:
    """`ending` gives an answer in place of the database's, or none; None where a request cannot come to that.

    `lasting`: so do all requests that follow."""

    name: str
    ending: Callable[[str, Body], Ending | None]  # of an operation and its request
    carried_out: bool = False
    lasting: bool = False

    @property
    def kind(self) -> str:
        """What a caller cannot tell one from another of."""
        return self.name.split()[0].rstrip(",")

    def is_for(self, operation: str, body: Body) -> bool:
        if self.carried_out and operation not in WRITES:
            return False  # of a read nobody can tell whether it was made
        return self.ending(operation, body) is not None


def error(status_code: int, code: str, text: str, **more: Any) -> tuple[int, Body]:
    return status_code, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": text, **more}


def server_error(_operation: str, _body: Body) -> Ending:
    return error(500, "InternalServerError", "Internal server error")


def reset(_operation: str, _body: Body) -> Ending:
    return "reset"


def silence(_operation: str, _body: Body) -> Ending:
    return SILENCE, {}


def throttled(_operation: str, _body: Body) -> Ending:
    text = "The level of configured provisioned throughput for the table was exceeded."
    return error(400, "ProvisionedThroughputExceededException", text)


def conflict(operation: str, _body: Body) -> Ending | None:
    """Of a single write with somebody's transaction."""
    if operation not in ("PutItem", "UpdateItem", "DeleteItem"):
        return None
    return error(400, "TransactionConflictException", "Transaction is ongoing for the item")


def denied(operation: str, body: Body) -> Ending:
    table = tables_of(body)[-1]
    text = f"User: arn:aws:iam::123456789012:user/x is not authorized to perform: dynamodb:{operation} on resource: "
    return error(400, "AccessDeniedException", f"{text}{ACCOUNT}{table}")


def cancelled(code: str, place: int) -> Callable[[str, Body], Ending | None]:
    """A transaction's end by one of its actions."""

    def ending(_operation: str, body: Body) -> Ending | None:
        reasons: list[Body] = [{"Code": "None"} for _ in body.get("TransactItems", ())]
        if not reasons or (place and len(reasons) == 1):
            return None
        reasons[place] = {"Code": code, "Message": f"{code}, for this item"}
        codes = ", ".join(reason["Code"] for reason in reasons)
        text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
        return error(400, "TransactionCanceledException", text, CancellationReasons=reasons)

    return ending


def in_progress(operation: str, _body: Body) -> Ending | None:
    """Another transaction with the same token."""
    if operation != "TransactWriteItems":
        return None
    return error(400, "TransactionInProgressException", "The transaction with the given request token is in progress")


def unprocessed(operation: str, body: Body) -> Ending | None:
    """What a batch comes to where the tables are busy: nothing of it is done, and nothing is refused."""
    if operation not in ("BatchWriteItem", "BatchGetItem"):
        return None
    left = "UnprocessedItems" if operation == "BatchWriteItem" else "UnprocessedKeys"
    return 200, {"Responses": {}, left: body["RequestItems"]}


def conflict_of_any(operation: str, body: Body) -> Ending | None:
    return conflict(operation, body) or cancelled("TransactionConflict", -1)(operation, body)


def tables_of(body: Body) -> list[str]:
    """The tables that a request names."""
    actions = [action for entry in body.get("TransactItems", ()) for action in entry.values()]
    named = [action["TableName"] for action in actions] + list(body.get("RequestItems", ()))
    return named or [str(body.get("TableName", ""))]


WAYS: Final = (
    Way("500 before", server_error),
    Way("500 after", server_error, carried_out=True),
    Way("reset before", reset),
    Way("reset after", reset, carried_out=True),
    Way("timeout before", silence),
    Way("timeout after", silence, carried_out=True),
    Way("throttle", throttled),
    Way("throttle first action", cancelled("ThrottlingError", 0)),
    Way("throttle last action", cancelled("ThrottlingError", -1)),
    Way("conflict", conflict),
    Way("conflict first action", cancelled("TransactionConflict", 0)),
    Way("conflict last action", cancelled("TransactionConflict", -1)),
    Way("conflict, in progress", in_progress),
    Way("throttle, unprocessed", unprocessed),
    Way("denied", denied),
)
LASTING: Final = (
    Way("500 for good", server_error, lasting=True),
    Way("throttle for good", throttled, lasting=True),
    Way("throttle for good, unprocessed", unprocessed, lasting=True),
    Way("conflict for good", conflict_of_any, lasting=True),
)
NAMED: Final = {way.name: way for way in (*WAYS, *LASTING)}
IN_PAIRS: Final = tuple(NAMED[name] for name in (
    "500 before", "reset after", "throttle", "throttle, unprocessed", "conflict", "conflict last action", "denied",
))  # fmt: skip
LEAVE_UNKNOWN: Final = frozenset({"500", "reset", "timeout"})  # whether a request was carried out; the others say so

Fate: TypeAlias = tuple[tuple[int, Way], ...]  # which requests of a call fail, counted from 1, and how


def named(fate: Fate) -> str:
    return " and ".join(f"request {n} {way.name}" for n, way in fate) or "undisturbed"


REQUESTS_MAX: Final = 1_200  # of one call: a batch of three, each tried 104 times with 3 requests, needs 936

MARK: Final = "X-Waited-For"  # on the requests that a caller waits for; those of the background go out without


def mark(request: Any, **_: Any) -> None:
    """To be called by the attached client before it sends."""
    request.headers[MARK] = "yes"


def instrument(client: Any) -> None:
    """Have what the caller waits for marked, and a request that the detour is silent about time out. The client itself
    waits as long as botocore does, so that a slow machine makes nothing fail."""
    client.meta.events.register("before-send.dynamodb", mark)
    session = client._endpoint.http_session
    send = session.send

    def heard(request: Any, response: Any) -> Any:
        if response.status_code == SILENCE:
            raise ReadTimeoutError(endpoint_url=request.url)
        return response

    async def send_async(request: Any) -> Any:
        return heard(request, await send(request))

    def send_sync(request: Any) -> Any:
        return heard(request, send(request))

    session.send = send_async if iscoroutinefunction(send) else send_sync


@dataclass
class Call:
    """One call of the caller's: a plan for tests.aws.faults.Detour, which counts what the caller waits for."""

    fate: Fate = ()
    requests: list[tuple[str, Body]] = field(default_factory=list[tuple[str, Body]])
    met: int = 0  # how many of its faults came to pass
    endless: bool = False  # it went on and on, until nothing failed any more
    _lasting: Way | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, sent: Sent) -> AWSResponse | None:
        if MARK not in sent.headers:
            return None
        with self._lock:
            self.requests.append((sent.operation, sent.body))
            way = dict(self.fate).get(len(self.requests)) or self._lasting
        if way is self._lasting and len(self.requests) > REQUESTS_MAX:
            self.endless = True
            return None
        if way is None or (ending := way.ending(sent.operation, sent.body)) is None:
            status_code, content = sent.carry_out()
            return AWSResponse(sent.url, status_code, NO_HEADERS, Raw(content))
        if way is not self._lasting:
            self.met += 1
        if way.lasting:
            self._lasting = way
        if way.carried_out:
            _ = sent.carry_out()
        if isinstance(ending, str):
            raise ConnectionResetError
        status_code, body = ending
        return AWSResponse(sent.url, status_code, NO_HEADERS, Raw(json.dumps(body).encode()))
