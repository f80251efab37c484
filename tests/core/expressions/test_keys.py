"""Key conditions: their two parts, and what has another form."""

from __future__ import annotations

import pytest

from crossfade.core.expressions import ExpressionError, bind, key_condition
from crossfade.core.expressions.keys import SortCondition
from crossfade.core.items import AttributeValue, Item
from crossfade.core.key_names import KeyNames

VALUES: dict[str, AttributeValue] = {
    ":p": {"S": "p"},
    ":s": {"S": "s"},
    ":t": {"S": "t"},
    ":n": {"N": "1"},
}
KEY = KeyNames(("pk",), ("sk",))


def used(text: str) -> dict[str, AttributeValue] | None:
    return {name: value for name, value in VALUES.items() if name in text} or None


@pytest.mark.parametrize(
    ("text", "operator", "operands"),
    [
        ("pk = :p AND sk = :s", "=", ":s"),
        ("sk = :s AND :p = pk", "=", ":s"),
        ("(pk = :p) AND (sk > :s)", ">", ":s"),
        ("(pk = :p AND :s >= sk)", "<=", ":s"),
        ("pk = :p AND sk BETWEEN :s AND :t", "BETWEEN", ":s :t"),
        ("begins_with(sk, :s) and pk = :p", "begins_with", ":s"),
    ],
)
def test_the_two_parts(text: str, operator: str, operands: str) -> None:
    """In either order, and with either side first where the operator can be turned round."""
    found = key_condition(text, bind(None, used(text)), key_names=KEY)
    assert found.partition == ("pk", {"S": "p"})
    assert found.sort == SortCondition("sk", operator, tuple(VALUES[name] for name in operands.split()))


def test_names_are_guessed_without_a_schema() -> None:
    """The condition with `=` is the partition's."""
    found = key_condition("sk > :s AND pk = :p", bind(None, used(":s :p")))
    assert found.partition[0] == "pk"
    assert found.sort is not None
    assert found.sort.name == "sk"
    assert key_condition("pk = :p", bind(None, used(":p"))).sort is None


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("pk = :p", "a r s sa t"),
        ("pk = :p AND sk = :s", "s"),
        ("pk = :p AND sk < :s", "a r"),
        ("pk = :p AND sk >= :s", "s sa t"),
        ("pk = :p AND sk BETWEEN :s AND :t", "s sa t"),
        ("pk = :p AND begins_with(sk, :s)", "s sa"),
        ("pk = :s", ""),
    ],
)
def test_which_items_are_selected(text: str, selected: str) -> None:
    """Those of the partition whose sort key fulfils the condition."""
    found = key_condition(text, bind(None, used(text)), key_names=KEY)
    held = [name for name in ["a", "r", "s", "sa", "t"] if found.holds({"pk": {"S": "p"}, "sk": {"S": name}})]
    assert held == selected.split()
    assert not found.holds({"sk": {"S": "s"}})


REFUSALS: list[tuple[str, str]] = [
    ("pk", 'Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "pk"'),
    ("pk = :p OR sk = :s", "Invalid operator used in KeyConditionExpression: OR"),
    ("pk = :p AND NOT sk = :s", "Invalid operator used in KeyConditionExpression: NOT"),
    ("pk <> :p", "Invalid operator used in KeyConditionExpression: <>"),
    ("pk IN (:p)", "Invalid operator used in KeyConditionExpression: IN"),
    ("pk = :p AND contains(sk, :s)", "Invalid operator used in KeyConditionExpression: contains"),
    ("pk > :p", "Query key condition not supported"),
    ("begins_with(pk, :p) AND sk = :s", "Query key condition not supported"),
    ("sk = :s", "Query condition missed key schema element: pk"),
    ("pk = :p AND away = :s", "Query condition missed key schema element: sk"),
    ("pk = :p AND sk > :s AND sk < :t", "KeyConditionExpressions must only contain one condition per key"),
    ("pk = :p AND sk = :s AND a = :n", "Conditions can be of length 1 or 2 only"),
    ("pk = :p AND size(sk) = :n", "KeyConditionExpressions cannot contain nested operations"),
    ("pk = sk", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
    (":p = :s", "Invalid condition in KeyConditionExpression: No key attribute specified"),
    (
        "pk = :p AND begins_with(:s, sk)",
        (
            "Invalid condition in KeyConditionExpression: "
            "begins_with operator must have the key attribute as its first operand"
        ),
    ),
    (
        "pk.a = :p",
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk",
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSALS)
def test_refusals(text: str, message: str) -> None:
    """What is a condition but not one on a key is refused in the service's words."""
    with pytest.raises(ExpressionError) as caught:
        _ = key_condition(text, bind(None, used(text)), key_names=KEY)
    assert caught.value.message == message


def test_unused_placeholders_come_before_the_form() -> None:
    """The form is the last thing checked of a query."""
    with pytest.raises(ExpressionError, match=r"unused in expressions: keys: \{:t\}"):
        _ = key_condition("pk > :p", bind(None, used(":p :t")), key_names=KEY)


SEVERAL = KeyNames(("h1", "h2"), ("r1", "r2"))
EQUAL = "h1 = :p AND h2 = :s"


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        (EQUAL, "1a 1b 2a 2b"),
        (f"{EQUAL} AND r1 = :one", "1a 1b"),
        (f"{EQUAL} AND r1 > :one", "2a 2b"),
        (f"r2 = :b AND {EQUAL} AND r1 = :one", "1b"),
        (f"{EQUAL} AND r1 = :one AND begins_with(r2, :a)", "1a"),
    ],
)
def test_which_items_of_an_index_of_several_attributes_are_selected(text: str, selected: str) -> None:
    """Each partition attribute by equality, and sort attributes from the first on."""
    values: dict[str, AttributeValue] = {**VALUES, ":one": {"N": "1"}, ":a": {"S": "a"}, ":b": {"S": "b"}}
    given = {name: value for name, value in values.items() if name in text.replace(")", " ").replace(",", " ").split()}
    found = key_condition(text, bind(None, given), key_names=SEVERAL)
    partition: Item = {"h1": {"S": "p"}, "h2": {"S": "s"}}
    items: dict[str, Item] = {
        f"{year}{part}": {**partition, "r1": {"N": year}, "r2": {"S": part}} for year in "12" for part in "ab"
    }
    assert [name for name, item in items.items() if found.holds(item)] == selected.split()
    assert not any(found.holds({**item, "h2": {"S": "other"}}) for item in items.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h1 = :p", "HASH key attributes h2 must have equality conditions specified in the query"),
        ("r1 = :p", "HASH key attributes h1, h2 must have equality conditions specified in the query"),
        ("h1 = :p AND h2 > :s", "HASH key attributes h2 must have equality conditions specified in the query"),
        (
            f"{EQUAL} AND r2 = :t",
            (
                "RANGE key attributes r1 must have equality conditions specified in the query because a condition is"
                " present on key attribute r2"
            ),
        ),
        (
            f"{EQUAL} AND r1 > :t AND r2 = :t",
            (
                "RANGE key attributes r1 must have equality conditions specified in the query because a condition is"
                " present on key attribute r2"
            ),
        ),
        (f"{EQUAL} AND a = :t", "Query condition missed key schema element: r1"),
        (
            f"{EQUAL} AND r1 = :t AND r2 = :t AND a = :t",
            "The number of query conditions (5) exceeds the number of key attributes defined in the schema (4)",
        ),
    ],
)
def test_refusals_of_an_index_of_several_attributes(text: str, message: str) -> None:
    """In words of their own."""
    with pytest.raises(ExpressionError) as caught:
        _ = key_condition(text, bind(None, used(text)), key_names=SEVERAL)
    assert caught.value.message == message
