"""Updates of one item; the expected messages are the service's."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from crossfade.core.expressions import ExpressionError, bind, update
from crossfade.core.expressions.updates import ReturnMode
from crossfade.core.items import AttributeValue, Item, ValidationError, same_item

ITEM: Item = {
    "pk": {"S": "p"},
    "a": {"N": "5"},
    "s": {"S": "hello"},
    "l": {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}, {"N": "4"}]},
    "m": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "q"}}}, "l": {"L": [{"N": "9"}, {"N": "8"}]}}},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": [b"a", b"b"]},
}
VALUES: dict[str, AttributeValue] = {
    ":v": {"N": "1"},
    ":s": {"S": "x"},
    ":l": {"L": [{"S": "new"}]},
    ":ss": {"SS": ["b", "c"]},
    ":all": {"SS": ["a", "b"]},
    ":ns": {"NS": ["2.0", "3"]},
    ":bs": {"BS": [b"a"]},
    ":m": {"M": {}},
    ":big": {"N": "1E37"},
    ":small": {"N": "0.1"},
}
NUMBERED = [{"N": str(number)} for number in range(1, 5)]


def used(text: str) -> dict[str, AttributeValue] | None:
    words = text.replace(")", " ").replace("(", " ").replace(",", " ").split()
    return {name: value for name, value in VALUES.items() if name in words} or None


def applied(text: str, item: Item = ITEM) -> Item:
    bindings = bind(None, used(text))
    found = update(text, bindings)
    bindings.finish()
    before = deepcopy(item)
    new = found.apply(item, ("pk",)).new
    assert item == before
    return new


def changed(text: str) -> dict[str, Any]:
    """The attributes that the update changed, None for those it removed."""
    new = applied(text)
    return {name: new.get(name) for name in ITEM.keys() | new.keys() if new.get(name) != ITEM.get(name)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SET a = :s", {"a": {"S": "x"}}),
        ("set new1 = a REMOVE a", {"new1": {"N": "5"}, "a": None}),
        ("SET a = s, s = a", {"a": {"S": "hello"}, "s": {"N": "5"}}),
        ("SET a = a + :v", {"a": {"N": "6"}}),
        ("SET a = a - :small", {"a": {"N": "4.9"}}),
        ("SET a = (:v - (a))", {"a": {"N": "-4"}}),
        ("SET n = if_not_exists(n, :v) + if_not_exists(a, :v)", {"n": {"N": "6"}}),
        ("SET n = if_not_exists(n, if_not_exists(k, a))", {"n": {"N": "5"}}),
        ("SET l = list_append(l, :l)", {"l": {"L": [*NUMBERED, {"S": "new"}]}}),
        ("SET n = list_append(if_not_exists(n, :l), :l)", {"n": {"L": [{"S": "new"}, {"S": "new"}]}}),
        ("SET l[1] = :s", {"l": {"L": [NUMBERED[0], {"S": "x"}, *NUMBERED[2:]]}}),
        ("SET l[9] = :s, l[7] = :v", {"l": {"L": [*NUMBERED, {"N": "1"}, {"S": "x"}]}}),
        ("SET l[9] = :s REMOVE l[0], l[2]", {"l": {"L": [NUMBERED[1], NUMBERED[3], {"S": "x"}]}}),
        ("REMOVE l[9], gone, m.gone", {}),
        ("REMOVE s, ss", {"s": None, "ss": None}),
        ("ADD a :v", {"a": {"N": "6"}}),
        ("ADD n :v", {"n": {"N": "1"}}),
        ("ADD l[0] :v, l[9] :v", {"l": {"L": [{"N": "2"}, *NUMBERED[1:], {"N": "1"}]}}),
        ("ADD ss :ss", {"ss": {"SS": ["a", "b", "c"]}}),
        ("ADD ns :ns", {"ns": {"NS": ["1", "2", "3"]}}),
        ("ADD n :ss", {"n": {"SS": ["b", "c"]}}),
        ("DELETE ss :ss", {"ss": {"SS": ["a"]}}),
        ("DELETE ns :ns, bs :bs", {"ns": {"NS": ["1"]}, "bs": {"BS": [b"b"]}}),
        ("DELETE ss :all", {"ss": None}),
        ("DELETE gone :ss", {}),
    ],
)
def test_what_an_update_changes(text: str, expected: dict[str, Any]) -> None:
    """Only what is named changes, and every right-hand side sees the item as it was."""
    assert changed(text) == expected


def test_nested_paths() -> None:
    """Maps and lists on the way are kept but for the place written."""
    new = applied("SET m.x = :s, m.new1 = :v REMOVE m.y.z, m.l[0]")
    assert new["m"] == {"M": {"x": {"S": "x"}, "y": {"M": {}}, "l": {"L": [{"N": "8"}]}, "new1": {"N": "1"}}}


def test_a_set_emptied_inside_a_list_drops_its_place() -> None:
    """The element goes as REMOVE would take it."""
    item: Item = {"l": {"L": [{"SS": ["a"]}, {"N": "1"}]}}
    assert applied("DELETE l[0] :all", item) == {"l": {"L": [{"N": "1"}]}}


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ("0.1", "+", "0.2", "0.3"),
        ("1", "+", "1E-37", "1." + "0" * 36 + "1"),
        ("9" * 38, "+", "1", "1" + "0" * 38),
        ("1E125", "-", "1E125", "0"),
        ("-5", "-", "5", "-10"),
        ("5", "-", "5.0", "0"),
    ],
)
def test_numbers_are_exact(left: str, operator: str, right: str, expected: str) -> None:
    """38 digits, whatever the magnitude."""
    found = update(f"SET a = a {operator} :v", bind(None, {":v": {"N": right}}))
    assert found.apply({"a": {"N": left}}, ()).new == {"a": {"N": expected}}


TOO_LARGE = "Number overflow. Attempting to store a number with magnitude larger than supported range"


@pytest.mark.parametrize(
    ("left", "operator", "right", "message"),
    [
        ("1E37", "+", "0.1", TOO_LARGE),
        ("9" * 38, "+", "2", TOO_LARGE),
        ("1E50", "-", "1", TOO_LARGE),
        ("9E125", "+", "9E125", TOO_LARGE),
        (
            "1.5E-130",
            "-",
            "1E-130",
            "Number underflow. Attempting to store a number with magnitude smaller than supported range",
        ),
    ],
)
def test_numbers_beyond_the_service(left: str, operator: str, right: str, message: str) -> None:
    """A sum that cannot be stored exactly is refused, not rounded; ADD is the same."""
    found = update(f"SET a = a {operator} :v", bind(None, {":v": {"N": right}}))
    with pytest.raises(ValidationError) as caught:
        _ = found.apply({"a": {"N": left}}, ())
    assert caught.value.message == message
    if operator == "+":
        with pytest.raises(ValidationError, match=r"supported|supports"):
            _ = update("ADD a :v", bind(None, {":v": {"N": right}})).apply({"a": {"N": left}}, ())


WRONG_TYPE = "An operand in the update expression has an incorrect data type"
NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"
NO_PATH = "The document path provided in the update expression is invalid for update"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SET a = gone", NO_ATTRIBUTE),
        ("SET a = m.gone", NO_ATTRIBUTE),
        ("SET a = if_not_exists(a, gone)", NO_ATTRIBUTE),
        ("SET a = s + :v", WRONG_TYPE),
        ("SET a = list_append(a, :l)", WRONG_TYPE),
        ("ADD s :v", WRONG_TYPE),
        ("ADD ss :ns", WRONG_TYPE),
        ("DELETE a :ss", WRONG_TYPE),
        ("SET a.b = :v", NO_PATH),
        ("SET gone.b = :v", NO_PATH),
        ("SET m[0] = :v", NO_PATH),
        ("SET l.b = :v", NO_PATH),
        ("SET l[9].b = :v", NO_PATH),
        ("REMOVE gone.b", NO_PATH),
        (
            "SET pk = :v",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
        (
            "REMOVE pk.a",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
    ],
)
def test_what_does_not_fit_the_item(text: str, message: str) -> None:
    """Faults that only show on the item are refused and nothing is changed."""
    with pytest.raises(ExpressionError) as caught:
        _ = applied(text)
    assert caught.value.message == message


CLASH = "Two document paths {} with each other; must remove or rewrite one of these paths; path one: {}, path two: {}"


REFUSALS: list[tuple[str, str]] = [
    ("", "The expression can not be empty;"),
    ("foo a", 'Syntax error; token: "foo", near: "foo a"'),
    ("SET a = :v, ", 'Syntax error; token: "<EOF>", near: ", "'),
    ("SET a = :v + :v + :v", 'Syntax error; token: "+", near: ":v + :v"'),
    ("ADD a = :v", 'Syntax error; token: "=", near: "a = :v"'),
    ("ADD a s", 'Syntax error; token: "s", near: "a s"'),
    ("SET a = ((:v))", "The expression has redundant parentheses;"),
    ("SET a = :v SET b = :v", 'The "SET" section can only be used once in an update expression;'),
    ("SET a = foo(a)", "Invalid function name; function: foo"),
    ("SET a = size(a)", "The function is not allowed in an update expression; function: size"),
    (
        "SET a = list_append(list_append(l, l), l)",
        "The function is not allowed to be used this way in an expression; function: list_append",
    ),
    ("SET user = :v", "Attribute name is a reserved keyword; reserved keyword: user"),
    ("SET a = :v, a.b = :v", CLASH.format("overlap", "[a]", "[a, b]")),
    ("SET l[0] = :v REMOVE l", CLASH.format("overlap", "[l, [0]]", "[l]")),
    ("SET a = :v, a = :v", CLASH.format("overlap", "[a]", "[a]")),
    ("SET a[1] = :v, a.x = :v", CLASH.format("conflict", "[a, [1]]", "[a, x]")),
    (
        "SET a = :w",
        "An expression attribute value used in expression is not defined; attribute value: :w",
    ),
    ("SET #w = :v", "An expression attribute name used in the document path is not defined; attribute name: #w"),
    (
        "SET a = list_append(:v, l)",
        "Incorrect operand type for operator or function; operator or function: list_append, operand type: N",
    ),
    (
        "SET a = a + :s",
        "Incorrect operand type for operator or function; operator or function: +, operand type: S",
    ),
    (
        "SET a = list_append(l)",
        (
            "Incorrect number of operands for operator or function; "
            "operator or function: list_append, number of operands: 1"
        ),
    ),
    (
        "SET a = if_not_exists(:v, a)",
        "Operator or function requires a document path; operator or function: if_not_exists",
    ),
    (
        "SET a = if_not_exists(s, s)",
        (
            "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: if_not_exists, first operand: [s]"
        ),
    ),
    (
        "ADD a :s",
        (
            "Incorrect operand type for operator or function; "
            "operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"
        ),
    ),
    (
        "DELETE ss :v",
        (
            "Incorrect operand type for operator or function; "
            "operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"
        ),
    ),
    ("REMOVE a" + " " * 4089, "Expression size has exceeded the maximum allowed size;"),
    (
        "SET " + ",".join(f"y{index}=a+b" for index in range(301)),
        "The expression contains too many operators; operator count: 301",
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSALS)
def test_refusals(text: str, message: str) -> None:
    """What is not valid for any item is refused in the service's words before there is an item."""
    with pytest.raises(ExpressionError) as caught:
        _ = update(text, bind(None, used(text)))
    assert caught.value.message == f"Invalid UpdateExpression: {message}"


def test_the_size_limit_holds_for_the_new_item() -> None:
    """400 KB fit exactly, with names; one byte more does not."""
    item: Item = {"pk": {"S": "p"}}
    text = "x" * (400 * 1024 - 3 - 1)
    assert update("SET a = :v", bind(None, {":v": {"S": text}})).apply(item, ("pk",)).new["a"] == {"S": text}
    with pytest.raises(ExpressionError, match="Item size to update has exceeded the maximum allowed size"):
        _ = update("SET a = :v", bind(None, {":v": {"S": text + "x"}})).apply(item, ("pk",))


def test_the_nesting_limit_holds_for_the_new_item() -> None:
    """31 lists and maps may lie one inside the away, whether they come from the item or from the value."""
    deep: AttributeValue = {"S": "x"}
    for _ in range(30):
        deep = {"L": [deep]}
    item: Item = {"m": {"M": {}}}
    _ = update("SET m.a = :v", bind(None, {":v": deep})).apply(item, ())
    with pytest.raises(ExpressionError, match="Nesting Levels have exceeded supported limits"):
        _ = update("SET m.a = :v", bind(None, {":v": {"L": [deep]}})).apply(item, ())


def reply(text: str, mode: ReturnMode, *, existed: bool = True) -> Item | None:
    found = update(text, bind(None, used(text)))
    result = found.apply(ITEM if existed else {"pk": {"S": "p"}}, ("pk",), existed=existed)
    return found.returned(result, mode)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("SET a = :v REMOVE s", {"a": {"N": "5"}, "s": {"S": "hello"}}, {"a": {"N": "1"}}),
        ("SET n = :v", None, {"n": {"N": "1"}}),
        ("SET m.x = :s", {"m": {"M": {"x": {"N": "1"}}}}, {"m": {"M": {"x": {"S": "x"}}}}),
        ("SET l[1] = :s", {"l": {"L": [{"N": "2"}]}}, {"l": {"L": [{"S": "x"}]}}),
        ("SET l[9] = :s", None, None),
        ("REMOVE l[1]", {"l": {"L": [{"N": "2"}]}}, {"l": {"L": [{"N": "3"}]}}),
        ("REMOVE gone", None, None),
        ("DELETE ss :all", {"ss": {"SS": ["a", "b"]}}, None),
    ],
)
def test_updated_attributes_in_the_reply(text: str, old: Item | None, new: Item | None) -> None:
    """UPDATED_OLD and UPDATED_NEW show the updated paths only, in their places, as the service does."""
    assert reply(text, "UPDATED_OLD") == old
    assert reply(text, "UPDATED_NEW") == new


def test_whole_items_in_the_reply() -> None:
    """ALL_OLD and ALL_NEW are the items themselves; of an absent item there is no old one."""
    assert reply("SET a = :v", "NONE") is None
    assert reply("SET a = :v", "ALL_OLD") == ITEM
    assert same_item(reply("SET a = :v", "ALL_NEW"), {**ITEM, "a": {"N": "1"}})
    assert reply("SET a = :v", "ALL_OLD", existed=False) is None
    assert reply("SET a = :v", "ALL_NEW", existed=False) == {"pk": {"S": "p"}, "a": {"N": "1"}}


def test_what_an_update_tells_of_itself() -> None:
    """Its attributes, the paths it touched, and whether it only removes."""
    found = update("SET m.x = :v REMOVE l[0], s", bind(None, {":v": {"N": "1"}}))
    assert found.attributes == {"m", "l", "s"}
    assert not found.only_removes
    assert found.apply(ITEM, ()).touched == (("m", "x"), ("l", 0), ("s",))
    assert update("REMOVE a DELETE ss :ss", bind(None, {":ss": VALUES[":ss"]})).only_removes
