"""One hot key: how many updates a second many writers of one counter get, plain and in the two stages in lockstep.

    python -m benchmarks.hot_key [--threads 16] [--processes 4] [--seconds 4] [--rounds 3]

Each thread adds one to the same item, again and again, on the embedded engine, whose answers are held back as long as
the service takes: 4 ms, a transaction 12. `turns`: the threads of a process share a driver, and so take turns, and are
written together; `alone`: each has one of its own, and they but refuse each other. Then the same number of threads in
several processes, which know nothing of each other. Rounds alternate; the medians are shown. Neither an update is lost
nor one counted twice: the sum is looked at in the end, on both sides.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import botocore.session
from benchmarks.measuring import machine
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


@dataclass(frozen=True, slots=True)
class Setting:
    """What one process is to do; the parent hands it over as JSON."""

    tag: str
    stage: Stage
    threads: int
    seconds: float
    request_ms: float
    transaction_ms: float
    alone: bool
    endpoint_url: str


@dataclass(frozen=True, slots=True)
class Measured:
    """`took`: seconds of each update; `refused`: requests that were, most of them since somebody was quicker."""

    took: list[float]
    refused: int
    failed: int


class Process:
    """The drivers of one process on the two tables."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._client = client_of(setting.endpoint_url, setting.threads + 4)
        self._pair = pair_of(setting.tag)
        self._shared = self._driver()
        self.refused = 0

    def _driver(self) -> SyncDriver:
        return SyncDriver(self._call, lambda _name, _facts: None)

    def _call(self, _place: str, operation: str, request: Request) -> Any:
        setting = self._setting
        milliseconds = setting.transaction_ms if operation == "TransactWriteItems" else setting.request_ms
        time.sleep(milliseconds / 1000)
        try:
            return call(self._client, operation, request)
        except Exception:
            self.refused += 1
            raise

    def add_one(self, driver: SyncDriver) -> None:
        request: Request = {
            "TableName": self._pair.source.name,
            "Key": KEY,
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        routine = route(self._pair, self._setting.stage, 0, "UpdateItem", request)
        if routine is None:
            _ = self._call("source", "UpdateItem", request)
        else:
            _ = driver.run(routine, Scope(Call("source", "UpdateItem", request)))

    def measure(self) -> Measured:
        begin, until = threading.Barrier(self._setting.threads), time.perf_counter() + self._setting.seconds
        failed = 0

        def write() -> list[float]:
            nonlocal failed
            driver = self._driver() if self._setting.alone else self._shared
            took: list[float] = []
            _ = begin.wait()
            while (started := time.perf_counter()) < until:
                try:
                    self.add_one(driver)
                except Exception:  # noqa: BLE001 - counted; the sum tells whether it was right to fail
                    failed += 1
                else:
                    took.append(time.perf_counter() - started)
            return took

        with ThreadPoolExecutor(self._setting.threads) as pool:
            futures = [pool.submit(write) for _ in range(self._setting.threads)]
            took = [seconds for future in futures for seconds in future.result()]
        return Measured(took, self.refused, failed)


def client_of(endpoint_url: str, connections: int) -> Any:
    session: Any = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    config = Config(max_pool_connections=connections, retries={"total_max_attempts": 1})
    return session.create_client("dynamodb", region_name="us-east-1", endpoint_url=endpoint_url, config=config)


def pair_of(tag: str) -> Pair:
    source, target = (Table(f"{side}-{tag}", {"id": "S"}) for side in ("source", "target"))
    return Pair(source, target, Migration("hot", source, target, rename("n", "count")).compiled)


def make_tables(client: Any, pair: Pair) -> None:
    for table in (pair.source, pair.target):
        client.create_table(
            TableName=table.name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )


def sums(client: Any, pair: Pair, stage: Stage) -> list[int]:
    """Of the tables that this stage writes."""
    wanted = [(pair.source, "n"), (pair.target, "count")][: 1 if stage is Stage.OFF else 2]
    found = [client.get_item(TableName=table.name, Key=KEY, ConsistentRead=True) for table, _ in wanted]
    return [int(reply["Item"][name]["N"]) for reply, (_, name) in zip(found, wanted, strict=True)]


def in_processes(setting: Setting, processes: int) -> list[Measured]:
    """The same in several processes, each by itself."""
    command = [sys.executable, "-m", "benchmarks.hot_key", "--one", json.dumps(asdict(setting))]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]  # noqa: S603
    return [Measured(**json.loads(process.communicate()[0])) for process in running]


def shown(found: list[Measured], seconds: float) -> tuple[float, float, float, float, int]:
    """Updates a second, the median and the 99th percentile in milliseconds, refusals an update; failures."""
    took = [each for one in found for each in one.took]
    p99 = statistics.quantiles(took, n=100)[98] * 1000
    refused = sum(one.refused for one in found) / len(took)
    return len(took) / seconds, statistics.median(took) * 1000, p99, refused, sum(one.failed for one in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--threads", type=int, default=16, help="in all")
    _ = parser.add_argument("--processes", type=int, default=4)
    _ = parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    _ = parser.add_argument("--rounds", type=int, default=3)
    _ = parser.add_argument("--request-ms", type=float, default=4.0)
    _ = parser.add_argument("--transaction-ms", type=float, default=12.0)
    _ = parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        told: dict[str, Any] = json.loads(given.one)
        setting = replace(Setting(**told), stage=Stage(told["stage"]))
        print(json.dumps(asdict(Process(setting).measure())))
        return
    latencies = f"{given.request_ms:g} ms a request, {given.transaction_ms:g} a transaction"
    print(f"{machine()}\n{given.threads} threads, {latencies}")
    ways = {"alone": 1, "turns": 1, f"{given.processes} processes": given.processes}
    results: dict[tuple[Stage, str], list[tuple[float, float, float, float, int]]] = {}
    with LocalEngine.start() as server:
        client = client_of(server.endpoint_url, 4)
        for number in range(given.rounds):
            for stage in STAGES:
                for way, processes in ways.items():
                    tag = f"{stage.value.replace('_', '-')}-{way.replace(' ', '-')}-{number}"
                    make_tables(client, pair_of(tag))
                    setting = Setting(
                        tag, stage, given.threads // processes, given.seconds, given.request_ms, given.transaction_ms,
                        way == "alone", server.endpoint_url,
                    )  # fmt: skip
                    found = [Process(setting).measure()] if processes == 1 else in_processes(setting, processes)
                    results.setdefault((stage, way), []).append(shown(found, given.seconds))
                    count = sum(len(each.took) for each in found)
                    if set(held := sums(client, pair_of(tag), stage)) != {count}:
                        raise SystemExit(f"{held} was counted, and {count} were added")
    for (stage, way), rounds in results.items():
        rate, median, p99, refused, failed = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"{stage:16} {way:12} {rate:7.1f}/s   median {median:7.1f} ms   p99 {p99:8.1f} ms   refused {refused:5.2f}"
            f" an update   failed {failed:g}"
        )


if __name__ == "__main__":
    main()
