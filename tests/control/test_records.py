"""The form of the records: exact there and back, and strict about what it reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossfade.control.record_items import from_item, record_name, to_item
from crossfade.control.records import (
    CaptureRecord,
    Job,
    JobRecord,
    JobStatus,
    JournalEntry,
    Lease,
    Role,
    SchemaRecord,
    SegmentCheckpoint,
    State,
)
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError
from tests.control.world import World

RECORDS: list[Any] = [
    State(Stage.LIVE, 7, 0, "dual-write", "a", "b", "f00d", 2, 12, "monday", "tuesday"),
    Lease("c1", Role.APP, "node", 4, "f00d", 9, 7, 10.0, 0.25, 1, "k: too large", "mapping"),
    JobRecord(
        Job.VERIFY,
        JobStatus.COMPLETE,
        "c1",
        "t",
        "ann",
        "node",
        4,
        8,
        2,
        "r",
        True,
        {"missing": 0},
        "monday",
        "tuesday",
        "mapping",
        "change",
    ),
    SegmentCheckpoint(Job.BACKFILL, 7, "c1", "t", 3, {"k": {"B": b"\x00"}, "n": {"N": "1.5"}}, False, {"written": 5}),
    SegmentCheckpoint(Job.BACKFILL, 8, "c1", "t", 0, None, True, {}),
    JournalEntry(12, "t", 7, "shadow -> live", "ann", "laptop", "monday", "because", True),
    SchemaRecord("c1", "shop.customers", "ALTER TABLE customers ADD city TEXT", "monday"),
]


@pytest.mark.parametrize("record", RECORDS, ids=record_name)
def test_a_record_comes_back_as_it_was(world: World, record: Any) -> None:
    """Written to the table and read again every field has its value, keys inside included."""
    _ = world.client.put_item(**world.control.put(record))
    reply = world.client.get_item(TableName=world.control.table, Key=world.control.key(record_name(record)))
    kind: Any = record.__class__
    found = from_item(kind, reply["Item"])
    assert found == record


def test_names_sort_as_their_numbers_do() -> None:
    """Segments and journal entries are listed in order, since their numbers are padded."""
    assert record_name(RECORDS[3]) == "segment#backfill#0007"
    assert record_name(RECORDS[5]) == "journal#00000012"


@pytest.mark.parametrize("value", [None, {"S": "7"}, {"N": "x"}, {"N": "7", "S": "7"}])
def test_a_field_that_is_missing_or_of_another_type_is_an_error_with_its_name(value: dict[str, str] | None) -> None:
    """No record is read with a default in place of what somebody else wrote."""
    item = to_item("m", RECORDS[0])
    if value is None:
        del item["epoch"]
    else:
        item["epoch"] = value
    with pytest.raises(ConfigurationError, match="record state: attribute epoch"):
        _ = from_item(State, item)


def test_an_unknown_stage_is_an_error() -> None:
    """A stage that this version does not know is not taken for another one."""
    item = to_item("m", RECORDS[0]) | {"stage": {"S": "thaw"}}
    with pytest.raises(ConfigurationError, match="attribute stage"):
        _ = from_item(State, item)


def test_a_field_that_an_older_build_did_not_write_has_its_default() -> None:
    """Its records are read, whatever has come since."""
    record = CaptureRecord("log", "token", 3, "p", "", "now", "line")
    item = to_item("m", record)
    del item["line"]
    assert from_item(CaptureRecord, item) == replace(record, line="")
