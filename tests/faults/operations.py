"""The operations that are put to the test. Each on four items that are there, and on keys that are not.

`TABLE` are the keys whose items are looked at afterwards, `OTHERS` those of the other table, which nobody migrates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from crossfade.core.items import Item
from tests.contract.shapes import Shape, number, text
from tests.contract.steps import Op, Request

GIVEN: Final = range(4)
TABLE: Final = range(7)  # 4, 5 and 6 are not there
OTHERS: Final = ("there", "new")
NEW, ABSENT, MADE = 4, 5, 6


@dataclass(frozen=True, slots=True)
class Operation:
    """`reads`: it changes nothing; `by_entry`: it is many operations, each with an outcome of its own; `before`: it was
    carried out before, undisturbed."""

    name: str
    make: Callable[[Shape], Op]
    reads: bool = False
    by_entry: bool = False
    again: bool = False


def given(table: Shape) -> list[Item]:
    return [table.rich(n) for n in GIVEN]


def given_others(table: Shape) -> list[Item]:
    return [other(table, "there", 1)]


def other(table: Shape, name: str, n: int) -> Item:
    return {"id": text(f"{table.prefix}-{name}"), "n": number(n)}


def other_key(table: Shape, name: str) -> Item:
    return {"id": text(f"{table.prefix}-{name}")}


def everything(table: Shape) -> Op:
    """What there is under the keys above."""
    ours: Request = {"Keys": [table.key(n) for n in TABLE], "ConsistentRead": True}
    others: Request = {"Keys": [other_key(table, name) for name in OTHERS], "ConsistentRead": True}
    return Op("BatchGetItem", {"RequestItems": {table.name: ours, table.other: others}})


# --- reading


def get(n: int) -> Callable[[Shape], Op]:
    return lambda table: table("GetItem", Key=table.key(n), ConsistentRead=True)


def query(table: Shape) -> Op:
    return table("Query", KeyConditionExpression="{p} = :p0", ConsistentRead=table.form.strongly)


def query_index(table: Shape) -> Op:
    return table("Query", IndexName=table.form.group_index, KeyConditionExpression="grp = :g1")


def scan(table: Shape) -> Op:
    return table("Scan")


def batch_get(table: Shape) -> Op:
    ours: Request = {"Keys": [table.key(n) for n in (1, 2, ABSENT)], "ConsistentRead": True}
    others: Request = {"Keys": [other_key(table, "there")]}
    return Op("BatchGetItem", {"RequestItems": {table.name: ours, table.other: others}})


def transact_get(table: Shape) -> Op:
    gets: list[Request] = [{"TableName": table.name, "Key": table.key(n)} for n in (1, ABSENT)]
    gets.append({"TableName": table.other, "Key": other_key(table, "there")})
    return Op("TransactGetItems", {"TransactItems": [{"Get": get} for get in gets]})


# --- writing


def changed(table: Shape, n: int) -> Item:
    return table.item(n, phase="closed", amount=table.amount(50), note=table.noted(1), n=number(40))


def put(n: int, **asked: Any) -> Callable[[Shape], Op]:
    return lambda table: table("PutItem", Item=changed(table, n), **asked)


def update(n: int, expression: str, **asked: Any) -> Callable[[Shape], Op]:
    return lambda table: table("UpdateItem", Key=table.key(n), UpdateExpression=expression, **asked)


def delete(n: int, **asked: Any) -> Callable[[Shape], Op]:
    return lambda table: table("DeleteItem", Key=table.key(n), **asked)


def batch_write(table: Shape) -> Op:
    ours: list[Request] = [
        {"PutRequest": {"Item": changed(table, NEW)}},
        {"DeleteRequest": {"Key": table.key(1)}},
        {"PutRequest": {"Item": changed(table, 2)}},
    ]
    others: list[Request] = [
        {"PutRequest": {"Item": other(table, "new", 2)}},
        {"DeleteRequest": {"Key": other_key(table, "there")}},
    ]
    return Op("BatchWriteItem", {"RequestItems": {table.name: ours, table.other: others}})


def transact(table: Shape, **put_asks: Any) -> Op:
    actions: list[Request] = [
        {"Update": update(1, "ADD n :one SET {amount} = :amount")(table).request},
        {"Put": table.request(Item=changed(table, 2 if put_asks else NEW), **put_asks)},
        {"Delete": {"TableName": table.name, "Key": table.key(3)}},
        {"Put": {"TableName": table.other, "Item": other(table, "new", 2)}},
    ]
    return Op("TransactWriteItems", {"TransactItems": actions})


def transact_refused(table: Shape) -> Op:
    return transact(table, **IF_ABSENT)


def transact_with_token(table: Shape) -> Op:
    actions: list[Request] = [
        {"Update": update(1, "ADD n :one")(table).request},
        {"Put": table.request(Item=changed(table, NEW), ConditionExpression="attribute_not_exists({s})")},
    ]
    return Op("TransactWriteItems", {"TransactItems": actions, "ClientRequestToken": f"{table.token}-{table.prefix}"})


SHOWN: Final[Request] = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
IF_ABSENT: Final[Request] = {"ConditionExpression": "attribute_not_exists({s})", **SHOWN}
ADD: Final = "ADD n :one SET {amount} = :amount"

OPERATIONS: Final = (
    Operation("GetItem, there", get(1), reads=True),
    Operation("GetItem, absent", get(ABSENT), reads=True),
    Operation("Query", query, reads=True),
    Operation("Query of an index", query_index, reads=True),
    Operation("Scan", scan, reads=True),
    Operation("BatchGetItem over two tables", batch_get, reads=True),
    Operation("TransactGetItems over two tables", transact_get, reads=True),
    Operation("PutItem, new", put(NEW)),
    Operation("PutItem, new, with a condition", put(NEW, ConditionExpression="attribute_not_exists({s})")),
    Operation("PutItem, over an item", put(1, ReturnValues="ALL_OLD")),
    Operation("PutItem, refused", put(1, **IF_ABSENT)),
    Operation("UpdateItem, an ADD", update(1, ADD)),
    Operation("UpdateItem, told what is new", update(1, ADD, ReturnValues="ALL_NEW")),
    Operation("UpdateItem, refused", update(1, ADD, ConditionExpression="n = :zero", **SHOWN)),
    Operation("UpdateItem, makes an item", update(MADE, "SET {note} = :noted ADD n :one")),
    Operation("DeleteItem", delete(1)),
    Operation("DeleteItem, told what was there", delete(1, ReturnValues="ALL_OLD")),
    Operation("BatchWriteItem over two tables", batch_write, by_entry=True),
    Operation("TransactWriteItems over two tables", transact),
    Operation("TransactWriteItems, refused", transact_refused),
    Operation("TransactWriteItems with a token", transact_with_token),
    Operation("TransactWriteItems with a token, again", transact_with_token, again=True),
)


def operations_with(words: str) -> list[Operation]:
    """Those whose names contain the text."""
    return [operation for operation in OPERATIONS if words.lower() in operation.name.lower()]
