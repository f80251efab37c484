"""A snapshot in chunks beside the log: folded by version they are the table, whoever writes and whenever we die."""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections.abc import Iterator

import pytest

from crossfade.cdc.changes import Change, Value, Version
from crossfade.cdc.mysql.keyset import Key, prepare, rows_after
from crossfade.cdc.mysql.reader import Commit, Heartbeat, LogReader, position_now
from crossfade.cdc.mysql.schema import read_table
from crossfade.cdc.mysql.snapshot import Progress, Snapshot
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.cdc.mysql.watermarks import Watermarks
from tests.cdc.mysql.all_types import OF_MARIADB, TYPES
from tests.cdc.mysql.reading import select_all
from tests.cdc.mysql.writing import insert, writer

EVERY = os.environ.get("EVERY") == "1"
DEATHS = 8
KEYS = {
    "unsigned 64 bits": ["bu"],
    "signed": ["b"],
    "decimal": ["d18"],
    "float": ["f"],
    "double": ["g"],
    "date, some of them zero": ["da", "i"],
    "datetime": ["dt6"],
    "timestamp": ["ts6"],
    "time": ["ti5"],
    "enum by its numbers": ["e300", "y"],
    "set": ["se"],
    "bit": ["bit64"],
    "text with a collation that folds case": ["v1"],
    "text of four bytes a letter": ["v2"],
    "text by its bits": ["va"],
    "text in UTF-16": ["v3", "s"],
    "char": ["c1", "c5"],
    "binary with zeros": ["bi16"],
    "varbinary": ["vb"],
    "uuid": ["u"],
    "inet6": ["i6", "tu"],
    "four of them": ["t1", "c2", "bi", "dt3"],
}


class Fold:
    """What a target with conditional writes holds: the newest version of each key, tombstones too."""

    def __init__(self) -> None:
        self._newest: dict[Key, tuple[Version, Change]] = {}
        self.late = 0

    def apply(self, change: Change) -> None:
        known = self._newest.get(change.key)
        if known is not None and known[0] > change.version:
            self.late += 1
            return
        self._newest[change.key] = change.version, change

    def rows(self) -> list[dict[str, Value]]:
        return [dict(change.row) for _, change in self._newest.values() if change.row is not None]


def _marks() -> Iterator[str]:
    return (f"mark-{random.getrandbits(64):x}-{number}" for number in itertools.count())


@pytest.mark.parametrize("columns", KEYS.values(), ids=KEYS)
def test_pages_by_any_key_have_every_row_once(connection: Connection, columns: list[str]) -> None:
    """Chunks of seven rows, each behind the last key of the one before, are together the whole table."""
    types = {**TYPES, **OF_MARIADB}
    defined = ", ".join(f"`{name}` {types[name][0].removesuffix(' NULL')} NOT NULL" for name in columns)
    _ = connection.rows(f"CREATE TABLE paged ({defined}, note INT, PRIMARY KEY ({', '.join(columns)}))")
    chance = random.Random(columns[0])
    table = read_table(connection, "shop.paged")
    rows = [{**{name: types[name][1](chance) for name in columns}, "note": number} for number in range(120)]
    insert(connection, table, rows, ignore=True)
    prepare(connection)
    expected = select_all(connection, table)
    assert len(expected) > 4
    found: list[dict[str, Value]] = []
    after: Key | None = None
    while chunk := rows_after(connection, table, after, 7):
        found += [each.row for each in chunk]
        after = chunk[-1].key
        progress = Progress(table="shop.paged", after=after)
        assert Progress.of_text(str(progress)) == progress
    assert found == expected


@pytest.mark.parametrize("seed", range(8 if EVERY else 2))
def test_folded_by_version_it_is_the_table(server: Source, connection: Connection, server_id: int, seed: int) -> None:
    """Two writers insert, update, delete and change keys meanwhile, and the reader dies at any point, many times."""
    chance = random.Random(seed)
    _ = connection.rows(
        "CREATE TABLE orders (shop VARCHAR(20) CHARACTER SET utf8mb4, number BIGINT UNSIGNED, note VARCHAR(50), "
        "PRIMARY KEY (shop, number))"
    )
    _ = connection.rows("CREATE TABLE other (id INT PRIMARY KEY)")
    values = ", ".join(f"('{chance.choice('aAbBzé')}', {number}, 'first')" for number in range(500))
    _ = connection.rows(f"INSERT INTO orders VALUES {values}")
    watermarks = Watermarks("shop")
    watermarks.create(connection)
    position, progress, fold, marks = position_now(server), Progress(), Fold(), _marks()
    stop = threading.Event()
    writers = [threading.Thread(target=writer, args=(server, stop, seed * 10 + number)) for number in range(2)]
    for each in writers:
        each.start()
    deaths, snapshot_rows = 0, 0
    while not (progress.finished and stop.is_set()):
        if progress.finished:
            stop.set()
            for each in writers:
                each.join()
        lives = chance.randint(20, 300) if deaths < DEATHS else 1 << 30
        reader = LogReader(
            server, ["shop.orders"], position, server_id=server_id, watermarks=watermarks.name, heartbeat_seconds=0.2
        )
        with server.connect() as reading:
            snapshot = Snapshot(
                reading,
                watermarks,
                ["shop.orders"],
                name="test",
                new_mark=lambda: next(marks),
                progress=progress,
                chunk_rows=50,
            )
            for told in snapshot.beside(reader):
                lives -= 1
                if lives < 0:
                    deaths += 1
                    break
                if isinstance(told, Change):
                    fold.apply(told)
                    snapshot_rows += told.origin == "snapshot"
                elif isinstance(told, Commit):
                    position = told.position
                elif isinstance(told, Progress):
                    progress = told
                    if progress.finished and not stop.is_set():
                        break
                elif isinstance(told, Heartbeat) and told.at_end and stop.is_set():
                    break
        reader.close()
    table = read_table(connection, "shop.orders")
    by_key = sorted(fold.rows(), key=lambda row: (str(row["shop"]), int(str(row["number"]))))
    expected = sorted(select_all(connection, table), key=lambda row: (str(row["shop"]), int(str(row["number"]))))
    assert by_key == expected
    assert deaths >= 3
    assert snapshot_rows > 300
