"""What is said beside the items: capacity, metrics; TTL attributes; tables as a whole; PartiQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from tests.contract.book import batches, transactions
from tests.contract.book.common import five_rich
from tests.contract.shapes import Shape, number, text
from tests.contract.steps import Group, Op, Steps, pages

capacity = Group("ReturnConsumedCapacity", given=five_rich)
metrics = Group("ReturnItemCollectionMetrics", given=five_rich)
ttl = Group("TTL attribute", given=five_rich)
tables = Group("tables", only_reads=True)
partiql = Group("PartiQL", given=five_rich)

Made = Callable[[Shape, str], Op]
PARTITION: Final = "{p} = :p0"
BIG: Final = text("x" * 9_000)  # three read units, nine write units

CALLS: Final[dict[str, Made]] = {
    "GetItem": lambda table, asked: table("GetItem", Key=table.key(1), ReturnConsumedCapacity=asked),
    "GetItem, consistent": lambda table, asked: table(
        "GetItem", Key=table.key(1), ConsistentRead=True, ReturnConsumedCapacity=asked
    ),
    "GetItem of nothing": lambda table, asked: table("GetItem", Key=table.key(9), ReturnConsumedCapacity=asked),
    "PutItem": lambda table, asked: table("PutItem", Item=table.rich(6), ReturnConsumedCapacity=asked),
    "PutItem, big": lambda table, asked: table("PutItem", Item=table.item(6, t=BIG), ReturnConsumedCapacity=asked),
    "PutItem refused": lambda table, asked: table(
        "PutItem", Item=table.item(1), ConditionExpression="n = :ten", ReturnConsumedCapacity=asked
    ),
    "UpdateItem": lambda table, asked: table(
        "UpdateItem", Key=table.key(1), UpdateExpression="SET {amount} = :amount", ReturnConsumedCapacity=asked
    ),
    "UpdateItem of an index's key": lambda table, asked: table(
        "UpdateItem", Key=table.key(1), UpdateExpression="SET grp = :g0", ReturnConsumedCapacity=asked
    ),
    "DeleteItem": lambda table, asked: table("DeleteItem", Key=table.key(1), ReturnConsumedCapacity=asked),
    "DeleteItem of nothing": lambda table, asked: table("DeleteItem", Key=table.key(9), ReturnConsumedCapacity=asked),
    "Query": lambda table, asked: table("Query", KeyConditionExpression=PARTITION, ReturnConsumedCapacity=asked),
    "Query of nothing": lambda table, asked: table(
        "Query", KeyConditionExpression="{p} = :p2", ReturnConsumedCapacity=asked
    ),
    "Query, consistent": lambda table, asked: table(
        "Query", KeyConditionExpression=PARTITION, ConsistentRead=True, Limit=2, ReturnConsumedCapacity=asked
    ),
    "Query of a global index": lambda table, asked: table(
        "Query",
        KeyConditionExpression="grp = :g1",
        IndexName=table.form.group_index,
        ReturnConsumedCapacity=asked,
    ),
    "Query of a local index": lambda table, asked: table(
        "Query", KeyConditionExpression=PARTITION, IndexName=table.form.score_index, ReturnConsumedCapacity=asked
    ),
    "BatchGetItem": lambda table, asked: Op(
        "BatchGetItem",
        {**batches.get(table, [table.key(n) for n in (1, 2, 9)]).request, "ReturnConsumedCapacity": asked},
    ),
    "BatchGetItem of two tables": lambda table, asked: Op(
        "BatchGetItem",
        {
            **batches.get(table, [table.key(1)], batches.others(table, 1)).request,
            "ReturnConsumedCapacity": asked,
        },
    ),
    "BatchWriteItem": lambda table, asked: batches.write(
        table, [batches.put(table.rich(6)), batches.delete(table.key(1))], ReturnConsumedCapacity=asked
    ),
    "BatchWriteItem of two tables": lambda table, asked: batches.write(
        table, [batches.put(table.rich(6))], batches.other_puts(table, 1), ReturnConsumedCapacity=asked
    ),
    "TransactGetItems": lambda table, asked: transactions.gets(
        transactions.get(table, 1), transactions.get(table, 9), ReturnConsumedCapacity=asked
    ),
    "TransactWriteItems": lambda table, asked: transactions.writes(
        transactions.put(table, table.rich(6)),
        transactions.update(table, 1, "ADD n :one"),
        ReturnConsumedCapacity=asked,
    ),
    "TransactWriteItems of two tables": lambda table, asked: transactions.writes(
        transactions.delete(table, 1),
        {"Put": {"TableName": table.other, **batches.other_puts(table, 1)[0]["PutRequest"]}},
        ReturnConsumedCapacity=asked,
    ),
}
capacity.each(
    "of",
    {f"{name}, {asked}": (made, asked) for name, made in CALLS.items() for asked in ("TOTAL", "INDEXES")},
    lambda table, asked: [asked[0](table, asked[1])],
)


@capacity.case
def none_and_something_else(table: Shape) -> Iterable[Op]:
    return [CALLS[name](table, asked) for name in ("GetItem", "PutItem", "Query") for asked in ("NONE", "SOME")]


capacity_scan = Group("ReturnConsumedCapacity, Scan", given=five_rich, alone=True, only_reads=True)


def scanned(table: Shape, more: dict[str, Any]) -> Steps:
    for asked in ("TOTAL", "INDEXES"):
        _ = yield from pages(table("Scan", ReturnConsumedCapacity=asked, **more))


capacity_scan.asking(
    "of",
    {
        "pages": {"Limit": 2},
        "a table": {},
        "a table, consistent": {"ConsistentRead": True},
        "a count": {"Select": "COUNT"},
    },
    scanned,
)


@metrics.case
def of_single_writes(table: Shape) -> Iterable[Op]:
    size: dict[str, Any] = {"ReturnItemCollectionMetrics": "SIZE"}
    return [
        table("PutItem", Item=table.rich(6), **size),
        table("UpdateItem", Key=table.key(1), UpdateExpression="SET t = :x", **size),
        table("DeleteItem", Key=table.key(2), **size),
        table("DeleteItem", Key=table.key(9, 1), **size),
        table("PutItem", Item=table.rich(7), ReturnItemCollectionMetrics="NONE"),
        table("PutItem", Item=table.rich(8), ReturnItemCollectionMetrics="SOME"),
    ]


@metrics.case
def with_capacity(table: Shape) -> Iterable[Op]:
    return [
        table("PutItem", Item=table.rich(6), ReturnItemCollectionMetrics="SIZE", ReturnConsumedCapacity="INDEXES"),
        table("DeleteItem", Key=table.key(1), ReturnItemCollectionMetrics="SIZE", ReturnValues="ALL_OLD"),
    ]


# --- TTL


@ttl.case
def set_and_moved_on(table: Shape) -> Iterable[Op]:
    return [
        table("UpdateItem", Key=table.key(1), UpdateExpression="SET expires = :soon", ReturnValues="UPDATED_NEW"),
        table("UpdateItem", Key=table.key(1), UpdateExpression="ADD expires :ten", ReturnValues="ALL_NEW"),
        table("UpdateItem", Key=table.key(1), UpdateExpression="REMOVE expires"),
    ]


@ttl.case
def filtered_by_the_reader(table: Shape) -> Iterable[Op]:
    """As applications do, because expired items stay for a while."""
    return [
        table("UpdateItem", Key=table.key(1), UpdateExpression="SET expires = :ten"),
        table("UpdateItem", Key=table.key(2), UpdateExpression="SET expires = :soon"),
        table(
            "Query",
            KeyConditionExpression=PARTITION,
            FilterExpression="attribute_not_exists(expires) OR expires > :high",
            ConsistentRead=table.form.strongly,
        ),
    ]


@ttl.case
def only_unless_expired(table: Shape) -> Iterable[Op]:
    return [
        table(
            "PutItem",
            Item=table.item(n, expires=number(4102444800)),
            ConditionExpression="attribute_not_exists({p}) OR expires < :high",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        for n in (1, 6, 6)
    ]


@ttl.case
def described(table: Shape) -> Iterable[Op]:
    return [table("DescribeTimeToLive")]


# --- tables


@tables.case
def described_by_name(table: Shape) -> Iterable[Op]:
    return [table("DescribeTable")]


@tables.case
def another_one_described(table: Shape) -> Iterable[Op]:
    return [
        Op("DescribeTable", {"TableName": table.other}),
        Op("DescribeTable", {"TableName": f"missing-{table.token}"}),
    ]


# --- PartiQL


def statement(table: Shape, text_with_table: str, parameters: list[Any]) -> dict[str, Any]:
    written = table.path(text_with_table.replace("TABLE", f'"{table.name}"'))
    return {"Statement": written, **({"Parameters": parameters} if parameters else {})}


STATEMENTS: Final[dict[str, Callable[[Shape], dict[str, Any]]]] = {
    "select": lambda table: statement(table, "SELECT n FROM TABLE WHERE {p} = ?", [table.partition()]),
    "select everything": lambda table: statement(table, "SELECT * FROM TABLE WHERE {p} = ?", [table.partition()]),
    "insert": lambda table: statement(
        table, "INSERT INTO TABLE VALUE {{'{p}': ?, '{s}': ?}}", [table.partition(), table.sort(6)]
    ),
    "update": lambda table: statement(
        table, "UPDATE TABLE SET n = 5 WHERE {p} = ? AND {s} = ?", [table.partition(), table.sort(1)]
    ),
    "delete": lambda table: statement(
        table, "DELETE FROM TABLE WHERE {p} = ? AND {s} = ?", [table.partition(), table.sort(1)]
    ),
    "of an index": lambda table: statement(
        table, 'SELECT n FROM TABLE."INDEX" WHERE grp = ?'.replace("INDEX", table.form.group_index), [table.group(1)]
    ),
}
partiql.each("ExecuteStatement", STATEMENTS, lambda table, made: [Op("ExecuteStatement", made(table))])
partiql.each(
    "BatchExecuteStatement",
    {name: STATEMENTS[name] for name in ("insert", "update", "delete")},
    lambda table, made: [Op("BatchExecuteStatement", {"Statements": [made(table)]})],
)
partiql.each(
    "ExecuteTransaction",
    {name: STATEMENTS[name] for name in ("insert", "update", "delete")},
    lambda table, made: [Op("ExecuteTransaction", {"TransactStatements": [made(table)]})],
)


@partiql.case
def of_the_other_table(table: Shape) -> Iterable[Op]:
    parameters = [text("a"), number(1)]
    into = {"Statement": f"INSERT INTO \"{table.other}\" VALUE {{'id': ?, 'n': ?}}", "Parameters": parameters}
    return [
        Op("ExecuteStatement", into),
        Op("GetItem", {"TableName": table.other, "Key": {"id": text("a")}, "ConsistentRead": True}),
        Op("DeleteItem", {"TableName": table.other, "Key": {"id": text("a")}}),
    ]


mixed = Group("an application's day", given=five_rich)


@mixed.case
def an_order_from_cart_to_archive(table: Shape) -> Steps:
    key = table.key(7)
    yield table("PutItem", Item=table.item(7, phase="cart", amount=table.amount(0)))
    yield table("UpdateItem", Key=key, UpdateExpression="SET {amount} = :amount, {note} = :note")
    answer = yield table("GetItem", Key=key, ConsistentRead=True)
    yield table("PutItem", Item={**answer["Item"], "grp": table.group(1), "score": number(1)})
    yield transactions.writes(
        transactions.update(table, 7, "SET {phase} = :closed", "{phase} <> :closed"),
        transactions.check(table, 1, "attribute_exists({p})"),
    )
    yield table("Query", KeyConditionExpression="grp = :g1", IndexName=table.form.group_index)
    yield table("DeleteItem", Key=key, ConditionExpression="{phase} = :closed", ReturnValues="ALL_OLD")


@mixed.case
def every_item_read_and_written_back(table: Shape) -> Steps:
    """Read, change, write: the program that knows no expressions."""
    answers = yield from pages(
        table("Query", KeyConditionExpression=PARTITION, Limit=2, ConsistentRead=table.form.strongly)
    )
    for item in [item for answer in answers for item in answer["Items"]]:
        yield table("PutItem", Item={**item, "seen": {"BOOL": True}}, ReturnValues="ALL_OLD")


@mixed.case
def leader_election(table: Shape) -> Iterable[Op]:
    return [
        table(
            "UpdateItem",
            Key=table.key(8),
            UpdateExpression="SET holder = :me",
            ConditionExpression="attribute_not_exists(holder) OR holder = :me",
            ExpressionAttributeValues={":me": text(me)},
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        for me in ("a", "b", "a")
    ]
