"""Marks that are sent round: each partition gets one, whatever their number, by as few rows as there are partitions."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from crossfade.cdc.bookkeeping import NO_MARK, Mark
from crossfade.cdc.etl.progress import PartitionProgress, Progress
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.running.rounds import Rounds, reached_by_all
from crossfade.local.mariadb import MariaDbServer


class Topics:
    """What a capture and a worker make of the table of marks, at once: by its rows' names into partitions."""

    def __init__(self, source: Source, schema: str, partitions: int) -> None:
        self.partitions = partitions
        self.rows = 0  # that the last round has written
        self._source = source
        self._schema = schema
        self._marks: dict[int, Mark] = {}

    def progress(self) -> Progress:
        with self._source.connect() as connection:
            marks = Watermarks(self._schema)
            marks.create(connection)
            found = connection.texts(f"SELECT name, mark FROM {marks.name}")  # noqa: S608
        newest = max((mark.split()[0] for _, mark in found), default="0", key=int)
        written = [(name, mark.split()) for name, mark in found if mark.split()[0] == newest]
        self.rows = len(written)
        for name, (number, at) in written:
            position = Position(Counting.MARKS, "", name, int(number))
            self._marks[zlib.crc32(name.encode()) % self.partitions] = Mark(str(position), float(at))
        told = (PartitionProgress("all", n, 1, 1, self._marks.get(n, NO_MARK)) for n in range(self.partitions))
        return Progress(tuple(told), 0.0)


@contextmanager
def rounds_of(mariadb: MariaDbServer, partitions: int) -> Generator[tuple[Rounds, Topics], None, None]:
    source = Source(mariadb.host, mariadb.port, mariadb.user, mariadb.password)
    schema = f"rounds_{partitions}"
    with source.connect() as connection:
        _ = connection.rows(f"CREATE DATABASE {schema}")
    topics = Topics(source, schema, partitions)
    migration = SimpleNamespace(name="shop", marks_schema=schema)
    pipeline: Any = SimpleNamespace(
        debezium=None, topic_names=("all",), migration=migration, progress=topics.progress, kafka={}
    )
    clock = iter(range(1_000_000))
    rounds = Rounds(pipeline, source, clock=lambda: float(next(clock)), wall=lambda: 7.5)
    yield rounds, topics
    rounds.close()


def settled(rounds: Rounds) -> Progress:
    """After so many looks that names have been added, and the ones needed are known."""
    for _ in range(30):
        _ = rounds.progress()
    return rounds.progress()


@pytest.mark.parametrize("partitions", [1, 12, 40])
def test_every_partition_gets_a_mark(mariadb: MariaDbServer, partitions: int) -> None:
    """Names are added until it does; then there are no more than one for each."""
    with rounds_of(mariadb, partitions) as (rounds, topics):
        first = rounds.send()
        found = settled(rounds)
        assert found.has_reached(first)
        last = rounds.send()
        assert rounds.has_reached(last)
        assert topics.rows == partitions
        assert not rounds.has_reached(Position(Counting.MARKS, offset=last.offset + 1_000_000))
        assert reached_by_all(found) is not None


def test_a_partition_that_is_added_gets_one_too(mariadb: MariaDbServer) -> None:
    """Until then nothing counts as applied."""
    with rounds_of(mariadb, 3) as (rounds, topics):
        for _ in range(10):
            _ = rounds.progress()
        topics.partitions = 9
        end = rounds.send()
        assert not rounds.has_reached(end)
        assert settled(rounds).has_reached(end)


def test_numbers_count_up_whoever_sends_them(mariadb: MariaDbServer) -> None:
    """Two processes at once, which need the rows for themselves in turns: no number twice, and nobody fails."""
    source = Source(mariadb.host, mariadb.port, mariadb.user, mariadb.password)
    marks = Watermarks("counted")
    numbers: list[int] = []
    with source.connect() as connection:
        _ = connection.rows("CREATE DATABASE counted")
        marks.create(connection)

    def count() -> None:
        with source.connect() as connection:
            for _ in range(50):
                numbers.append(marks.count(connection, ["shop #0", "shop #1"], 1.25))  # noqa: PERF401

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == 100
    with source.connect() as connection:
        found = connection.texts(f"SELECT mark FROM {marks.name}")  # noqa: S608
    assert found == [(f"{max(numbers)} 1.250",)] * 2


def test_numbers_do_not_begin_again(mariadb: MariaDbServer) -> None:
    """Where the table was dropped in between: what a worker keeps of a mark of before would be taken for a later."""
    source = Source(mariadb.host, mariadb.port, mariadb.user, mariadb.password)
    marks = Watermarks("dropped")
    with source.connect() as connection:
        _ = connection.rows("CREATE DATABASE dropped")
        marks.create(connection)
        _ = connection.rows("SET SESSION timestamp = 1000000000")
        before = marks.count(connection, ["shop #0"], 0.0)
        marks.drop(connection)
        marks.create(connection)
        _ = connection.rows("SET SESSION timestamp = 1000000001")
        assert marks.count(connection, ["shop #0"], 0.0) > before
        _ = connection.rows("SET SESSION timestamp = 900000000")  # nor where a clock is behind
        assert marks.count(connection, ["shop #0"], 0.0) > before
