"""Query and Scan of an index by several attributes: two of its partition key, two of its sort key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tests.contract.shapes import Shape, number, text
from tests.contract.steps import Group, Op, Request, Steps, pages

PARTITION: Final = "grp = :g1 AND {note} = :dated"
YEAR: Final = f"{PARTITION} AND #year = :2021"
NAMES: Final = {"ExpressionAttributeNames": {"#year": "year", "#part": "part"}}

parts = Group(
    "An index of several attributes", given=lambda table: [table.dated(n) for n in range(1, 9)], only_reads=True
)
parts_writes = Group("An index of several attributes, between writes", given=parts.given)


def asking(table: Shape, asked: dict[str, Any]) -> Op:
    return table("Query", **{"KeyConditionExpression": PARTITION, "IndexName": table.form.parts_index, **asked})


def queried(table: Shape, asked: dict[str, Any]) -> Steps:
    _ = yield from pages(asking(table, asked))


CONDITIONS: Final = {
    "a partition": PARTITION,
    "an empty partition": "grp = :g0 AND {note} = :dated",
    "the other attribute first": "{note} = :dated AND grp = :g1",
    "a year": YEAR,
    "years before": f"{PARTITION} AND #year < :2022",
    "years from": f"{PARTITION} AND #year >= :2021",
    "years between": f"{PARTITION} AND #year BETWEEN :2020 AND :2021",
    "one item": f"{YEAR} AND #part = :bx",
    "a part begins with": f"{YEAR} AND begins_with(#part, :b)",
    "parts after": f"{YEAR} AND #part > :by",
    "parts up to": f"#part <= :bx AND {YEAR}",
    "parts between": f"{YEAR} AND #part BETWEEN :b AND :by",
}
WAYS: Final[dict[str, Request]] = {
    "at once": {},
    "backwards": {"ScanIndexForward": False},
    "in pages of one": {"Limit": 1},
    "in pages of one, backwards": {"Limit": 1, "ScanIndexForward": False},
    "in pages of two": {"Limit": 2},
    "in pages of three, backwards": {"Limit": 3, "ScanIndexForward": False},
}


def named(condition: str) -> Request:
    """The condition, with the names that it uses and no others."""
    names = {name: name[1:] for name in ("#year", "#part") if name in condition}
    return {"KeyConditionExpression": condition, **({"ExpressionAttributeNames": names} if names else {})}


parts.asking(
    "where",
    {
        f"{name}, {way}": named(condition) | more
        for name, condition in CONDITIONS.items()
        for way, more in WAYS.items()
        if way == "at once" or name in ("a partition", "a year", "years from", "years before", "parts up to")
    },
    queried,
)
parts.asking(
    "asked for",
    {
        "projected": {"ProjectionExpression": "{note}, {phase}, n"},
        "counted": {"Select": "COUNT", "Limit": 5},
        "filtered": {"FilterExpression": "{amount} > :amount_1", "Limit": 3},
        "all attributes": {"Select": "ALL_ATTRIBUTES"},
        "strongly consistent": {"ConsistentRead": True},
        "filtered by its partition": {"FilterExpression": "{note} = :dated"},
        "filtered by its sort key": {"FilterExpression": "#part = :bx", "ExpressionAttributeNames": {"#part": "part"}},
    },
    queried,
)
parts.each(
    "broken",
    {
        "half of its partition": "grp = :g1",
        "the other half": "{note} = :dated",
        "half of its partition and a year": "grp = :g1 AND #year = :2021",
        "no partition": "#year = :2021 AND #part = :bx",
        "a range of partitions": "grp = :g1 AND begins_with({note}, :b)",
        "a part without a year": f"{PARTITION} AND #part = :bx",
        "a part of several years": f"{PARTITION} AND #year > :2020 AND #part = :bx",
        "two ranges": f"{PARTITION} AND #year > :2020 AND #part > :bx",
        "two of one": f"{PARTITION} AND #year > :2020 AND #year < :2022",
        "another attribute": f"{PARTITION} AND t = :bx",
        "one attribute too many": f"{YEAR} AND #part = :bx AND t = :bx",
        "the table's key": "{p} = :p0",
        "another type": "grp = :g1 AND {note} = :one",
        "a year of another type": f"{PARTITION} AND #year = :text",
    },
    lambda table, condition: [asking(table, named(condition))],
)


def compared(operator: str, *values: Any) -> dict[str, Any]:
    return {"ComparisonOperator": operator, "AttributeValueList": list(values)}


LEGACY: Final[dict[str, dict[str, Any]]] = {
    "a partition": {},
    "a year": {"year": compared("EQ", number(2021))},
    "years from": {"year": compared("GE", number(2021))},
    "parts of a year": {"year": compared("EQ", number(2021)), "part": compared("BEGINS_WITH", text("b"))},
    "half of its partition": {"grp": None},
    "a part without a year": {"part": compared("EQ", text("bx"))},
    "two ranges": {"year": compared("GT", number(2020)), "part": compared("GT", text("a"))},
    "one attribute too many": {
        "year": compared("EQ", number(2021)),
        "part": compared("EQ", text("bx")),
        "t": compared("EQ", text("x")),
    },
}


def by_key_conditions(table: Shape, more: dict[str, Any]) -> Steps:
    """In the form without expressions."""
    given = {"grp": compared("EQ", table.group(1)), table.form.note: compared("EQ", table.noted(0)), **more}
    conditions = {name: each for name, each in given.items() if each is not None}
    for limit in (None, 2):
        _ = yield from pages(table("Query", IndexName=table.form.parts_index, KeyConditions=conditions, Limit=limit))


parts.each("KeyConditions", LEGACY, by_key_conditions)


@parts.case
def tokens_that_are_made_up(table: Shape) -> Iterable[Op]:
    item = table.dated(4)
    names = (*table.key(4), "grp", table.form.note, "year", "part")
    token = {name: item[name] for name in names}
    return [
        asking(table, {"ExclusiveStartKey": start, **more})
        for start in (
            token,
            token | {"part": text("b")},
            token | {"year": number(2019)},
            token | {table.form.note: text("other")},
            {name: token[name] for name in token if name != "part"},
            table.key(4),
        )
        for more in ({}, {"ScanIndexForward": False})
    ]


@parts_writes.case
def items_come_and_go(table: Shape) -> Steps:
    """An item is in the index while it has every attribute of its key."""
    for n, gone in ((2, "part"), (4, "year"), (6, "{note}")):
        yield table(
            "UpdateItem",
            Key=table.key(n),
            UpdateExpression=f"REMOVE {gone}" if gone == "{note}" else "REMOVE #gone",
            ExpressionAttributeNames=None if gone == "{note}" else {"#gone": gone},
        )
    yield table("PutItem", Item=table.dated(9) | {"year": number(2019)})
    yield table("DeleteItem", Key=table.key(8))
    yield from queried(table, {"Limit": 2})
    yield from queried(table, {"ScanIndexForward": False})


scanned = Group(
    "Scan an index of several attributes", given=lambda table: [table.dated(n) for n in range(1, 9)], alone=True,
    only_reads=True,
)  # fmt: skip


def all_of_it(table: Shape, asked: Request) -> Steps:
    _ = yield from pages(table("Scan", IndexName=table.form.parts_index, **asked))


scanned.asking(
    "all", {"at once": {}, "in pages": {"Limit": 3}, "filtered": {"FilterExpression": "n > :two"}}, all_of_it
)
