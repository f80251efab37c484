"""Indexes of either kind that hold all of an item, a part, or its keys, and less or more in the one table than in the
other: what is shown of an item, what of it is fetched, and what is refused."""

from __future__ import annotations

from typing import Any, Final

from tests.contract.book.common import five_rich
from tests.contract.shapes import SCOPES, Shape, number, text
from tests.contract.steps import Group, Op, Steps, pages


def ranked(table: Shape) -> list[Any]:
    """Five items that are in each of these indexes, in one order, and one that is in none."""
    items = [item | {"rank": number(9 - n), "team": text(table.prefix)} for n, item in enumerate(five_rich(table))]
    return [*items, table.rich(6)]


query = Group("Query a projection", given=ranked, only_reads=True)
scan = Group("Scan a projection", given=ranked, alone=True, only_reads=True)
ASKED: Final[dict[str, dict[str, Any]]] = {
    "what it shows": {},
    "what is projected": {"Select": "ALL_PROJECTED_ATTRIBUTES"},
    "all": {"Select": "ALL_ATTRIBUTES"},
    "all, and its capacity": {"Select": "ALL_ATTRIBUTES", "ReturnConsumedCapacity": "INDEXES"},
    "a count": {"Select": "COUNT"},
    "what some hold": {"ProjectionExpression": "t, {note}, {amount}"},
    "what few hold": {"ProjectionExpression": "l[1], m.b.c"},
    "what is moved, and keys": {"ProjectionExpression": "{phase}, {s}, rank", "Select": "SPECIFIC_ATTRIBUTES"},
    "what no item has": {"ProjectionExpression": "absent"},
    "where some hold it": {"FilterExpression": "t = :text AND {amount} <> :amount_1"},
    "where few hold it": {"FilterExpression": "attribute_exists(l)"},
    "all where few hold it": {"FilterExpression": "attribute_exists(l)", "Select": "ALL_ATTRIBUTES"},
    "a count where few hold it": {"FilterExpression": "attribute_exists(l)", "Select": "COUNT"},
    "what few hold, where few hold it": {"FilterExpression": "attribute_exists(m)", "ProjectionExpression": "l"},
}
HAS: Final = {"ComparisonOperator": "NOT_NULL"}
LEGACY: Final[dict[str, dict[str, Any]]] = {
    "what some hold": {"AttributesToGet": ["t", "amount"]},
    "what few hold": {"AttributesToGet": ["t", "l"]},
}


def within(table: Shape, scope: str) -> tuple[str, Any]:
    """The partition of an index, by name and value."""
    return (table.form.partition, table.partition()) if scope == "local" else ("team", text(table.prefix))


def ways(table: Shape, scope: str) -> list[dict[str, Any]]:
    return [{}, {"ConsistentRead": True}] if scope == "local" and table.form.strongly else [{}]


def asked_of_an_index(table: Shape, index: tuple[str, int]) -> Steps:
    scope, which = index
    name, value = within(table, scope)
    whole: dict[str, Any] = {"IndexName": table.form.projected(scope)[which]}
    for way in ways(table, scope):
        for asked in ASKED.values():
            op = table("Query", KeyConditionExpression=f"{name} = :within", **whole, **way, **asked)
            values = {**op.request.get("ExpressionAttributeValues", {}), ":within": value}
            yield Op("Query", {**op.request, "ExpressionAttributeValues": values})
    conditions = {name: {"ComparisonOperator": "EQ", "AttributeValueList": [value]}}
    for asked in (*LEGACY.values(), {"QueryFilter": {"t": HAS}}, {"QueryFilter": {"l": HAS}}):
        yield table("Query", KeyConditions=conditions, **whole, **asked)


def asked_of_a_whole_index(table: Shape, index: tuple[str, int]) -> Steps:
    scope, which = index
    whole: dict[str, Any] = {"IndexName": table.form.projected(scope)[which]}
    for way in ways(table, scope):
        for asked in ASKED.values():
            yield table("Scan", **whole, **way, **asked)
    for asked in (*LEGACY.values(), {"ScanFilter": {"t": HAS}}, {"ScanFilter": {"l": HAS}}):
        yield table("Scan", **whole, **asked)


def in_pages(table: Shape, index: tuple[str, int]) -> Steps:
    """An entry is an entry, whatever is fetched for it."""
    scope, which = index
    name, value = within(table, scope)
    for asked in ({"Select": "ALL_ATTRIBUTES"}, {}) if scope == "local" else ({},):
        op = table(
            "Query", KeyConditionExpression=f"{name} = :within", IndexName=table.form.projected(scope)[which], **asked
        )
        _ = yield from pages(Op("Query", {**op.request, "Limit": 2, "ExpressionAttributeValues": {":within": value}}))


INDEXES: Final = {f"{scope}, {n + 1} of 4": (scope, n) for scope in SCOPES for n in range(4)}
query.each("asked for", INDEXES, asked_of_an_index)
query.each("in pages", INDEXES, in_pages)
scan.each("asked for", INDEXES, asked_of_a_whole_index)
