"""The rows of one rows event: what each was, what it became, and its place among the rows of its transaction."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from crossfade.cdc.changes import ChangeUnreadable, Value
from crossfade.cdc.mysql.events import (
    COMPRESSED,
    DELETES,
    UPDATES,
    VERSION_2,
    Event,
    inflated,
    inflated_size,
    length_coded,
)
from crossfade.cdc.mysql.table_map import Table

Image = dict[str, Value]
Images = tuple[Image | None, Image | None, int]
"""A row before and after (None before an insert, and after a delete), and how many bytes of rows lie before it.

A row has two bytes or more, so the number behind its own is free.
"""


def table_number(event: Event) -> int:
    """The number that the table map before this event gave its table."""
    return int.from_bytes(event.body[:6], "little")


def images(event: Event, table: Table) -> Iterator[Images]:
    """Every row of an event with whole rows, in turn. Raises ChangeUnreadable."""
    count, _, at = _laid(event)
    if count != len(table.columns):
        raise ChangeUnreadable(f"an event of {table.name} has {count} columns, its table map {len(table.columns)}")
    data = inflated(event.body[at:]) if event.kind in COMPRESSED else event.body
    at = 0 if event.kind in COMPRESSED else at
    try:
        yield from _each(event.kind, table, data, at)
    except (IndexError, ValueError, struct.error) as error:
        raise ChangeUnreadable(f"a row of {table.name} in the log cannot be read: {error}") from error


def size_of_rows(event: Event) -> int:
    """How many bytes its rows have; this needs no table map, and no rows to be read."""
    _, _, at = _laid(event)
    if event.kind in COMPRESSED:
        return inflated_size(event.body, at)
    return max(0, len(event.body) - at)  # an event that only ends a statement has none


def has_whole_rows(event: Event) -> bool:
    """False if only some columns were written."""
    count, at, _ = _laid(event)
    everything = (1 << count) - 1
    for _ in range(2 if event.kind in UPDATES else 1):
        end = at + (count + 7) // 8
        if int.from_bytes(event.body[at:end], "little") & everything != everything:
            return False
        at = end
    return True


def _laid(event: Event) -> tuple[int, int, int]:
    """How many columns there are, where the bits of those that were written begin, and where the rows do."""
    body = event.body
    at = 8  # behind the table's number and flags
    if event.kind in VERSION_2:
        at += int.from_bytes(body[8:10], "little")  # what a server adds for itself, with these two bytes
    count, at = length_coded(body, at)
    return count, at, at + (count + 7) // 8 * (2 if event.kind in UPDATES else 1)


def _each(kind: int, table: Table, data: bytes, at: int) -> Iterator[Images]:
    begin, end = at, len(data)
    read = table.image
    if kind in UPDATES:
        while at < end:
            place = at - begin
            before, at = read(data, at)
            after, at = read(data, at)
            yield before, after, place
    elif kind in DELETES:
        while at < end:
            place = at - begin
            before, at = read(data, at)
            yield before, None, place
    else:
        while at < end:
            place = at - begin
            after, at = read(data, at)
            yield None, after, place
