"""Query of the table itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tests.contract.book.common import BROKEN_CONDITIONS, CONDITIONS, five_rich, two_partitions
from tests.contract.shapes import Shape, number, text
from tests.contract.steps import Group, Op, Steps, pages

query = Group("Query", given=five_rich, only_reads=True)
PARTITION: Final = "{p} = :p0"

KEY_CONDITIONS: Final = {
    "a partition": "{p} = :p0",
    "an empty partition": "{p} = :p1",
    "one item": "{p} = :p0 AND {s} = :s3",
    "one absent item": "{p} = :p0 AND {s} = :s9",
    "less": "{p} = :p0 AND {s} < :s3",
    "less or equal": "{p} = :p0 AND {s} <= :s3",
    "greater": "{p} = :p0 AND {s} > :s3",
    "greater or equal": "{p} = :p0 AND {s} >= :s3",
    "between": "{p} = :p0 AND {s} BETWEEN :s2 AND :s4",
    "between, beyond the ends": "{p} = :p0 AND {s} BETWEEN :s0 AND :s9",
    "the sort key first": "{s} > :s2 AND {p} = :p0",
    "in parentheses": "({p} = :p0) AND ({s} > :s2)",
    "by placeholder": "#p = :p0 AND #s >= :s2",
    "begins with": "{p} = :p0 AND begins_with({s}, :start00)",
}


def both_ways(table: Shape, condition: str) -> Iterable[Op]:
    return [
        table("Query", KeyConditionExpression=condition, ScanIndexForward=forward, ConsistentRead=forward)
        for forward in (True, False)
    ]


query.each("where", KEY_CONDITIONS, both_ways)

BROKEN: Final = {
    "no text": "",
    "a syntax error": "{p} = ",
    "no partition": "{s} = :s1",
    "a range of partitions": "{p} > :p0",
    "or": "{p} = :p0 OR {s} = :s1",
    "not equal": "{p} = :p0 AND {s} <> :s1",
    "another attribute": "{p} = :p0 AND n = :one",
    "three conditions": "{p} = :p0 AND {s} > :s1 AND {s} < :s4",
    "the partition twice": "{p} = :p0 AND {p} = :p1",
    "between, reversed": "{p} = :p0 AND {s} BETWEEN :s4 AND :s2",
    "contains": "{p} = :p0 AND contains({s}, :x)",
    "in": "{p} = :p0 AND {s} IN (:s1, :s2)",
    "a number for the partition": "{p} = :one",
    "a Boolean for the sort key": "{p} = :p0 AND {s} = :true",
    "an empty text for the partition": "{p} = :empty",
    "a value that is not there": "{p} = :unknown",
    "a name that is not there": "#unknown = :p0",
    "a reserved word": "name = :p0",
}
query.each("broken", BROKEN, lambda table, text: [table("Query", KeyConditionExpression=text)])


def paged(table: Shape, asked: dict[str, Any]) -> Steps:
    yield_from = pages(table("Query", **{"KeyConditionExpression": PARTITION, **asked}))
    _ = yield from yield_from


query.asking(
    "pages",
    {
        "of one": {"Limit": 1},
        "of one, backwards": {"Limit": 1, "ScanIndexForward": False},
        "of two": {"Limit": 2},
        "of two, backwards": {"Limit": 2, "ScanIndexForward": False},
        "as long as the partition": {"Limit": 5},
        "longer than the partition": {"Limit": 6},
        "of one, consistent": {"Limit": 1, "ConsistentRead": True},
        "of one within bounds": {"Limit": 1, "KeyConditionExpression": "{p} = :p0 AND {s} BETWEEN :s2 AND :s4"},
        "of one within bounds, backwards": {
            "Limit": 1,
            "KeyConditionExpression": "{p} = :p0 AND {s} BETWEEN :s2 AND :s4",
            "ScanIndexForward": False,
        },
        "of one up to a bound": {"Limit": 1, "KeyConditionExpression": "{p} = :p0 AND {s} <= :s2"},
        "of one above a bound, backwards": {
            "Limit": 1,
            "KeyConditionExpression": "{p} = :p0 AND {s} >= :s4",
            "ScanIndexForward": False,
        },
        "of two with a filter": {"Limit": 2, "FilterExpression": "n > :two"},
        "of two with a filter that lets nothing pass": {"Limit": 2, "FilterExpression": "n > :ten"},
        "of two, projected": {"Limit": 2, "ProjectionExpression": "n, {phase}"},
        "of two, counted": {"Limit": 2, "Select": "COUNT"},
    },
    paged,
)

query.each(
    "filter",
    {
        name: CONDITIONS[name]
        for name in CONDITIONS
        if name not in ("exists by its sort key", "the key itself", "exists", "does not exist", "two attributes")
    },
    lambda table, text: [table("Query", KeyConditionExpression=PARTITION, FilterExpression=text)],
)
query.each(
    "broken filter",
    BROKEN_CONDITIONS | {"the partition key": "{p} = :p0", "the sort key": "{s} = :s1"},
    lambda table, text: [table("Query", KeyConditionExpression=PARTITION, FilterExpression=text)],
)
query.each(
    "projection",
    {
        "the key": "{p}, {s}",
        "what a mapping changes": "{phase}, {amount}, {weight}, {note}",
        "nested": "m.b.c, l[2].deep",
        "absent": "absent",
        "overlapping": "m, m.a",
        "no text": "",
    },
    lambda table, text: [
        table("Query", KeyConditionExpression=PARTITION, ProjectionExpression=text, ScanIndexForward=False)
    ],
)
query.asking(
    "select",
    {
        "COUNT": {"Select": "COUNT"},
        "ALL_ATTRIBUTES": {"Select": "ALL_ATTRIBUTES"},
        "ALL_PROJECTED_ATTRIBUTES": {"Select": "ALL_PROJECTED_ATTRIBUTES"},
        "SPECIFIC_ATTRIBUTES": {"Select": "SPECIFIC_ATTRIBUTES", "ProjectionExpression": "n"},
        "SPECIFIC_ATTRIBUTES of none": {"Select": "SPECIFIC_ATTRIBUTES"},
        "COUNT with a projection": {"Select": "COUNT", "ProjectionExpression": "n"},
        "COUNT with a filter": {"Select": "COUNT", "FilterExpression": "n > :two"},
        "something else": {"Select": "EVERYTHING"},
    },
    lambda table, more: [table("Query", KeyConditionExpression=PARTITION, **more)],
)


@query.case
def two_partitions_apart(table: Shape) -> Steps:
    for p in (0, 1):
        _ = yield from pages(
            table(
                "Query",
                KeyConditionExpression="{p} = :p",
                ExpressionAttributeValues={":p": table.partition(p)},
                Limit=2,
            )
        )


@query.case
def tokens_that_are_made_up(table: Shape) -> Iterable[Op]:
    """A token need not be of an item that is there."""
    return [
        table("Query", KeyConditionExpression=PARTITION, ExclusiveStartKey=start, ScanIndexForward=forward)
        for start in (table.key(3), table.key(9), table.key(0))
        for forward in (True, False)
    ]


query.making(
    "a broken token",
    {
        "of another partition": lambda table: table.key(3, 1),
        "without its sort key": lambda table: {table.form.partition: table.partition()},
        "with an attribute too many": lambda table: table.key(3) | {"n": number(3)},
        "of another type": lambda table: table.key(3) | {table.form.sort: {"BOOL": True}},
        "empty": lambda _: {},
        "outside the bounds": lambda table: table.key(5),
    },
    lambda table, token: [
        table("Query", KeyConditionExpression="{p} = :p0 AND {s} < :s3", ExclusiveStartKey=token(table))
    ],
)


@query.case
def limits_that_are_none(table: Shape) -> Iterable[Op]:
    return [table("Query", KeyConditionExpression=PARTITION, Limit=limit) for limit in (0, -1, 1_000_000)]


@query.case
def no_condition(table: Shape) -> Iterable[Op]:
    return [table("Query"), table("Query", FilterExpression="n = :one")]


@query.case
def an_index_that_is_not_there(table: Shape) -> Iterable[Op]:
    return [table("Query", KeyConditionExpression=PARTITION, IndexName="by_nothing")]


writing = Group("Query between writes", given=five_rich)


@writing.case
def after_writes(table: Shape) -> Iterable[Op]:
    """A page in the middle of which items come and go."""
    first = table("Query", KeyConditionExpression=PARTITION, Limit=2, ConsistentRead=table.form.strongly)
    rest = table(
        "Query", KeyConditionExpression=PARTITION, ExclusiveStartKey=table.key(2), ConsistentRead=table.form.strongly
    )
    return [
        first,
        table("DeleteItem", Key=table.key(2)),
        table("DeleteItem", Key=table.key(4)),
        table("PutItem", Item=table.rich(6)),
        table("UpdateItem", Key=table.key(3), UpdateExpression="SET {amount} = :amount"),
        rest,
    ]


many = Group(
    "Query, many items", given=lambda table: [table.item(n, t=text("x" * 4)) for n in range(1, 41)], only_reads=True
)


@many.case
def pages_of_seven(table: Shape) -> Steps:
    _ = yield from pages(table("Query", KeyConditionExpression=PARTITION, Limit=7))


@many.case
def pages_of_seven_backwards(table: Shape) -> Steps:
    _ = yield from pages(table("Query", KeyConditionExpression=PARTITION, Limit=7, ScanIndexForward=False))


@many.case
def a_page_from_the_middle(table: Shape) -> Iterable[Op]:
    return [table("Query", KeyConditionExpression="{p} = :p0 AND {s} > :s9", Limit=3)]


large = Group(
    "Query, more than 1 MB",
    given=lambda table: [table.item(n, t=text("x" * 150_000)) for n in range(1, 11)],
    only_reads=True,
)


@large.case
def pages_end_at_1_MB(table: Shape) -> Steps:  # noqa: N802 - the title
    _ = yield from pages(table("Query", KeyConditionExpression=PARTITION, Select="COUNT"))


@large.case
def with_a_filter(table: Shape) -> Steps:
    _ = yield from pages(
        table(
            "Query",
            KeyConditionExpression=PARTITION,
            FilterExpression="attribute_exists(t)",
            ProjectionExpression="{s}",
            ScanIndexForward=False,
        )
    )


neighbours = Group("Query beside others", given=two_partitions, only_reads=True)


@neighbours.case
def one_partition_only(table: Shape) -> Iterable[Op]:
    return [table("Query", KeyConditionExpression=f"{{p}} = :p{p}") for p in (0, 1, 2)]
