"""What watching costs: CPU of an attached client with an observer beside an attached one without, on a null server.

    python -m benchmarks.observers [--rounds 30] [--calls 40] [--observer otel] [--stage dualwrite]

In turns, A B B A, as `benchmarks.router` does it, with all that follows a call: the events of its mirror or comparison,
and of crossfade's own requests. None may make a call dearer by more than 5 %, but for those of OpenTelemetry, of which
most is its SDK's: a value of a histogram takes it 8 microseconds and a span 30. `logging` is measured at its usual
level, `otel` and `otel-spans` with the SDK, every call sampled and nothing exported, `cloudwatch` with lines that
nobody reads.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from benchmarks.null_migration import BEHIND, EQUAL, migration, running
from benchmarks.router import BOTOCORES, WARM_CALLS, Bench, Case, Found, found_in, in_turn, machine

from crossfade.core.stages import Stage
from crossfade.observe import EventObserver

PERCENT_MAX: Final = 5.0
PERCENT_MAX_OF: Final = {"otel": 15.0, "otel-spans": 30.0}
CASES: Final = (
    Case(Stage.OFF, EQUAL, "GetItem", "CPU", BOTOCORES, PERCENT_MAX),
    Case(Stage.SHADOW, EQUAL, "GetItem", "CPU", BOTOCORES, PERCENT_MAX),
    Case(Stage.DUALWRITE, BEHIND, "PutItem", "CPU", BOTOCORES, PERCENT_MAX),
)


def logging_observer() -> EventObserver:
    from crossfade.observe.logs import LoggingObserver

    return LoggingObserver()


def prometheus_observer() -> EventObserver:
    import prometheus_client

    from crossfade.observe.prometheus import PrometheusObserver

    return PrometheusObserver(prometheus_client.CollectorRegistry())


def otel_observer(*, traces: bool = False) -> EventObserver:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    from crossfade.observe.otel import OtelObserver

    meters = MeterProvider(metric_readers=[InMemoryMetricReader()])
    return OtelObserver(meters, TracerProvider(), traces=traces)


def otel_spans_observer() -> EventObserver:
    return otel_observer(traces=True)


def cloudwatch_observer() -> EventObserver:
    from crossfade.observe.cloudwatch import CloudWatchObserver

    return CloudWatchObserver(lambda _: None)


OBSERVERS: Final[dict[str, Callable[[], EventObserver]]] = {
    "logging": logging_observer,
    "prometheus": prometheus_observer,
    "otel": otel_observer,
    "otel-spans": otel_spans_observer,
    "cloudwatch": cloudwatch_observer,
}


def watched(endpoint_url: str, case: Case, name: str, rounds: int, calls: int) -> Found:
    """Two migrations of the same tables: one client of each, and an observer on the second."""
    started = migration(case.target)
    blind = Bench(endpoint_url, case, started)
    seen = Bench(endpoint_url, case, replace(started, name=f"{started.name}-{name}"), OBSERVERS[name]())
    benches = {False: blind, True: seen}
    for bench in benches.values():
        bench.enter()
        _ = bench.cpu_us(attached=True, calls=WARM_CALLS)
    pairs = [in_turn(lambda is_seen: benches[is_seen].cpu_us(attached=True, calls=calls), n) for n in range(rounds)]
    for bench in benches.values():
        bench.settle()
        bench.close()
    return found_in(pairs, case.what)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--rounds", type=int, default=30)
    _ = parser.add_argument("--calls", type=int, default=40, help="in one block")
    _ = parser.add_argument("--observer", choices=list(OBSERVERS), help="this one alone")
    _ = parser.add_argument("--stage", type=Stage, choices=[case.stage for case in CASES], help="this one alone")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {cores[0]})
    print(machine(cores), flush=True)
    print(f"{'stage':10} {'operation':11} {'observer':11} {'without us':>10} {'with us':>9} {'more':>8}")
    missed = 0
    with running(cores[1] if len(cores) > 1 else None) as endpoint_url:
        for case in CASES:
            for name in OBSERVERS:
                if arguments.observer in (None, name) and arguments.stage in (None, case.stage):
                    found = watched(endpoint_url, case, name, arguments.rounds, arguments.calls)
                    met = found.percent <= PERCENT_MAX_OF.get(name, case.percent_max)
                    missed += not met
                    print(
                        f"{case.stage:10} {case.operation:11} {name:11} {found.plain_us:10.0f} {found.attached_us:9.0f}"
                        f" {found.percent:+7.1f}%  {'met' if met else 'MISSED'}",
                        flush=True,
                    )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
