"""Microseconds of processor time for a row of a row log: our reader, beside mysql-replication where it is installed.

    python -m benchmarks.row_log [--rows 100000] [--rounds 3]

The source is a real MariaDB on this machine (crossfade[servers,mysql]). The table has eight columns of the usual types.
The same log is read in turns, A B A B; medians over the rounds. Two shapes: statements of 500 rows, and transactions of
one row, where a row comes with four events.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from crossfade.cdc.changes import Change
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import LogReader, position_now
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.local.mariadb import MariaDbServer

ROWS_A_STATEMENT: Final = 500
SINGLES: Final = 4  # a quarter of the rows are transactions of their own: each costs the source as much as 20 of 500
TABLE: Final = """CREATE TABLE shop.orders (id BIGINT UNSIGNED PRIMARY KEY, customer VARCHAR(40), amount INT,
price DECIMAL(10,2), placed_at DATETIME(6), state ENUM('new','paid','sent'), note TEXT, version INT)
CHARACTER SET utf8mb4"""


def row(number: int, note: str = "") -> str:
    note = note or f"a note of the order that is a little longer {number}"
    return (
        f"({number}, 'customer {number}', {number % 100}, {number % 1000}.25, '2024-05-06 07:08:09.123456', 'paid', "
        f"'{note}', 1)"
    )


def write(connection: Connection, first: int, count: int, at_once: int) -> None:
    for begin in range(first, first + count, at_once):
        values = ", ".join(row(number) for number in range(begin, min(begin + at_once, first + count)))
        _ = connection.rows(f"INSERT INTO shop.orders VALUES {values}")  # noqa: S608  numbers of ours


def ours(source: Source, position: Position, rows: int) -> float:
    """Processor time from the first change on, so that connecting is no part of it."""
    reader = LogReader(source, ["shop.orders"], position, server_id=7001)
    begun = 0.0
    seen = 0
    for told in reader:
        if isinstance(told, Change):
            begun = begun or time.process_time()
            seen += 1
            if seen == rows:
                break
    spent = time.process_time() - begun
    reader.close()
    return spent / rows


def stock(source: Source, position: Position, rows: int) -> float:
    """The same of mysql-replication's reader."""
    library = import_module("pymysqlreplication")
    only = import_module("pymysqlreplication.row_event").WriteRowsEvent
    reader = library.BinLogStreamReader(
        {"host": source.host, "port": source.port, "user": source.user, "passwd": source.password},
        server_id=7002,
        is_mariadb=True,
        auto_position=position.gtids,
        blocking=True,
        only_events=[only],
        enable_logging=False,
    )
    begun = 0.0
    seen = 0
    for event in reader:
        begun = begun or time.process_time()
        seen += len(event.rows)
        if seen >= rows:
            break
    spent = time.process_time() - begun
    reader.close()
    return spent / rows


def measure(source: Source, rows: int, rounds: int) -> dict[str, dict[str, float]]:
    readers: dict[str, Callable[[Source, Position, int], float]] = {"crossfade": ours}
    if find_spec("pymysqlreplication"):
        readers["mysql-replication"] = stock
    found: dict[str, dict[str, float]] = {}
    with source.connect() as connection:
        for statement in ("CREATE DATABASE shop", TABLE):
            _ = connection.rows(statement)
        first = 0
        for shape, count, at_once in (
            ("statements of 500 rows", rows, ROWS_A_STATEMENT),
            ("transactions of one row", rows // SINGLES, 1),
        ):
            position = position_now(source)
            write(connection, first, count, at_once)
            first += count
            taken: dict[str, list[float]] = {name: [] for name in readers}
            for _ in range(rounds):
                for name, read in readers.items():
                    taken[name].append(read(source, position, count))
            found[shape] = {name: round(statistics.median(each) * 1e6, 1) for name, each in taken.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    _ = parser.add_argument("--rows", type=int, default=100_000)
    _ = parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with MariaDbServer.start() as server:
        source = Source(server.host, server.port, server.user, server.password)
        found = measure(source, options.rows, options.rounds)
    print(json.dumps({"rows": options.rows, "cpu_microseconds_per_row": found}, indent=2))


if __name__ == "__main__":
    main()
