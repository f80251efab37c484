"""What the tests of this folder read the log and tables with."""

from __future__ import annotations

from collections.abc import Iterable

from crossfade.cdc.changes import Change, Value
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import Heartbeat, LogReader, Told
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.cdc.mysql.text_values import SESSION, from_text, selected


def read_to_end(
    source: Source, tables: Iterable[str], position: Position, server_id: int, *, past_removals: Iterable[str] = ()
) -> list[Told]:
    """All that the log tells from the position on, up to the source's word that there is no more."""
    told: list[Told] = []
    reader = LogReader(
        source,
        list(tables),
        position,
        server_id=server_id,
        past_removals=list(past_removals),
        heartbeat_seconds=0.2,
    )
    try:
        for each in reader:
            told.append(each)
            if isinstance(each, Heartbeat) and each.at_end:
                break
    finally:
        reader.close()
    return told


def changes(told: Iterable[Told]) -> list[Change]:
    return [each for each in told if isinstance(each, Change)]


def select_all(connection: Connection, table: SourceTable, where: str = "") -> list[dict[str, Value]]:
    """Every row by its primary key, as a snapshot reads it."""
    _ = connection.rows(SESSION)
    readers = [from_text(column) for column in table.columns]
    expressions = ", ".join(selected(column) for column in table.columns)
    rows = connection.rows(f"SELECT {expressions} FROM {table.quoted} {where} ORDER BY {', '.join(table.key)}")
    return [
        {
            column.name: None if cell is None else read(cell)
            for column, read, cell in zip(table.columns, readers, row, strict=True)
        }
        for row in rows
    ]
