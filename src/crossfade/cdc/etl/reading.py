"""Which input a topic has: what a message of it tells, as one function whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

from crossfade.cdc.changes import Change, ChangeUnreadable
from crossfade.cdc.inputs import Kind, NoChange, read_debezium, read_dms, read_own
from crossfade.cdc.inputs.debezium import NONE
from crossfade.cdc.inputs.dms_values import values_as_selected
from crossfade.cdc.migration import RowMigration
from crossfade.cdc.mysql.columns import Kind as ColumnKind
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.topics import DMS, MARKS, Debezium

COUNT: Final = "#"  # between a migration's name and the number of a row that counts


class Reading(Protocol):
    """What a message tells. Raises ChangeUnreadable."""

    def __call__(self, key: bytes | None, value: bytes | None, *, offset: int) -> list[Change] | NoChange: ...


def reading_of(migration: RowMigration, tables: Callable[[], Collection[SourceTable]]) -> Reading:
    """What messages of its topics tell. `tables` asks the source, where others fill them: messages of AWS DMS tell
    neither keys nor types, and to Debezium's connector for MariaDB JSON is text."""
    declared, marks = migration.topics, f"{migration.marks_schema}.{MARKS}"
    only = frozenset({*migration.tables, marks})
    if isinstance(declared, Debezium):
        json = {table.name: [each.name for each in table.columns if each.kind is ColumnKind.JSON] for table in tables()}
        return marked(debezium(declared.epoch, only, json), marks, migration.name)
    if isinstance(declared, DMS):
        known = tables()
        keys = {table.name: table.key for table in known} | {marks: ("name",)}
        return as_selected(marked(dms(declared.epoch, keys, only), marks, migration.name), known)
    return own()


def own() -> Reading:
    """Return the reading of our own capture's messages."""
    return read_own


def debezium(
    epoch: int, only: Collection[str] | None = None, json_columns: Mapping[str, Collection[str]] = NONE
) -> Reading:
    """Return the reading of Debezium's messages; another server, or a log that began anew, is another epoch."""

    def read(key: bytes | None, value: bytes | None, *, offset: int) -> list[Change] | NoChange:
        return read_debezium(key, value, epoch=epoch, offset=offset, only=only, json_columns=json_columns)

    return read


def dms(epoch: int, primary_keys: Mapping[str, Sequence[str]], only: Collection[str] | None = None) -> Reading:
    """Return the reading of AWS DMS's messages; a new topic is another epoch. `only`: ignore other tables."""

    def read(key: bytes | None, value: bytes | None, *, offset: int) -> list[Change] | NoChange:
        return read_dms(key, value, epoch=epoch, offset=offset, primary_keys=primary_keys, only=only)

    return read


def as_selected(reading: Reading, tables: Iterable[SourceTable]) -> Reading:
    """Return the reading with values as a SELECT would give them, in place of those that JSON has."""
    converters = {table.name: values_as_selected(table) for table in tables}

    def read(key: bytes | None, value: bytes | None, *, offset: int) -> list[Change] | NoChange:
        told = reading(key, value, offset=offset)
        if isinstance(told, NoChange):
            return told
        return [converters[each.table](each) if each.table in converters else each for each in told]

    return read


def marked(reading: Reading, table: str, name: str) -> Reading:
    """Return the reading with a migration's own marks told as heart-beats: all before them is there.

    What a snapshot reads of the table of marks tells nothing, as the rows of other tables may come behind it.
    """

    def read(key: bytes | None, value: bytes | None, *, offset: int) -> list[Change] | NoChange:
        told = reading(key, value, offset=offset)
        if isinstance(told, NoChange) or not told or told[0].table != table:
            return told
        return _marker(told[-1], name)

    return read


def mark_names(name: str, count: int) -> list[str]:
    """The rows of a migration's count in the table of marks, so many that each partition gets one."""
    return [f"{name} {COUNT}{number}" for number in range(count)]


def _marker(change: Change, name: str) -> NoChange:
    row = change.row
    if row is None or change.origin == "snapshot" or not str(row.get("name")).startswith(f"{name} {COUNT}"):
        return NoChange(Kind.NOTICE, change.table, "a mark that tells nothing here")
    try:
        number, at = str(row["mark"]).split()
        place = Position(Counting.MARKS, str(change.version), str(row["name"]), int(number))
        return NoChange(Kind.HEARTBEAT, change.table, str(place), at=float(at))
    except (KeyError, ValueError) as error:
        raise ChangeUnreadable(f"a mark of {change.table} that crossfade did not write: {row!r}") from error
