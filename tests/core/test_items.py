"""Items: exact numbers, meaning, sizes and what may be stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.core.items import (
    ITEM_BYTES_MAX,
    AttributeValue,
    Item,
    ValidationError,
    canonical,
    copy_item,
    format_number,
    parse_number,
    same,
    same_item,
    size_bytes,
    stored_item,
    stored_number,
    validate_item,
)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("1E+20", "1" + "0" * 20),
        ("1E-7", "0.0000001"),
        ("1E125", "1" + "0" * 125),
        ("1E-130", "0." + "0" * 129 + "1"),
        ("12E-131", "0." + "0" * 129 + "12"),
        ("-0", "0"),
        ("0E200", "0"),
        ("1.50", "1.5"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("00.10", "0.1"),
        ("007", "7"),
        ("9" * 38, "9" * 38),
        ("123456789012345678901234567890123456780", "123456789012345678901234567890123456780"),
    ],
)
def test_numbers_as_the_service_gives_them_back(sent: str, stored: str) -> None:
    """Plain notation, no trailing zeros, no sign of zero: as DynamoDB prints them."""
    assert stored_number(sent) == stored
    assert format_number(parse_number(sent)) == stored


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("abc", "A value provided cannot be converted into a number"),
        ("", "A value provided cannot be converted into a number"),
        (" 5", "A value provided cannot be converted into a number"),
        ("1_0", "A value provided cannot be converted into a number"),
        ("\u0661", "A value provided cannot be converted into a number"),
        ("NaN", "A value provided cannot be converted into a number"),
        ("Infinity", "A value provided cannot be converted into a number"),
        ("1E2147483648", "A value provided cannot be converted into a number"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        ("1." + "0" * 500 + "1", "Attempting to store more than 38 significant digits in a Number"),
        ("1E126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1E-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    ],
)
def test_numbers_that_are_refused(sent: str, message: str) -> None:
    """In the service's words."""
    with pytest.raises(ValidationError) as caught:
        _ = parse_number(sent)
    assert caught.value.message == message
    assert caught.value.code == "ValidationException"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=7))
def test_format_is_the_inverse_of_parse(number: Decimal) -> None:
    """A number written and read again is the same number."""
    assert parse_number(format_number(number)) == number


SAME: list[tuple[Any, Any]] = [
    ({"N": "1.50"}, {"N": "15E-1"}),
    ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}),
    ({"NS": ["1", "2.0"]}, {"NS": ["2", "1.0"]}),
    ({"BS": [b"a", b"b"]}, {"BS": [b"b", b"a"]}),
    ({"L": [{"N": "1"}]}, {"L": [{"N": "1.0"}]}),
    ({"M": {"a": {"NS": ["1"]}}}, {"M": {"a": {"NS": ["1.0"]}}}),
]
DIFFERENT: list[tuple[Any, Any]] = [
    ({"N": "1"}, {"S": "1"}),
    ({"S": "a"}, {"S": "A"}),
    ({"SS": ["a"]}, {"SS": ["a", "b"]}),
    ({"L": [{"N": "1"}, {"N": "2"}]}, {"L": [{"N": "2"}, {"N": "1"}]}),
    ({"M": {"a": {"N": "1"}}}, {"M": {"b": {"N": "1"}}}),
    ({"NULL": True}, {"BOOL": True}),
    ({"SS": ["a"]}, {"L": [{"S": "a"}]}),
    ({"B": b"a"}, {"S": "a"}),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_what_means_the_same(left: AttributeValue, right: AttributeValue) -> None:
    """Numbers by value, sets without order; and the canonical forms agree."""
    assert same(left, right)
    assert same_item({"a": left}, {"a": right})
    assert canonical({"a": left}) == canonical({"a": right})
    assert hash(canonical({"a": left})) == hash(canonical({"a": right}))


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_what_differs(left: AttributeValue, right: AttributeValue) -> None:
    """Types, order of lists and letters matter; and the canonical forms differ."""
    assert not same(left, right)
    assert not same_item({"a": left}, {"a": right})
    assert canonical({"a": left}) != canonical({"a": right})


def test_absence() -> None:
    """An absent item equals only an absent item."""
    assert same_item(None, None)
    assert not same_item(None, {})
    assert not same(None, {"S": ""})


def test_a_copy_shares_nothing_mutable() -> None:
    """Changing the copy anywhere leaves the original."""
    item: Item = {"m": {"M": {"l": {"L": [{"SS": ["a"]}]}}}}
    copied = copy_item(item)
    assert copied == item
    copied["m"]["M"]["l"]["L"][0]["SS"].append("b")
    copied["m"]["M"]["new"] = {"N": "1"}
    assert item == {"m": {"M": {"l": {"L": [{"SS": ["a"]}]}}}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"S": "é"}, 2),
        ({"N": "100"}, 2),
        ({"N": "-12345"}, 5),
        ({"N": "0"}, 2),
        ({"B": b"abc"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "2"]}, 4),
        ({"L": []}, 3),
        ({"L": [{"S": "a"}, {"S": "b"}]}, 7),
        ({"M": {"é": {"S": "b"}}}, 7),
    ],
)
def test_sizes(value: AttributeValue, expected: int) -> None:
    """By the rules of the developer guide; the attribute's name counts too."""
    assert size_bytes({"ab": value}) == 2 + expected


def nested(levels: int) -> AttributeValue:
    value: AttributeValue = {"S": "x"}
    for _ in range(levels):
        value = {"M": {"a": value}}
    return value


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"a": {}}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (
            {"a": {"S": "x", "N": "1"}},
            (
                "Supplied AttributeValue has more than one datatypes set, "
                "must contain exactly one of the supported datatypes"
            ),
        ),
        ({"": {"S": "x"}}, "Empty attribute name"),
        ({"a": {"M": {"": {"S": "x"}}}}, "Empty attribute name"),
        ({"a": {"SS": []}}, "One or more parameter values were invalid: An string set  may not be empty"),
        ({"a": {"NS": []}}, "One or more parameter values were invalid: An number set  may not be empty"),
        ({"a": {"BS": []}}, "One or more parameter values were invalid: Binary sets should not be empty"),
        (
            {"a": {"L": [{"SS": ["a", "a"]}]}},
            "One or more parameter values were invalid: Input collection [a, a] contains duplicates",
        ),
        ({"a": {"NS": ["1", "1.0"]}}, "Input collection contains duplicates"),
        (
            {"a": {"BS": [b"a", b"a"]}},
            "One or more parameter values were invalid: Input collection of type BS contains duplicates.",
        ),
        (
            {"a": {"NULL": False}},
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
        ),
        ({"a": {"N": "x"}}, "A value provided cannot be converted into a number"),
        (
            {"a": nested(32)},
            (
                "Nesting Levels have exceeded supported limits: "
                "Attributes in the item have nested levels beyond supported limit"
            ),
        ),
        ({"a": {"S": "x" * ITEM_BYTES_MAX}}, "Item size has exceeded the maximum allowed size"),
    ],
)
def test_items_that_are_refused(item: Item, message: str) -> None:
    """In the service's words."""
    with pytest.raises(ValidationError) as caught:
        validate_item(item)
    assert caught.value.message == message


def test_items_that_may_be_stored() -> None:
    """Empty text, binary, lists and maps, 31 levels of nesting and exactly 400 KB are allowed."""
    validate_item({"a": {"S": ""}, "b": {"B": b""}, "c": {"L": []}, "d": {"M": {}}, "e": {"SS": [""]}, "f": nested(31)})
    validate_item({"a": {"S": "x" * (ITEM_BYTES_MAX - 1)}})


def test_the_stored_form_has_its_numbers_in_lowest_terms() -> None:
    """Nested numbers too; what needs no change is as it was."""
    item: Item = {"a": {"L": [{"N": "1.0"}, {"M": {"x": {"NS": ["1E1", "-0"]}}}]}, "s": {"S": "1.0"}}
    assert stored_item(item) == {"a": {"L": [{"N": "1"}, {"M": {"x": {"NS": ["10", "0"]}}}]}, "s": {"S": "1.0"}}
