"""The next rows of a table by its primary key: what is compared is compared by the server, under its own collations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from crossfade.cdc.changes import Value
from crossfade.cdc.mysql.columns import Column
from crossfade.cdc.mysql.errors import SourceError, TableUnfit
from crossfade.cdc.mysql.literals import literal
from crossfade.cdc.mysql.schema import SourceTable, read_table
from crossfade.cdc.mysql.source import Connection
from crossfade.cdc.mysql.text_values import SESSION, from_text, quoted, selected

Key = tuple[Value, ...]
T = TypeVar("T")

SCHEMA_READS_MAX: Final = 5  # of one chunk whose table's columns change while it is read


@dataclass(frozen=True, slots=True)
class KeyedRow:
    """A row and its primary key."""

    key: Key
    row: dict[str, Value]


def prepare(connection: Connection) -> None:
    """Set the session up for reading rows: nothing of what is not committed, everything as it is stored."""
    _ = connection.rows(SESSION)
    _ = connection.rows("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


def chunk_after(connection: Connection, name: str, after: Key | None, count: int) -> list[KeyedRow]:
    """Read rows as `rows_after` does, by the table's name. Raises TableUnfit, SourceError."""
    return steadily(connection, name, lambda table: rows_after(connection, table, after, count))


def steadily(connection: Connection, name: str, read: Callable[[SourceTable], T]) -> T:
    """What is read of a table whose columns were the same before and after."""
    table = read_table(connection, name)
    for _ in range(SCHEMA_READS_MAX):
        found: T | None = None
        try:
            found = read(table)
        except SourceError:
            if read_table(connection, name) == table:
                raise
        again = read_table(connection, name)
        if again == table and found is not None:
            return found
        table = again
    raise SourceError(f"the columns of {name} change faster than rows of it can be read")


def rows_after(connection: Connection, table: SourceTable, after: Key | None, count: int) -> list[KeyedRow]:
    """The `count` rows behind a key, in the key's order; from the first on where it is None.

    The session was prepared. Raises TableUnfit, SourceError.
    """
    if not table.key:
        raise TableUnfit(
            f"{table.name} has no primary key, so it cannot be read in parts",
            next_step=f"ALTER TABLE {table.quoted} ADD COLUMN id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, "
            "or leave the table out",
        )
    return _read(connection, table, "" if after is None else behind(table.key_columns, after), count)


def rows_with(
    connection: Connection, table: SourceTable, columns: Sequence[str], values: Key, count: int
) -> list[KeyedRow]:
    """The first `count` rows that have these values in these columns, in the key's order.

    The session was prepared. Raises SourceError.
    """
    by_name = {column.name: column for column in table.columns}
    equal = [f"{quoted(name)} = {literal(by_name[name], value)}" for name, value in zip(columns, values, strict=True)]
    return _read(connection, table, " AND ".join(equal), count)


def rows_where(connection: Connection, table: SourceTable, condition: str) -> list[KeyedRow]:
    """All rows for which an expression of SQL holds. The session was prepared. Raises SourceError."""
    return _read(connection, table, condition)


def _read(connection: Connection, table: SourceTable, condition: str, count: int | None = None) -> list[KeyedRow]:
    """Read rows; with a count, the first ones in the key's order."""
    readers = [(column.name, from_text(column)) for column in table.columns]
    expressions = ", ".join(selected(column) for column in table.columns)
    where = f" WHERE {condition}" if condition else ""
    order = "" if count is None else f" ORDER BY {', '.join(map(quoted, table.key))} LIMIT {count}"
    rows = connection.rows(f"SELECT {expressions} FROM {table.quoted}{where}{order}")  # noqa: S608  literals
    found: list[KeyedRow] = []
    for cells in rows:
        row = {name: None if cell is None else read(cell) for (name, read), cell in zip(readers, cells, strict=True)}
        found.append(KeyedRow(tuple(row[name] for name in table.key), row))
    return found


def behind(columns: Sequence[Column], key: Key) -> str:
    """The condition of a row being behind the key.

    Not `(a, b) > (1, 2)`: no index is used for it by MySQL. The first column's bound stands by itself in front.
    """
    terms: list[str] = []
    equal: list[str] = []
    for column, value in zip(columns, key, strict=True):
        name, bound = quoted(column.name), literal(column, value)
        terms.append(" AND ".join([*equal, f"{name} > {bound}"]))
        equal.append(f"{name} = {bound}")
    if len(terms) == 1:
        return terms[0]
    first = f"{quoted(columns[0].name)} >= {literal(columns[0], key[0])}"
    return f"{first} AND ({' OR '.join(f'({term})' for term in terms)})"
