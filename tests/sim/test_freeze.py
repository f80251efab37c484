"""The worlds of the strategy freeze: their stores, their log, and checks that bite."""

from __future__ import annotations

import pytest

from crossfade.cdc.changes import Change
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.sim.freeze.checks import other_parts, unequal
from crossfade.sim.freeze.database import Sql
from crossfade.sim.freeze.shapes import SHAPES, TARGET, items, shape
from crossfade.sim.freeze.stores import Stores
from crossfade.sim.history import KeyName
from crossfade.sim.model import State

A: KeyName = ("e", "a")
B: KeyName = ("e", "b")
STATE: State = (1, ("t1", "t2"), "t1")
OTHER: State = (2, ("t3",), None)


def stores_of(name: str) -> Stores:
    """Both hold one entity alike."""
    stores = Stores(Sql(shape(name), {A: STATE}), keeps_stamp=False)
    table = stores.tables[TARGET]
    for item in items(name, A, STATE):
        table.set(table.key(item), item, 0.0)
    return stores


def changes(sql: Sql) -> list[Change]:
    return [told for logged in sql.log for told in logged.told if isinstance(told, Change)]


@pytest.mark.parametrize("name", SHAPES)
def test_equal_stores_are_equal(name: str) -> None:
    """Tombstones and versions aside."""
    stores = stores_of(name)
    gone: Item = {"pk": {"S": "entity#b"}, "sk": {"S": "all"}, STAMP: {"M": {"deleted": {"BOOL": True}}}}
    stores.tables[TARGET].set(("entity#b", "all"), gone, 0.0)
    assert list(unequal(stores, [A, B])) == []


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_missing_other_or_too_much_is_told(name: str) -> None:
    """In both directions."""
    stores = stores_of(name)
    stores.sql.set({B: OTHER}, 1.0)
    assert [violation.keys for violation in unequal(stores, [A, B])] == [("e/b",)]
    stores.sql.set({A: None, B: None}, 2.0)
    assert [violation.keys for violation in unequal(stores, [A, B])] == [("e/a",)]
    stores.sql.set({A: OTHER}, 3.0)
    assert [violation.keys for violation in unequal(stores, [A, B])] == [("e/a",)]


def test_parts_that_are_not_the_rows_are_told() -> None:
    """Here nothing has been applied, so that all of them are missing."""
    assert [violation.invariant for violation in other_parts(stores_of("fold"))] == ["at rest, the parts are the rows"]
    assert list(other_parts(stores_of("single"))) == []


@pytest.mark.parametrize("name", SHAPES)
def test_an_update_that_changes_nothing_is_in_no_log(name: str) -> None:
    """So what the mirror writes back need not come through the log."""
    sql = stores_of(name).sql
    sql.set({A: STATE}, 1.0)
    assert sql.log == []


@pytest.mark.parametrize("name", SHAPES)
def test_another_primary_key_is_a_delete_and_an_insert_at_one_position(name: str) -> None:
    """The delete first; a child goes over to its new parent."""
    sql = stores_of(name).sql
    sql.set({B: OTHER, A: None}, 1.0)
    found = [change for change in changes(sql) if change.table == sql.shape.parent]
    assert [(change.key, change.row is None) for change in found] == [(("a",), True), (("b",), False)]
    assert {change.version.position for change in changes(sql)} == {1}
    assert sql.state(A) is None
    assert sql.state(B) == OTHER
    moved = [change for change in changes(sql) if change.before and change.row and change.table == "shop.lines"]
    assert [(line.before["order_id"], line.row["order_id"]) for line in moved if line.before and line.row] == (
        [("a", "b")] if name == "fold" else []
    )
