"""Differences as they may come about, put into the target by hand: what each is called, and where it is then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from crossfade.cdc.changes import Version
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from tests.cdc.verifying.setting import Migrated, key_of, thing_pk

Plant = Callable[[Migrated], None]

BIG: Final = "9" * 38
ROWS: Final = (
    (
        "INSERT INTO shop.things SELECT seq, CONCAT(REPEAT('long ', 50), seq), seq + 0.1250, REPEAT('9', 38), "
        "'red,blue', NULL, '2026-01-02 03:04:05.678901' FROM shop.seq_100_to_129"
    ),
    "INSERT INTO shop.orders SELECT seq, seq + 0.50 FROM shop.seq_100_to_109",
    "INSERT INTO shop.`lines` SELECT seq, seq DIV 10, 1 FROM shop.seq_1000_to_1099 WHERE seq MOD 10 < 3",
    'INSERT INTO shop.products VALUES (100, \'["100a", "100b"]\'), (101, \'["101a"]\')',
    "INSERT INTO shop.customers VALUES (100, 'Ann'), (101, 'Bert')",
    "DELETE FROM shop.things WHERE id = 129",
)
"""Rows that nobody writes any more. Of the things the last one is deleted."""


@dataclass(frozen=True, slots=True)
class Damage:
    """`pk` is where it is found, `kind` what it is then; `lines` is a part of how it is shown."""

    kind: str
    pk: str
    plant: Plant
    line: str


def changed(number: int, **attributes: Any) -> Plant:
    """A thing's item with other attributes, and everything else as it was."""

    def plant(migrated: Migrated) -> None:
        item = migrated.item(thing_pk(number), "thing")
        migrated.put({**item, **attributes})

    return plant


def missing(migrated: Migrated) -> None:
    _ = migrated.perform("DeleteItem", {"TableName": migrated.target, "Key": key_of(thing_pk(100), "thing")})


def buried(migrated: Migrated) -> None:
    """A tombstone where there is a row."""
    stamp = migrated.item(thing_pk(101), "thing")[STAMP]["M"]
    gone: Item = {
        **key_of(thing_pk(101), "thing"),
        STAMP: {"M": {**stamp, "deleted": {"BOOL": True}, "at": {"N": "1"}}},
    }
    migrated.put(gone)


def extra(migrated: Migrated) -> None:
    """Of a row that never was, with all that crossfade writes."""
    stamp: Item = {"version": {"S": str(Version(0, 1))}, "of": {"S": "shop.things [7777]"}}
    migrated.put({**key_of(thing_pk(7777), "thing"), "label": {"S": "nobody"}, STAMP: {"M": stamp}})


def resurrected(migrated: Migrated) -> None:
    """A late event of a deleted row, written over its tombstone."""
    stamp: Item = {"version": {"S": str(Version(0, 1))}, "of": {"S": "shop.things [129]"}}
    migrated.put({**key_of(thing_pk(129), "thing"), "label": {"S": "again"}, STAMP: {"M": stamp}})


def unclaimed(migrated: Migrated) -> None:
    """Somebody else's, without a stamp."""
    migrated.put({**key_of("stranger#1", "thing"), "label": {"S": "who?"}})


def misplaced(migrated: Migrated) -> None:
    """The item of one row under the key of another."""
    migrated.put({**migrated.item(thing_pk(110), "thing"), **key_of(thing_pk(111), "thing"), "note": {"S": "of 110"}})


def left_behind(migrated: Migrated) -> None:
    """What a row made before one of its ordinary columns was changed, and makes no more."""
    item = migrated.item("code#101a", "product")
    migrated.put({**item, "pk": {"S": "code#101z"}})


def child_too_many(migrated: Migrated) -> None:
    item = migrated.item("order#101", "order")
    lines = [*item["lines"]["L"], {"L": [{"N": "9999"}, {"N": "1"}]}]
    migrated.put({**item, "lines": {"L": lines}})


def stale_child(migrated: Migrated) -> None:
    """A row that is kept as it was before its last change; the item shows it only with the next change."""
    key = {"item": {"S": "shop.orders [102]"}, "part": {"S": "shop.lines [1021]"}}
    table = migrated.migration.parts_table
    part = migrated.perform("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})["Item"]
    row = part["row"]["S"].replace('"count":1', '"count":77')
    assert row != part["row"]["S"]
    _ = migrated.perform("PutItem", {"TableName": table, "Item": {**part, "row": {"S": row}}})


def orphan(migrated: Migrated) -> None:
    """A child that is no more, and is kept."""
    key = {"item": {"S": "shop.orders [103]"}, "part": {"S": "shop.lines [8888]"}}
    row = {"S": '{"id":8888,"order_id":103,"count":1}'}
    part = {**key, "table": {"S": "shop.lines"}, "version": {"S": str(Version(0, 1))}, "row": row}
    _ = migrated.perform("PutItem", {"TableName": migrated.migration.parts_table, "Item": part})


LONG: Final = "long " * 50
DAMAGES: Final = {
    "missing": Damage("missing", thing_pk(100), missing, "- amount: 100.125"),
    "a tombstone where a row is": Damage("missing", thing_pk(101), buried, "- amount: 101.125"),
    "extra": Damage("extra", thing_pk(7777), extra, "+ label: 'nobody'"),
    "a resurrected item": Damage("extra", thing_pk(129), resurrected, "+ label: 'again'"),
    "somebody else's": Damage("extra", "stranger#1", unclaimed, "+ label: 'who?'"),
    "a wrong type": Damage("mismatched", thing_pk(102), changed(102, amount={"S": "102.125"}), "+ amount: '102.125'"),
    "a truncated text": Damage("mismatched", thing_pk(103), changed(103, label={"S": LONG}), "- label: "),
    "a lost fraction": Damage("mismatched", thing_pk(104), changed(104, amount={"N": "104"}), "+ amount: 104"),
    "a last digit off": Damage("mismatched", thing_pk(105), changed(105, big={"N": BIG[:-1] + "8"}), f"- big: {BIG}"),
    "a set with one member less": Damage("mismatched", thing_pk(106), changed(106, tags={"SS": ["red"]}), "+ tags: "),
    "a NULL told as an empty text": Damage("mismatched", thing_pk(107), changed(107, note={"S": ""}), "+ note: ''"),
    "lost microseconds": Damage(
        "mismatched", thing_pk(108), changed(108, at={"S": "2026-01-02T03:04:05.000000"}), "- at: "
    ),
    "a NULL told as NULL": Damage("mismatched", thing_pk(109), changed(109, note={"NULL": True}), "+ note: "),
    "an item under another's key": Damage("mismatched", thing_pk(111), misplaced, "+ note: 'of 110'"),
    "what a row makes no more": Damage("extra", "code#101z", left_behind, "+ id: 101"),
    "a child too many": Damage("mismatched", "order#101", child_too_many, "+ lines[3]: "),
    "a stale child row": Damage("stale part", "shop.lines [1021]", stale_child, "+ row: "),
    "a child that is no more": Damage("stale part", "shop.lines [8888]", orphan, "+ row: "),
}
