"""PutItem and DeleteItem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crossfade.core.items import Item
from tests.contract.book.common import (
    BROKEN_CONDITIONS,
    CONDITIONS,
    INDEX_KEYS,
    OVERSIZE_BYTES,
    WRONG_KEYS,
    WRONG_VALUES,
    nested,
    one_rich,
    wrong_value,
)
from tests.contract.shapes import Shape, number, text
from tests.contract.steps import Group, Op

put = Group("PutItem", given=one_rich)
delete = Group("DeleteItem", given=one_rich)

RETURNS: Final = {name: name for name in ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW", "SOME")}


@put.case
def a_new_item(table: Shape) -> Iterable[Op]:
    return [table("PutItem", Item=table.rich(2)), table("GetItem", Key=table.key(2), ConsistentRead=True)]


@put.case
def over_an_item(table: Shape) -> Iterable[Op]:
    item = table.item(1, phase="closed", amount=table.amount(3), only=text("new"))
    return [table("PutItem", Item=item), table("GetItem", Key=table.key(1), ConsistentRead=True)]


@put.case
def the_same_item_again(table: Shape) -> Iterable[Op]:
    return [table("PutItem", Item=table.rich(1), ReturnValues="ALL_OLD") for _ in range(2)]


@put.case
def nothing_but_a_key(table: Shape) -> Iterable[Op]:
    return [table("PutItem", Item=table.key(3) | {"info": {"M": {}}}, ReturnValues="ALL_OLD")]


@put.case
def two_items_of_two_partitions(table: Shape) -> Iterable[Op]:
    return [table("PutItem", Item=table.rich(2, p)) for p in (0, 1)]


def returning(table: Shape, mode: str) -> Iterable[Op]:
    return [table("PutItem", Item=table.item(n, amount=table.amount(1)), ReturnValues=mode) for n in (1, 2)]


put.each("returning", RETURNS, returning)

FORMS: Final[dict[str, Item]] = {
    "numbers in long forms": {"n": number("1.50"), "m": {"M": {"a": number("0.0"), "b": number("1E3")}}},
    "numbers with signs": {"n": number("+7"), "o": number("-0")},
    "38 digits": {"n": number("12345678901234567890123456789012345678")},
    "the largest and the smallest": {"n": number("9.9E+125"), "o": number("1E-130"), "q": number("-9.9E+125")},
    "numbers in sets": {"ns": {"NS": ["1.0", "20", "3e2"]}},
    "an empty text": {"t": text(""), "l": {"L": [text("")]}},
    "empty binary": {"b": {"B": b""}},
    "empty list and map": {"l": {"L": []}, "m": {"M": {}}},
    "text beyond the basic plane": {"t": text("Grüße 😀 \u0000 end")},
    "a name with a dot": {"a.b": number(1)},
    "a name with a space": {"two words": number(1)},
    "a long name": {"x" * 255: number(1)},
    "31 levels of lists": {"l": nested(31)},
    "false": {"flag": {"BOOL": False}},
    "100 attributes": {f"a{n}": number(n) for n in range(100)},
}
put.asking(
    "form",
    FORMS,
    lambda table, more: [
        table("PutItem", Item=table.item(2, phase="open", **more)),
        table("PutItem", Item=table.item(2), ReturnValues="ALL_OLD"),
    ],
)

put.each("key", WRONG_KEYS, lambda table, wrong: [table("PutItem", Item={**wrong(table), "n": number(1)})])
put.each(
    "value",
    {name: name for name in WRONG_VALUES},
    lambda table, name: [table("PutItem", Item=table.item(1, wrong=wrong_value(name)))],
)


@put.case
def an_item_too_large(table: Shape) -> Iterable[Op]:
    return [table("PutItem", Item=table.item(1, t=text("x" * OVERSIZE_BYTES)))]


@put.case
def a_large_item(table: Shape) -> Iterable[Op]:
    return [table("PutItem", Item=table.item(2, t=text("x" * (OVERSIZE_BYTES - 2000))))]


@put.case
def no_item(table: Shape) -> Iterable[Op]:
    return [table("PutItem"), table("PutItem", Item={})]


@put.case
def an_index_key_of_another_type(table: Shape) -> Iterable[Op]:
    return [
        table("PutItem", Item=table.item(1, grp=number(1))),
        table("PutItem", Item=table.item(1, grp=table.group(), score=text("x"))),
        table("PutItem", Item=table.item(1, note=text(""))),
        table("PutItem", Item=table.item(2, score=text("x"))),
    ]


def conditional_put(table: Shape, condition: str) -> Iterable[Op]:
    """About an item that is there, and about one that is not."""
    return [
        table(
            "PutItem",
            Item=table.item(n, phase="closed", amount=table.amount(4)),
            ConditionExpression=condition,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ReturnValues="ALL_OLD",
        )
        for n in (1, 2)
    ]


put.each("if", CONDITIONS, conditional_put)
put.each("broken condition", BROKEN_CONDITIONS, conditional_put)
put.each(
    "an index key, and a condition that fails",
    INDEX_KEYS,
    lambda table, wrong: [
        table("PutItem", Item={**table.item(n), **wrong(table)}, ConditionExpression="n = :ten") for n in (1, 2)
    ],
)


@put.case
def a_failed_condition_that_shows_nothing(table: Shape) -> Iterable[Op]:
    never = "attribute_not_exists({p})"
    return [
        table("PutItem", Item=table.item(1), ConditionExpression=never),
        table("PutItem", Item=table.item(1), ConditionExpression=never, ReturnValuesOnConditionCheckFailure="NONE"),
        table("PutItem", Item=table.item(1), ConditionExpression=never, ReturnValuesOnConditionCheckFailure="SOME"),
    ]


@put.case
def put_if_absent_twice(table: Shape) -> Iterable[Op]:
    return [
        table("PutItem", Item=table.item(3, n=number(n)), ConditionExpression="attribute_not_exists({p})")
        for n in (1, 2)
    ]


@put.case
def values_that_no_expression_uses(table: Shape) -> Iterable[Op]:
    return [
        table("PutItem", Item=table.item(1), ExpressionAttributeValues={":x": text("x")}),
        table(
            "PutItem",
            Item=table.item(1),
            ConditionExpression="n = :one",
            ExpressionAttributeValues={":one": number(1), ":x": text("x")},
        ),
        table("PutItem", Item=table.item(1), ConditionExpression="n = :one", ExpressionAttributeValues={}),
        table("PutItem", Item=table.item(1), ConditionExpression="n = :e", ExpressionAttributeValues={":e": {}}),
    ]


# --- DeleteItem


@delete.case
def an_item_that_is_there(table: Shape) -> Iterable[Op]:
    return [table("DeleteItem", Key=table.key(1)), table("GetItem", Key=table.key(1), ConsistentRead=True)]


@delete.case
def an_item_that_is_not_there(table: Shape) -> Iterable[Op]:
    return [table("DeleteItem", Key=table.key(2), ReturnValues="ALL_OLD")]


@delete.case
def twice(table: Shape) -> Iterable[Op]:
    return [table("DeleteItem", Key=table.key(1), ReturnValues="ALL_OLD") for _ in range(2)]


@delete.case
def and_put_again(table: Shape) -> Iterable[Op]:
    return [
        table("DeleteItem", Key=table.key(1)),
        table("PutItem", Item=table.item(1, n=number(9)), ReturnValues="ALL_OLD"),
        table("DeleteItem", Key=table.key(1), ReturnValues="ALL_OLD"),
    ]


delete.each(
    "returning", RETURNS, lambda table, mode: [table("DeleteItem", Key=table.key(n), ReturnValues=mode) for n in (1, 2)]
)
delete.each("a key", WRONG_KEYS, lambda table, wrong: [table("DeleteItem", Key=wrong(table))])


def conditional_delete(table: Shape, condition: str) -> Iterable[Op]:
    return [
        table(
            "DeleteItem",
            Key=table.key(n),
            ConditionExpression=condition,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ReturnValues="ALL_OLD",
        )
        for n in (2, 1)
    ]


SOME_CONDITIONS: Final = (
    "exists",
    "does not exist",
    "phase is open",
    "phase is closed",
    "amount is equal",
    "amount is less",
    "weight is greater",
    "note begins with the prefix",
    "the key itself",
    "an absent attribute",
)
delete.each("if", {name: CONDITIONS[name] for name in SOME_CONDITIONS}, conditional_delete)
delete.each(
    "broken condition",
    {name: BROKEN_CONDITIONS[name] for name in ("no text", "a syntax error", "a value that is not there")},
    conditional_delete,
)
