"""A migration file of rows is tested without any server."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from crossfade import Table
from crossfade.cdc import Child, MySQL, RowMigration, key
from crossfade.cdc.row import Row
from crossfade.errors import MappingError
from crossfade.testing import assert_makes, made_of, row


def order_key(number: int) -> dict[str, str]:
    return {"pk": key("order", number), "sk": "order"}


def migration() -> RowMigration:
    made = RowMigration("shop", MySQL(7001), Table("shop", key={"pk": "S", "sk": "S"}))

    @made.table("shop.customers")
    def customer(row: Row) -> dict[str, object]:  # pyright: ignore[reportUnusedFunction]
        return {"pk": key("customer", row["id"]), "sk": "profile", "since": row["since"], "tags": row["tags"]}

    @made.fold("shop.orders", into=order_key, lines=Child("shop.lines", "order"))
    def order(row: Row, lines: list[Row]) -> dict[str, object]:  # pyright: ignore[reportUnusedFunction]
        return {"total": row["total"], "skus": [line["sku"] for line in lines]}

    return made


CUSTOMER = row("shop.customers", id=1, since=datetime.date(2024, 2, 29), tags=frozenset({"a"}))
ORDER = row("shop.orders", id=7, total=Decimal("12.50"))
LINES = [row("shop.lines", {"id": number, "order": 7}, sku=f"sku {number}") for number in (1, 2)]
OTHER = row("shop.lines", {"id": 3, "order": 8}, sku="of another")
ITEMS: list[dict[str, Any]] = [
    {"pk": "customer#1", "sk": "profile", "since": "2024-02-29", "tags": {"a"}},
    {"pk": "order#7", "sk": "order", "total": Decimal("12.5"), "skus": ["sku 1", "sku 2"]},
]


def test_rows_make_items() -> None:
    """By themselves, and with the rows that hang on them."""
    assert made_of(migration(), CUSTOMER, ORDER, *LINES, OTHER) == ITEMS
    assert_makes(migration(), [*LINES, ORDER, CUSTOMER], ITEMS)


def test_other_items_are_told() -> None:
    """The ones that are missing, and those that are made in their place."""
    with pytest.raises(AssertionError, match=r"missing: \[\{'pk': 'order#7'[^\n]*\n  made besides: \[\]"):
        assert_makes(migration(), [CUSTOMER], ITEMS)
    with pytest.raises(AssertionError, match=r"made besides: \[\{'pk': 'customer#1'"):
        assert_makes(migration(), [CUSTOMER, ORDER, *LINES], ITEMS[1:])


def test_a_function_that_fails_names_the_row() -> None:
    """As the ETL would."""
    with pytest.raises(MappingError, match="has no column 'since'"):
        _ = made_of(migration(), row("shop.customers", id=1))


def test_keys_of_different_parts_are_different() -> None:
    """Whatever is in the parts."""
    assert key("a#b", "c") != key("a", "b#c")
    assert key("a%23", "b") != key("a#", "b")
    assert key("order", 7, b"\x01", Decimal("1.50"), datetime.date(2024, 2, 29)) == "order#7#01#1.5#2024-02-29"
    for part in (None, True, [1]):
        with pytest.raises(MappingError, match="is no part of a key"):
            _ = key("order", part)
