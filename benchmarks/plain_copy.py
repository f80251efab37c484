"""The script that people write with boto3 to copy a table: scan, map, put.

Neither checks what has changed since the scan, and neither can be resumed; `put_if_absent` at least overwrites nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from benchmarks import orders

BATCH: Final = 25


def mapped(item: Any) -> Any:
    """The mapping, by hand."""
    order = item["order"]["S"]
    hashed = hashlib.sha256(b"S" + len(order).to_bytes(4, "big") + order.encode()).digest()
    number = int.from_bytes(hashed[:4], "big") % orders.SUFFIXES
    detail = dict(item["detail"]["M"])
    status = detail.pop("status")
    customer = {"S": f"{item['customer']['S']}#{number}"}
    return {**item, "customer": customer, "detail": {"M": detail}, "status": status}


def pages(client: Any, items: int) -> Iterator[list[Any]]:
    """Pages of the source until there were `items` of them."""
    start: dict[str, Any] = {}
    while items > 0:
        reply = client.scan(TableName=orders.SOURCE, Limit=min(items, 1000), **start)
        yield reply["Items"]
        items -= len(reply["Items"])
        if "LastEvaluatedKey" not in reply:
            return
        start = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}


def put_if_absent(client: Any, items: int) -> None:
    for page in pages(client, items):
        for item in page:
            try:
                client.put_item(
                    TableName=orders.TARGET, Item=mapped(item), ConditionExpression="attribute_not_exists(customer)"
                )
            except client.exceptions.ConditionalCheckFailedException:
                continue


def batch(client: Any, items: int) -> None:
    for page in pages(client, items):
        for start in range(0, len(page), BATCH):
            left: Any = [{"PutRequest": {"Item": mapped(item)}} for item in page[start : start + BATCH]]
            while left:
                reply = client.batch_write_item(RequestItems={orders.TARGET: left})
                left = reply["UnprocessedItems"].get(orders.TARGET)
