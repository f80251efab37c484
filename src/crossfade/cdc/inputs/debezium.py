"""What Debezium's connectors for MySQL and MariaDB write to Kafka as JSON: one message, as a change.

**The version.** Debezium's position (the number of the log file, and the offset in it) is that of the transaction: an
INSERT, an UPDATE and the DELETE of one row in one transaction have one position, and each has `row` 0 (seen with the
MariaDB connector 3.5). So `row` of our version is the change's place in its transaction (`transaction.total_order`,
there with `provide.transaction.metadata=true`), else its offset in the topic, of which 32 bits tell enough within a
transaction. A row read by a snapshot has 0, as the first change after it may have the snapshot's own position. GTIDs
are not used: those of two servers or two domains have no order. A connector that is pointed to another server, or to
one whose log began anew, needs another epoch.

Rows of two tables that make one item (a row that moves from one to the other keeps its item) have an order within a
transaction only with `provide.transaction.metadata=true`: `total_order` counts over all tables, an offset says nothing
of another topic's or partition's. Set it where the mapping has such items; transactions have an order without it.

**Deletion.** A DELETE is told, and after it there may be a tombstone for Kafka's compaction. A topic that is compacted
may have lost what was told, and must not be read. A change of the primary key is a DELETE and an INSERT.

**What is lost before we see it**, whatever the schemas say; the first ones by the connector's defaults:

| setting or column | what becomes of it |
|---|---|
| `bigint.unsigned.handling.mode=long`, the default | 2^63 and above is negative; read right with `precise`, or with \
`column.propagate.source.type` |
| `value.converter.replace.null.with.default=true`, the default | NULL becomes the column's DEFAULT |
| DATE, DATETIME of 0000-00-00 | NULL, or 1970-01-01 where the column is NOT NULL |
| TIMESTAMP of 0 | NULL from a snapshot, 1970-01-01 from the log |
| YEAR 0000 | 1900 from the log; a snapshot fails |
| UUID (MariaDB) | wrong from the log: a digit is put before it |
| INET6 (MariaDB) | the connector cannot read CREATE TABLE |
| FLOAT | six digits from a snapshot; FLOAT(M,D) is its four bytes widened |
| `time.precision.mode=connect` | no microseconds; TIME beyond a day, or below 0, is NULL |
| `time.precision.mode=isostring` | TIME beyond a day, or below 0, is NULL |
| `time.precision.mode=nanoseconds` | DATETIME outside of 1678-2262 is another one; it is seen, and refused |
| `decimal.handling.mode=double` | sixteen digits; `string` is text here |
| `binary.handling.mode` other than `bytes` | text here |
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from crossfade.cdc.changes import Change, ChangeUnreadable, Value, Version
from crossfade.cdc.inputs.connect_values import Opened, as_object, opened
from crossfade.cdc.inputs.outcome import Kind, NoChange
from crossfade.cdc.mysql.values import json_value

NONE: Final[Mapping[str, Collection[str]]] = {}
NO_JSON: Final = "mariadb"  # the connector to which it is LONGTEXT
CONNECTORS: Final = frozenset({"mysql", "mariadb"})
SNAPSHOT, TRUNCATE, DELETE = "r", "t", "d"
OPERATIONS: Final = frozenset({SNAPSHOT, "c", "u", DELETE, TRUNCATE})
FILE_NUMBER: Final = re.compile(r"\.(\d+)$")  # log.000123
OFFSET_BITS: Final = 32  # of a position: what a log file can hold, by its own format
MILLISECONDS: Final = 1_000


def read_debezium(
    key: bytes | None,
    value: bytes | None,
    *,
    epoch: int,
    offset: int,
    only: Collection[str] | None = None,
    json_columns: Mapping[str, Collection[str]] = NONE,
) -> list[Change] | NoChange:
    """The change that a message tells, or what else it is; `offset` is the message's in its partition.

    `only`: of tables that are not among these nothing is wanted. `json_columns`: by table, those that are JSON, since
    to the connector for MariaDB they are text.

    Raises ChangeUnreadable with the reason.
    """
    if value is None:
        return NoChange(Kind.TOMBSTONE)
    message = opened(value)
    payload = as_object(message.payload)
    if payload is None:
        raise _unknown(message.payload)
    try:
        if "op" in payload:
            told = _change(key, message, epoch, offset, only)
            return told if isinstance(told, NoChange) else _with_json(told, payload["source"], json_columns)
        return _other(payload, epoch)
    except (KeyError, TypeError, ValueError) as error:
        raise ChangeUnreadable(f"a change event of another form: {error!r}", next_step=_NEXT_STEP) from error


def _change(
    key: bytes | None, message: Opened, epoch: int, offset: int, only: Collection[str] | None
) -> list[Change] | NoChange:
    payload: Mapping[str, Any] = message.payload
    source, operation = payload["source"], payload["op"]
    if source["connector"] not in CONNECTORS:
        raise ChangeUnreadable(f"a change of {source['connector']}, whose positions are not understood")
    if operation not in OPERATIONS:
        raise ChangeUnreadable(f"the operation {operation!r} is not known")
    table = f"{source['db']}.{source['table']}"
    if only is not None and table not in only:
        return NoChange(Kind.NOTICE, table, "another table")
    version = Version(epoch, _position(source), _row(payload, offset))
    at = source["ts_ms"] / MILLISECONDS
    if operation == TRUNCATE:
        return NoChange(Kind.TRUNCATE, table, "TRUNCATE TABLE", version, at)
    return [
        Change(
            table=table,
            key=_key(key, table),
            row=None if operation == DELETE else message.columns("after").read(payload["after"]),
            version=version,
            before=None if payload["before"] is None else message.columns("before").read(payload["before"]),
            committed_at=at,
            origin="snapshot" if operation == SNAPSHOT else "log",
        )
    ]


def _with_json(
    told: list[Change], source: Mapping[str, Any], json_columns: Mapping[str, Collection[str]]
) -> list[Change]:
    """Parse the text of JSON columns, where the connector knows no JSON."""
    (change,) = told
    names = json_columns.get(change.table) if source["connector"] == NO_JSON else None
    if not names:
        return told

    def parsed(row: Mapping[str, Value] | None) -> dict[str, Value] | None:
        if row is None:
            return None
        return {
            name: json_value(value) if name in names and isinstance(value, str) else value
            for name, value in row.items()
        }

    return [replace(change, row=parsed(change.row), before=parsed(change.before))]


def _position(source: Mapping[str, Any]) -> int:
    """The log file's number and the offset in it. Raises ChangeUnreadable."""
    number, place = FILE_NUMBER.search(source["file"]), int(source["pos"])
    if number is None:
        raise ChangeUnreadable(f"{source['file']!r} is no name of a log file: it ends without a number")
    if place >> OFFSET_BITS:
        raise ChangeUnreadable(f"the position {place} is beyond what a log file can hold")
    return int(number[1]) << OFFSET_BITS | place


def _row(payload: Mapping[str, Any], offset: int) -> int:
    """The place in the transaction; 0 for what a snapshot read, and only for that."""
    if payload["op"] == SNAPSHOT:
        return 0
    transaction = payload.get("transaction")
    if transaction:
        return int(transaction["total_order"])
    return (offset + 1) % (1 << OFFSET_BITS) or 1


def _key(key: bytes | None, table: str) -> tuple[Value, ...]:
    """The values of the message's key, in the order of the primary key. Raises ChangeUnreadable."""
    if key is None:
        raise ChangeUnreadable(
            f"a change of {table}, which has no primary key",
            next_step="give the table a primary key, or the connector `message.key.columns` for it",
        )
    message = opened(key)
    return tuple(message.own.read(message.payload).values())


def _other(payload: Mapping[str, Any], epoch: int) -> NoChange:
    """What is no change of a row. Raises ChangeUnreadable when it is nothing that Debezium writes."""
    if "ddl" in payload:
        source = payload["source"]
        table = f"{payload['databaseName']}.{source['table']}" if source["table"] else ""
        version = Version(epoch, _position(source))
        return NoChange(Kind.SCHEMA_CHANGE, table, payload["ddl"] or "", version, source["ts_ms"] / MILLISECONDS)
    if {"status", "id", "event_count"} <= payload.keys():
        text = f"{payload['status']} {payload['id']}"
        return NoChange(Kind.TRANSACTION, text=text, at=payload.get("ts_ms", 0) / MILLISECONDS)
    if set(payload) == {"ts_ms"}:
        return NoChange(Kind.HEARTBEAT, at=payload["ts_ms"] / MILLISECONDS)
    if "aggregate_type" in payload:
        return NoChange(Kind.NOTICE, text=f"{payload['aggregate_type']}: {payload.get('type')}")
    raise _unknown(payload)


_NEXT_STEP: Final = "read the connector's own topics, without a transformation such as ExtractNewRecordState"


def _unknown(payload: object) -> ChangeUnreadable:
    known = as_object(payload)
    told = f"has {', '.join(known)}" if known else f"is {payload!r}"
    return ChangeUnreadable(f"no change event of Debezium: it {told[:200]}", next_step=_NEXT_STEP)
