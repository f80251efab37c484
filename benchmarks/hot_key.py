"""One hot key written by many threads of one process: a plain table beside the two stages in lockstep.

    python -m benchmarks.hot_key [--threads 8] [--updates 25]

Each thread adds one to the same item, again and again, on the embedded engine. `queue`: the same, with a lock around
each call, so that the writers of one process take turns: the most that a queue per key within a process could bring.
The sum is looked at in the end, on both sides.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import botocore.session
from botocore.config import Config

from crossfade import Migration, Table
from crossfade.aws.own_calls import call
from crossfade.core.effects import Call, Request
from crossfade.core.routing import route
from crossfade.core.stages import Stage
from crossfade.core.tables.pair import Pair
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.local import LocalEngine
from crossfade.mapping import rename

STAGES: Final = (Stage.OFF, Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET)
KEY: Final = {"id": {"S": "hot"}}


class Run:
    """The two tables, new, and one driver for all threads."""

    def __init__(self, client: Any, tag: str) -> None:
        self._client = client
        source, target = (Table(f"{side}-{tag}", {"id": "S"}) for side in ("source", "target"))
        for table in (source, target):
            client.create_table(
                TableName=table.name,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            )
        compiled = Migration("hot", source, target, rename("n", "count")).compiled
        self._pair = Pair(source, target, compiled)
        self._driver = SyncDriver(self._call, lambda _name, _facts: None)
        self.conflicts = 0

    def _call(self, _place: str, operation: str, request: Request) -> Any:
        try:
            return call(self._client, operation, request)
        except Exception:
            self.conflicts += 1
            raise

    def add_one(self, stage: Stage) -> None:
        request: Request = {
            "TableName": self._pair.source.name,
            "Key": KEY,
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        routine = route(self._pair, stage, 0, "UpdateItem", request)
        if routine is None:
            _ = call(self._client, "UpdateItem", request)
        else:
            _ = self._driver.run(routine, Scope(Call("source", "UpdateItem", request)))

    def sums(self, stage: Stage) -> list[str]:
        """Of the tables that this stage writes."""
        wanted = [(self._pair.source, "n"), (self._pair.target, "count")][: 1 if stage is Stage.OFF else 2]
        found = [self._client.get_item(TableName=table.name, Key=KEY, ConsistentRead=True) for table, _ in wanted]
        return [reply["Item"][name]["N"] for reply, (_, name) in zip(found, wanted, strict=True)]


def measured(run: Run, stage: Stage, threads: int, updates: int, *, queue: bool) -> tuple[float, list[float]]:
    """Seconds in all, and of each update."""
    turn: contextlib.AbstractContextManager[Any] = threading.Lock() if queue else contextlib.nullcontext()
    begin = threading.Barrier(threads + 1)

    def write() -> list[float]:
        took: list[float] = []
        _ = begin.wait()
        for _ in range(updates):
            started = time.perf_counter()
            with turn:
                run.add_one(stage)
            took.append(time.perf_counter() - started)
        return took

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(write) for _ in range(threads)]
        _ = begin.wait()
        started = time.perf_counter()
        took = [seconds for future in futures for seconds in future.result()]
        return time.perf_counter() - started, took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--threads", type=int, default=8)
    _ = parser.add_argument("--updates", type=int, default=25, help="of each thread")
    given = parser.parse_args()
    say: Callable[[str], None] = print
    with LocalEngine.start() as server:
        session: Any = botocore.session.Session()
        config = Config(max_pool_connections=given.threads + 4, retries={"total_max_attempts": 1})
        client = session.create_client("dynamodb", config=config, **server.client_options())
        say(f"{given.threads} threads, {given.updates} updates each, one key")
        for stage in STAGES:
            for queue in (False, True):
                run = Run(client, f"{stage}-{queue}")
                run.add_one(stage)
                run.conflicts = 0
                seconds, took = measured(run, stage, given.threads, given.updates, queue=queue)
                count = given.threads * given.updates
                p99 = statistics.quantiles(took, n=100)[98]
                say(
                    f"{stage:16} {'queue' if queue else '     '} {count / seconds:8.1f}/s   median"
                    f" {statistics.median(took) * 1000:7.1f} ms   p99 {p99 * 1000:8.1f} ms   refused"
                    f" {run.conflicts / count:5.2f} an update"
                )
                if set(run.sums(stage)) != {str(count + 1)}:
                    raise SystemExit(f"{run.sums(stage)} was counted, and {count + 1} were added")


if __name__ == "__main__":
    main()
