"""What one change of a row means, without any table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from crossfade.cdc.changes import Change, ChangeUnreadable, Value, Version
from crossfade.cdc.planning import folded, planned
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child, Rows
from crossfade.errors import ConfigurationError, MappingError
from crossfade.migration import Table
from tests.cdc.shop import KEY, order_key, shop

VERSION = Version(1, 1)
ROWS = shop("shop")


def change(
    table: str, row: Mapping[str, Value] | None, before: Mapping[str, Value] | None = None, key: Value = 1
) -> Change:
    return Change(f"shop.{table}", (key,), row, VERSION, before)


def written(made: Change) -> dict[str, bool]:
    """By partition key: whether an item is written there, or is gone."""
    return {entry.key["pk"]["S"]: entry.item is not None for entry in planned(ROWS, made).written}


def test_what_a_row_makes_no_more_is_gone() -> None:
    """An update that takes a code away takes its item away, and leaves the others (hazard 16)."""
    before: dict[str, Value] = {"id": 1, "codes": ["a", "b"]}
    assert written(change("products", {"id": 1, "codes": ["b", "c"]}, before)) == {
        "code#a": False,
        "product#1": True,
        "code#b": True,
        "code#c": True,
    }
    assert written(change("products", None, before)) == {"product#1": False, "code#a": False, "code#b": False}


def test_a_line_that_goes_over_to_another_order_leaves_the_first() -> None:
    """Both items are made again."""
    moved = change("lines", {"id": 1, "order_id": 6}, {"id": 1, "order_id": 5})
    assert [(part.parent, part.row is None) for part in planned(ROWS, moved).parts] == [((5,), True), ((6,), False)]


def test_a_line_without_an_order_is_no_part() -> None:
    """A foreign key that is NULL leads nowhere."""
    assert planned(ROWS, change("lines", {"id": 1, "order_id": None})).parts == ()


def test_an_order_that_is_gone_is_a_part_that_is_gone() -> None:
    """Its lines stay parts, as the log has not deleted them yet."""
    (part,) = planned(ROWS, change("orders", None, {"id": 1, "total": 3})).parts
    assert (part.parent, part.key, part.row) == ((1,), (1,), None)


def test_tables_that_nobody_maps_mean_nothing() -> None:
    """A log has changes of every table."""
    plan = planned(ROWS, change("audit", {"id": 1}))
    assert (plan.written, plan.parts) == ((), ())


@pytest.mark.parametrize("table", ["customers", "lines"])
def test_a_change_that_does_not_tell_the_row_before_is_refused(table: str) -> None:
    """What it had made would stay for ever."""
    row: dict[str, Value] = {"id": 1, "name": "a", "order_id": 1}
    for told in (
        Change(f"shop.{table}", (1,), None, VERSION),
        Change(f"shop.{table}", (1,), row, VERSION, None, 0, "log", True),
    ):
        with pytest.raises(ChangeUnreadable, match="does not tell the row before"):
            _ = planned(ROWS, told)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"pk": "a"}, "'sk' is missing"),
        ({"pk": "a", "sk": 5}, "'sk' is of type N"),
        ({"pk": "", "sk": "s"}, "'pk' is empty"),
        ({"pk": "a", "sk": "s", "n": float("nan")}, "attribute 'n'"),
        ({"pk": "a", "sk": "s", "_crossfade": 1}, "'_crossfade' is crossfade's own"),
        ([{"pk": "a", "sk": "s"}, {"pk": "a", "sk": "s"}], "two items with the key"),
        ("text", "no item"),
        ([{"pk": "a", "sk": "s"}, None], "no item"),
        (KeyError("oops"), "KeyError: 'oops'"),
    ],
)
def test_an_item_that_cannot_be_is_told_with_its_table(made: Any, said: str) -> None:
    """Nothing is written of it: the change goes where such changes go, with the reason."""
    rows = Rows(Table("shop", key=KEY))

    def customer(row: Row) -> Any:
        assert row["id"] == 1
        if isinstance(made, Exception):
            raise made
        return made

    _ = rows.table("shop.customers")(customer)
    with pytest.raises(MappingError) as told:
        _ = planned(rows, change("customers", {"id": 1}))
    assert said in str(told.value)


def test_a_folded_item_cannot_have_the_attribute_that_is_ours() -> None:
    """It would be lost without a word, and no verify would end."""
    rows = Rows(Table("shop", key=KEY))

    def order(row: Row, lines: Sequence[Row]) -> Mapping[str, Any]:
        return {"_crossfade": len(lines), "id": row["id"]}

    declared = rows.fold("shop.orders", into=order_key, lines=Child("shop.lines", parent="order_id"))
    _ = declared(order)
    with pytest.raises(MappingError, match="'_crossfade' is crossfade's own"):
        _ = folded(rows.folds[0], rows.target, (1,), [("shop.orders", {"id": 1})])


def test_a_column_that_is_not_there_is_told_with_the_one_that_was_meant() -> None:
    """As is usual after a column was renamed."""
    with pytest.raises(MappingError, match="did you mean 'names'"):
        _ = planned(ROWS, change("customers", {"id": 1, "names": "a"}))


def nothing(row: Row) -> None:
    assert row


def test_what_cannot_work_is_found_when_the_file_is_loaded() -> None:
    """Not with the first row, hours later."""
    rows = Rows(Table("shop", key=KEY))
    with pytest.raises(ConfigurationError, match="no table"):
        _ = rows.table("customers")
    with pytest.raises(ConfigurationError, match="cannot be called"):
        _ = rows.table("shop.customers")(lambda: None)
    with pytest.raises(ConfigurationError, match="1 to 20 children"):
        _ = rows.fold("shop.orders", into=dict)
    with pytest.raises(ConfigurationError, match="cannot be called with"):
        _ = rows.fold("shop.orders", into=dict, lines=Child("shop.lines", "order_id"))(nothing)
    _ = rows.table("shop.customers")(nothing)
    with pytest.raises(ConfigurationError, match="already"):
        _ = rows.table("shop.customers")(nothing)
    assert rows.tables == ("shop.customers",)
