"""Why a transaction was cancelled, as DynamoDB tells it: one reason for each action, in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.errors import ServiceRejected

NO_REASON: Final[Reply] = {"Code": "None"}
NEVER: Final[Request] = {
    "ConditionExpression": "attribute_exists(#xf_never) AND attribute_not_exists(#xf_never)",
    "ExpressionAttributeNames": {"#xf_never": "xf_never"},
}


def never(table: str, key: Item) -> Request:
    """An action that makes its transaction fail, whatever the table holds."""
    return {"ConditionCheck": {"TableName": table, "Key": key, **NEVER}}


def reasons_of(error: ServiceRejected) -> list[Reply]:
    found: list[Reply] = error.response.get("CancellationReasons", [])
    return found


def reason_at(reasons: Sequence[Reply], place: int) -> Reply:
    """Return the reason of one action. Some servers give a single reason when one action is malformed."""
    return reasons[place] if place < len(reasons) else NO_REASON


def cancellation(reasons: Sequence[Reply]) -> ServiceRejected:
    codes = ", ".join(reason.get("Code", "None") for reason in reasons)
    text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return ServiceRejected(
        "TransactionCanceledException",
        text,
        {
            "Error": {"Code": "TransactionCanceledException", "Message": text},
            "Message": text,
            "CancellationReasons": list(reasons),
        },
    )


def reason_of(error: ServiceRejected) -> Reply:
    """The refusal of one action, as it is told among the reasons of its transaction."""
    if error.code == "ConditionalCheckFailedException":
        shown = {"Item": error.response["Item"]} if "Item" in error.response else {}
        return {"Code": "ConditionalCheckFailed", "Message": error.text, **shown}
    return {"Code": "ValidationError", "Message": error.text}
