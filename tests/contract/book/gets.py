"""GetItem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tests.contract.book.common import WRONG_KEYS, one_rich
from tests.contract.shapes import Shape
from tests.contract.steps import Group, Op

get = Group("GetItem", given=one_rich, only_reads=True)
beside = Group("GetItem beside others", given=one_rich)


@get.case
def an_item_that_is_there(table: Shape) -> Iterable[Op]:
    return [table("GetItem", Key=table.key(1))]


@get.case
def an_item_that_is_not_there(table: Shape) -> Iterable[Op]:
    return [table("GetItem", Key=table.key(2)), table("GetItem", Key=table.key(1, 1))]


@get.case
def strongly_consistent(table: Shape) -> Iterable[Op]:
    return [table("GetItem", Key=table.key(n), ConsistentRead=True) for n in (1, 2)]


@get.case
def by_the_arn_of_the_table(table: Shape) -> Iterable[Op]:
    arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{table.name}"
    return [Op("GetItem", {"TableName": arn, "Key": table.key(1)})]


@beside.case
def another_table(table: Shape) -> Iterable[Op]:
    key = {"id": table.partition()}
    return [
        Op("PutItem", {"TableName": table.other, "Item": {**key, "n": {"N": "1"}}}),
        Op("GetItem", {"TableName": table.other, "Key": key, "ConsistentRead": True}),
    ]


@get.case
def a_table_that_is_not_there(table: Shape) -> Iterable[Op]:
    return [Op("GetItem", {"TableName": f"missing-{table.token}", "Key": table.key(1)})]


PROJECTIONS: Final = {
    "one attribute": "n",
    "several": "n, t, flag",
    "the key": "{p}, {s}",
    "part of the key": "{s}",
    "phase": "{phase}",
    "amount": "{amount}",
    "weight": "{weight}",
    "note": "{note}",
    "all that a mapping changes": "{phase}, {amount}, {weight}, {note}",
    "the map around phase": "info",
    "a map member": "m.b.c",
    "two map members": "m.a, m.b",
    "a list element": "l[2].deep",
    "list elements, the last first": "l[2], l[0]",
    "an absent attribute": "absent",
    "absent beside present": "absent, n",
    "an absent map member": "m.zz",
    "a member of a text": "t.a",
    "a list index out of range": "l[9]",
    "by placeholder": "#t, #m.#b.#c",
    "a set and a null": "ss, nothing",
    "the stamp's name": "#stamp",
}
BROKEN_PROJECTIONS: Final = {
    "no text": "",
    "a syntax error": "n,,t",
    "a reserved word": "name",
    "overlapping paths": "m, m.a",
    "the same path twice": "n, n",
    "a map and a list at one place": "m.a, m[0]",
    "a name that is not there": "#unknown",
}


def projected(table: Shape, projection: str) -> Iterable[Op]:
    names = {"#stamp": "_crossfade"} if "#stamp" in projection else None
    more: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
    return [table("GetItem", Key=table.key(n), ProjectionExpression=projection, **more) for n in (1, 2)]


get.each("projection", PROJECTIONS, projected)
get.each("broken projection", BROKEN_PROJECTIONS, projected)


@get.case
def names_that_no_expression_uses(table: Shape) -> Iterable[Op]:
    key = table.key(1)
    return [
        table("GetItem", Key=key, ExpressionAttributeNames={"#n": "n"}),
        table("GetItem", Key=key, ProjectionExpression="t", ExpressionAttributeNames={"#n": "n"}),
        table("GetItem", Key=key, ProjectionExpression="n", ExpressionAttributeNames={}),
        table("GetItem", Key=key, ProjectionExpression="n", ExpressionAttributeNames={"n": "n"}),
    ]


get.each("a key", WRONG_KEYS, lambda table, wrong: [table("GetItem", Key=wrong(table))])


@get.case
def no_key(table: Shape) -> Iterable[Op]:
    return [table("GetItem"), table("GetItem", Key={table.form.partition: {}, table.form.sort: {}})]


@get.case
def no_table(table: Shape) -> Iterable[Op]:
    return [Op("GetItem", {"Key": table.key(1)}), Op("GetItem", {"TableName": "", "Key": table.key(1)})]
