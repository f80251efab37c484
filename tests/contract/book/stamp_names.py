"""Expressions that name the attribute in which crossfade keeps its stamps: to callers no item has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.contract.book.common import five_rich, one_rich, two_partitions
from tests.contract.book.transactions import check, delete, put, writes
from tests.contract.shapes import VALUES, Shape, number, text
from tests.contract.steps import Group, Op, Request, Steps, pages

write = Group("the stamp's name, writes", given=one_rich)
read = Group("the stamp's name, reads", given=five_rich, only_reads=True)
scan = Group("the stamp's name, Scan", given=two_partitions, alone=True, only_reads=True)

NAME: Final = "_crossfade"
STAMP: Final = {"#stamp": NAME}
ASKED: Final = {
    "is there": "attribute_exists(#stamp)",
    "is not there": "attribute_not_exists(#stamp)",
    "has a type": "attribute_type(#stamp, :kind_s)",
    "is another": "#stamp <> :x",
    "begins with": "begins_with(#stamp, :empty)",
    "has a size": "size(#stamp) > :zero",
    "beside others": "attribute_not_exists(#stamp) AND t = :text AND attribute_not_exists(m.#stamp)",
    "within an attribute": "m . #stamp = :x OR m.#stamp = :one",
    "in what is wrong": "contains(#stamp, #stamp)",
}
LEGACY: Final[dict[str, Request]] = {
    "is there": {NAME: {"ComparisonOperator": "NOT_NULL"}},
    "is not there": {NAME: {"ComparisonOperator": "NULL"}},
    "is not that": {NAME: {"ComparisonOperator": "NE", "AttributeValueList": [VALUES[":x"]]}},
}


def named(table: Shape, condition: str) -> Iterable[Op]:
    more: dict[str, Any] = {"ConditionExpression": condition, "ExpressionAttributeNames": STAMP}
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    nested = {**table.item(1), "m": {"M": {NAME: number(1)}}, "t": text("text")}
    yield table("UpdateItem", Key=table.key(1), UpdateExpression="SET n = :two", **more, **shown)
    yield table("PutItem", Item=nested, **more, **shown)
    yield table("PutItem", Item=nested)
    yield table("PutItem", Item=table.item(2), **more)
    yield table("PutItem", Item={**nested, "n": number(3)}, **more, ReturnValues="ALL_OLD")
    yield table("DeleteItem", Key=table.key(1), **more, ReturnValues="ALL_OLD")


write.each("if", ASKED, named)


@write.case
def in_an_update_too(table: Shape) -> Iterable[Op]:
    """What it reads there is not there."""
    for change in ("SET n = if_not_exists(#stamp, :ten)", "SET n = n + if_not_exists(#stamp, n)", "SET n = #stamp"):
        yield table(
            "UpdateItem",
            Key=table.key(1),
            UpdateExpression=change,
            ConditionExpression="attribute_not_exists(#stamp)",
            ExpressionAttributeNames=STAMP,
            ReturnValues="ALL_NEW",
        )


@write.case
def a_name_that_is_ours_in_its_place(table: Shape) -> Iterable[Op]:
    """An application may have it already."""
    return [
        table(
            "DeleteItem",
            Key=table.key(1),
            ConditionExpression="attribute_exists(#stamp) OR #hidden = :two OR #hidden_ = :text",
            ExpressionAttributeNames={**STAMP, "#hidden": "n", "#hidden_": "t"},
            ReturnValues="ALL_OLD",
        )
    ]


def together(table: Shape, condition: str) -> Iterable[Op]:
    named: dict[str, Any] = {"ExpressionAttributeNames": STAMP}
    yield writes(put(table, table.item(6)), check(table, 1, condition, **named))
    yield writes(put(table, {**table.item(6), "n": number(6)}, condition, **named))
    yield writes(delete(table, 1, condition, ReturnValuesOnConditionCheckFailure="ALL_OLD", **named))


write.each("in a transaction", {name: ASKED[name] for name in ASKED if name != "in what is wrong"}, together)
write.each(
    "legacy",
    LEGACY,
    lambda table, expected: [
        table("PutItem", Item=table.item(1), Expected=expected, ReturnValues="ALL_OLD"),
        table("DeleteItem", Key=table.key(1), Expected=expected),
    ],
)


def filtered(asked: Request) -> Callable[[Shape, str], Steps]:
    def queried(table: Shape, condition: str) -> Steps:
        given = {name: getattr(table.form, value) if name == "IndexName" else value for name, value in asked.items()}
        for limit in (None, 2):
            more: dict[str, Any] = {"FilterExpression": condition, "ExpressionAttributeNames": STAMP, "Limit": limit}
            _ = yield from pages(table("Query", **given, **more))

    return queried


read.each("Query", ASKED, filtered({"KeyConditionExpression": "{p} = :p0"}))
read.each("Query of an index", ASKED, filtered({"KeyConditionExpression": "grp = :g0", "IndexName": "group_index"}))
read.each(
    "legacy Query",
    LEGACY,
    lambda table, condition: [
        table(
            "Query",
            KeyConditions={
                table.form.partition: {"ComparisonOperator": "EQ", "AttributeValueList": [table.partition()]}
            },
            QueryFilter=condition,
            AttributesToGet=[NAME, "n"],
        )
    ],
)


def scanned(table: Shape, condition: str) -> Steps:
    for limit in (None, 3):
        _ = yield from pages(table("Scan", FilterExpression=condition, ExpressionAttributeNames=STAMP, Limit=limit))
    _ = yield from pages(
        table(
            "Scan",
            FilterExpression=condition,
            ProjectionExpression="#stamp, n",
            ExpressionAttributeNames=STAMP,
            IndexName=table.form.group_index,
        )
    )


scan.each("where", ASKED, scanned)
scan.each("legacy", LEGACY, lambda table, condition: [table("Scan", ScanFilter=condition)])
