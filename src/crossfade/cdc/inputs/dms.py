"""What AWS Database Migration Service writes to Kafka as JSON: one message, as a change.

    {"data": {column: value}, "before-image": {column: value}, "metadata": {
        "record-type": "data", "operation": "update", "schema-name": "shop", "table-name": "orders",
        "transaction-id": 123, "commit-timestamp": "2024-02-29T12:34:56.000000Z", ...}}

Control records have "control" in place of "data". https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.Kafka.html

**The version** is the message's offset in its partition, as there is no position of the log that is always told. So all
messages of a row must be in one partition and in the log's order: the partition key is the primary key
(`partition-key-type` "primary-key"), BatchApply is off, and `ParallelApplyThreads` is 0. A new topic is a new epoch.

So rows of two tables that make one item have an order only where one topic of one partition takes both: offsets of two
partitions have none. `transaction-id` is no number of which the greater one came later, and what is told of the log's
own position depends on the source, so neither is used. With more partitions, let no two tables make one item: fold
them, or carry them by Debezium or by the own reader.

**The key.** A data record does not say what the primary key is: the caller does. A change of it is seen only with
BeforeImageSettings (`EnableBeforeImage`, with `ColumnFilter` "pk-only" or "all"), and is a DELETE and an INSERT then.
An update without an image says that the row before it is not known; which items that had made can be told by "all".

**Values** stay as they are (numbers with a point or an exponent are Decimal, true and false 1 and 0): DECIMAL is a
number or text, dates are text, binary is hexadecimal text, by the task's settings. A column that is NULL is not there
at all unless `IncludeNullAndEmpty` is true.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from crossfade.cdc.changes import Change, ChangeUnreadable, Value, Version
from crossfade.cdc.inputs.connect_values import Columns, exact_json
from crossfade.cdc.inputs.outcome import Kind, NoChange

# The first of each pair is what is sent, the second what AWS's page says.
LOADED: Final = frozenset({"load", "read"})
WRITTEN: Final = frozenset({"insert", "create", "update"}) | LOADED
DELETED: Final = "delete"
EMPTIED: Final = frozenset({"truncate-table", "TruncateTable", "drop-table", "DropTable"})


def read_dms(
    key: bytes | None,  # noqa: ARG001  the partition key's text, from which values cannot be told
    value: bytes | None,
    *,
    epoch: int,
    offset: int,
    primary_keys: Mapping[str, Sequence[str]],
    only: Collection[str] | None = None,
) -> list[Change] | NoChange:
    """The changes that a message tells, or what else it is; `offset` is the message's in its partition.

    `primary_keys` has the columns of each table's, by "schema.table". `only`: of tables that are not among these
    nothing is wanted. Raises ChangeUnreadable with the reason.
    """
    if value is None:
        return NoChange(Kind.TOMBSTONE)
    try:
        document = exact_json(value)
        metadata = document["metadata"]
        table = f"{metadata['schema-name']}.{metadata['table-name']}"
        record_type, operation = metadata["record-type"], metadata["operation"]
    except (ValueError, KeyError, TypeError) as error:
        raise ChangeUnreadable(
            f"no message of AWS DMS: {error!r}",
            next_step="MessageFormat must be json or json-unformatted, and the rule map-record-to-record",
        ) from error
    if only is not None and table not in only:
        return NoChange(Kind.NOTICE, table, "another table")
    if record_type == "control":
        kind = Kind.TRUNCATE if operation in EMPTIED else Kind.SCHEMA_CHANGE
        return NoChange(kind, table, operation, Version(epoch, offset), _committed_at(metadata))
    if record_type != "data":
        raise ChangeUnreadable(f"a record of type {record_type!r} is not known")
    return _changes(document, table, operation, epoch, offset, primary_keys.get(table))


def _changes(
    document: Mapping[str, Any],
    table: str,
    operation: str,
    epoch: int,
    offset: int,
    primary_key: Sequence[str] | None,
) -> list[Change]:
    if primary_key is None:
        raise ChangeUnreadable(f"a change of {table}, whose primary key is not known")
    if operation not in WRITTEN and operation != DELETED:
        raise ChangeUnreadable(f"the operation {operation!r} is not known")
    told = Columns().read(document.get("data"))
    image = document.get("before-image")
    before = None if image is None else Columns().read(image)
    key, at = _key(told, primary_key, table), _committed_at(document["metadata"])
    if operation == DELETED:
        return [Change(table, key, None, Version(epoch, offset), before or told, at)]
    moved = before is not None and _moved(before, primary_key, told)
    origin: Any = "snapshot" if operation in LOADED else "log"
    unknown = operation == "update" and before is None
    changes = [Change(table, key, told, Version(epoch, offset, int(moved)), before, at, origin, unknown)]
    if moved and before is not None:
        old = {**told, **before}  # of an image with the key alone, the rest is what was not changed
        changes.insert(0, Change(table, _key(old, primary_key, table), None, Version(epoch, offset), before, at))
    return changes


def _moved(before: Mapping[str, Value], primary_key: Sequence[str], told: Mapping[str, Value]) -> bool:
    """True if the primary key is another one than before, where the image tells."""
    return any(name in before and before[name] != told.get(name) for name in primary_key)


def _key(row: Mapping[str, Value], primary_key: Sequence[str], table: str) -> tuple[Value, ...]:
    missing = [name for name in primary_key if name not in row]
    if missing:
        raise ChangeUnreadable(f"a change of {table} without {', '.join(missing)} of its primary key")
    return tuple(row[name] for name in primary_key)


def _committed_at(metadata: Mapping[str, Any]) -> float:
    """Return when the source committed (needs `IncludeTransactionDetails`); the other timestamp is the message's."""
    told = metadata.get("commit-timestamp")
    if not told:
        return 0.0
    try:
        at = datetime.datetime.fromisoformat(told)
    except (ValueError, TypeError) as error:
        raise ChangeUnreadable(f"commit-timestamp is {told!r}, which is no time") from error
    return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()
