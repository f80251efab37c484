"""The rows of one rows event: what each was, and what it became."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from crossfade.cdc.changes import ChangeUnreadable, Value
from crossfade.cdc.mysql.errors import RowsUntold
from crossfade.cdc.mysql.events import COMPRESSED, DELETES, UPDATES, VERSION_2, Event, inflated, length_coded
from crossfade.cdc.mysql.table_map import Table

Image = dict[str, Value]
Images = tuple[Image | None, Image | None]
"""A row before and after: None before an insert, and after a delete."""


def table_number(event: Event) -> int:
    """The number that the table map before this event gave its table."""
    return int.from_bytes(event.body[:6], "little")


def images(event: Event, table: Table) -> Iterator[Images]:
    """Every row of the event in turn. Raises RowsUntold where only parts of rows were written, ChangeUnreadable."""
    body = event.body
    at = 8  # behind the table's number and flags
    if event.kind in VERSION_2:
        at += int.from_bytes(body[8:10], "little")  # what a server adds for itself, with these two bytes
    count, at = length_coded(body, at)
    if count != len(table.columns):
        raise ChangeUnreadable(f"an event of {table.name} has {count} columns, its table map {len(table.columns)}")
    for _ in range(2 if event.kind in UPDATES else 1):
        at = _all_present(body, at, count, table.name)
    data = inflated(body[at:]) if event.kind in COMPRESSED else body
    at = 0 if event.kind in COMPRESSED else at
    try:
        yield from _each(event.kind, table, data, at)
    except (IndexError, ValueError, struct.error) as error:
        raise ChangeUnreadable(f"a row of {table.name} in the log cannot be read: {error}") from error


def _each(kind: int, table: Table, data: bytes, at: int) -> Iterator[Images]:
    end = len(data)
    read = table.image
    if kind in UPDATES:
        while at < end:
            before, at = read(data, at)
            after, at = read(data, at)
            yield before, after
    elif kind in DELETES:
        while at < end:
            before, at = read(data, at)
            yield before, None
    else:
        while at < end:
            after, at = read(data, at)
            yield None, after


def _all_present(body: bytes, at: int, count: int, name: str) -> int:
    end = at + (count + 7) // 8
    everything = (1 << count) - 1
    if int.from_bytes(body[at:end], "little") & everything != everything:
        raise RowsUntold(
            f"the log has only parts of a row of {name}",
            next_step="SET GLOBAL binlog_row_image = FULL (and in sessions that set it), then run the backfill again",
        )
    return end
