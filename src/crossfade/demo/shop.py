"""The shop: code for the old table, as it was written before anybody thought of another.

It uses boto3's resource API, knows one table and one key, and nothing of any migration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from boto3.dynamodb.conditions import Attr
from boto3.dynamodb.conditions import Key as KeyCondition
from boto3.dynamodb.types import TypeDeserializer

from crossfade.demo.goods import Key, Raw, cents, document

Document = dict[str, Any]  # an item in Python's types, as the resource API gives it


@dataclass(frozen=True, slots=True)
class Shop:
    """`table` is a boto3 `Table`. Every method is one request, and raises what boto3 raises."""

    table: Any

    # --- reading

    def look_up(self, key: Key, *, strongly: bool) -> Document | None:
        reply = self.table.get_item(Key=_plain_key(key), ConsistentRead=strongly)
        return cast("Document | None", reply.get("Item"))

    def page(
        self, customer: str, *, after: Document | None, forward: bool, limit: int, first: str, open_only: bool
    ) -> tuple[list[Document], Document | None]:
        """A page of a customer's documents from `first` on (or down from it), and where the next page begins."""
        begin: Any = KeyCondition("document")
        of_customer: Any = KeyCondition("customer")
        status: Any = Attr("detail.status")
        within = begin.gte(first) if forward else begin.lte(first)
        request: dict[str, Any] = {
            "KeyConditionExpression": of_customer.eq(customer) & within,
            "Limit": limit,
            "ScanIndexForward": forward,
        }
        if open_only:
            request["FilterExpression"] = status.eq("open")
        if after is not None:
            request["ExclusiveStartKey"] = after
        reply = self.table.query(**request)
        return reply["Items"], reply.get("LastEvaluatedKey")

    # --- a cart: lines are appended and counted

    def append(self, key: Key, line: str) -> int:
        """The number of lines after it."""
        reply = self.table.update_item(
            Key=_plain_key(key),
            UpdateExpression="SET #lines = list_append(#lines, :line), detail.#status = :status ADD #count :one",
            ExpressionAttributeNames={"#lines": "lines", "#count": "count", "#status": "status"},
            ExpressionAttributeValues={":line": [line], ":status": f"after {line}", ":one": 1},
            ReturnValues="UPDATED_NEW",
        )
        return int(reply["Attributes"]["count"])

    # --- an invoice: revised only by who has seen the version before

    def revise(self, key: Key, seen_version: int, token: str) -> None:
        _ = self.table.update_item(
            Key=_plain_key(key),
            UpdateExpression="SET #version = :next, #last = :token, amount = :amount, detail.#status = :status",
            ConditionExpression="#version = :seen",
            ExpressionAttributeNames={"#version": "version", "#last": "last", "#status": "status"},
            ExpressionAttributeValues={
                ":next": seen_version + 1,
                ":seen": seen_version,
                ":token": token,
                ":amount": cents(token),
                ":status": "revised",
            },
        )

    # --- a hold: made once if not there, given up again

    def reserve(self, key: Key, token: str) -> None:
        _ = self.table.put_item(Item=_document(key, token), ConditionExpression="attribute_not_exists(document)")

    def release(self, key: Key, holder: str) -> None:
        """Given up only by who holds it."""
        last: Any = Attr("last")
        _ = self.table.delete_item(Key=_plain_key(key), ConditionExpression=last.eq(holder))

    def cancel(self, key: Key) -> None:
        _ = self.table.delete_item(Key=_plain_key(key))

    # --- a note: whoever comes last

    def replace(self, key: Key, token: str) -> None:
        _ = self.table.put_item(Item=_document(key, token))

    def correct(self, key: Key, token: str) -> None:
        _ = self.table.update_item(
            Key=_plain_key(key),
            UpdateExpression="SET #last = :token, amount = :amount REMOVE gift",
            ExpressionAttributeNames={"#last": "last"},
            ExpressionAttributeValues={":token": token, ":amount": cents(token)},
        )


def _plain_key(key: Key) -> Document:
    return {"customer": key.customer, "document": key.document}


def _document(key: Key, token: str) -> Document:
    """A whole new document, in Python's types."""
    types: Any = TypeDeserializer()
    read: Callable[[Raw], Any] = types.deserialize
    made = {name: read(value) for name, value in document(key, token).items() if name != "digest"}
    return made | {"digest": bytes((0, 1, 2, 255))}
