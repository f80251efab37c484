"""A stand-in for Debezium's connector and for a task of AWS DMS: the real log of a MariaDB, in their messages.

The real Debezium is played with EVERY=1 (`tests/cli/rows/test_real_debezium.py`); AWS DMS cannot be run here, so its
messages are written after its page. Messages of a topic may be held back, as of a broker that is slow: what is kept of
the position in Kafka Connect's topic then stays before them.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from crossfade.cdc import kafka
from crossfade.cdc.changes import Change, Value, Version
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.errors import RowsUntold
from crossfade.cdc.mysql.keyset import prepare, rows_after
from crossfade.cdc.mysql.positions import OFFSET_BITS
from crossfade.cdc.mysql.reader import Commit, LogReader, position_now
from crossfade.cdc.mysql.schema import SourceTable, read_table
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.topics import DMS, Debezium, Theirs

HEARTBEAT_SECONDS: Final = 0.1
FILE: Final = "binlog.{:06d}"
CONNECTOR: Final = "the-connector"


@dataclass(frozen=True, slots=True)
class Told:
    """A change with where it stands in its transaction."""

    change: Change
    order: int


class Filling:
    """`with Filling(...)`: the rows that there are, then the log, until the end of the block."""

    def __init__(
        self, declared: Theirs, source: Source, brokers: Mapping[str, Any], tables: Iterable[str], server_id: int
    ) -> None:
        self.declared = declared
        self.failure: BaseException | None = None
        self._source = source
        self._producer = kafka.producer(brokers)
        marks = Watermarks(next(iter(tables)).partition(".")[0])
        with source.connect() as connection:
            marks.create(connection)
            self._tables = {name: read_table(connection, name) for name in (*tables, marks.name)}
        self._server_id = server_id
        self._kept = ""  # how far all was sent, as Kafka Connect keeps it
        self._held: list[tuple[str, bytes | None, bytes | None]] = []
        self._holding = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def hold_rows(self) -> None:
        """From now on rows are not sent, while marks are: a broker that is slow."""
        self._holding.set()

    def release(self) -> None:
        self._holding.clear()

    # --- on the thread

    def _run(self) -> None:
        try:
            beginning = position_now(self._source, file_only=True)
            self._snapshot(beginning.offset)
            reader = LogReader(
                self._source,
                list(self._tables),
                beginning,
                server_id=self._server_id,
                heartbeat_seconds=HEARTBEAT_SECONDS,
            )
            order = 0
            for told in reader:
                if isinstance(told, Change):
                    order += 1
                    self._tell(Told(told, order))
                elif isinstance(told, Commit):
                    order = 0
                    self._keep()
                    self._kept = json.dumps({"file": told.position.file, "pos": told.position.offset})
                self._release()
                if self._ending.is_set():
                    break
            reader.close()
            self._producer.flush(kafka.DELIVERY_SECONDS)
        except RowsUntold:
            self._producer.flush(kafka.DELIVERY_SECONDS)  # the table of marks was dropped: `cleanup`
        except BaseException as error:  # noqa: BLE001  the test has it
            self.failure = error

    def _snapshot(self, offset: int) -> None:
        with self._source.connect() as connection:
            prepare(connection)
            for table in self._tables.values():
                for keyed in rows_after(connection, table, None, 1_000_000):
                    version = Version(0, 1 << OFFSET_BITS | offset)
                    self._tell(Told(Change(table.name, keyed.key, keyed.row, version, origin="snapshot"), 0))

    def _tell(self, told: Told) -> None:
        table = self._tables[told.change.table]
        declared = self.declared
        if isinstance(declared, DMS):
            self._send(declared.topic, dms_key(told.change), dms_message(told.change, table))
            return
        topic = declared.topic or f"{declared.prefix}.{table.name}"
        key = debezium_key(told.change, table)
        self._send(topic, key, debezium_message(told, table))
        if told.change.row is None:
            self._send(topic, key, None)

    def _send(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        if self._holding.is_set() and "watermarks" not in topic:
            self._held.append((topic, key, value))
        else:
            self._producer.produce(topic, value, key)

    def _keep(self) -> None:
        """Where the transaction before was, once all before it is acknowledged."""
        self._producer.flush(kafka.DELIVERY_SECONDS)
        declared = self.declared
        if isinstance(declared, Debezium) and declared.offsets and self._kept and not self._held:
            key = json.dumps([CONNECTOR, {"server": declared.prefix}]).encode()
            self._producer.produce(declared.offsets, self._kept.encode(), key)

    def _release(self) -> None:
        if self._held and not self._holding.is_set():
            held, self._held = self._held, []
            for message in held:
                self._send(*message)


# --- messages


def debezium_key(change: Change, table: SourceTable) -> bytes:
    fields = [schema_of(column) for column in table.key_columns]
    payload = {column.name: in_connect(value) for column, value in zip(table.key_columns, change.key, strict=True)}
    return json.dumps({"schema": {"type": "struct", "fields": fields}, "payload": payload}).encode()


def debezium_message(told: Told, table: SourceTable) -> bytes:
    change = told.change
    fields = [schema_of(column) for column in table.columns]
    rows = [{"type": "struct", "field": name, "fields": fields, "optional": True} for name in ("before", "after")]
    snapshot = change.origin == "snapshot"
    operation = "r" if snapshot else "d" if change.row is None else "c" if change.before is None else "u"
    number, place = divmod(change.version.position, 1 << OFFSET_BITS)
    payload = {
        "before": None if change.before is None else connected(change.before),
        "after": None if change.row is None else connected(change.row),
        "source": {
            "connector": "mariadb",
            "db": table.schema,
            "table": table.table,
            "file": FILE.format(number),
            "pos": place,
            "ts_ms": int(change.committed_at * 1000),
            "snapshot": "true" if snapshot else "false",
        },
        "op": operation,
        "transaction": None if snapshot else {"id": str(change.version.position), "total_order": told.order},
    }
    return json.dumps(
        {"schema": {"type": "struct", "fields": rows}, "payload": payload}, separators=(",", ":")
    ).encode()


def schema_of(column: Column) -> dict[str, Any]:
    """As the connector's defaults have it, of the types that the tests' tables have."""
    if column.kind is Kind.INTEGER:
        return {"type": "int32", "optional": True, "field": column.name}
    if column.kind is Kind.DECIMAL:
        name, scale = "org.apache.kafka.connect.data.Decimal", {"scale": str(column.digits)}
        return {"type": "bytes", "optional": True, "name": name, "parameters": scale, "field": column.name}
    return {"type": "string", "optional": True, "field": column.name}


def connected(row: Mapping[str, Value]) -> dict[str, Any]:
    return {name: in_connect(value) for name, value in row.items()}


def in_connect(value: Value) -> Any:
    if not isinstance(value, Decimal):
        return value
    digits = int(value.scaleb(-int(value.as_tuple().exponent)))
    return base64.b64encode(digits.to_bytes(digits.bit_length() // 8 + 1, "big", signed=True)).decode()


def dms_key(change: Change) -> bytes:
    return ".".join([change.table, *map(str, change.key)]).encode()


def dms_message(change: Change, table: SourceTable) -> bytes:
    """A row without what is NULL; numbers as JSON has them."""
    row = change.row if change.row is not None else change.before
    assert row is not None
    snapshot = change.origin == "snapshot"
    operation = (
        "load" if snapshot else "delete" if change.row is None else "insert" if change.before is None else "update"
    )
    image = (
        {}
        if change.before is None
        else {"before-image": {name: in_json(value) for name, value in change.before.items()}}
    )
    metadata = {
        "record-type": "data",
        "operation": operation,
        "partition-key-type": "primary-key",
        "schema-name": table.schema,
        "table-name": table.table,
    }
    data = {name: in_json(value) for name, value in row.items() if value is not None}
    return json.dumps({"data": data, "metadata": metadata, **image}, indent=1).encode()


def in_json(value: Value) -> Any:
    return float(value) if isinstance(value, Decimal) else value
