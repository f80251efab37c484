"""The calls of an application, each written down item by item: what was asked, and what was told.

What an answer means for an item is the simulator's model's to say. A call on several items is, for each of them, a call
like any other: it takes effect at one moment between the call and the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final, cast

from botocore.exceptions import BotoCoreError, ClientError

from crossfade.core.items import Item
from crossfade.errors import ServiceRejected
from crossfade.sim.calls import GET, entry_key, entry_of, key_of, name_of, shown
from crossfade.sim.history import KeyName
from crossfade.sim.model import Action, Answer, answer_of, answer_of_refusal
from tests.histories.records import Nothing, Recorder, Told, Unknown

Reply = dict[str, Any]
Asked = Sequence[tuple[KeyName, Action]]

BUSY: Final = frozenset(  # nothing was written, and the same may succeed
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
        "ExpiredTokenException",
        "AccessDeniedException",
    }
)
PERHAPS: Final = frozenset(
    {"InternalServerError", "TransactionInProgressException", "ServiceUnavailableException", "503", "500"}
)
SENDS_MAX: Final = 3  # of a transaction with a token
SESSION: Final = "session-"  # with which the keys of items begin that expire
EXPIRES: Final = "expires"
NOT_SENT: Final = "nothing was sent"  # crossfade's words for a call that it held back for want of a lease
METHODS: Final = {
    "GetItem": "get_item",
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
}
PUTS: Final = frozenset({"put", "create", "replace"})
DELETES: Final = frozenset({"delete", "delete_if"})


@dataclass(slots=True)
class Calls:
    """One thread's calls through one client."""

    client: Any
    table: str
    recorder: Recorder
    _retries: int | None = 0  # of the last call

    def single(self, key: KeyName, action: Action) -> Told:
        operation, request = action.request(self.table, key)
        names = self.recorder.begin(operation, [(key, action)])
        told: Told
        try:
            reply: Reply = self._send(METHODS[operation], request)
            told = answer_of(action, reply)
        except Exception as error:  # noqa: BLE001 - whatever an application is told belongs to the history
            told = self._refusal(operation, action, error)
        self.recorder.end(names, [told], self._retries)
        return told

    def transact_write(self, asked: Asked) -> None:
        """`asked` has no ReturnValues: a transaction returns none."""
        names = self.recorder.begin("TransactWriteItems", asked)
        told: Sequence[Told]
        try:
            _ = self._send(
                "transact_write_items", {"TransactItems": [self._part(key, action) for key, action in asked]}
            )
            told = [("ok", None) for _ in asked]
        except Exception as error:  # noqa: BLE001 - as above
            told = self._cancelled("TransactWriteItems", asked, error)
        self.recorder.end(names, told, self._retries)

    def transact_with_token(self, asked: Asked, again: Callable[[], bool]) -> None:
        """A transaction that is sent until it is known to be done, and, if `again`, once more after that: with one
        token all of that is one transaction, which takes effect once."""
        names = self.recorder.begin("TransactWriteItems", asked)
        items = [self._part(key, action) for key, action in asked]
        token = names[0]
        told: Sequence[Told] = [Unknown("not sent") for _ in asked]
        was_unknown = False
        for _ in range(SENDS_MAX):
            try:
                _ = self._send("transact_write_items", {"TransactItems": items, "ClientRequestToken": token})
                told = [("ok", None) for _ in asked]
                break
            except Exception as error:  # noqa: BLE001 - as above
                told = self._cancelled("TransactWriteItems", asked, error)
            if not any(isinstance(each, Unknown) for each in told):
                break
            was_unknown = True
        known = told[0] == ("ok", None)
        if was_unknown and not known and not any(isinstance(each, tuple) and each[0] == "odd" for each in told):
            told = [Unknown("refused after an unknown outcome") for _ in asked]
        self.recorder.end(names, told, 0)  # whatever the SDK sent again had the same token
        if known and again():
            with suppress(ClientError, BotoCoreError):
                _ = self._send("transact_write_items", {"TransactItems": items, "ClientRequestToken": token})

    def session(self, seconds: float) -> None:
        """An item that expires, and that nobody looks at again: no part of the history."""
        name = f"{SESSION}{self.recorder.token()}"
        expires = {"N": str(int(time.time() + seconds))}
        item = {"pk": {"S": name}, "sk": {"S": "0"}, EXPIRES: expires}
        with suppress(ClientError, BotoCoreError):
            _ = self._send("put_item", {"TableName": self.table, "Item": item})

    def transact_get(self, keys: Sequence[KeyName]) -> None:
        asked = [(key, GET) for key in keys]
        names = self.recorder.begin("TransactGetItems", asked)
        told: Sequence[Told]
        try:
            gets = [{"Get": {"TableName": self.table, "Key": key_of(key)}} for key in keys]
            reply: Reply = self._send("transact_get_items", {"TransactItems": gets})
            told = [answer_of(GET, each) for each in reply["Responses"]]
        except Exception as error:  # noqa: BLE001 - as above
            told = self._cancelled("TransactGetItems", asked, error)
        self.recorder.end(names, told, self._retries)

    def batch_get(self, keys: Sequence[KeyName]) -> None:
        asked = [(key, GET) for key in keys]
        names = self.recorder.begin("BatchGetItem", asked)
        told: Sequence[Told]
        try:
            wanted = {"ConsistentRead": True, "Keys": [key_of(key) for key in keys]}
            reply: Reply = self._send("batch_get_item", {"RequestItems": {self.table: wanted}})
            left = {name_of(key) for key in reply["UnprocessedKeys"].get(self.table, {}).get("Keys", ())}
            found = shown(reply["Responses"].get(self.table, []))
            told = [Nothing("unprocessed") if key in left else found.pop(key, ("ok", None)) for key in keys]
            told = [("odd", f"items nobody asked for: {found}") for _ in keys] if found else told
        except Exception as error:  # noqa: BLE001 - as above
            told = [self._refusal("BatchGetItem", GET, error) for _ in keys]
        self.recorder.end(names, told, self._retries)

    def batch_write(self, asked: Asked) -> None:
        """`asked` are puts and deletes without a condition."""
        names = self.recorder.begin("BatchWriteItem", asked)
        told: Sequence[Told]
        try:
            requests = [entry_of(key, action) for key, action in asked]
            reply: Reply = self._send("batch_write_item", {"RequestItems": {self.table: requests}})
            left = {entry_key(each) for each in reply["UnprocessedItems"].get(self.table, ())}
            told = [Nothing("unprocessed") if key in left else ("ok", None) for key, _ in asked]
        except Exception as error:  # noqa: BLE001 - as above
            told = [self._refusal("BatchWriteItem", action, error) for _, action in asked]
        self.recorder.end(names, told, self._retries)

    def query(self, keys: Sequence[KeyName], random: Random) -> None:
        """All items of one partition, strongly consistent, page by page; a page is a read of each key it covers."""
        forward = random.random() < 0.5
        request: Reply = {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": keys[0][0]}},
            "ScanIndexForward": forward,
            **({"Limit": random.choice((1, 2, 3))} if random.random() < 0.5 else {}),
        }
        left = sorted(keys, reverse=not forward)
        while left:
            last = self._page("Query", "query", request, left)
            if last is None:
                return
            left = [key for key in left if (key[1] > last["sk"]["S"] if forward else key[1] < last["sk"]["S"])]
            request["ExclusiveStartKey"] = last

    def scan(self, keys: Sequence[KeyName]) -> None:
        """The whole table, strongly consistent, in one page."""
        _ = self._page("Scan", "scan", {"TableName": self.table, "ConsistentRead": True}, list(keys))

    def _page(self, operation: str, method: str, request: Reply, left: list[KeyName]) -> Item | None:
        """One page, which begins with the first of `left`; where it ended. A page's range is known only afterwards, so
        what was asked is written down for all and taken back for those beyond its end."""
        names = self.recorder.begin(operation, [(key, GET) for key in left])
        last: Item | None = None
        told: Sequence[Told]
        try:
            reply: Reply = self._send(method, request)
            last = reply.get("LastEvaluatedKey")
            found = shown([item for item in reply["Items"] if not item["pk"]["S"].startswith(SESSION)])
            covered = len(left) if last is None else left.index(name_of(last)) + 1
            told = [found.pop(key, ("ok", None)) for key in left[:covered]]
            told = [("odd", f"items out of the page's range: {found}") for _ in told] if found else told
            told = [*told, *(Nothing("beyond the page") for _ in left[covered:])]
        except Exception as error:  # noqa: BLE001 - as above
            told = [self._refusal(operation, GET, error) for _ in left]
        self.recorder.end(names, told, self._retries)
        return last

    def _send(self, method: str, request: Reply) -> Reply:
        """Make a call, and note how many attempts came before the one that it ended with."""
        self._retries = None
        try:
            reply: Reply = getattr(self.client, method)(**request)
        except ClientError as error:
            self._retries = retries_of(cast("Any", error).response)
            raise
        self._retries = retries_of(reply)
        return reply

    def _part(self, key: KeyName, action: Action) -> Reply:
        operation, request = action.request(self.table, key)
        return {operation.removesuffix("Item"): request}

    def _cancelled(self, operation: str, asked: Asked, error: Exception) -> Sequence[Told]:
        code = code_of(error) if isinstance(error, ClientError) else ""
        if not isinstance(error, ClientError) or code != "TransactionCanceledException":
            return [self._refusal(operation, action, error) for _, action in asked]
        reasons = cast("list[Reply]", cast("Any", error).response["CancellationReasons"])
        return [reason_told(action, reason) for (_, action), reason in zip(asked, reasons, strict=True)]

    def _refusal(self, operation: str, action: Action, error: Exception) -> Told:
        if isinstance(error, BotoCoreError):
            return Unknown(type(error).__name__)
        if not isinstance(error, ClientError):
            return "odd", f"{type(error).__name__}: {error}"
        code = code_of(error)
        if code in PERHAPS:
            return Nothing("no lease") if NOT_SENT in str(error) else Unknown(code)
        if code in BUSY:
            return Nothing(code)
        response: Reply = cast("Any", error).response
        answer = answer_of_refusal(action, ServiceRejected(code, response["Error"].get("Message", ""), response))
        return answer if answer is not None and known(operation, answer) else ("odd", f"{code}: {error}")


def known(operation: str, answer: Answer) -> bool:
    """Whether a call of this kind can be answered so at all."""
    return answer[0] != "invalid" or operation == "UpdateItem"


def retries_of(reply: Reply) -> int | None:
    """Return how many attempts were made before the last; None where nothing tells."""
    metadata: Reply = reply.get("ResponseMetadata") or {}
    return metadata.get("RetryAttempts")


def code_of(error: ClientError) -> str:
    response: Reply = cast("Any", error).response
    return str(response["Error"]["Code"])


def reason_told(action: Action, reason: Reply) -> Told:
    """What a cancelled transaction says about one of its items."""
    match reason["Code"]:
        case "None":
            return Nothing("cancelled by another item")
        case "ConditionalCheckFailed":
            refusal = ServiceRejected("ConditionalCheckFailedException", "", reason)
            answer = answer_of_refusal(action, refusal)
            return ("odd", str(reason)) if answer is None else answer
        case "ValidationError":
            return "invalid", None
        case "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded":
            return Nothing(reason["Code"])
        case _:
            return "odd", str(reason)
