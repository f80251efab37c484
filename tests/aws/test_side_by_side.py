"""Two migrations on one client, each in a stage of its own: a request about tables of both is answered as ever.

The first is of keys alone, so that the server mostly evaluates what is asked of it; what is asked of the second is
evaluated here. Both orders of attaching are tried.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest

from crossfade import Migration, Table, attach
from crossfade.control.records import PARTITION_KEY, SORT_KEY, to_item
from crossfade.core.items import Item
from crossfade.core.stages import LADDERS, Stage
from crossfade.mapping import rename, suffix
from crossfade.migration import Strategy
from tests.aws.conftest import new_session, wait_for
from tests.clients.answers import told
from tests.conftest import Database
from tests.migrations import make_table, state_in

KEY: Final[dict[str, Any]] = {"customer": "S", "order": "S"}
# One for each way in which a stage writes.
STAGES: Final[tuple[tuple[Strategy, Stage], ...]] = (
    ("dual-write", Stage.OFF),
    ("dual-write", Stage.SHADOW),
    ("dual-write", Stage.LOCKSTEP_TARGET),
    ("dual-write", Stage.LIVE),
    ("dual-write", Stage.COMPLETE),
    ("copy-on-write", Stage.STAMP),
    ("copy-on-write", Stage.PREPARE),
    ("copy-on-write", Stage.DRAIN),
    ("copy-on-write", Stage.RAMPDOWN),
)


def key(order: str) -> Item:
    return {"customer": {"S": "c"}, "order": {"S": order}}


def item(order: str, amount: int) -> Item:
    return {**key(order), "amount": {"N": str(amount)}}


def order_of(item: Item) -> str:
    return str(item["order"]["S"])


def requests(one: str, two: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an application does with both tables at once; `two` has what is evaluated."""
    is_new = {"ConditionExpression": "attribute_not_exists(customer)"}
    more: dict[str, Any] = {"UpdateExpression": "ADD amount :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    for table, order in ((one, "1"), (one, "2"), (two, "1"), (two, "2")):
        yield "PutItem", {"TableName": table, "Item": item(order, int(order))}
    for first, second in ((one, two), (two, one)):
        transactions: list[list[dict[str, Any]]] = [
            [
                {"Put": {"TableName": first, "Item": item("3", 3), **is_new}},
                {"Update": {"TableName": second, "Key": key("1"), **more}},
                {"Delete": {"TableName": first, "Key": key("1")}},
                {"ConditionCheck": {"TableName": second, "Key": key("2"), "ConditionExpression": "amount = amount"}},
            ],
            [
                {"Update": {"TableName": second, "Key": key("1"), **more}},
                {"Put": {"TableName": first, "Item": item("2", 9), **is_new, **shown}},
            ],
            [
                {"Delete": {"TableName": second, "Key": key("2")}},
                {"Update": {"TableName": first, "Key": key("2"), **more}},
                {"Put": {"TableName": second, "Item": item("4", 4)}},
            ],
            [
                {"Update": {"TableName": first, "Key": key("2"), **more}},
                {"ConditionCheck": {"TableName": first, "Key": key("2"), "ConditionExpression": "amount = amount"}},
                {"Put": {"TableName": second, "Item": item("5", 5)}},
            ],
        ]
        for actions in transactions:
            yield "TransactWriteItems", {"TransactItems": actions}
        yield (
            "BatchWriteItem",
            {
                "RequestItems": {
                    first: [{"PutRequest": {"Item": item("6", 6)}}, {"DeleteRequest": {"Key": key("2")}}],
                    second: [{"PutRequest": {"Item": item("2", 2)}}, {"PutRequest": {"Item": item("1", 1)}}],
                }
            },
        )
        yield (
            "TransactGetItems",
            {
                "TransactItems": [
                    {"Get": {"TableName": table, "Key": key(order)}}
                    for table in (first, second)
                    for order in ("1", "2", "3", "6")
                ]
            },
        )
        wanted = {"Keys": [key(order) for order in "12345"], "ConsistentRead": True}
        yield "BatchGetItem", {"RequestItems": {first: wanted, second: wanted}}
    for table in (one, two):
        yield (
            "Query",
            {
                "TableName": table,
                "ConsistentRead": True,
                "KeyConditionExpression": "customer = :c",
                "ExpressionAttributeValues": {":c": {"S": "c"}},
            },
        )


METHODS: Final = {
    "PutItem": "put_item",
    "TransactWriteItems": "transact_write_items",
    "BatchWriteItem": "batch_write_item",
    "TransactGetItems": "transact_get_items",
    "BatchGetItem": "batch_get_item",
    "Query": "query",
}


def answers(client: Any, one: str, two: str, routers: tuple[Any, ...] = ()) -> list[Any]:
    """To each request, the tables under the same names."""
    found: list[Any] = []
    for operation, request in requests(one, two):
        answer = told(getattr(client, METHODS[operation]), **request)
        for router in routers:
            wait_for(lambda: router.pending == 0, "every mirror")  # noqa: B023 - waited for here
        if operation == "BatchGetItem" and "Responses" in answer:
            answer["Responses"] = {
                {one: "one", two: "two"}[table]: sorted(items, key=order_of)
                for table, items in answer["Responses"].items()
            }
        found.append((operation, answer))
    return found


def migration(unique: str, name: str, strategy: Strategy) -> Migration:
    pieces = [suffix("customer", count=3, by="order")]
    return Migration(
        f"{name}-{unique}",
        Table(f"{name}-{unique}", key=KEY),
        Table(f"{name}-v2-{unique}", key=KEY),
        pieces if name == "one" else [*pieces, rename("amount", "total")],
        strategy,
        control_table=f"control-{unique}",
    )


@contextmanager
def tables(client: Any, *made: Table) -> Generator[None]:
    for table in made:
        make_table(client, table)
    yield
    for table in made:
        client.delete_table(TableName=table.name)


@pytest.fixture(scope="module")
def expected(dynamodb: Database) -> list[Any]:
    """On two plain tables."""
    unique, client = uuid.uuid4().hex[:8], dynamodb.client()
    one, two = (Table(f"{name}-{unique}", key=KEY) for name in ("one", "two"))
    with tables(client, one, two):
        return answers(client, one.name, two.name)


@pytest.mark.parametrize("stage_of_two", STAGES, ids="-".join)
@pytest.mark.parametrize("stage_of_one", STAGES, ids="-".join)
def test_two_migrations_side_by_side(
    dynamodb: Database,
    expected: list[Any],
    stage_of_one: tuple[Strategy, Stage],
    stage_of_two: tuple[Strategy, Stage],
) -> None:
    """Every answer is that of two plain tables, whichever was attached first."""
    plain = dynamodb.client()
    for order in (1, -1):
        unique = uuid.uuid4().hex[:8]
        one, two = migration(unique, "one", stage_of_one[0]), migration(unique, "two", stage_of_two[0])
        control = Table(one.control_table, key={PARTITION_KEY: "S", SORT_KEY: "S"})
        client = new_session().client("dynamodb", **dynamodb.client_options())
        with ExitStack() as stack:
            stack.enter_context(tables(plain, one.source, one.target, two.source, two.target, control))
            for each, (_, stage) in ((one, stage_of_one), (two, stage_of_two)):
                plain.put_item(TableName=control.name, Item=to_item(each.name, state_in(each, stage)))
            routers = tuple(attach(client, each, landing_seconds=2.0) for each in (one, two)[::order])
            try:
                found = answers(client, one.source.name, two.source.name, routers)
            finally:
                ended = [router.detach(10.0) for router in routers]
            assert ended == [True, True]
            for (operation, answer), (_, wanted) in zip(found, expected, strict=True):
                assert answer == wanted, operation
            for each, (strategy, stage) in ((one, stage_of_one), (two, stage_of_two)):
                if LADDERS[strategy][stage].keeps_equal:
                    assert len(items_of(plain, each.source)) == len(items_of(plain, each.target))


def items_of(client: Any, table: Table) -> list[Item]:
    found: list[Item] = client.scan(TableName=table.name, ConsistentRead=True)["Items"]
    return found
