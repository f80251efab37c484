"""What a check finds in messages that others wrote: recorded ones of Debezium, and those of AWS DMS after its page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import pytest

from crossfade.cdc import DMS, Debezium, MySQL, RowMigration
from crossfade.cdc.checking.messages import MessageExamination
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.topics import Theirs
from crossfade.check.report import Finding
from crossfade.migration import Table
from tests.cdc.inputs.recordings import of_topic
from tests.cdc.inputs.test_dms import ROW, message

TYPES: Final = SourceTable(
    "shop",
    "types",
    (
        Column("id", Kind.INTEGER),
        Column("c_big_u", Kind.INTEGER, unsigned=True),
        Column("c_decimal", Kind.DECIMAL, digits=10),
        Column("c_blob", Kind.BLOB),
        Column("c_datetime6", Kind.DATETIME, digits=6),
        Column("c_set", Kind.SET),
        Column("c_json", Kind.JSON),
    ),
    ("id",),
)
ORDERS: Final = SourceTable(
    "shop",
    "orders",
    (
        Column("customer", Kind.TEXT),
        Column("number", Kind.INTEGER, unsigned=True),
        Column("total", Kind.DECIMAL, digits=2),
        Column("note", Kind.TEXT),
    ),
    ("customer", "number"),
)


def mapped(row: Any) -> dict[str, str]:
    return {"pk": str(row)}


def answered(rows: Sequence[tuple[str, ...]], _statement: str) -> Sequence[tuple[str, ...]]:
    return rows


def found_in(declared: Theirs, messages: Iterable[Any], *, partitions: int = 2) -> dict[tuple[str, str], Finding]:
    """By the code and what it is about."""
    migration = RowMigration("shop", MySQL(server_id=7), Table("shop", key={"pk": "S"}), topics=declared)
    for name in ("shop.types", "shop.orders"):
        _ = migration.table(name)(mapped)
    bigints = [("shop", "types", "c_big_u"), ("shop", "orders", "number")]
    connection: Any = SimpleNamespace(texts=partial(answered, bigints))
    tables = {"shop.types": TYPES, "shop.orders": ORDERS}
    examination = MessageExamination(migration, declared, connection, tables, {"all": partitions})
    for each in messages:
        examination.examine(each)
    return {(each.code, each.what.partition(": ")[0]): each for each in examination.findings()}


def recorded(connector: str) -> list[Any]:
    """Messages of one connector, as if a router had brought them into one topic."""
    tables = ("types", "orders") if connector in {"on", "off", "text"} else ("types",)
    messages = [each for table in tables for each in of_topic(f"{connector}.shop.{table}")]
    return [told(each.key, each.value, each.offset) for each in messages]


def told(key: bytes | None, value: bytes | None, offset: int = 0) -> Any:
    parts = {"topic": "all", "partition": 0, "offset": offset, "key": key, "value": value}
    return SimpleNamespace(**{name: (lambda each=each: each) for name, each in parts.items()})


@pytest.mark.parametrize(
    ("connector", "columns", "step"),
    [
        ("on", "", ""),
        ("off", "c_decimal c_blob c_datetime6 c_set", "schemas.enable=true"),
        ("text", "c_decimal c_blob", "decimal.handling.mode=precise"),
        ("connect", "c_decimal c_blob", "decimal.handling.mode=precise"),
    ],
)
def test_values_that_no_select_gives_are_found(connector: str, columns: str, step: str) -> None:
    """Column by column, with the setting that mends it."""
    found = found_in(Debezium("on", topic="all"), recorded(connector))
    others = {about for code, about in found if code == "other-value" and ".types." in about}
    assert others == {f"shop.types.{name}" for name in columns.split()}
    if columns:
        assert step in found["other-value", "shop.types.c_decimal"].next_step


def test_settings_that_lose_something_are_told() -> None:
    """The defaults of the connector and of its converter among them; with `precise` the numbers are all there."""
    by_default = found_in(Debezium("on", topic="all"), recorded("on"))
    assert ("long-unsigned", "shop.types.c_big_u") in by_default
    assert ("coarse-time", "shop.types.c_datetime6") not in by_default
    assert ("coarse-time", "shop.types.c_datetime6") in found_in(Debezium("on", topic="all"), recorded("connect"))
    document = json.loads(of_topic("on.shop.orders")[0].value or b"")
    (after,) = [each for each in document["schema"]["fields"] if each["field"] == "after"]
    after["fields"][-1]["default"] = "none"
    defaulted = told(of_topic("on.shop.orders")[0].key, json.dumps(document).encode())
    assert ("null-default", "shop.orders.note") in found_in(Debezium("on", topic="all"), [defaulted])
    precise = found_in(Debezium("on", topic="all"), recorded("numeric"))
    assert ("long-unsigned", "shop.types.c_big_u") not in precise


def test_another_key_and_other_forms_are_errors() -> None:
    """A key of other columns splits a row's changes; what is no message of the connector names the way out."""
    key = b'{"schema":{"type":"struct","fields":[{"type":"string","field":"customer"}]},"payload":{"customer":"anna"}}'
    value = of_topic("on.shop.orders")[0].value
    found = found_in(Debezium("on", topic="all"), [told(key, value), told(b"{}", b'{"customer": "anna"}')])
    assert found["other-key", "shop.orders"].severity == "error"
    assert "ExtractNewRecordState" in found["unreadable", "all"].next_step


def test_a_task_of_dms_is_looked_at() -> None:
    """How it partitions, and whether it tells the row before."""
    by_row, by_table = ({"partition-key-type": kind} for kind in ("primary-key", "schema-table"))
    data = {**ROW, "note": "x"}
    fine = [message("update", data, image=data, metadata=by_row), message("insert", data, metadata=by_row)]
    assert found_in(DMS("all"), [told(b"k", each) for each in fine]) == {}
    wrong = [message("update", data, metadata=by_table), message("update", {**data, "total": "x"}, metadata=by_row)]
    found = found_in(DMS("all"), [told(b"k", each) for each in wrong])
    assert {code for code, _ in found} == {"by-table", "no-image", "unreadable"}
    assert "column total holds 'x'" in found["unreadable", "all"].samples[0]
    alone = found_in(DMS("all"), [told(b"k", message("insert", data, metadata=by_table))], partitions=1)
    assert alone == {}
    assert json.loads(fine[0])["metadata"]["partition-key-type"] == "primary-key"
