"""The parameters that expressions replaced in 2014; applications still send them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.contract.book.common import five_rich, one_rich, two_partitions
from tests.contract.shapes import VALUES, Shape, number, text
from tests.contract.steps import Group, Op, Request, Steps, pages

write = Group("legacy writes", given=one_rich)
read = Group("legacy reads", given=five_rich, only_reads=True)
scan = Group("legacy Scan", given=two_partitions, alone=True, only_reads=True)

V: Final = VALUES
Condition = Callable[[Shape], Request]


def compare(operator: str, *values: Any) -> Request:
    return {"ComparisonOperator": operator, **({"AttributeValueList": list(values)} if values else {})}


# Each is an Expected, and without the first three also a filter.
OLD_EXPECTED: Final[dict[str, Condition]] = {
    "a value": lambda _: {"n": {"Value": V[":one"]}},
    "another value": lambda _: {"n": {"Value": V[":two"], "Exists": True}},
    "no such attribute": lambda _: {"absent": {"Exists": False}},
    "an attribute that is there": lambda _: {"n": {"Exists": False}},
    "two values": lambda _: {"n": {"Value": V[":one"]}, "t": {"Value": V[":text"]}},
    "a value and Exists false": lambda _: {"n": {"Value": V[":one"], "Exists": False}},
    "Exists without a value": lambda _: {"n": {"Exists": True}},
    "nothing": lambda _: {"n": {}},
}
CONDITIONS: Final[dict[str, Condition]] = {
    "EQ": lambda _: {"n": compare("EQ", V[":one"])},
    "EQ of a set": lambda _: {"ss": compare("EQ", V[":ss"])},
    "EQ of amount": lambda table: {"amount": compare("EQ", table.amount(10))},
    "NE": lambda _: {"n": compare("NE", V[":one"])},
    "NE of weight": lambda table: {"weight": compare("NE", table.weight("1.5"))},
    "LT": lambda _: {"n": compare("LT", V[":two"])},
    "LE": lambda _: {"n": compare("LE", V[":one"])},
    "GT": lambda _: {"n": compare("GT", V[":two"])},
    "GE of weight": lambda table: {"weight": compare("GE", table.weight("1.5"))},
    "NOT_NULL": lambda table: {table.form.note: compare("NOT_NULL")},
    "NULL": lambda _: {"absent": compare("NULL")},
    "NULL of what is there": lambda table: {table.form.note: compare("NULL")},
    "CONTAINS": lambda _: {"t": compare("CONTAINS", V[":te"])},
    "CONTAINS in a set": lambda _: {"ss": compare("CONTAINS", V[":x"])},
    "NOT_CONTAINS": lambda _: {"t": compare("NOT_CONTAINS", V[":x"])},
    "BEGINS_WITH": lambda table: {table.form.note: compare("BEGINS_WITH", text(table.prefix))},
    "IN": lambda _: {"t": compare("IN", V[":x"], V[":text"])},
    "BETWEEN": lambda _: {"n": compare("BETWEEN", V[":zero"], V[":one"])},
    "two conditions": lambda _: {"n": compare("EQ", V[":one"]), "t": compare("EQ", V[":x"])},
}
BROKEN: Final[dict[str, Condition]] = {
    "an unknown operator": lambda _: {"n": compare("LIKE", V[":one"])},
    "EQ without a value": lambda _: {"n": compare("EQ")},
    "EQ with two values": lambda _: {"n": compare("EQ", V[":one"], V[":two"])},
    "NULL with a value": lambda _: {"n": compare("NULL", V[":one"])},
    "BETWEEN with one value": lambda _: {"n": compare("BETWEEN", V[":one"])},
    "BETWEEN reversed": lambda _: {"n": compare("BETWEEN", V[":two"], V[":one"])},
    "BETWEEN of two types": lambda _: {"n": compare("BETWEEN", V[":one"], V[":text"])},
    "LT of a list": lambda _: {"n": compare("LT", V[":list"])},
    "BEGINS_WITH a number": lambda _: {"t": compare("BEGINS_WITH", V[":one"])},
    "IN of none": lambda _: {"n": compare("IN")},
}


def expected_put(table: Shape, expected: Condition) -> Iterable[Op]:
    return [
        table("PutItem", Item=table.item(n, phase="closed"), Expected=expected(table), ReturnValues="ALL_OLD")
        for n in (1, 2)
    ]


write.each("Expected, PutItem", OLD_EXPECTED | CONDITIONS | BROKEN, expected_put)
write.each(
    "Expected, DeleteItem",
    {name: OLD_EXPECTED[name] for name in ("a value", "no such attribute")} | {"EQ": CONDITIONS["EQ of amount"]},
    lambda table, expected: [
        table("DeleteItem", Key=table.key(n), Expected=expected(table), ReturnValues="ALL_OLD") for n in (2, 1)
    ],
)
write.each(
    "Expected, UpdateItem",
    {name: OLD_EXPECTED[name] for name in ("a value", "another value", "no such attribute")}
    | {name: CONDITIONS[name] for name in ("EQ of amount", "NOT_NULL", "LT")},
    lambda table, expected: [
        table(
            "UpdateItem",
            Key=table.key(1),
            AttributeUpdates={"n": {"Action": "ADD", "Value": V[":one"]}},
            Expected=expected(table),
            ReturnValues="UPDATED_NEW",
        )
        for _ in range(2)
    ],
)
write.each(
    "ConditionalOperator",
    {
        "AND": ({"ConditionalOperator": "AND"}, "two conditions"),
        "OR": ({"ConditionalOperator": "OR"}, "two conditions"),
        "OR of one": ({"ConditionalOperator": "OR"}, "EQ"),
        "unknown": ({"ConditionalOperator": "XOR"}, "two conditions"),
    },
    lambda table, asked: [
        table("PutItem", Item=table.item(1), Expected=CONDITIONS[asked[1]](table), **asked[0]),
        table("DeleteItem", Key=table.key(1), **asked[0]),
    ],
)

UPDATES: Final[dict[str, Condition]] = {
    "PUT": lambda _: {"n": {"Action": "PUT", "Value": V[":ten"]}},
    "no action": lambda _: {"fresh": {"Value": V[":ten"]}},
    "PUT of what a mapping changes": lambda table: {
        "amount": {"Action": "PUT", "Value": table.amount(3)},
        "weight": {"Action": "PUT", "Value": table.weight(4)},
        table.form.note: {"Action": "PUT", "Value": V[":note"]},
    },
    "PUT of a list and a map": lambda _: {"l": {"Value": V[":list"]}, "m": {"Value": V[":map"]}},
    "ADD to a number": lambda _: {"n": {"Action": "ADD", "Value": V[":minus"]}},
    "ADD to an absent number": lambda _: {"fresh": {"Action": "ADD", "Value": V[":one"]}},
    "ADD to a set": lambda _: {"ss": {"Action": "ADD", "Value": V[":ss"]}},
    "ADD to a list": lambda _: {"l": {"Action": "ADD", "Value": V[":list"]}},
    "ADD to an absent list": lambda _: {"fresh": {"Action": "ADD", "Value": V[":list"]}},
    "ADD of a text": lambda _: {"n": {"Action": "ADD", "Value": V[":text"]}},
    "ADD of another type": lambda _: {"t": {"Action": "ADD", "Value": V[":one"]}},
    "DELETE": lambda _: {"n": {"Action": "DELETE"}, "absent": {"Action": "DELETE"}},
    "DELETE of what a mapping changes": lambda table: {
        "amount": {"Action": "DELETE"},
        table.form.note: {"Action": "DELETE"},
    },
    "DELETE from a set": lambda _: {"ss": {"Action": "DELETE", "Value": V[":s_x"]}},
    "DELETE a whole set": lambda _: {"ss": {"Action": "DELETE", "Value": V[":ss"]}},
    "DELETE of a number": lambda _: {"n": {"Action": "DELETE", "Value": V[":one"]}},
    "several": lambda _: {
        "n": {"Action": "ADD", "Value": V[":one"]},
        "t": {"Action": "PUT", "Value": V[":x"]},
        "flag": {"Action": "DELETE"},
        "ns": {"Action": "ADD", "Value": V[":ns"]},
    },
    "PUT without a value": lambda _: {"n": {"Action": "PUT"}},
    "an unknown action": lambda _: {"n": {"Action": "SET", "Value": V[":one"]}},
    "the key": lambda table: {table.form.sort: {"Action": "PUT", "Value": table.sort(5)}},
    "none": lambda _: {},
}
write.each(
    "AttributeUpdates",
    UPDATES,
    lambda table, updates: [
        table("UpdateItem", Key=table.key(1), AttributeUpdates=updates(table), ReturnValues="ALL_NEW")
    ],
)
write.each(
    "AttributeUpdates of an absent item",
    {name: UPDATES[name] for name in ("PUT", "ADD to an absent number", "ADD to a set", "DELETE", "several")}
    | {"DELETE from a set": UPDATES["DELETE from a set"]},
    lambda table, updates: [
        table("UpdateItem", Key=table.key(2), AttributeUpdates=updates(table), ReturnValues="ALL_NEW")
    ],
)
write.each(
    "AttributeUpdates, returning",
    {mode: mode for mode in ("ALL_OLD", "UPDATED_OLD", "UPDATED_NEW", "NONE")},
    lambda table, mode: [
        table("UpdateItem", Key=table.key(1), AttributeUpdates=UPDATES["several"](table), ReturnValues=mode)
    ],
)


@write.case
def old_and_new_together(table: Shape) -> Iterable[Op]:
    key, updates, expected = table.key(1), UPDATES["PUT"](table), CONDITIONS["EQ"](table)
    return [
        table("UpdateItem", Key=key, AttributeUpdates=updates, UpdateExpression="SET t = :x"),
        table("UpdateItem", Key=key, UpdateExpression="SET t = :x", Expected=expected),
        table("UpdateItem", Key=key, AttributeUpdates=updates, ConditionExpression="n = :one"),
        table("PutItem", Item=table.item(1), Expected=expected, ConditionExpression="n = :one"),
        table("DeleteItem", Key=key, Expected=expected, ConditionExpression="n = :one"),
        table("DeleteItem", Key=key, Expected=expected, ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        table("GetItem", Key=key, AttributesToGet=["n"], ProjectionExpression="t"),
        table("DeleteItem", Key=key, Expected={}),
    ]


# --- reads

read.each(
    "AttributesToGet",
    {
        "one": ["n"],
        "what a mapping changes": ["amount", "weight", "info"],
        "absent": ["absent", "n"],
        "absent only": ["absent"],
        "a path is a name": ["m.a", "n"],
        "twice": ["n", "n"],
        "none": [],
    },
    lambda table, names: [
        table("GetItem", Key=table.key(1), AttributesToGet=names),
        table("GetItem", Key=table.key(9), AttributesToGet=names, ConsistentRead=True),
        Op("BatchGetItem", {"RequestItems": {table.name: {"Keys": [table.key(2)], "AttributesToGet": names}}}),
    ],
)


def key_conditions(table: Shape, sort: Request | None = None) -> Request:
    conditions = {table.form.partition: compare("EQ", table.partition())}
    return conditions | ({table.form.sort: sort} if sort else {})


KEY_CONDITIONS: Final[dict[str, Condition]] = {
    "a partition": key_conditions,
    "EQ": lambda table: key_conditions(table, compare("EQ", table.sort(2))),
    "LT": lambda table: key_conditions(table, compare("LT", table.sort(3))),
    "LE": lambda table: key_conditions(table, compare("LE", table.sort(3))),
    "GT": lambda table: key_conditions(table, compare("GT", table.sort(3))),
    "GE": lambda table: key_conditions(table, compare("GE", table.sort(3))),
    "BETWEEN": lambda table: key_conditions(table, compare("BETWEEN", table.sort(2), table.sort(4))),
    "BEGINS_WITH": lambda table: key_conditions(table, compare("BEGINS_WITH", text("s00"))),
    "NE": lambda table: key_conditions(table, compare("NE", table.sort(3))),
    "a range of partitions": lambda table: {table.form.partition: compare("GT", table.partition())},
    "no partition": lambda table: {table.form.sort: compare("EQ", table.sort(1))},
    "another attribute": lambda table: key_conditions(table) | {"n": compare("EQ", number(1))},
    "none": lambda _: {},
}
read.each(
    "KeyConditions",
    KEY_CONDITIONS,
    lambda table, conditions: [
        table("Query", KeyConditions=conditions(table), ScanIndexForward=forward) for forward in (True, False)
    ],
)


def legacy_pages(table: Shape, asked: Callable[[Shape], Request]) -> Steps:
    _ = yield from pages(table("Query", KeyConditions=key_conditions(table), **asked(table)))


read.making(
    "Query",
    {
        "in pages of two": lambda _: {"Limit": 2},
        "QueryFilter": lambda _: {"QueryFilter": {"n": compare("GT", V[":two"])}},
        "QueryFilter in pages": lambda _: {"QueryFilter": {"n": compare("GT", V[":two"])}, "Limit": 2},
        "QueryFilter of amount": lambda table: {"QueryFilter": {"amount": compare("EQ", table.amount(30))}},
        "QueryFilter of two, OR": lambda _: {
            "QueryFilter": {"n": compare("EQ", V[":one"]), "t": compare("EQ", V[":text"])},
            "ConditionalOperator": "OR",
        },
        "QueryFilter of two, AND": lambda _: {
            "QueryFilter": {"n": compare("EQ", V[":one"]), "t": compare("EQ", V[":text"])},
            "ConditionalOperator": "AND",
        },
        "QueryFilter of the key": lambda table: {"QueryFilter": {table.form.sort: compare("EQ", table.sort(1))}},
        "AttributesToGet": lambda _: {"AttributesToGet": ["n", "amount"]},
        "AttributesToGet in pages": lambda _: {"AttributesToGet": ["weight"], "Limit": 2},
        "AttributesToGet and Select": lambda _: {"AttributesToGet": ["n"], "Select": "SPECIFIC_ATTRIBUTES"},
        "counted": lambda _: {"Select": "COUNT"},
        "with a FilterExpression": lambda _: {"FilterExpression": "n = :one"},
        "a broken QueryFilter": lambda _: {"QueryFilter": {"n": compare("BETWEEN", V[":one"])}},
        "an index": lambda table: {"IndexName": table.form.score_index, "ScanIndexForward": False},
    },
    legacy_pages,
)


@read.case
def a_global_index_by_KeyConditions(table: Shape) -> Iterable[Op]:  # noqa: N802 - the title
    conditions = {"grp": compare("EQ", table.group(1)), "score": compare("GE", V[":low"])}
    return [table("Query", IndexName=table.form.group_index, KeyConditions=conditions)]


scan.each(
    "ScanFilter",
    CONDITIONS | {name: BROKEN[name] for name in ("an unknown operator", "BETWEEN with one value")},
    lambda table, condition: [table("Scan", ScanFilter=condition(table), ConsistentRead=True)],
)
scan.asking(
    "with",
    {
        "AttributesToGet": {"AttributesToGet": ["n", "amount", "info"]},
        "AttributesToGet, counted": {"AttributesToGet": ["n"], "Select": "COUNT"},
        "ScanFilter and OR": {
            "ScanFilter": {"n": compare("EQ", V[":one"]), "flag": compare("EQ", V[":true"])},
            "ConditionalOperator": "OR",
        },
        "ScanFilter and FilterExpression": {
            "ScanFilter": {"n": compare("EQ", V[":one"])},
            "FilterExpression": "n = :one",
        },
    },
    lambda table, more: [table("Scan", **more)],
)
