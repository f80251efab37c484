"""What several chapters of the book share: items to begin with, malformed keys and values, conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from crossfade.core.items import Item
from tests.contract.shapes import Shape, number, text

KEY_TEXT_BYTES_MAX: Final = 1024  # of a sort key
OVERSIZE_BYTES: Final = 400 * 1024


def one_rich(table: Shape) -> list[Item]:
    """Item 1, with an attribute of every type."""
    return [table.rich(1)]


def five_rich(table: Shape) -> list[Item]:
    """Items 1 to 5 of one partition."""
    return [table.rich(n) for n in range(1, 6)]


def two_partitions(table: Shape) -> list[Item]:
    """Items 1 to 4 of one partition, 1 to 3 of another."""
    return [table.rich(n) for n in range(1, 5)] + [table.rich(n, 1) for n in range(1, 4)]


# What is wrong with a key, and what it is then.
WRONG_KEYS: Final[dict[str, Callable[[Shape], Any]]] = {
    "without its sort key": lambda table: {table.form.partition: table.partition()},
    "without its partition key": lambda table: {table.form.sort: table.sort(1)},
    "empty": lambda _: {},
    "with an attribute too many": lambda table: table.key(1) | {"more": text("x")},
    "with other names": lambda table: {"no": table.partition(), "key": table.sort(1)},
    "with a number for its partition": lambda table: table.key(1) | {table.form.partition: number(7)},
    "with binary for its sort key": lambda table: table.key(1) | {table.form.sort: {"B": b"1"}},
    "with an empty partition": lambda table: table.key(1) | {table.form.partition: text("")},
    "with a null": lambda table: table.key(1) | {table.form.partition: {"NULL": True}},
    "with a list": lambda table: table.key(1) | {table.form.partition: {"L": [text("x")]}},
    "with a partition of 2049 bytes": lambda table: (
        table.key(1) | {table.form.partition: text(table.form.partition_text.format("p" * 2049))}
    ),
}

# What is wrong with an attribute's value.
WRONG_VALUES: Final[dict[str, Any]] = {
    "a number that is none": {"N": "twelve"},
    "a number in other digits": {"N": "\u0661"},
    "a number of 39 digits": {"N": "1" * 39},
    "a number too large": {"N": "1E+126"},
    "a number too small": {"N": "1E-131"},
    "an empty number": {"N": ""},
    "an empty set": {"SS": []},
    "a set with a repeat": {"SS": ["x", "x"]},
    "a set of numbers with a repeat": {"NS": ["1", "1.0"]},
    "a null that is false": {"NULL": False},
    "no type at all": {},
    "two types": {"S": "x", "N": "1"},
    "a number too large in a list": {"L": [{"N": "1E+126"}]},
    "33 levels of lists": None,  # made by `nested`
}


def wrong_value(name: str) -> Any:
    return nested(33) if name.startswith("33") else WRONG_VALUES[name]


def nested(levels: int) -> Any:
    value: Any = number(1)
    for _ in range(levels):
        value = {"L": [value]}
    return value


# Conditions about item 1 as `rich` makes it. Some hold and some do not; the plain table says which.
CONDITIONS: Final = {
    "exists": "attribute_exists({p})",
    "does not exist": "attribute_not_exists({p})",
    "exists by its sort key": "attribute_exists({s})",
    "phase is open": "{phase} = :open",
    "phase is closed": "{phase} = :closed",
    "phase exists": "attribute_exists({phase})",
    "amount is equal": "{amount} = :amount_1",
    "amount is another": "{amount} <> :amount",
    "amount is less": "{amount} < :amount",
    "amount is of kind N": "attribute_type({amount}, :kind_n)",
    "weight is greater": "{weight} > :weight",
    "weight is of kind S": "attribute_type({weight}, :kind_s)",
    "note begins with the prefix": "begins_with({note}, :noted)",
    "note exists": "attribute_exists({note})",
    "the other form's names are absent": "attribute_not_exists(remark) AND attribute_not_exists(phase)",
    "number comparison of equal values": "n = :one",
    "number against text": "n < :text",
    "between": "n BETWEEN :zero AND :two",
    "between, reversed": "n BETWEEN :two AND :zero",
    "in": "t IN (:x, :text)",
    "not in": "NOT t IN (:x, :z)",
    "contains in text": "contains(t, :te)",
    "contains in a set": "contains(ss, :x)",
    "contains in a list": "contains(l, :one)",
    "size of text": "size(t) > :three",
    "size of a list": "size(l) = :three",
    "size of a map": "size(m) = :two",
    "size of a number": "size(n) > :zero",
    "size of the whole nested map": "size(info) >= :one",
    "nested in a map": "m.b.c = :text OR m.a = :one",
    "nested in a list": "l[0] = :text OR l[1] = :one",
    "set equality": "ss = :ss",
    "map equality": "m = :map",
    "binary comparison": "b < :bytes",
    "null": "nothing = :null",
    "Boolean": "flag = :true AND NOT flag = :false",
    "precedence": "n = :two AND t = :x OR flag = :true",
    "parentheses": "n = :two AND (t = :x OR flag = :true)",
    "two attributes": "n < {s} OR n <= n",
    "the key itself": "{p} = :p0 AND {s} = :s1",
    "an absent attribute": "absent = :one OR attribute_not_exists(absent)",
}

BROKEN_CONDITIONS: Final = {
    "no text": "",
    "a syntax error": "n = ",
    "an unknown function": "exists(n)",
    "a reserved word": "name = :one",
    "a value that is not there": "n = :unknown",
    "a name that is not there": "#unknown = :one",
    "an operand too many": "attribute_exists(n, t)",
    "the same operand twice": "n = n",
    "a wrong type name": "attribute_type(n, :kind_bad)",
    "begins_with a number": "begins_with(t, :one)",
    "a list for less-than": "n < :list",
    "redundant parentheses": "((n = :one))",
    "redundant parentheses without end": f"{'(' * 150}n = :one{')' * 150}",
    "a bare path": "n",
    "between with two types": "n BETWEEN :one AND :text",
}

# What an index does not take for a key.
INDEX_KEYS: Final[dict[str, Callable[[Shape], Any]]] = {
    "empty": lambda _: {"grp": text("")},
    "of another type": lambda _: {"grp": number(1)},
    "a sort key of another type": lambda _: {"score": text("high")},
    "empty, renamed": lambda table: {table.form.note: text("")},
    "of another type, renamed": lambda table: {table.form.note: number(1)},
    "too long": lambda _: {"grp": text("x" * 2049)},
}
