"""What messages of AWS DMS tell. They are written after its page and after published ones: it cannot be run here."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import pytest

from crossfade.cdc.changes import Change, ChangeUnreadable, Version
from crossfade.cdc.inputs import Kind, NoChange, read_dms

PRIMARY_KEYS: Final = {"shop.orders": ("customer", "number")}
ROW: Final = {"customer": "anna", "number": 7, "total": 1.5, "paid": True, "at": "2024-02-29T12:34:56Z"}


def message(operation: str, data: Any, *, record_type: str = "data", image: Any = None, **more: Any) -> bytes:
    metadata = {
        "timestamp": "2024-02-29T12:34:57.123456Z",
        "record-type": record_type,
        "operation": operation,
        "partition-key-type": "primary-key",
        "partition-key-value": "shop.orders.anna.7",
        "schema-name": "shop",
        "table-name": "orders",
        "transaction-id": 87978110091475,
        **more.pop("metadata", {}),
    }
    images = {} if image is None else {"before-image": image}
    return json.dumps({"data": data, "metadata": metadata, **images, **more}, indent=1).encode()


def read(value: bytes | None, offset: int = 40) -> list[Change] | NoChange:
    return read_dms(b"shop.orders.anna.7", value, epoch=2, offset=offset, primary_keys=PRIMARY_KEYS)


def changes(value: bytes) -> list[Change]:
    found = read(value)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("operation", ["load", "insert", "update"])
def test_a_row_is_as_it_is_told(operation: str) -> None:
    """A written row has the values of the message, exact numbers, and the offset as its position."""
    (change,) = changes(message(operation, ROW))
    assert change.table == "shop.orders"
    assert change.key == ("anna", 7)
    assert change.row == ROW | {"total": Decimal("1.5")}
    assert change.row is not None
    assert type(change.row["paid"]) is int
    assert change.version == Version(2, 40, 0)
    assert change.origin == ("snapshot" if operation == "load" else "log")


def test_a_deletion_has_no_row() -> None:
    """A deletion has the key, and what was there where the message has it."""
    (change,) = changes(message("delete", ROW))
    assert (change.key, change.row, change.before) == (("anna", 7), None, ROW | {"total": Decimal("1.5")})


def test_a_later_offset_is_later() -> None:
    """Of two messages of one partition the later one has the greater version."""
    first, second = read(message("insert", ROW), 9), read(message("update", ROW), 10)
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert first[0].version < second[0].version


@pytest.mark.parametrize("image", [{"number": 6}, {"customer": "anna", "number": 6}, {**ROW, "number": 6}])
def test_hazard_15_a_changed_primary_key_is_a_delete_before_an_insert(image: dict[str, Any]) -> None:
    """With the image before, of whatever columns, a new primary key is two changes, the deletion first."""
    deleted, written = changes(message("update", ROW, image=image))
    assert (deleted.key, deleted.row) == (("anna", 6), None)
    assert written.key == ("anna", 7)
    assert written.row is not None
    assert deleted.version < written.version
    assert deleted.version.position == written.version.position


def test_an_update_without_an_image_does_not_know_the_row_before() -> None:
    """So that nothing is applied that would leave items of the row before behind."""
    assert changes(message("update", ROW))[0].tells_too_little
    assert not changes(message("update", ROW, image=ROW))[0].tells_too_little
    assert not changes(message("insert", ROW))[0].tells_too_little


def test_of_other_tables_nothing_is_wanted() -> None:
    """A task that carries more than is mapped stops nobody, whatever it says of the rest."""
    for value in (message("insert", {"x": 1}), message("truncate-table", None, record_type="control")):
        found = read_dms(None, value, epoch=0, offset=1, primary_keys={}, only={"shop.lines"})
        assert isinstance(found, NoChange)
        assert (found.kind, found.removes_rows) == (Kind.NOTICE, False)


def test_an_image_with_the_same_key_is_one_change() -> None:
    """The image before an ordinary update is told with it."""
    (change,) = changes(message("update", ROW, image={"customer": "anna", "number": 7}))
    assert change.before == {"customer": "anna", "number": 7}


def test_the_time_of_the_commit_is_told_where_there_is_one() -> None:
    """The time is that of the commit; the message's own is nobody's."""
    (with_it,) = changes(message("update", ROW, metadata={"commit-timestamp": "2024-02-29T12:34:56.500000Z"}))
    (without,) = changes(message("update", ROW))
    assert (with_it.committed_at, without.committed_at) == (1709210096.5, 0.0)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("create-table", Kind.SCHEMA_CHANGE),
        ("add-column", Kind.SCHEMA_CHANGE),
        ("truncate-table", Kind.TRUNCATE),
        ("drop-table", Kind.TRUNCATE),
        ("DropTable", Kind.TRUNCATE),
    ],
)
def test_control_records_have_a_name(operation: str, kind: Kind) -> None:
    """A control record is no change of a row; one that empties a table says so."""
    found = read(message(operation, None, record_type="control", control={"table-def": {}}))
    assert isinstance(found, NoChange)
    assert (found.kind, found.table, found.text) == (kind, "shop.orders", operation)
    assert found.removes_rows is (kind is Kind.TRUNCATE)


def test_nothing_at_all_is_a_tombstone() -> None:
    """A message without a value is for Kafka's compaction."""
    assert read(None) == NoChange(Kind.TOMBSTONE)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"<xml/>", "no message of AWS DMS"),
        (b'{"FirstName": "Randy"}', "no message of AWS DMS: KeyError"),
        (b"[]", "no message of AWS DMS"),
        (message("insert", ROW, record_type="other"), "type 'other' is not known"),
        (message("upsert", ROW), "operation 'upsert' is not known"),
        (message("insert", ROW, metadata={"table-name": "other"}), "shop.other, whose primary key is not known"),
        (message("insert", {"customer": "anna"}), "without number of its primary key"),
        (message("insert", None), "a row was expected"),
        (message("insert", ROW, metadata={"commit-timestamp": "soon"}), "which is no time"),
    ],
)
def test_what_cannot_be_read_says_why(value: bytes, reason: str) -> None:
    """What is not understood is an error with the reason, and never a guess."""
    with pytest.raises(ChangeUnreadable, match=reason):
        _ = read(value)
