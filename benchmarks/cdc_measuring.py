"""What the row log's benchmark measures: one function a figure, each with processes of its own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.cdc_parts import SOURCE_TABLE
from benchmarks.cdc_running import Told, parts, seconds_of_all, wait_until
from benchmarks.row_log import ROWS_A_STATEMENT, row, write

from crossfade.cdc import kafka
from crossfade.cdc.changes import Change
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import LogReader, position_now
from crossfade.cdc.mysql.source import Source

PARTITIONS: Final = 8
PATIENCE_SECONDS: Final = 1_800.0
WARM_SECONDS: Final = 2.0  # of latency that does not count: the first connections are opened
TRANSACTIONS_A_SECOND: Final = 100
ROWS_A_TRANSACTION: Final = 10

Clients = dict[str, Any]  # keyword arguments of a client of the target


@dataclass
class Bench:
    """Servers that run, and numbers that were not used yet."""

    source: Source
    kafka: kafka.Settings
    workers: int
    server_ids: Iterator[int]
    first: int = 0

    def fill_log(self, rows: int) -> Position:
        """So many new rows in the log, behind the position."""
        position = position_now(self.source)
        with self.source.connect() as connection:
            write(connection, self.first, rows, ROWS_A_STATEMENT)
        self.first += rows
        return position

    def topic(self) -> str:
        name = f"bench-{uuid.uuid4().hex[:8]}"
        kafka.create_topics(self.kafka, [name, f"{name}-dead"], partitions=PARTITIONS)
        return name

    def capture(self, topic: str, position: Position, rows: int) -> tuple[str, Told]:
        source = self.source
        return "capture", {
            "source": {"host": source.host, "port": source.port, "user": source.user, "password": source.password},
            "kafka": self.kafka,
            "topic": topic,
            "position": str(position),
            "rows": rows,
            "server_id": next(self.server_ids),
        }

    def consumers(self, part: str, topic: str, client: Clients, *, timed: bool = False) -> list[tuple[str, Told]]:
        told = {
            "kafka": self.kafka,
            "group": f"{topic}-{uuid.uuid4().hex[:8]}",
            "topic": topic,
            "dead_letters": f"{topic}-dead",
            "client": client,
            "timed": timed,
        }
        return [(part, told)] * self.workers


def reader_rate(bench: Bench, position: Position, rows: int) -> float:
    """Rows a second of the reader alone, from its first row on."""
    reader = LogReader(bench.source, [SOURCE_TABLE], position, server_id=next(bench.server_ids))
    seen, begun = 0, 0.0
    for told in reader:
        if isinstance(told, Change):
            begun = begun or time.monotonic()
            seen += 1
            if seen == rows:
                break
    spent = time.monotonic() - begun
    reader.close()
    return rows / spent


@dataclass(frozen=True, slots=True)
class Found:
    """Of one run: rows a second, microseconds of processor time a row, and each process's memory."""

    rate: float
    capture_us: float
    workers_us: float
    all_us: float  # with the servers: the source, the broker and the target
    memory: tuple[tuple[float, float], ...]  # at a fifth, in the end


def end_to_end(bench: Bench, client: Clients, position: Position, rows: int) -> Found:
    topic = bench.topic()
    with parts(bench.capture(topic, position, rows), *bench.consumers("worker", topic, client)) as (capture, *workers):
        watched = [capture, *workers]
        wait_until(lambda: all(each.ready_at is not None for each in watched), watched, PATIENCE_SECONDS)
        begun, before = time.monotonic(), seconds_of_all()
        capture.begin()
        wait_until(lambda: sum(each.rows for each in workers) >= rows, watched, PATIENCE_SECONDS)
        spent, of_all = max(each.at for each in workers) - begun, seconds_of_all() - before
        of_capture, of_workers = capture.wait(), [each.end() for each in workers]
    _checked(of_workers, rows)
    return Found(
        rows / spent,
        of_capture["cpu_seconds_of_rows"] / rows * 1e6,
        sum(each["cpu_seconds_of_rows"] for each in of_workers) / rows * 1e6,
        of_all / rows * 1e6,
        tuple((each.resident(0.2), each.resident(1.0)) for each in watched),
    )


def _checked(of_workers: list[Told], rows: int) -> None:
    """Raises RuntimeError where less was written than there are rows."""
    written, aside = (sum(each[name] for each in of_workers) for name in ("written", "set_aside"))
    if written < rows or aside:
        raise RuntimeError(f"{written} of {rows} rows were written, {aside} set aside")


def fill_topic(bench: Bench, position: Position, rows: int) -> str:
    topic = bench.topic()
    with parts(bench.capture(topic, position, rows)) as [capture]:
        wait_until(lambda: capture.ready_at is not None, [capture], PATIENCE_SECONDS)
        capture.begin()
        _ = capture.wait()
    return topic


def topic_rate(bench: Bench, part: str, topic: str, client: Clients, rows: int) -> tuple[float, float]:
    """Rows a second from the first one's process on, and microseconds of processor time a row."""
    with parts(*bench.consumers(part, topic, client)) as workers:
        wait_until(lambda: sum(each.rows for each in workers) >= rows, workers, PATIENCE_SECONDS)
        begun = min(each.ready_at for each in workers if each.ready_at is not None)
        spent, done = max(each.at for each in workers) - begun, sum(each.rows for each in workers)
        cpu = sum(each.end()["cpu_seconds_of_rows"] for each in workers)
    return done / spent, cpu / done * 1e6


def latencies(bench: Bench, client: Clients, seconds: float) -> list[float]:
    """Of each row that was written in this time, behind a moment to warm up; sorted."""
    topic, position = bench.topic(), position_now(bench.source)
    rows = int((WARM_SECONDS + seconds) * TRANSACTIONS_A_SECOND) * ROWS_A_TRANSACTION
    wanted = bench.capture(topic, position, rows), *bench.consumers("worker", topic, client, timed=True)
    with parts(*wanted) as (capture, *workers):
        watched = [capture, *workers]
        wait_until(lambda: all(each.ready_at is not None for each in watched), watched, PATIENCE_SECONDS)
        capture.begin()
        counted_from = time.monotonic() + WARM_SECONDS
        write_evenly(bench, rows)
        wait_until(lambda: sum(each.rows for each in workers) >= rows, watched, PATIENCE_SECONDS)
        _ = capture.wait()
        found = [each.end()["latencies"] for each in workers]
    return sorted(seconds for each in found for written_at, seconds in each if written_at >= counted_from)


def write_evenly(bench: Bench, rows: int) -> None:
    """Transactions at even intervals, each row with the time at which its statement was sent."""
    begun = time.monotonic()
    with bench.source.connect() as connection:
        for number in range(rows // ROWS_A_TRANSACTION):
            time.sleep(max(0.0, begun + number / TRANSACTIONS_A_SECOND - time.monotonic()))
            now = f"{time.monotonic():.6f}"
            first = bench.first
            bench.first += ROWS_A_TRANSACTION
            values = ", ".join(row(each, note=now) for each in range(first, first + ROWS_A_TRANSACTION))
            _ = connection.rows(f"INSERT INTO {SOURCE_TABLE} VALUES {values}")  # noqa: S608  numbers of ours
