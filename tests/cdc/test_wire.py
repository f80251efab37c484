"""A change comes back from its bytes as it was."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.cdc.changes import Change, ChangeUnreadable, Value, Version
from crossfade.cdc.wire import decoded, encoded, encoded_key, unpacked

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | DECIMALS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["~", "a", "b"]), inner, max_size=3),
    max_leaves=6,
)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    DECIMALS,
    TEXTS,
    st.binary(max_size=8),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(datetime.UTC)).map(lambda moment: moment.replace(fold=0)),
    st.timedeltas(datetime.timedelta(hours=-838), datetime.timedelta(hours=838)),
    st.frozensets(TEXTS, max_size=3),
    st.lists(JSON, max_size=3),
    st.dictionaries(st.sampled_from(["~", "a", "b"]), JSON, max_size=3),
)
ROWS = st.dictionaries(TEXTS, VALUES, max_size=4)


@given(st.none() | ROWS, st.none() | ROWS, st.lists(VALUES, min_size=1, max_size=3))
def test_it_comes_back(row: dict[str, Value] | None, before: dict[str, Value] | None, key: list[Value]) -> None:
    """Every type of every column, exactly: also the scale of a Decimal, and objects with our own tag in them."""
    change = Change("shop.orders", tuple(key), row, Version(1, 2, 3), before, 17.25, "snapshot")
    again = decoded(encoded(change))
    assert again == change
    assert encoded(again) == encoded(change)  # 1.50 equals 1.5, and True equals 1, but neither is what was there


def test_the_key_is_that_of_the_row_alone() -> None:
    """Changes of one row go to one partition, whatever else is in them; those of another table to another key."""
    key = (7, "a")
    first = Change("shop.orders", key, {"id": 7, "n": 1}, Version(1, 1))
    later = Change("shop.orders", key, None, Version(1, 2))
    other = Change("shop.lines", key, {"id": 7, "n": 1}, Version(1, 1))
    assert encoded_key(first) == encoded_key(later) != encoded_key(other)


@pytest.mark.parametrize(
    "message",
    [b"", b"{}", b"[]", b"null", b'{"table": "t", "key": [["x", 1]], "row": null, "before": null, "version": "0"}'],
)
def test_what_is_no_change_is_refused(message: bytes) -> None:
    """A message of somebody else in our topic is told, and not taken for an empty change."""
    with pytest.raises(ChangeUnreadable):
        _ = decoded(message)


@pytest.mark.parametrize("value", [["n", "one"], ["b", "?"], ["T", 5], ["s", 1], ["z", ""], ["n"], [], {"a": 1}])
def test_a_broken_value_is_refused(value: object) -> None:
    """Half a value is no value."""
    with pytest.raises(ChangeUnreadable, match="no value of a column"):
        _ = unpacked(value)


@pytest.mark.parametrize("value", [1j, "\ud800", ["\ud800"]])
def test_a_value_that_no_column_has_is_refused(value: Any) -> None:
    """It is told before anything is sent, not found unreadable afterwards."""
    with pytest.raises(ChangeUnreadable):
        _ = encoded(Change("t", (1,), {"a": value}, Version(1, 1)))


def test_an_integer_of_any_length_in_a_json_column_stays_exact() -> None:
    """JSON has no limit on digits; readers of JSON have."""
    change = Change("t", (1,), {"a": [10**30, -(10**30)]}, Version(1, 1))
    assert decoded(encoded(change)) == change
