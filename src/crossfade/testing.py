"""For the tests of a migration file of rows: rows to give it, and what its functions make of them. No server is needed.

from crossfade.cdc import RowMigration
from crossfade.migration import load
from crossfade.testing import assert_makes, row

def test_an_order_has_its_lines() -> None:
    order = row("shop.orders", id=7, total=Decimal("12.50"))
    line = row("shop.order_lines", id=70, order_id=7, sku="pen")
    item = {"pk": "order#7", "sk": "order", "total": Decimal("12.5"), "skus": ["pen"]}
    assert_makes(load("migration.py", RowMigration), [order, line], [item])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from crossfade.cdc.changes import Change, Value, Version
from crossfade.cdc.migration import RowMigration
from crossfade.cdc.planning import folded, of_single
from crossfade.cdc.row import Row
from crossfade.core.items import AttributeValue, Item

__all__ = ["assert_makes", "made_of", "plain", "row"]

FIRST = Version(0, 0)


class KeyedRow(Row):
    """A row that knows its primary key, by which children find their parent."""

    __slots__ = ("key",)

    def __init__(self, table: str, columns: Mapping[str, Value], key: tuple[Value, ...]) -> None:
        super().__init__(table, columns)
        self.key = key


def row(
    table: str, columns: Mapping[str, Value] | None = None, /, *, key: str | Sequence[str] = "id", **more: Value
) -> KeyedRow:
    """A row of `schema.table`, as a function of a migration file gets it. `key`: the columns of its primary key, where
    its values are children's parent; columns that are no names of Python are given as a mapping."""
    known = {**(columns or {}), **more}
    names = (key,) if isinstance(key, str) else tuple(key)
    return KeyedRow(table, known, tuple(known[name] for name in names if name in known))


def made_of(migration: RowMigration, *rows: KeyedRow) -> list[dict[str, Any]]:
    """The items that these rows make, as plain Python values, in the order of the rows and of the file's functions.

    A row that is only part of another's item makes none. Raises what the ETL would raise: MappingError with the row.
    """
    made: list[Item | None] = []
    for each in rows:
        for single in migration.rows.singles:
            if single.table == each.table:
                change = Change(each.table, each.key, dict(each), FIRST)
                made += [written.item for written in of_single(single, migration.target, change)]
        for fold in migration.rows.folds:
            if fold.table == each.table:
                parts = [(each.table, dict(each))]
                for child in fold.children.values():
                    parts += [
                        (other.table, dict(other))
                        for other in rows
                        if other.table == child.table and tuple(other[name] for name in child.columns) == each.key
                    ]
                made.append(folded(fold, migration.target, each.key, parts).item)
    return [plain(item) for item in made if item is not None]


def assert_makes(migration: RowMigration, rows: Sequence[KeyedRow], items: Sequence[Mapping[str, Any]]) -> None:
    """Fail, with both, unless the rows make exactly these items, in whatever order."""
    made = made_of(migration, *rows)
    missing = [dict(item) for item in items if item not in made]
    extra = [item for item in made if item not in items]
    if missing or extra or len(made) != len(items):
        raise AssertionError(f"the rows do not make these items:\n  missing: {missing}\n  made besides: {extra}")


def plain(item: Item) -> dict[str, Any]:
    """An item's attributes as Python values: numbers as Decimal, sets as sets."""
    return {name: _value(value) for name, value in item.items()}


def _value(value: AttributeValue) -> Any:
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return Decimal(held)
        case "NS":
            return {Decimal(each) for each in held}
        case "SS" | "BS":
            return set(held)
        case "L":
            return [_value(each) for each in held]
        case "M":
            return plain(held)
        case "NULL":
            return None
        case _:
            return held
