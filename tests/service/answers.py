"""What the service answers when it refuses, in its own words and shapes.

The codes, members and texts are those of the API model that botocore ships (the shapes of errors, with their case:
`ThrottlingReasons` of most, `throttlingReasons` of ThrottlingException, `Message` of a cancelled transaction), of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html, and of
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors.
What no page words, an expired token among it, is as clients' logs show it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Body: TypeAlias = dict[str, Any]

JSON: Final = "application/x-amz-json-1.0"
OF_TABLES: Final = "com.amazonaws.dynamodb.v20120810#"
OF_ALL_SERVICES: Final = "com.amazon.coral.service#"

TABLE_EXCEEDED: Final = (
    "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API."
)
INDEX_EXCEEDED: Final = (
    "The level of configured provisioned throughput for one or more global secondary indexes of the table was "
    "exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with "
    "the UpdateTable API"
)
SCALING: Final = (
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or "
    "index so please try again shortly. If exceptions persist, check if you have a hot key: "
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
)
ACCOUNT_EXCEEDED: Final = (
    "Throughput exceeds the current throughput limit for your account. Please contact AWS Support at "
    "https://aws.amazon.com/support request a limit increase"
)
ONGOING: Final = "Transaction is ongoing for the item"
CANCELLED: Final = "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]"

ThrottlingCode: TypeAlias = Literal[
    "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"
]
LimitType: TypeAlias = Literal[
    "ProvisionedThroughputExceeded",
    "AccountLimitExceeded",
    "KeyRangeThroughputExceeded",
    "MaxOnDemandThroughputExceeded",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `code` names the error, and is empty for none."""

    status: int
    body: bytes
    content_type: str = JSON
    code: str = ""

    def json(self) -> Any:
        """Return what the body says."""
        return json.loads(self.body or b"{}")


def answered(body: Mapping[str, Any]) -> Answer:
    """Return an answer of a request that was carried out."""
    return Answer(200, dumped(body))


def dumped(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def refusal(
    code: str, text: str, *, status: int = 400, name: str = "message", prefix: str = OF_TABLES, **more: Any
) -> Answer:
    """Return an error; `name` is the member that holds the text, in the case that this error has."""
    return Answer(status, dumped({"__type": f"{prefix}{code}", name: text, **more}), code=code)


# --- who may


def expired_token() -> Answer:
    """Return what temporary credentials get when their time is over."""
    return refusal(
        "ExpiredTokenException", "The security token included in the request is expired", prefix=OF_ALL_SERVICES
    )


def access_denied(principal: str, action: str, resource: str, *, explicitly: bool) -> Answer:
    """Return the refusal of IAM: no statement allows the action, or one denies it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    why = (
        "with an explicit deny in an identity-based policy"
        if explicitly
        else (f"because no identity-based policy allows the {action} action")
    )
    text = f"User: {principal} is not authorized to perform: {action} on resource: {resource} {why}"
    return refusal("AccessDeniedException", text, name="Message", prefix=OF_ALL_SERVICES)


# --- how much


@dataclass(frozen=True, slots=True)
class Throttled:
    """Why something was throttled: `reason` is ResourceType + OperationType + LimitType, `resource` an ARN.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html
    """

    code: ThrottlingCode
    reason: str
    resource: str

    @property
    def text(self) -> str:
        if self.code == "RequestLimitExceeded":
            return ACCOUNT_EXCEEDED
        if self.code == "ThrottlingException":
            return SCALING
        return INDEX_EXCEEDED if self.reason.startswith("Index") else TABLE_EXCEEDED

    @property
    def entry(self) -> Body:
        return {"reason": self.reason, "resource": self.resource}

    def answer(self) -> Answer:
        """Return the error of a request of its own, or of a batch of which nothing could be done."""
        name = "throttlingReasons" if self.code == "ThrottlingException" else "ThrottlingReasons"
        more: dict[str, Any] = {name: [self.entry]}
        return refusal(self.code, self.text, **more)

    def cancels(self) -> Body:
        """Return the reason that a transaction gives for one of its actions."""
        provisioned = self.code == "ProvisionedThroughputExceededException"
        return {"Code": "ProvisionedThroughputExceeded" if provisioned else "ThrottlingError", "Message": self.text}


# --- transactions


def conflicting() -> Answer:
    """Return what a write of one item gets while a transaction is about the item."""
    return refusal("TransactionConflictException", ONGOING)


def conflict_reason() -> Body:
    return {"Code": "TransactionConflict", "Message": ONGOING}


def in_progress() -> Answer:
    """Return what a transaction gets while another one with its token is under way."""
    text = "The transaction with the given request token is already in progress."
    return refusal("TransactionInProgressException", text, name="Message")


def cancelled(reasons: Sequence[Body | None]) -> Answer:
    """Return the end of a transaction; None stands for an action that had no part in it."""
    whole = [reason or {"Code": "None"} for reason in reasons]
    text = CANCELLED.format(", ".join(str(reason["Code"]) for reason in whole))
    return refusal("TransactionCanceledException", text, name="Message", CancellationReasons=whole)


# --- what is wrong on the service's side


def failing(status: int, *, html: bool = False) -> Answer:
    """Return a server's error: the service's own, or the page of what stands before it."""
    if html:
        words = "Service Unavailable" if status == 503 else "Internal Server Error"
        page = f"<html><body><h1>Http/1.1 {words}</h1> </body></html>"
        return Answer(status, page.encode(), "text/html", str(status))
    if status == 503:
        text = "Service Unavailable. Please try again later."
        return refusal("ServiceUnavailableException", text, status=status, prefix=OF_ALL_SERVICES)
    return refusal("InternalServerError", "Internal server error", status=status)
