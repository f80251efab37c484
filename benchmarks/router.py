"""What attaching costs: CPU time and latency of an attached boto3 client beside a plain one, on a null server.

    make bench-router
    python -m benchmarks.router [--rounds 60] [--calls 40] [--stage dualwrite]

Both clients live in one process and take turns in short blocks, A B B A; a ratio is the median over the rounds. CPU is
the process's user and system time in all its threads, so it holds what happens after the answer too: a block of the
attached client ends when its mirrors and comparisons have ended. Latency is measured with single calls in turn, a pause
after each, so that what one leaves for later is done before the next. Where there are two cores the server has one and
the client the other.

    off         nothing happens beside the call
    complete    the call goes to the target: other table, other key, a stamp
    shadow      a read is compared: one read of the target
    dualwrite   a write is mirrored to a target that does not have it: two reads, a conditional put, the check-read

CPU is measured twice: as `attach` does by itself, where botocore signs (what crossfade adds to a call), and with
`attach(..., fast_signing=True)`. `--signer` shows one of them alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import botocore.session
from benchmarks.null_migration import BEHIND, CONTROL, EQUAL, SOURCE, migration, running
from benchmarks.null_server import item

from crossfade import Router, attach
from crossfade.aws.own_calls import method_name
from crossfade.control.record_items import to_item
from crossfade.control.records import State
from crossfade.core.effects import Request
from crossfade.core.stages import DUAL_WRITE, Stage
from crossfade.migration import Migration
from crossfade.observe import Observer

PAUSE_SECONDS: Final = 0.05  # between two calls whose latency is measured
LOOK_SECONDS: Final = 0.005  # how often whether all is done; the looks count
PATIENCE_SECONDS: Final = 30.0
WARM_CALLS: Final = 200
AS_NOW: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Case:
    """One row: an operation in a stage, who signs it, and by how many per cent it may be dearer."""

    stage: Stage
    target: str
    operation: str
    what: str
    signer: str
    percent_max: float


BOTOCORES, FAST = "botocore", "fast"
ALL: Final = ("PutItem", "GetItem", "UpdateItem")


def both(stage: Stage, target: str, operations: Iterable[str], percent_max: float) -> Iterator[Case]:
    """CPU, signed in either way."""
    for operation in operations:
        yield Case(stage, target, operation, "CPU", BOTOCORES, percent_max)
        yield Case(stage, target, operation, "CPU", FAST, percent_max)


CASES: Final = (
    *both(Stage.OFF, EQUAL, ALL, 3.0),
    *both(Stage.COMPLETE, EQUAL, ALL, 3.0),
    *both(Stage.SHADOW, EQUAL, ["GetItem"], 25.0),
    *both(Stage.DUALWRITE, BEHIND, ["PutItem", "UpdateItem"], 60.0),
    Case(Stage.SHADOW, EQUAL, "GetItem", "latency", BOTOCORES, 5.0),
    Case(Stage.DUALWRITE, BEHIND, "PutItem", "latency", BOTOCORES, 5.0),
)


@dataclass(frozen=True, slots=True)
class Found:
    """Medians, in microseconds a call."""

    plain_us: float
    attached_us: float
    percent: float


def requests(operation: str) -> Iterator[Request]:
    """Each about another item, so that no mirror makes another one needless."""
    number = 0
    while True:
        number += 1
        key = {"pk": {"S": f"p{number % 97}"}, "sk": {"S": f"s{number:08d}"}}
        if operation == "PutItem":
            yield {"TableName": SOURCE, "Item": item(number)}
        elif operation == "GetItem":
            yield {"TableName": SOURCE, "Key": key}
        else:
            yield {
                "TableName": SOURCE,
                "Key": key,
                "UpdateExpression": "SET #n = :n",
                "ExpressionAttributeNames": {"#n": "n"},
                "ExpressionAttributeValues": {":n": {"N": str(number)}},
            }


class Bench:
    """A plain client and an attached one, in one stage."""

    def __init__(self, endpoint_url: str, case: Case, started: Migration, observer: Observer | None = None) -> None:
        self._case = case
        self._migration = started
        self._control = new_client(endpoint_url)
        self._state = first_state(self._migration)
        self._put_state()
        self._plain, self._attached = new_client(endpoint_url), new_client(endpoint_url)
        self.router: Router = attach(
            self._attached, self._migration, fast_signing=case.signer == FAST, observer=observer
        )
        self._requests = requests(case.operation)
        self._compared = 0

    def enter(self) -> None:
        for stage in DUAL_WRITE:
            if stage is not Stage.OFF:
                self._state = replace(self._state, stage=stage, epoch=self._state.epoch + 1)
                self._put_state()
                self._wait(lambda: self.router.agent.acknowledged == self._state.epoch)
            if stage is self._case.stage:
                return

    def cpu_us(self, *, attached: bool, calls: int) -> float:
        """A block of calls, with all that follows them."""
        method = self._method(attached=attached)
        chosen = [next(self._requests) for _ in range(calls)]
        used = time.process_time()
        for request in chosen:
            method(**request)
        if attached:
            self.drain(calls)
        return (time.process_time() - used) / calls * 1e6

    def latency_us(self, *, attached: bool) -> float:
        method, request = self._method(attached=attached), next(self._requests)
        began = time.perf_counter()
        method(**request)
        took = time.perf_counter() - began
        time.sleep(PAUSE_SECONDS)
        return took * 1e6

    def drain(self, calls: int) -> None:
        self._compared += calls if self._case.stage is Stage.SHADOW else 0
        self._wait(lambda: self.router.pending == 0 and self._comparisons() >= self._compared)

    def settle(self) -> None:
        """After calls that nobody has counted."""
        self._wait(lambda: self.router.pending == 0)
        seen = -1
        while seen != self._comparisons():
            seen = self._comparisons()
            time.sleep(0.05)
        self._compared = seen

    def close(self) -> None:
        if not self.router.detach():
            raise RuntimeError("the router could not be detached in time")
        lost = self.router.counts().get("mirror_lost", 0)
        if lost:
            raise RuntimeError(f"{lost} mirrors were lost")

    def _method(self, *, attached: bool) -> Callable[..., Any]:
        client = self._attached if attached else self._plain
        method: Callable[..., Any] = getattr(client, method_name(self._case.operation))
        return method

    def _comparisons(self) -> int:
        return self.router.counts().get("compare.matching", 0)

    def _put_state(self) -> None:
        self._control.put_item(TableName=CONTROL, Item=to_item(self._migration.name, self._state))

    def _wait(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"{self._case}: {self.router.counts()}")
            time.sleep(LOOK_SECONDS)


def new_client(endpoint_url: str) -> Any:
    session: Any = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    return session.create_client("dynamodb", region_name="eu-west-1", endpoint_url=endpoint_url)


def first_state(started: Migration) -> State:
    return State(
        stage=Stage.OFF,
        epoch=1,
        ramp_percent=0,
        strategy=started.strategy,
        source=started.source.name,
        target=started.target.name,
        fingerprint=started.compiled.fingerprint,
        unclean=0,
        journal_length=1,
        started_at=AS_NOW,
        changed_at=AS_NOW,
    )


def measured(bench: Bench, case: Case, rounds: int, calls: int) -> Found:
    bench.enter()
    for attached in (False, True):
        _ = bench.cpu_us(attached=attached, calls=WARM_CALLS)
    take: Callable[[bool], float]
    if case.what == "CPU":
        take = lambda attached: bench.cpu_us(attached=attached, calls=calls)  # noqa: E731
    else:
        take = lambda attached: bench.latency_us(attached=attached)  # noqa: E731
        rounds *= calls // 10
    pairs = [in_turn(take, n) for n in range(rounds)]
    bench.settle()
    bench.close()
    return found_in(pairs, case.what)


def found_in(pairs: Iterable[tuple[float, float]], what: str) -> Found:
    pairs = list(pairs)
    plain, attached = (statistics.median(column) for column in zip(*pairs, strict=True))
    # CPU by rounds, because the machine's pace changes from one to the next; latency by its own medians, as p50 is.
    ratio = statistics.median(b / a for a, b in pairs) if what == "CPU" else attached / plain
    return Found(plain, attached, (ratio - 1.0) * 100.0)


def in_turn(take: Callable[[bool], float], number: int) -> tuple[float, float]:
    """Plain and attached; the one that comes first changes from round to round."""
    if number % 2:
        attached = take(True)
        return take(False), attached
    plain = take(False)
    return plain, take(True)


def machine(cores: list[int]) -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else platform.machine()
    return (
        f"{name}, client on core {cores[0]}, server on core {cores[-1]}; Python {platform.python_version()},"
        f" botocore {botocore.__version__}; load average {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--rounds", type=int, default=60)
    _ = parser.add_argument("--calls", type=int, default=40, help="in one block")
    _ = parser.add_argument("--stage", type=Stage, choices=list(DUAL_WRITE), help="this one alone")
    _ = parser.add_argument("--signer", choices=(BOTOCORES, FAST), help="this one alone")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {cores[0]})
    print(machine(cores), flush=True)
    head = f"{'stage':10} {'operation':11} {'what':8} {'signer':8}"
    print(f"{head} {'plain us':>9} {'attached us':>12} {'more':>8} {'allowed':>8}")
    missed = 0
    with running(cores[1] if len(cores) > 1 else None) as endpoint_url:
        for case in CASES:
            if arguments.stage not in (None, case.stage) or arguments.signer not in (None, case.signer):
                continue
            bench = Bench(endpoint_url, case, migration(case.target))
            found = measured(bench, case, arguments.rounds, arguments.calls)
            met = found.percent <= case.percent_max
            missed += not met
            print(
                f"{case.stage:10} {case.operation:11} {case.what:8} {case.signer:8}"
                f" {found.plain_us:9.0f} {found.attached_us:12.0f}"
                f" {found.percent:+7.1f}% {case.percent_max:7.0f}%  {'met' if met else 'MISSED'}",
                flush=True,
            )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
