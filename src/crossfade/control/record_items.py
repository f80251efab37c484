"""Records as items of the control table: under which key, and what of them is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from crossfade.control.records import (
    CAPTURES,
    CARRIER,
    CLIENTS,
    DIFFERENCES,
    FALLBACK,
    FENCE,
    JOBS,
    JOURNAL,
    MARKS,
    PARTITION_KEY,
    READERS,
    REFUSALS,
    REPAIRS,
    SCHEMA,
    SEGMENTS,
    SHARDS,
    SORT_KEY,
    STATE,
    CaptureRecord,
    CarrierRecord,
    DifferenceRecord,
    FallbackSample,
    FallbackTotal,
    FenceRecord,
    Job,
    JobRecord,
    JobStatus,
    JournalEntry,
    Lease,
    Reader,
    Record,
    RefusalRecord,
    RepairRecord,
    Role,
    SchemaRecord,
    SegmentCheckpoint,
    ShardPosition,
    State,
    StreamReader,
    UncleanMark,
)
from crossfade.core.items import AttributeValue, Item
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError

AnyRecord: TypeAlias = (
    State
    | Lease
    | JobRecord
    | SegmentCheckpoint
    | StreamReader
    | ShardPosition
    | FallbackTotal
    | FallbackSample
    | RefusalRecord
    | UncleanMark
    | DifferenceRecord
    | RepairRecord
    | CarrierRecord
    | FenceRecord
    | CaptureRecord
    | SchemaRecord
    | JournalEntry
)

# --- names of records


def client_record(client: str) -> str:
    return CLIENTS + client


def job_record(job: Job) -> str:
    return JOBS + job.value


def segment_record(job: Job, number: int) -> str:
    return f"{SEGMENTS}{job.value}#{number:04d}"


def reader_record(reader: Reader) -> str:
    return READERS + reader.value


def shard_records(reader: Reader) -> str:
    """What the names of all positions of a reader begin with."""
    return f"{SHARDS}{reader.value}#"


def journal_record(number: int) -> str:
    return f"{JOURNAL}{number:08d}"


def fallback_record(slot: int) -> str:
    return f"{FALLBACK}#{slot}"


def refusal_record(kind: str) -> str:
    return REFUSALS + kind


def mark_record(mark: int) -> str:
    return f"{MARKS}{mark:08d}"


def difference_record(digest: str) -> str:
    return DIFFERENCES + digest


def repair_record(client: str, digest: str) -> str:
    return f"{REPAIRS}{client}#{digest}"


def capture_record(name: str) -> str:
    return CAPTURES + name


_SINGLE: Final[dict[type[AnyRecord], str]] = {
    State: STATE,
    FallbackTotal: FALLBACK,
    CarrierRecord: CARRIER,
    FenceRecord: FENCE,
    SchemaRecord: SCHEMA,
}
"""Those of which a migration has one, at most."""


def record_name(record: AnyRecord) -> str:
    match record:
        case State() | FallbackTotal() | CarrierRecord() | FenceRecord() | SchemaRecord():
            return _SINGLE[type(record)]
        case Lease():
            return client_record(record.client)
        case JobRecord():
            return job_record(record.job)
        case SegmentCheckpoint():
            return segment_record(record.job, record.number)
        case StreamReader():
            return reader_record(record.reader)
        case ShardPosition():
            return f"{shard_records(record.reader)}{record.side}#{record.shard}"
        case FallbackSample():
            return fallback_record(record.slot)
        case RefusalRecord():
            return refusal_record(record.kind)
        case RepairRecord() | DifferenceRecord():
            is_repair = isinstance(record, RepairRecord)
            return repair_record(record.client, record.digest) if is_repair else difference_record(record.digest)
        case CaptureRecord():
            return capture_record(record.name)
        case UncleanMark() | JournalEntry():
            return (mark_record if isinstance(record, UncleanMark) else journal_record)(record.number)


# --- attribute values


def text(value: str) -> AttributeValue:
    return {"S": str(value)}


def number(value: float) -> AttributeValue:
    return {"N": repr(value)}


def write(value: object) -> AttributeValue:
    """The attribute value of a field: text, a truth value, a number, or counts."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {"M": {str(name): number(count) for name, count in cast("Mapping[str, int]", value).items()}}
    raise TypeError(f"no record has a field of type {type(value).__name__}")


def to_item(migration: str, record: AnyRecord) -> Item:
    """The whole item of a record, key included."""
    item: Item = {PARTITION_KEY: text(migration), SORT_KEY: text(record_name(record))}
    for field in dataclasses.fields(record):
        value: Any = getattr(record, field.name)
        if field.name == "last_key":
            item[field.name] = {"NULL": True} if value is None else {"M": value}
        else:
            item[field.name] = write(value)
    return item


def _read(value: AttributeValue, kind: str) -> Any:
    if len(value) != 1 or kind not in value:
        raise ValueError
    return value[kind]


def _counts(value: AttributeValue) -> dict[str, int]:
    entries: dict[str, AttributeValue] = _read(value, "M")
    return {name: int(_read(entry, "N")) for name, entry in entries.items()}


def _key(value: AttributeValue) -> Item | None:
    return None if value == {"NULL": True} else _read(value, "M")


# How a field is read, by its annotation.
_READERS: dict[str, Callable[[AttributeValue], Any]] = {
    "str": lambda value: str(_read(value, "S")),
    "int": lambda value: int(_read(value, "N")),
    "float": lambda value: float(_read(value, "N")),
    "bool": lambda value: bool(_read(value, "BOOL")),
    "dict[str, int]": _counts,
    "Item | None": _key,
    "Stage": lambda value: Stage(_read(value, "S")),
    "Role": lambda value: Role(_read(value, "S")),
    "Job": lambda value: Job(_read(value, "S")),
    "Reader": lambda value: Reader(_read(value, "S")),
    "JobStatus": lambda value: JobStatus(_read(value, "S")),
}


def from_item(kind: type[Record], item: Item) -> Record:
    """The record that an item is; one of before a field with a default was there has the default.

    Raises ConfigurationError naming the attribute that is not as it should be.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if field.name not in item and has_default:
            continue
        try:
            found[field.name] = _READERS[str(field.type)](item[field.name])
        except (KeyError, ValueError) as error:
            name = item.get(SORT_KEY, {}).get("S", "?")
            raise ConfigurationError(
                f"control record {name}: attribute {field.name} is missing or not what this version writes",
                next_step="was it changed by hand, or by another version of crossfade?",
            ) from error
    return kind(**found)
