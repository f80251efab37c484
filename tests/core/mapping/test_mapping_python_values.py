"""convert(..., python=True): the functions see Python values, and nothing is less exact for that."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from decimal import Context, Decimal, Rounded, localcontext
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.core.items import AttributeValue, Item, same, stored_value
from crossfade.core.mapping import CompiledMapping, Kind, compile_mapping
from crossfade.core.mapping.python_values import exact_value, python_value
from crossfade.errors import MappingError
from crossfade.mapping import Converter, convert
from tests.core.mapping.mapping_strategies import items, values

KEY: dict[str, Kind] = {"customer": "S", "order": "S"}
boto3_types: Any = importlib.import_module("boto3.dynamodb.types")  # without types


def item_with(value: AttributeValue) -> Item:
    return {"customer": {"S": "c"}, "order": {"S": "o"}, "a": value}


def by(forward: Callable[[Any], Any], backward: Callable[[Any], Any], types: Any = None) -> CompiledMapping:
    return compile_mapping(convert("a", forward=forward, backward=backward, types=types, python=True), KEY, KEY)


def unchanged(value: Any) -> Any:
    return value


def mapped(value: AttributeValue, forward: Callable[[Any], Any], backward: Callable[[Any], Any]) -> AttributeValue:
    """What becomes of a value, which comes back."""
    mapping = by(forward, backward)
    there = mapping.forward(item_with(value))
    assert same(mapping.backward(there)["a"], value)
    return there["a"]


@given(values)
def test_a_value_comes_back_from_python_as_it_was(value: AttributeValue) -> None:
    """Of every type, nested, numbers of 38 digits."""
    assert same(exact_value(python_value(value)), value)


@given(values)
def test_python_sees_what_boto3_gives(value: AttributeValue) -> None:
    """Type by type; boto3's Binary is equal to the bytes in it."""
    try:
        theirs = boto3_types.TypeDeserializer().deserialize(stored_value(value))
    except Rounded:  # it counts the zeros of 1000... as digits
        return
    assert plain_types(python_value(value)) == plain_types(theirs)


def plain_types(value: Any) -> Any:
    """With the type of each value beside it, and Binary as bytes."""
    if isinstance(value, boto3_types.Binary):
        return bytes, value.value
    if isinstance(value, list):
        return [plain_types(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, set):
        return {plain_types(each) for each in value}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {name: plain_types(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return type(value), str(value) if isinstance(value, Decimal) else value


@given(items, st.sampled_from("abc"))
def test_any_item_passes_functions_that_wrap_a_value(item: Item, name: str) -> None:
    """Both ways, whatever stands there; the function may change what it is given in place, which is its own copy."""

    def wrap(value: Any) -> Any:
        if isinstance(value, list):
            value.append("end")  # pyright: ignore[reportUnknownMemberType]
            return value  # pyright: ignore[reportUnknownVariableType]
        return {"held": value}

    def unwrap(value: Any) -> Any:
        return value["held"] if isinstance(value, dict) else value[:-1]  # pyright: ignore[reportUnknownVariableType]

    mapping = compile_mapping(convert(name, forward=wrap, backward=unwrap, python=True), KEY, KEY)
    before = {each: dict(value) for each, value in item.items()}
    back = mapping.backward(mapping.forward(item))
    assert item == before
    assert all(same(back[each], value) for each, value in item.items())


Function = Callable[[Any], Any]
CASES: list[tuple[AttributeValue, Function, Function, AttributeValue]] = [
    ({"N": "19.99"}, lambda euros: euros * 100, lambda cents: cents / 100, {"N": "1999"}),
    ({"N": "1.50"}, str, Decimal, {"S": "1.5"}),  # as the table gives it back, whoever tells it
    ({"N": "1E+3"}, str, Decimal, {"S": "1000"}),
    ({"N": "7"}, int, Decimal, {"N": "7"}),
    ({"SS": ["b", "a"]}, lambda held: ",".join(sorted(held)), lambda text: set(text.split(",")), {"S": "a,b"}),
    ({"S": "aGk="}, lambda text: text.encode(), lambda raw: raw.decode(), {"B": b"aGk="}),
    ({"BOOL": True}, int, bool, {"N": "1"}),
    ({"NULL": True}, lambda nothing: "" if nothing is None else "?", lambda _: None, {"S": ""}),
    ({"L": [{"N": "1"}]}, tuple, list, {"L": [{"N": "1"}]}),
    ({"NS": ["2", "1"]}, frozenset, set, {"NS": ["1", "2"]}),
    ({"B": b"x"}, bytearray, bytes, {"B": b"x"}),
]


@pytest.mark.parametrize(("value", "forward", "backward", "expected"), CASES)
def test_functions_take_and_give_python_values(
    value: AttributeValue, forward: Function, backward: Function, expected: AttributeValue
) -> None:
    """Both ways; an int, a tuple, a frozenset, a bytearray have a counterpart as well."""
    assert same(mapped(value, forward, backward), expected)


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (1.1, "1.1 is a float, and 1.1 as a float is another number: give a Decimal or an int"),
        ({"deep": [0.5]}, "0.5 is a float"),
        (set[str](), "DynamoDB has no empty set"),
        ({"a", 1}, "all of one type"),
        ({True}, "all of one type"),
        (Decimal(1) / 3 + Decimal("1e-40"), "38 significant digits"),
        (Decimal("NaN"), "is no value that DynamoDB has"),
        (Decimal("1e200"), "Number overflow"),
        ({1: "a"}, "1 cannot be a name in a map"),
        (Colour.RED, "of type Colour is no value that DynamoDB has"),
        (object, "is no value that DynamoDB has"),
    ],
)
def test_what_has_no_exact_counterpart_is_refused_when_it_is_met(made: Any, shown: str) -> None:
    """Never rounded, never guessed; the error names the attribute and the value."""
    with localcontext(Context(prec=50)):
        made = Decimal("1." + "1" * 40) if "38" in shown else made
    with pytest.raises(MappingError) as raised:
        _ = by(lambda _: made, unchanged).forward(item_with({"S": "here"}))
    assert shown in raised.value.message
    assert "attribute 'a' is 'here'" in raised.value.message


def test_a_value_that_would_not_come_back_is_refused_too() -> None:
    """The check is that of all converters."""
    with pytest.raises(MappingError, match=r"is 1\.5, which would come back as 1"):
        _ = by(int, Decimal).forward(item_with({"N": "1.5"}))


def test_types_are_those_of_dynamodb_and_hold_on_a_key() -> None:
    """`types` is said in DynamoDB's letters, as without python=True."""
    mapping = by(str, Decimal, ("N", "S"))
    assert mapping.forward(item_with({"N": "5"}))["a"] == {"S": "5"}
    with pytest.raises(MappingError, match="of type S, not N"):
        _ = mapping.forward(item_with({"S": "5"}))
    key = convert("order", forward=Decimal, backward=str, types=("S", "N"), python=True)
    numbered = compile_mapping(key, KEY, {"customer": "S", "order": "N"})
    assert numbered.forward_key({"customer": {"S": "c"}, "order": {"S": "12"}})["order"] == {"N": "12"}


def test_arithmetic_does_not_depend_on_the_applications_context() -> None:
    """Two processes of a fleet that set other precisions map alike."""
    mapping = by(lambda number: number * 3, lambda number: number / 3)
    exact = item_with({"N": "1234567890.12345678901234567890123"})
    with localcontext(Context(prec=6)):
        short = mapping.forward(exact)
    assert short == mapping.forward(exact)
    assert short["a"] == {"N": "3703703670.37037036703703703670369"}


def test_a_converter_over_python_values_can_be_turned_about() -> None:
    """A Converter of one's own, and its reverse, see Python values both."""
    cents = Converter("cents", lambda euros: euros * 100, lambda held: held / 100, ("N", "N"), python=True)
    there = compile_mapping(convert("a", cents), KEY, KEY).forward(item_with({"N": "0.5"}))
    assert there["a"] == {"N": "50"}
    assert compile_mapping(convert("a", cents.reversed()), KEY, KEY).forward(there)["a"] == {"N": "0.5"}
