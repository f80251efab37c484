"""Values of AWS DMS as a SELECT gives them, so that one function maps both and a verify finds them equal."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from crossfade.cdc.changes import Change, ChangeUnreadable, Version
from crossfade.cdc.inputs.dms_values import values_as_selected
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.schema import SourceTable

NOON: Final = datetime.datetime(2024, 2, 29, 12, 34, 56)  # noqa: DTZ001  DATETIME has no zone
VALUES: Final[list[tuple[Column, Any, Any]]] = [
    (Column("c", Kind.INTEGER), 7, 7),
    (Column("c", Kind.INTEGER), "18446744073709551615", 2**64 - 1),
    (Column("c", Kind.DECIMAL, digits=2), Decimal("12.5"), Decimal("12.50")),
    (Column("c", Kind.DECIMAL, digits=2), "12.50", Decimal("12.50")),
    (Column("c", Kind.DECIMAL), Decimal("1E+3"), Decimal(1000)),
    (Column("c", Kind.DOUBLE), Decimal("0.1"), 0.1),
    (Column("c", Kind.FLOAT), Decimal("0.1"), 0.1),
    (Column("c", Kind.YEAR), 2024, 2024),
    (Column("c", Kind.DATE), "2024-02-29", datetime.date(2024, 2, 29)),
    (Column("c", Kind.DATE), "2024-02-29T00:00:00Z", datetime.date(2024, 2, 29)),
    (Column("c", Kind.DATETIME), "2024-02-29T12:34:56Z", NOON),
    (Column("c", Kind.DATETIME, digits=6), "2024-02-29 12:34:56.123456", NOON.replace(microsecond=123456)),
    (Column("c", Kind.TIMESTAMP), "2024-02-29T12:34:56Z", NOON.replace(tzinfo=datetime.UTC)),
    (Column("c", Kind.TIME), "-12:34:56", -datetime.timedelta(hours=12, minutes=34, seconds=56)),
    (Column("c", Kind.BIT, size=3), 5, 5),
    (Column("c", Kind.SET), "a,b", frozenset({"a", "b"})),
    (Column("c", Kind.BLOB), "0x00FF", b"\x00\xff"),
    (Column("c", Kind.BINARY), "00ff", b"\x00\xff"),
    (Column("c", Kind.JSON, charset="utf8mb4"), '{"a": 1.50}', {"a": Decimal("1.50")}),
    (Column("c", Kind.CHAR, charset="utf8mb4"), "ab ", "ab"),
    (Column("c", Kind.TEXT, charset="latin1"), "é 漢", "é 漢"),
    (Column("c", Kind.TEXT, charset="utf8mb4"), None, None),
]


def converted(column: Column, row: dict[str, Any], before: dict[str, Any] | None = None) -> Change:
    table = SourceTable("shop", "things", (Column("id", Kind.INTEGER), column), ("id",))
    return values_as_selected(table)(Change("shop.things", (1,), row, Version(0, 1), before))


@pytest.mark.parametrize(("column", "told", "value"), VALUES)
def test_a_value_is_as_a_select_gives_it(column: Column, told: Any, value: Any) -> None:
    """Type by type; with the scale and the zone that the column has."""
    change = converted(column, {"id": 1, "c": told})
    assert change.row is not None
    found = change.row["c"]
    assert (found, type(found), str(found)) == (value, type(value), str(value))


def test_a_column_that_is_not_there_is_null() -> None:
    """As it is without IncludeNullAndEmpty; before a change too, where more than the key is told of it."""
    column = Column("c", Kind.INTEGER)
    change = converted(column, {"id": 1}, {"id": 1, "new": 2})
    assert (change.row, change.before) == ({"id": 1, "c": None}, {"id": 1, "c": None, "new": 2})
    unknown = converted(column, {"id": 1}, {"id": 1})
    assert (unknown.before, unknown.tells_too_little) == (None, True)


@pytest.mark.parametrize(
    ("kind", "told"), [(Kind.INTEGER, "x"), (Kind.DATE, "soon"), (Kind.BLOB, "no hex"), (Kind.DECIMAL, "x")]
)
def test_what_does_not_fit_is_told_with_its_column(kind: Kind, told: str) -> None:
    """And never taken for something near it."""
    with pytest.raises(ChangeUnreadable, match="column c holds"):
        _ = converted(Column("c", kind), {"id": 1, "c": told})
