"""What a client was told, in a form in which two answers that mean the same are equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from botocore.exceptions import ClientError

from crossfade.core.items import Item, canonical
from crossfade.core.mapping import STAMP
from tests.core.wording import without_preamble
from tests.stateful.requests import Call, on_table

METHODS = {
    "GetItem": "get_item",
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "Query": "query",
    "Scan": "scan",
    "BatchGetItem": "batch_get_item",
    "BatchWriteItem": "batch_write_item",
    "TransactGetItems": "transact_get_items",
    "TransactWriteItems": "transact_write_items",
}


def told(client: Any, call: Call, table: str) -> object:
    """The answer, or the error, of one call on the table of that name."""
    try:
        reply: dict[str, Any] = getattr(client, METHODS[call.operation])(**on_table(call.request, table))
    except ClientError as error:
        response: dict[str, Any] = cast("Any", error).response
        shown = meaning({name: response[name] for name in ("Item", "CancellationReasons") if name in response}, table)
        return response["Error"]["Code"], without_preamble(response["Error"]["Message"]), shown
    _ = reply.pop("ResponseMetadata", None)
    _ = reply.get("LastEvaluatedKey", {}).pop(STAMP, None)  # a cursor may say in whose order it was begun
    if not call.in_order:
        unordered(reply)
    return meaning(reply, table)


def unordered(reply: dict[str, Any]) -> None:
    """Sort the items where their order means nothing."""
    if "Items" in reply:
        reply["Items"].sort(key=place)
    for items in reply.get("Responses", {}).values():
        items.sort(key=place)


def place(item: dict[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


ITEMS = frozenset({"Item", "Attributes", "LastEvaluatedKey", "Key"})


def meaning(value: Any, table: str) -> Any:
    """Items by what they mean (1.50 is 1.5, sets have no order), and every table by the same name."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        return {
            ("?" if name == table else name): (
                without_preamble(str(inner))
                if name == "Message"
                else canonical(cast("Item", inner))
                if name in ITEMS and isinstance(inner, dict)
                else meaning(inner, table)
            )
            for name, inner in given.items()
        }
    if isinstance(value, list):
        return [canonical(each) if is_item(each) else meaning(each, table) for each in cast("Sequence[Any]", value)]
    return value


def is_item(value: Any) -> bool:
    return isinstance(value, dict) and "pk" in value
