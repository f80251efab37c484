"""What messages of topics that others fill lose, or say otherwise than a SELECT would: each with what mends it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from crossfade.cdc.changes import Change, ChangeUnreadable, Value
from crossfade.cdc.etl.reading import reading_of
from crossfade.cdc.inputs import NoChange
from crossfade.cdc.inputs.connect_values import SOURCE_TYPE
from crossfade.cdc.migration import RowMigration
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.mysql.source import Connection, text_literal
from crossfade.cdc.topics import DMS, Theirs
from crossfade.check.report import Finding, Severity, Tallies

CHARACTERS_MAX: Final = 200  # of what is shown of a message
TYPES: Final[Mapping[Kind, type | tuple[type, ...]]] = {
    **dict.fromkeys((Kind.INTEGER, Kind.YEAR, Kind.BIT), int),
    **dict.fromkeys((Kind.FLOAT, Kind.DOUBLE), float),
    **dict.fromkeys((Kind.BINARY, Kind.BLOB, Kind.GEOMETRY), bytes),
    Kind.DECIMAL: Decimal,
    Kind.DATE: datetime.date,
    **dict.fromkeys((Kind.DATETIME, Kind.TIMESTAMP), datetime.datetime),
    Kind.TIME: datetime.timedelta,
    Kind.SET: frozenset,
}
SCHEMAS: Final = "key.converter.schemas.enable=true and value.converter.schemas.enable=true"
MENDS: Final[Mapping[Kind, str]] = {  # of Debezium
    Kind.DECIMAL: f"decimal.handling.mode=precise, {SCHEMAS}",
    **dict.fromkeys((Kind.BINARY, Kind.BLOB), f"binary.handling.mode=bytes, {SCHEMAS}"),
}
COARSE: Final = frozenset({"org.apache.kafka.connect.data.Time", "org.apache.kafka.connect.data.Timestamp"})
BY_ROW: Final = "primary-key"

SAYINGS: Final[dict[str, tuple[Severity, str, str]]] = {  # code: severity, what, next step
    "unreadable": ("error", "{about}: messages that cannot be read", ""),
    "other-value": ("error", "{about}: comes as another value than a SELECT gives", ""),
    "other-key": (
        "error",
        "{about}: messages have another key than the primary key, so a row's changes may be in two partitions",
        "remove message.key.columns for it, or begin anew with the primary key",
    ),
    "coarse-time": (
        "warning",
        "{about}: comes without microseconds (time.precision.mode=connect)",
        "time.precision.mode=adaptive_time_microseconds",
    ),
    "long-unsigned": (
        "warning",
        "{about}: 2^63 and above would come as a negative number",
        "bigint.unsigned.handling.mode=precise, or column.propagate.source.type=.*",
    ),
    "null-default": (
        "warning",
        "{about}: NULL may come as the column's DEFAULT",
        "value.converter.replace.null.with.default=false, unless it is set",
    ),
    "no-transactions": (
        "info",
        "{about}: rows of two tables that make one item have no order within a transaction",
        "provide.transaction.metadata=true, where the mapping has such items",
    ),
    "by-table": (
        "error",
        "{about}: messages are not partitioned by the primary key, so marks do not come into each of its partitions",
        "partition-key-type primary-key in the task's object mapping, or a topic of one partition",
    ),
    "no-image": (
        "error",
        "{about}: changes do not tell the row before, so which items it had made cannot be known",
        "EnableBeforeImage true and ColumnFilter all in the task's BeforeImageSettings, IncludeNullAndEmpty=true",
    ),
}


class MessageExamination:
    """Examines the messages of others' topics for one check. `partitions` by topic."""

    def __init__(
        self,
        migration: RowMigration,
        declared: Theirs,
        connection: Connection,
        tables: Mapping[str, SourceTable],
        partitions: Mapping[str, int],
    ) -> None:
        self._by_dms = isinstance(declared, DMS)
        self._tables = tables
        self._partitions = partitions
        self._reading = reading_of(migration, tables.values)
        self._bigints = bigints_unsigned(connection, migration)
        self._several = len(migration.rows.singles) > 1
        self._tallies = Tallies(SAYINGS)

    def examine(self, message: Any) -> None:
        """One message."""
        where = f"{message.topic()}[{message.partition()}]@{message.offset()}"
        try:
            told = self._reading(message.key(), message.value(), offset=message.offset())
        except ChangeUnreadable as error:
            self._add("unreadable", message.topic(), f"{where}: {error.message}", error.next_step)
            return
        if isinstance(told, NoChange):
            return
        for change in told:
            self._values(change, where)
        document: dict[str, Any] = json.loads(message.value())
        if self._by_dms:
            self._of_dms(document, message.topic(), told[-1], where)
        else:
            self._of_debezium(document, told[0], message.topic(), where)

    def findings(self) -> Iterator[Finding]:
        """Yield the findings about all that was examined."""
        yield from self._tallies.findings()

    def _add(self, code: str, about: str, sample: str, step: str = "") -> None:
        tally = self._tallies.of(code, about)
        tally.next_step = step
        tally.add(sample[:CHARACTERS_MAX])

    def _values(self, change: Change, where: str) -> None:
        table = self._tables.get(change.table)
        if table is None:
            return
        told = dict(zip(table.key, change.key, strict=False)) | dict(change.row or {})
        for column in table.columns:
            value = told.get(column.name)
            if value is not None and not is_as_selected(column, value):
                step = MENDS.get(column.kind, SCHEMAS)
                self._add("other-value", f"{change.table}.{column.name}", f"{where}: {value!r}", step)
        row = change.row or change.before
        if row is not None and change.key != tuple(row.get(name) for name in table.key):
            self._add("other-key", change.table, f"{where}: {change.key!r}")

    def _of_debezium(self, document: Mapping[str, Any], change: Change, topic: str, where: str) -> None:
        payload = document.get("payload", document)
        if self._several and payload["op"] != "r" and not payload.get("transaction"):
            self._add("no-transactions", topic, where)
        for field in fields_after(document):
            about = f"{change.table}.{field['field']}"
            if field.get("name") in COARSE:
                self._add("coarse-time", about, where)
            if (
                about in self._bigints
                and field["type"] == "int64"
                and SOURCE_TYPE not in (field.get("parameters") or {})
            ):
                self._add("long-unsigned", about, where)
            if field.get("optional") and field.get("default") is not None:
                self._add("null-default", about, where)

    def _of_dms(self, document: Mapping[str, Any], topic: str, change: Change, where: str) -> None:
        metadata = document["metadata"]
        if metadata.get("partition-key-type") != BY_ROW and self._partitions[topic] > 1:
            self._add("by-table", topic, f"{where}: {metadata.get('partition-key-type')}")
        if change.tells_too_little:
            self._add("no-image", topic, where)


def is_as_selected(column: Column, value: Value) -> bool:
    """Whether a value is of the type that a SELECT gives; of what a SELECT gives as it likes, any is."""
    return column.kind is Kind.JSON or isinstance(value, TYPES.get(column.kind, str))


def fields_after(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The schema of a row, as a message of Debezium has it; empty without schemas."""
    schema: dict[str, Any] = (document.get("schema") if "payload" in document else None) or {}
    fields: list[dict[str, Any]] = schema.get("fields", [])
    found: list[list[dict[str, Any]]] = [each["fields"] for each in fields if each["field"] == "after"]
    return found[0] if found else []


def bigints_unsigned(connection: Connection, migration: RowMigration) -> frozenset[str]:
    """Columns that hold what no signed number of 64 bits does, as schema.table.column."""
    schemas = ", ".join(sorted({text_literal(name.partition(".")[0]) for name in migration.tables}))
    rows = connection.texts(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns "  # noqa: S608  literals
        f"WHERE table_schema IN ({schemas}) AND data_type = 'bigint' AND column_type LIKE '%unsigned%'"
    )
    return frozenset(".".join(row) for row in rows)
