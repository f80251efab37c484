"""The processes of the row log's benchmark, each `python -m benchmarks.cdc_parts PART JSON`: capture, worker, plain.

Each prints a line of JSON when it is ready, lines with what it has done as it goes, and one with what it used at its
end. A worker and a plain consumer end when their standard input does.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, cast

import boto3
import botocore.session
from benchmarks.measuring import cpu_seconds

from crossfade.aws.lean.client import BulkClient
from crossfade.cdc import kafka
from crossfade.cdc.applying import Destination
from crossfade.cdc.checkpoints import InMemory
from crossfade.cdc.etl import Settings, Worker, through
from crossfade.cdc.etl.reading import own
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.publishing import Capture, Publisher, Topics
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Rows
from crossfade.core.effects import Reply, Request
from crossfade.jobs.loop import run_on_own_loop
from crossfade.migration import Table

SOURCE_TABLE: Final = "shop.orders"
TARGET: Final = "orders"
TELL_SECONDS: Final = 0.05
KIB_MIB: Final = 1024

Told = dict[str, Any]


def order(row: Row) -> Told:
    """The item of a row: what a person writes, with a key of its own form."""
    return {
        "pk": f"customer#{row['customer']}",
        "sk": f"order#{row['id']:012d}",
        "amount": row["amount"],
        "price": row["price"],
        "placed_at": row["placed_at"],
        "state": row["state"],
        "note": row["note"],
        "version": row["version"],
    }


def mapping() -> Rows:
    rows = Rows(Table(TARGET, key={"pk": "S", "sk": "S"}))
    _ = rows.table(SOURCE_TABLE)(order)
    return rows


def say(**facts: Any) -> None:
    print(f"{json.dumps(facts)}\n", end="", flush=True)  # in one write: two threads say something


def used() -> Told:
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_MIB
    return {"cpu_seconds": cpu_seconds(), "rss_mib_highest": round(highest, 1)}


def resident_mib() -> float:
    """Of this process, now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  read many times
        return int(file.read().split()[1]) * resource.getpagesize() / KIB_MIB**2


def until_input_ends() -> Callable[[], bool]:
    ended = threading.Event()

    def wait() -> None:
        _ = sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended.is_set


# --- capture


def capture(told: Told) -> None:
    """So many rows of the log, from a position on, into the topic. It begins with a line of input."""
    rows: int = told["rows"]
    published: list[Publisher] = []

    def publisher(*given: Any) -> Publisher:
        published.append(Publisher(*given))
        return published[0]

    def tell() -> None:
        while True:
            time.sleep(TELL_SECONDS * 10)
            if published:
                say(rows=published[0].published.changes, rss_mib=resident_mib())

    say(ready=True)
    _ = sys.stdin.readline()
    threading.Thread(target=tell, daemon=True).start()
    begun, before = time.monotonic(), cpu_seconds()
    found = Capture(
        Source(**told["source"]),
        told["server_id"],
        Topics(told["topic"], (SOURCE_TABLE,)),
        told["kafka"],
        InMemory(),
        lambda: Position.of_text(told["position"]),
    ).run(lambda: published[0].published.changes >= rows, publisher)
    say(**used(), changes=found.changes, seconds=time.monotonic() - begun, cpu_seconds_of_rows=cpu_seconds() - before)


# --- our worker


class Timed:
    """A client that tells when an item's row was written, as its note says, and how long after it the answer came."""

    def __init__(self, client: BulkClient) -> None:
        self._client = client
        self.found: list[tuple[float, float]] = []

    async def call(self, operation: str, request: Request) -> Reply:
        reply = await self._client.call(operation, request)
        written_at = float(request["Item"]["note"]["S"])
        self.found.append((written_at, time.monotonic() - written_at))
        return reply


async def worker(told: Told) -> None:
    settings = Settings(told["kafka"], told["group"], (told["topic"],), told["dead_letters"])
    session: Any = botocore.session.Session()
    client = session.create_client("dynamodb", **told["client"])
    stop = until_input_ends()
    async with BulkClient.like(client) as bulk:
        timed = Timed(bulk)
        run = through(timed if told["timed"] else bulk)
        member = Worker(settings, Destination(mapping(), "parts"), run, own())
        working = asyncio.create_task(member.work(stop))
        while not working.done() and not member.partitions:
            await asyncio.sleep(TELL_SECONDS)
        say(ready=True)
        before = cpu_seconds()
        while not working.done():
            await asyncio.sleep(TELL_SECONDS)
            say(rows=member.counts.changes, at=time.monotonic(), rss_mib=resident_mib())
        counts = await working
        say(
            **used(),
            changes=counts.changes,
            written=counts.written,
            late=counts.late,
            set_aside=counts.set_aside,
            cpu_seconds_of_rows=cpu_seconds() - before,
            latencies=timed.found,
        )


# --- a consumer as people write it


def plain(told: Told) -> None:
    """Messages one by one, each put with boto3, offsets committed by the client itself: no order, no versions."""
    consumer: Any = kafka.library().Consumer(
        {**told["kafka"], "group.id": told["group"], "auto.offset.reset": "earliest"}
    )
    table = cast("Any", boto3).client("dynamodb", **told["client"])
    stop = until_input_ends()
    consumer.subscribe([told["topic"]])
    done, said_at = 0, 0.0
    message = None
    while message is None:
        message = consumer.poll(1.0)
    say(ready=True)
    before = cpu_seconds()
    while not stop():
        if message is not None:
            done += put(table, message.value())
        if time.monotonic() - said_at >= TELL_SECONDS:
            said_at = time.monotonic()
            say(rows=done, at=said_at, rss_mib=resident_mib())
        message = consumer.poll(0.1)
    say(**used(), changes=done, cpu_seconds_of_rows=cpu_seconds() - before)
    consumer.close()


def put(client: Any, message: bytes) -> int:
    """The message as an item, by hand; 0 where it is no row."""
    document = json.loads(message)
    if "marker" in document:
        return 0
    row = document["row"]
    client.put_item(
        TableName=TARGET,
        Item={
            "pk": {"S": f"customer#{row['customer']}"},
            "sk": {"S": f"order#{row['id']:012d}"},
            "amount": {"N": str(row["amount"])},
            "price": {"N": row["price"][1]},
            "placed_at": {"S": row["placed_at"][1]},
            "state": {"S": row["state"]},
            "note": {"S": row["note"]},
            "version": {"N": str(row["version"])},
        },
    )
    return 1


def main() -> None:
    part, told = sys.argv[1], json.loads(sys.argv[2])
    if part == "capture":
        run_on_own_loop(asyncio.to_thread(capture, told))  # as `crossfade replicate` does, and `crossfade etl`
    elif part == "worker":
        run_on_own_loop(worker(told))
    else:
        plain(told)


if __name__ == "__main__":
    main()
