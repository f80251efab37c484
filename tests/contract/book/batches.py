"""BatchGetItem and BatchWriteItem."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.contract.book.common import WRONG_KEYS, five_rich, wrong_value
from tests.contract.shapes import Shape, number, text
from tests.contract.steps import Group, Op, Request

batch_get = Group("BatchGetItem", given=five_rich, only_reads=True)
batch_get_writes = Group("BatchGetItem between writes", given=five_rich)
batch_write = Group("BatchWriteItem", given=five_rich)


def of_table(table: Shape, keys: list[Any], **more: Any) -> Request:
    request = table.request(Keys=keys, **more)
    return {table.name: {name: value for name, value in request.items() if name != "TableName"}}


def get(table: Shape, keys: list[Any], others: list[Any] | None = None, **more: Any) -> Op:
    requests = of_table(table, keys, **more)
    if others is not None:
        requests[table.other] = {"Keys": others}
    return Op("BatchGetItem", {"RequestItems": requests})


def by_name_and_arn(table: Shape, part: Callable[[int], Any]) -> Request:
    """Two parts for one table, each about an item of its own."""
    arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{table.name}"
    return {"RequestItems": {arn: part(1), table.name: part(2)}}


def others(table: Shape, *ns: int) -> list[Any]:
    return [{"id": text(f"{table.prefix}-{n}")} for n in ns]


def put_others(table: Shape, *ns: int) -> Op:
    requests = [{"PutRequest": {"Item": {**key, "n": number(7)}}} for key in others(table, *ns)]
    return Op("BatchWriteItem", {"RequestItems": {table.other: requests}})


BATCHES: Final[dict[str, Callable[[Shape], Iterable[Op]]]] = {
    "one": lambda table: [get(table, [table.key(1)])],
    "five": lambda table: [get(table, [table.key(n) for n in range(1, 6)])],
    "backwards": lambda table: [get(table, [table.key(n) for n in range(5, 0, -1)])],
    "some absent": lambda table: [get(table, [table.key(n) for n in (1, 7, 3)])],
    "all absent": lambda table: [get(table, [table.key(n, 1) for n in (1, 2)])],
    "consistent": lambda table: [get(table, [table.key(n) for n in (1, 2)], ConsistentRead=True)],
    "projected": lambda table: [get(table, [table.key(1)], ProjectionExpression="n, {phase}, {amount}")],
    "projected to the key": lambda table: [get(table, [table.key(1), table.key(2)], ProjectionExpression="{s}")],
    "projected by placeholder": lambda table: [get(table, [table.key(1)], ProjectionExpression="#t, #m.#b")],
    "projected to nothing": lambda table: [get(table, [table.key(1), table.key(2)], ProjectionExpression="absent")],
    "broken projection": lambda table: [get(table, [table.key(1)], ProjectionExpression="n,")],
    "100 keys": lambda table: [get(table, [table.key(n) for n in range(100)])],
    "101 keys": lambda table: [get(table, [table.key(n) for n in range(101)])],
    "a key twice": lambda table: [get(table, [table.key(1), table.key(1)])],
    "no keys": lambda table: [get(table, [])],
    "no tables": lambda _: [Op("BatchGetItem", {"RequestItems": {}}), Op("BatchGetItem", {})],
    "a table that is not there": lambda table: [
        Op("BatchGetItem", {"RequestItems": {f"missing-{table.token}": {"Keys": [table.key(1)]}}})
    ],
    "beside a table that is not there": lambda table: [
        Op(
            "BatchGetItem",
            {"RequestItems": {**of_table(table, [table.key(1)]), f"missing-{table.token}": {"Keys": [table.key(1)]}}},
        )
    ],
    "the table by its name and by its ARN": lambda table: [
        Op("BatchGetItem", by_name_and_arn(table, lambda n: {"Keys": [table.key(n)]}))
    ],
    "names that no expression uses": lambda table: [get(table, [table.key(1)], ExpressionAttributeNames={"#n": "n"})],
}
BETWEEN_WRITES: Final[dict[str, Callable[[Shape], Iterable[Op]]]] = {
    "two tables": lambda table: [
        put_others(table, 1, 2),
        get(table, [table.key(1), table.key(2)], others(table, 1, 2, 3)),
    ],
    "two tables, projected": lambda table: [
        put_others(table, 1),
        get(table, [table.key(1)], others(table, 1), ProjectionExpression="{note}"),
    ],
    "the other table alone": lambda table: [
        put_others(table, 1),
        Op("BatchGetItem", {"RequestItems": {table.other: {"Keys": others(table, 1), "ConsistentRead": True}}}),
    ],
    "just written": lambda table: [
        table("PutItem", Item=table.item(1, amount=table.amount(77))),
        table("DeleteItem", Key=table.key(2)),
        get(table, [table.key(1), table.key(2)], ConsistentRead=True),
        get(table, [table.key(1), table.key(2)]),
    ],
}
batch_get.each("of", BATCHES, lambda table, made: made(table))
batch_get_writes.each("of", BETWEEN_WRITES, lambda table, made: made(table))
batch_get.each("a key", WRONG_KEYS, lambda table, wrong: [get(table, [table.key(1), wrong(table)])])


# --- BatchWriteItem


def put(item: Any) -> Request:
    return {"PutRequest": {"Item": item}}


def delete(key: Any) -> Request:
    return {"DeleteRequest": {"Key": key}}


def write(table: Shape, requests: list[Any], to_others: list[Any] | None = None, **more: Any) -> Op:
    items: Request = {table.name: requests}
    if to_others is not None:
        items[table.other] = to_others
    return Op("BatchWriteItem", {"RequestItems": items, **more})


def other_puts(table: Shape, *ns: int) -> list[Any]:
    return [put({**key, "n": number(3)}) for key in others(table, *ns)]


def read_others(table: Shape, *ns: int) -> list[Op]:
    return [Op("GetItem", {"TableName": table.other, "Key": key, "ConsistentRead": True}) for key in others(table, *ns)]


WRITES: Final[dict[str, Callable[[Shape], Iterable[Op]]]] = {
    "one put": lambda table: [write(table, [put(table.rich(6))])],
    "one delete": lambda table: [write(table, [delete(table.key(1))])],
    "puts over items": lambda table: [write(table, [put(table.item(n, phase="closed")) for n in (1, 2, 3)])],
    "puts and deletes": lambda table: [
        write(table, [put(table.rich(6)), delete(table.key(1)), put(table.rich(7)), delete(table.key(2))])
    ],
    "an absent delete": lambda table: [write(table, [delete(table.key(9)), delete(table.key(9, 1))])],
    "two partitions": lambda table: [write(table, [put(table.rich(n, n % 2)) for n in range(6, 10)])],
    "25 puts": lambda table: [write(table, [put(table.item(n, n=number(n))) for n in range(10, 35)])],
    "26 puts": lambda table: [write(table, [put(table.item(n, n=number(n))) for n in range(10, 36)])],
    "the same key twice": lambda table: [write(table, [put(table.rich(6)), put(table.rich(6))])],
    "put and delete of one key": lambda table: [write(table, [put(table.rich(6)), delete(table.key(6))])],
    "nothing": lambda table: [write(table, []), Op("BatchWriteItem", {"RequestItems": {}}), Op("BatchWriteItem", {})],
    "an empty request": lambda table: [write(table, [{}])],
    "both in one request": lambda table: [write(table, [{**put(table.rich(6)), **delete(table.key(1))}])],
    "an item too large": lambda table: [write(table, [put(table.rich(6)), put(table.item(7, t=text("x" * 410_000)))])],
    "no item": lambda table: [write(table, [{"PutRequest": {}}]), write(table, [{"DeleteRequest": {}}])],
    "two tables": lambda table: [
        write(table, [put(table.rich(6)), delete(table.key(1))], other_puts(table, 1, 2)),
        *read_others(table, 1, 2),
    ],
    "two tables, a broken item in the other": lambda table: [
        write(table, [put(table.rich(6))], [put({"no": text("x")})]),
    ],
    "two tables, a broken item in ours": lambda table: [
        write(table, [put({"no": text("x")})], other_puts(table, 1)),
        *read_others(table, 1),
    ],
    "a table that is not there": lambda table: [
        Op("BatchWriteItem", {"RequestItems": {f"missing-{table.token}": [put(table.rich(1))]}})
    ],
    "beside a table that is not there": lambda table: [
        Op(
            "BatchWriteItem",
            {"RequestItems": {table.name: [put(table.rich(6))], f"missing-{table.token}": [put(table.rich(1))]}},
        )
    ],
    "the table by its name and by its ARN": lambda table: [
        Op("BatchWriteItem", by_name_and_arn(table, lambda n: [put(table.rich(n + 5)), delete(table.key(n))])),
        *(table("GetItem", Key=table.key(n), ConsistentRead=True) for n in (1, 2, 6, 7)),
    ],
    "item collection metrics": lambda table: [
        write(table, [put(table.rich(6)), delete(table.key(1))], ReturnItemCollectionMetrics="SIZE"),
        write(table, [put(table.rich(n)) for n in range(7, 15)], ReturnItemCollectionMetrics="SIZE"),
    ],
}
batch_write.each("of", WRITES, lambda table, made: made(table))
batch_write.each(
    "a key",
    WRONG_KEYS,
    lambda table, wrong: [
        write(table, [put(table.rich(6)), delete(wrong(table))]),
        write(table, [put({**wrong(table), "n": number(1)})]),
    ],
)
batch_write.each(
    "value",
    {name: name for name in ("a number that is none", "an empty set", "a set with a repeat", "two types")},
    lambda table, name: [write(table, [put(table.rich(6)), put(table.item(7, wrong=wrong_value(name)))])],
)

# One entry that is refused, among others that are not: nothing is written of any.
REFUSED: Final[dict[str, Callable[[Shape], Any]]] = {
    "an empty index key": lambda table: put(table.item(7, grp=text(""))),
    "an index key of another type": lambda table: put(table.item(7, grp=number(1))),
    "an index's sort key of another type": lambda table: put(table.item(7, score=text("high"))),
    "a null as an index key": lambda table: put(table.item(7, grp={"NULL": True})),
    "an empty renamed index key": lambda table: put({**table.key(7), table.form.note: text("")}),
    "a renamed index key of another type": lambda table: put({**table.key(7), table.form.note: number(1)}),
    "an item too large": lambda table: put(table.item(7, t=text("x" * 410_000))),
    "a number that is none": lambda table: put(table.item(7, n=number("many"))),
    "a partition key too long": lambda table: put({**table.key(7), table.form.partition: text("x" * 2049)}),
}
PLACES: Final = {"first": 0, "in the middle": 2, "last": 4}
batch_write.each(
    "among good ones",
    {f"{name}, {place}": (made, at) for name, made in REFUSED.items() for place, at in PLACES.items()},
    lambda table, bad: [write(table, among(table, bad[0](table), bad[1]))],
)


def among(table: Shape, bad: Any, place: int) -> list[Any]:
    good = [put(table.rich(6)), delete(table.key(1)), put(table.item(2, phase="closed")), put(table.rich(8))]
    return [*good[:place], bad, *good[place:]]
