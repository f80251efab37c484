"""Python's values as DynamoDB's: exact, or refused with the attribute's name."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest

from crossfade.cdc.values import item_of
from crossfade.errors import MappingError

ZONE = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (True, {"BOOL": True}),
        (2**64 - 1, {"N": "18446744073709551615"}),
        (Decimal("1.50"), {"N": "1.5"}),
        (0.1, {"N": "0.1"}),
        (-0.0, {"N": "0"}),
        ("", {"S": ""}),
        (b"\0", {"B": b"\0"}),
        (datetime.date(2026, 1, 2), {"S": "2026-01-02"}),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), {"S": "2026-01-02T03:04:05.000000"}),  # noqa: DTZ001 - MySQL's DATETIME has none
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 6, ZONE), {"S": "2026-01-02T01:04:05.000006Z"}),
        (datetime.timedelta(hours=-838, minutes=-59, seconds=-59), {"S": "-838:59:59.000000"}),
        (frozenset({"b", "a"}), {"SS": ["a", "b"]}),
        ([1, None, {"a": None}], {"L": [{"N": "1"}, {"NULL": True}, {"M": {"a": {"NULL": True}}}]}),
        ({}, {"M": {}}),
    ],
)
def test_a_value_is_stored(value: Any, stored: dict[str, Any]) -> None:
    """One of each kind, at its edges."""
    assert item_of({"a": value}) == {"a": stored}


@pytest.mark.parametrize("value", [None, frozenset[str]()])
def test_what_dynamodb_does_not_have_is_no_attribute(value: Any) -> None:
    """A NULL column leaves no attribute, so that sparse indexes stay sparse; nor does an empty set."""
    assert item_of({"a": value, "b": 1}) == {"b": {"N": "1"}}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Decimal("1" * 39), Decimal("1e200"), object(), {"a", 1}, [frozenset[str]()]]
)
def test_what_would_not_come_back_is_refused(value: Any) -> None:
    """Nothing is rounded and nothing left out: the error names the attribute."""
    with pytest.raises(MappingError, match="attribute 'a'"):
        _ = item_of({"a": value})
