"""The old table, full: made and filled as fast as the embedded engine takes it. The new one, empty."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from crossfade.demo.goods import SEEDED, document, key_of
from crossfade.demo.wire import Wire

BATCH = 25  # BatchWriteItem's limit
THREADS = 3  # the database is the bottleneck: more of them only wait
CHUNK = 1_000  # documents between two reports of progress


def create_table(wire: Wire, name: str) -> None:
    """A table with the shop's key."""
    names = ("customer", "document")
    _ = wire.ask(
        "CreateTable",
        {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in names],
            "KeySchema": [
                {"AttributeName": n, "KeyType": kind} for n, kind in zip(names, ("HASH", "RANGE"), strict=True)
            ],
        },
    )


def fill(endpoint_url: str, table: str, items: int, progress: Callable[[int], object]) -> float:
    """Write documents 0 to `items` - 1; return the seconds it took. `progress` is told how many are there."""
    began = time.monotonic()
    done = 0

    def fill_chunk(numbers: list[int]) -> int:
        return _fill_chunk(endpoint_url, table, numbers)

    with ThreadPoolExecutor(THREADS) as pool:
        for count in pool.map(fill_chunk, _chunks(range(items), CHUNK)):
            done += count
            _ = progress(done)
    return time.monotonic() - began


def raw_rate(endpoint_url: str, table: str, items: int) -> float:
    """Items a second that the database takes in batches from nothing but a socket: what a backfill could reach."""
    return items / fill(endpoint_url, table, items, lambda _: None)


def _chunks(numbers: range, size: int) -> Iterator[list[int]]:
    remaining = iter(numbers)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _fill_chunk(endpoint_url: str, table: str, numbers: list[int]) -> int:
    wire = Wire(endpoint_url)
    try:
        for begin in range(0, len(numbers), BATCH):
            puts = [{"PutRequest": {"Item": document(key_of(n), SEEDED)}} for n in numbers[begin : begin + BATCH]]
            requests: dict[str, Any] = {table: puts}
            while requests:
                requests = wire.ask("BatchWriteItem", {"RequestItems": requests}).get("UnprocessedItems", {})
    finally:
        wire.close()
    return len(numbers)
