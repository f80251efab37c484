"""A row log through Kafka into the target: rows a second, from commit to visible, memory, beside what people write.

    make bench-cdc        python -m benchmarks.cdc [--rows 60000] [--rounds 3] [--most 300000] [--seconds 30]

A real MariaDB and a real Kafka on this machine, one capture and some workers, each a process of its own; all of it, the
target too, keeps to two cores. The null target is an HTTP server that acknowledges each request without looking at it:
requests are made, signed, sent and answered as ever. Then the embedded engine in its place.

reader       the log's reader alone: the floor
end to end   a log that is there already, through capture, topic and workers, until the last item is acknowledged; a
             first round does not count, in which the broker's JVM compiles what it will run
topic        a topic that is there already, by as many processes: our workers, and a consumer as people write it
             (confluent-kafka, boto3's put_item, one message after the other); in turns A B A B, medians and ratios
latency      100 transactions of ten rows a second; from before the first row's statement is sent until its item is
             acknowledged, so a little more than from commit to visible
memory       of capture and workers, over --most rows, at a fifth of them and in the end; 2,000,000 is the full measure

Exit status 1 where a limit is missed: 10,000 rows/s end to end on the null target or the reader's own rate within 20 %,
1 s at the 99th percentile on both targets, memory that has grown by more than a tenth and 16 MiB.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import botocore.session
from benchmarks.cdc_measuring import Bench, Clients, end_to_end, fill_topic, latencies, reader_rate, topic_rate
from benchmarks.cdc_parts import TARGET
from benchmarks.measuring import machine
from benchmarks.null_server import running
from benchmarks.row_log import TABLE

from crossfade.cdc.mysql.source import Source
from crossfade.local import LocalEngine
from crossfade.local.kafka import KafkaServer
from crossfade.local.mariadb import MariaDbServer

CORES: Final = 2
RATE_MIN: Final = 10_000.0  # rows a second
OF_READER_MIN: Final = 0.8
P99_SECONDS_MAX: Final = 1.0
GROWTH_MAX: Final = 1.1
GROWTH_MIB: Final = 16.0
PLAIN_SHARE: Final = 8  # a plain consumer gets so much less to do than ours: its rate does not depend on it


class Verdicts:
    """Limits, and whether each was met."""

    def __init__(self) -> None:
        self.missed = 0

    def tell(self, what: str, met: bool) -> None:
        self.missed += not met
        print(f"    {what}: {'met' if met else 'MISSED'}", flush=True)


def tell_rates(bench: Bench, client: Clients, rows: int, rounds: int, verdicts: Verdicts) -> None:
    position = bench.fill_log(rows)
    reader = statistics.median(reader_rate(bench, position, rows) for _ in range(rounds))
    print(f"reader alone             {reader:9,.0f} rows/s")
    _, *runs = [end_to_end(bench, client, position, rows) for _ in range(1 + rounds)]
    rate = statistics.median(each.rate for each in runs)
    capture, workers, everything = (
        statistics.median(getattr(each, name) for each in runs) for name in ("capture_us", "workers_us", "all_us")
    )
    print(
        f"end to end, null target  {rate:9,.0f} rows/s  {min(each.rate for each in runs):,.0f} to"
        f" {max(each.rate for each in runs):,.0f}; CPU a row: capture {capture:.0f} us, workers {workers:.0f} us, with"
        f" all servers {everything:.0f} us: no more than {CORES * 1e6 / everything:,.0f} rows/s of {CORES} cores"
    )
    verdicts.tell(
        f"at least {RATE_MIN:,.0f} rows/s, or {OF_READER_MIN:.0%} of the reader's",
        rate >= min(RATE_MIN, OF_READER_MIN * reader),
    )
    topic = fill_topic(bench, position, rows)
    pairs = [
        (
            topic_rate(bench, "worker", topic, client, rows),
            topic_rate(bench, "plain", topic, client, rows // PLAIN_SHARE),
        )
        for _ in range(rounds)
    ]
    for place, name in enumerate(("topic, our workers", "topic, plain consumer")):
        rate = statistics.median(pair[place][0] for pair in pairs)
        cpu = statistics.median(pair[place][1] for pair in pairs)
        print(f"{name:24} {rate:9,.0f} rows/s  CPU a row: {cpu:.0f} us")
    ratios = [statistics.median(ours[each] / plain[each] for ours, plain in pairs) for each in (0, 1)]
    print(
        f"ours to plain            {ratios[0]:9.1f} times the rows/s, {1 / ratios[1]:.1f} times fewer CPU a row",
        flush=True,
    )


def tell_latency(bench: Bench, name: str, client: Clients, seconds: float, verdicts: Verdicts) -> None:
    found = latencies(bench, client, seconds)
    p50, p99 = (found[int(len(found) * share)] for share in (0.5, 0.99))
    print(f"latency, {name:15} p50 {p50 * 1000:6.0f} ms, p99 {p99 * 1000:6.0f} ms, longest {found[-1] * 1000:.0f} ms")
    verdicts.tell(f"p99 below {P99_SECONDS_MAX:.0f} s at 1,000 rows/s", p99 < P99_SECONDS_MAX)


def tell_memory(bench: Bench, client: Clients, rows: int, verdicts: Verdicts) -> None:
    found = end_to_end(bench, client, bench.fill_log(rows), rows)
    shown = ", ".join(f"{early:.0f} to {late:.0f}" for early, late in found.memory)
    print(f"memory over {rows:,} rows   {shown} MiB (capture, workers); {found.rate:,.0f} rows/s")
    flat = all(late <= early * GROWTH_MAX + GROWTH_MIB for early, late in found.memory)
    verdicts.tell(f"flat: within {GROWTH_MAX - 1:.0%} and {GROWTH_MIB:.0f} MiB", flat)


@contextmanager
def engine() -> Generator[Clients]:
    """The embedded engine, with the target."""
    with LocalEngine.start() as server:
        session: Any = botocore.session.Session()
        options = dict(server.client_options())
        client = session.create_client("dynamodb", **options)
        client.create_table(
            TableName=TARGET,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        yield options


@contextmanager
def null_target() -> Generator[Clients]:
    with running() as endpoint_url:
        yield {
            "endpoint_url": endpoint_url,
            "region_name": "eu-west-1",
            "aws_access_key_id": "AKIDEXAMPLE",
            "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--rows", type=int, default=60_000, help="for the rates")
    _ = parser.add_argument("--rounds", type=int, default=3)
    _ = parser.add_argument("--workers", type=int, default=2, help="processes")
    _ = parser.add_argument("--most", type=int, default=300_000, help="rows where memory is measured; 0: skip")
    _ = parser.add_argument("--seconds", type=float, default=30.0, help="for which latency is measured; 0: skip")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, cores)  # and all that is started from here
    print(f"{machine()}; on cores {cores}, {given.workers} workers; load average {os.getloadavg()[0]:.1f}", flush=True)
    verdicts = Verdicts()
    with MariaDbServer.start() as server, KafkaServer.start() as broker, null_target() as null:
        source = Source(server.host, server.port, server.user, server.password)
        bench = Bench(
            source, {"bootstrap.servers": broker.bootstrap_servers, "log_level": 0}, given.workers, count(7001)
        )
        with source.connect() as connection:
            for statement in ("CREATE DATABASE shop", TABLE):
                _ = connection.rows(statement)
        tell_rates(bench, null, given.rows, given.rounds, verdicts)
        if given.seconds:
            tell_latency(bench, "null target", null, given.seconds, verdicts)
        with engine() as real:
            position = bench.fill_log(given.rows)
            rate = end_to_end(bench, real, position, given.rows).rate
            print(f"end to end, engine       {rate:9,.0f} rows/s", flush=True)
            if given.seconds:
                tell_latency(bench, "engine", real, given.seconds, verdicts)
        if given.most:
            tell_memory(bench, null, given.most, verdicts)
    sys.exit(1 if verdicts.missed else 0)


if __name__ == "__main__":
    main()
