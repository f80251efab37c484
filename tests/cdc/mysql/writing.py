"""Who writes to the source while the tests of this folder read it."""

from __future__ import annotations

import random
import threading

import pymysql

from crossfade.cdc.changes import Value
from crossfade.cdc.mysql.errors import SourceError
from crossfade.cdc.mysql.literals import literal
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.mysql.source import Connection, Source

TAKEN_OR_DEADLOCK = {1062, 1205, 1213}


def insert(connection: Connection, table: SourceTable, rows: list[dict[str, Value]], *, ignore: bool = False) -> None:
    """Write rows as they are, days that are none included."""
    _ = connection.rows("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
    lines = (", ".join(literal(column, row[column.name]) for column in table.columns) for row in rows)
    how = "INSERT IGNORE" if ignore else "INSERT"
    _ = connection.rows(f"{how} INTO {table.quoted} VALUES {', '.join(f'({line})' for line in lines)}")


def writer(source: Source, stop: threading.Event, seed: int) -> None:
    """Write to shop.orders until told to stop: transactions of some statements, one in ten rolled back."""
    chance = random.Random(seed)
    with source.connect() as connection:
        while not stop.is_set():
            try:
                _ = connection.rows("BEGIN")
                for _ in range(chance.choice([1, 1, 1, 3, 8])):
                    _ = connection.rows(_statement(chance))
                _ = connection.rows("ROLLBACK" if chance.random() < 0.1 else "COMMIT")
            except SourceError as error:
                cause = error.__cause__
                if not isinstance(cause, pymysql.MySQLError) or cause.args[0] not in TAKEN_OR_DEADLOCK:
                    raise
                _ = connection.rows("ROLLBACK")
            _ = stop.wait(chance.random() / 100)


def _statement(chance: random.Random) -> str:
    shop, number, note = chance.choice("aAbBzé"), chance.randint(0, 900), chance.randint(0, 10**9)
    where = f"shop = '{shop}' AND number = {number}"
    kind = chance.random()
    if kind < 0.3:
        return f"REPLACE INTO shop.orders VALUES ('{shop}', {number}, 'n{note}')"
    if kind < 0.6:
        return f"UPDATE shop.orders SET note = 'u{note}' WHERE {where}"
    if kind < 0.75:
        return f"DELETE FROM shop.orders WHERE {where}"
    if kind < 0.9:
        return f"UPDATE shop.orders SET shop = '{chance.choice('aAbBzé')}', number = {number + 1} WHERE {where}"
    if kind < 0.95:
        return f"UPDATE shop.orders SET note = 'm{note}' WHERE number BETWEEN {number} AND {number + 20}"
    return f"INSERT IGNORE INTO shop.other VALUES ({note})"
