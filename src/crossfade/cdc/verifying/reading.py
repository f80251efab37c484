"""Rows of the source by their keys, with the rows that are folded into their items: as they are now.

What is found is told by the exact key, and not by what a collation takes for equal: so does the log. Where the two
differ between a row and its parent, that is told, since the row would be in no item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from crossfade.cdc.changes import ChangeUnreadable, Value
from crossfade.cdc.mysql.columns import Column
from crossfade.cdc.mysql.errors import SourceGone
from crossfade.cdc.mysql.keyset import Key, KeyedRow, chunk_after, prepare, rows_where, steadily
from crossfade.cdc.mysql.literals import literal
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.cdc.mysql.text_values import quoted
from crossfade.cdc.planning import packed_key
from crossfade.cdc.verifying.making import Making, RowName, WholeRow
from crossfade.errors import MappingError

T = TypeVar("T")

KEYS_AT_ONCE: Final = 200  # in one statement
AGAIN_SECONDS: Final = 1.0
AGAIN_MAX: Final = 60  # a source that starts anew is back within a minute, or somebody has to look


class SourceReads:
    """Connections to the source, as many as read at one time, each on a thread while it reads. For one loop."""

    def __init__(self, source: Source, connections_max: int) -> None:
        self._source = source
        self._free: list[Connection] = []
        self._room = asyncio.Semaphore(connections_max)

    async def run(self, read: Callable[[Connection], T]) -> T:
        """What a function reads. A source that is gone is asked again for a while. Raises SourceError."""
        async with self._room:
            for attempt in range(AGAIN_MAX):
                try:
                    return await asyncio.to_thread(self._read, read)
                except SourceGone:
                    if attempt == AGAIN_MAX - 1:
                        raise
                await asyncio.sleep(AGAIN_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    def _read(self, read: Callable[[Connection], T]) -> T:
        connection = self._free.pop() if self._free else self._opened()
        try:
            found = read(connection)
        except BaseException:
            connection.close()
            raise
        self._free.append(connection)
        return found

    def _opened(self) -> Connection:
        connection = self._source.connect()
        prepare(connection)
        return connection

    def close(self) -> None:
        for connection in self._free:
            connection.close()
        self._free.clear()


def whole_chunk(
    connection: Connection, making: Making, table: str, after: Key | None, count: int
) -> tuple[list[KeyedRow], list[WholeRow]]:
    """The rows behind a key, and with what is folded into their items where they make any. Raises SourceError."""
    rows = chunk_after(connection, table, after, count)
    return rows, _with_children(connection, making, table, rows) if table in making.makers else []


def whole_rows(connection: Connection, making: Making, names: Iterable[RowName]) -> dict[str, WholeRow]:
    """Read the rows by name; a row that the source lacks is an entry without one. Raises SourceError."""
    wanted = {str(name): name for name in names}
    found = {text: WholeRow(name, None) for text, name in wanted.items()}
    for table in {name.table for name in wanted.values()}:
        keys = [name.key for name in wanted.values() if name.table == table]
        for whole in _with_children(connection, making, table, rows_at(connection, table, keys)):
            if str(whole.name) in wanted:
                found[str(whole.name)] = whole
    return found


def rows_at(connection: Connection, table: str, keys: Sequence[Key]) -> list[KeyedRow]:
    """Read the rows with these keys, and perhaps others whose keys the source takes for equal."""
    found: list[KeyedRow] = []
    for some in _groups(keys):
        found += steadily(connection, table, partial(_with_key, connection, some))
    return found


def _with_children(connection: Connection, making: Making, table: str, rows: Sequence[KeyedRow]) -> list[WholeRow]:
    children: dict[str, dict[str, list[KeyedRow]]] = {packed_key(row.key): {} for row in rows}
    misfits: dict[str, str] = {}
    for child_table, columns in _children_of(making, table):
        others: dict[str, tuple[Key, KeyedRow]] = {}
        for parent, child in _rows_of_parents(connection, child_table, columns, [row.key for row in rows]):
            packed = packed_key(parent)
            if packed not in children:
                _ = others.setdefault(packed, (parent, child))
                continue
            kept = children[packed].setdefault(child_table, [])
            if all(packed_key(child.key) != packed_key(other.key) for other in kept):
                kept.append(child)
        for parent, child in others.values():
            for key in taken_for(rows_at(connection, table, [parent]), parent):
                misfits[packed_key(key)] = misfit(child_table, child.key, parent, key)
    return [_whole(table, row, children, misfits) for row in rows]


def _whole(
    table: str, row: KeyedRow, children: Mapping[str, dict[str, list[KeyedRow]]], misfits: Mapping[str, str]
) -> WholeRow:
    packed = packed_key(row.key)
    return WholeRow(RowName(table, row.key), row.row, children[packed], misfits.get(packed, ""))


def taken_for(found: Iterable[KeyedRow], key: Key) -> list[Key]:
    """Return the keys that the source takes for this one, where it has none that is written so."""
    keys = [row.key for row in found]
    return [] if packed_key(key) in map(packed_key, keys) else keys


def misfit(child: str, of: Key, parent: Key, taken: Key) -> str:
    said, written = (", ".join(map(repr, key)) for key in (parent, taken))
    row = ", ".join(map(repr, of))
    return f"row {row} of {child} refers to {said}, which the source takes for {written}: it goes into no item"


def _children_of(making: Making, parent: str) -> list[tuple[str, tuple[str, ...]]]:
    found = [(child.table, child.columns) for fold in making.folds_of(parent) for child in fold.children.values()]
    return list(dict.fromkeys(found))


def _rows_of_parents(
    connection: Connection, table: str, columns: tuple[str, ...], parents: Sequence[Key]
) -> Iterator[tuple[Key, KeyedRow]]:
    """Rows of a child's table that the source takes for those of these parents, each with its parent's key."""
    for some in _groups(parents):
        for child in steadily(connection, table, partial(_matching, connection, some, columns)):
            yield tuple(child.row[column] for column in columns), child


def _with_key(connection: Connection, keys: Sequence[Key], table: SourceTable) -> list[KeyedRow]:
    return _matching(connection, keys, table.key, table)


def _matching(
    connection: Connection, wanted: Sequence[Key], columns: Sequence[str], table: SourceTable
) -> list[KeyedRow]:
    """Rows whose columns hold one of these."""
    by_name = {column.name: column for column in table.columns}
    lost = [name for name in columns if name not in by_name]
    if lost or not columns:
        raise MappingError(
            f"table {table.name} has no column {', '.join(map(repr, lost))}" if lost else f"{table.name} has no key",
            next_step=f"its columns: {', '.join(by_name)}",
        )
    conditions = [_equals([by_name[name] for name in columns], values) for values in wanted]
    known = [condition for condition in conditions if condition]
    return rows_where(connection, table, " OR ".join(known)) if known else []


def _equals(columns: Sequence[Column], values: Sequence[Value]) -> str:
    """Return the comparison as SQL; "" where a column can hold no such value, so that no row has it."""
    try:
        pairs = [
            f"{quoted(column.name)} = {literal(column, value)}" for column, value in zip(columns, values, strict=True)
        ]
    except (ChangeUnreadable, ValueError):
        return ""
    return f"({' AND '.join(pairs)})"


def _groups(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    return (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))
