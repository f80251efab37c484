"""The rate of the backfill, beside what the database takes from one machine by bulk writes alone.

    python -m benchmarks.backfill_rate --items 20000

Starts an embedded engine (or uses CROSSFADE_DYNAMODB_ENDPOINT), fills a table with 1 KB items, and measures, each in
processes or threads of this one machine:

raw       BatchWriteItem of ready-made items by as many threads, which read nothing and check nothing
backfill  Scan, mapping, BatchWriteItem, BatchGetItem, checkpoints, as `crossfade backfill` does it
verify    both directions

The ratio of the first two is what the check-read and the mapping cost.
"""

from __future__ import annotations

import argparse
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session

from crossfade import Migration, Table
from crossfade.aws.own_calls import call
from crossfade.backfill.result import BackfillOptions
from crossfade.backfill.run import run_backfill
from crossfade.control.coordinator import Coordinator
from crossfade.control.starting import StartPlan, start
from crossfade.control.store import Control
from crossfade.core.items import Item
from crossfade.core.stages import Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.jobs.connecting import job_config
from crossfade.jobs.session import here
from crossfade.local import LocalEngine
from crossfade.mapping import rename, suffix
from crossfade.verify.result import VerifyOptions
from crossfade.verify.run import run_verify

KEY: dict[str, Any] = {"customer": "S", "order": "S"}
NOTE_CHARACTERS = 900  # an item of about 1 KB
BATCH = 25


def item(number: int) -> Item:
    return {
        "customer": {"S": f"c{number % 1009}"},
        "order": {"S": f"o{number:09d}"},
        "total": {"N": str(number)},
        "note": {"S": "x" * NOTE_CHARACTERS},
    }


def create_table(client: Any, name: str) -> None:
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": kind} for n, kind in KEY.items()],
        KeySchema=[{"AttributeName": n, "KeyType": role} for n, role in zip(KEY, ("HASH", "RANGE"), strict=True)],
    )


def write_all(client: Any, table: str, items: int, workers: int) -> float:
    """Items a second."""

    def write(first: int) -> None:
        left: Any = [{"PutRequest": {"Item": item(n)}} for n in range(first, min(first + BATCH, items))]
        while left:
            left = client.batch_write_item(RequestItems={table: left}).get("UnprocessedItems", {}).get(table)

    started = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(write, range(0, items, BATCH)):  # raises what a thread raised
            pass
    return items / (time.monotonic() - started)


def begin(client: Any, migration: Migration) -> None:
    """The migration, in dualwrite."""
    driver = SyncDriver(lambda _, operation, request: call(client, operation, request), lambda _name, _facts: None)
    control = Control(migration.name, migration.control_table)
    plan = StartPlan("dual-write", migration.source.name, migration.target.name, migration.compiled.fingerprint)
    _ = driver.run(start(control, here(), plan), Scope())
    _ = driver.run(Coordinator(control, here()).walk(Stage.DUALWRITE), Scope())


def measure(client: Any, items: int, workers: int) -> dict[str, Any]:
    tag = uuid.uuid4().hex[:8]
    source, target, raw = f"orders-{tag}", f"orders-v2-{tag}", f"raw-{tag}"
    for table in (source, target, raw):
        create_table(client, table)
    pieces = [suffix("customer", count=16), rename("total", "amount")]
    migration = Migration(f"m-{tag}", Table(source, KEY), Table(target, KEY), pieces, control_table=f"control-{tag}")
    begin(client, migration)
    _ = write_all(client, source, items, workers)  # also warms up what measures
    raw_rate = write_all(client, raw, items, workers)
    clients: dict[Any, Any] = dict.fromkeys(("source", "target", "control"), client)
    backfill = run_backfill(migration, clients, BackfillOptions(workers=workers))
    verify = run_verify(migration, clients, VerifyOptions(workers=workers))
    if (backfill.status, verify.status) != ("complete", "clean"):
        raise RuntimeError(f"backfill {backfill.as_json()}, verify {verify.as_json()}")
    return {
        "items": items,
        "workers": workers,
        "raw_items_per_second": round(raw_rate),
        "backfill_items_per_second": round(backfill.items_per_second),
        "backfill_of_raw": round(backfill.items_per_second / raw_rate, 2),
        "verify_items_per_second": round((verify.source_items + verify.target_items) / verify.seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--items", type=int, default=20_000)
    _ = parser.add_argument("--workers", type=int, default=8)
    arguments = parser.parse_args()
    with LocalEngine.start() as server:
        session: Any = botocore.session.Session()
        config = job_config(arguments.workers)
        client = session.create_client("dynamodb", config=config, **server.client_options())
        print(json.dumps(measure(client, arguments.items, arguments.workers), indent=2))


if __name__ == "__main__":
    main()
