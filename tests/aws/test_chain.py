"""What comes after `complete`: v2 -> v3 goes on, and an application that speaks of v1 is answered as one plain table
would; or it speaks of v2, and writes what v1 could not have held."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

import pytest

from crossfade import Migration, Table, attach
from crossfade.aws.chain import chain_of
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.stages import LADDERS, Stage
from crossfade.mapping import Piece, rename, suffix
from crossfade.migration import Strategy
from tests.aws.conftest import new_session
from tests.aws.test_side_by_side import KEY, Ask, by_aiobotocore, by_boto3, item, key, order_of, plainly, tables
from tests.conftest import Database
from tests.migrations import put_in_stage

ONE: Final[dict[str, Any]] = {"ExpressionAttributeValues": {":one": {"N": "1"}}}
OLD: Final = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def requests(table: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an application does with its table."""
    here = {"TableName": table}
    for n in range(8):
        yield "put_item", {**here, "Item": item(str(n), n)}
    is_new = {"ConditionExpression": "attribute_not_exists(customer)"}
    yield "put_item", {**here, "Item": item("3", 9), **is_new, **OLD}
    yield "put_item", {**here, "Item": item("8", 8), **is_new, "ReturnValues": "ALL_OLD"}
    add = {"UpdateExpression": "ADD amount :one", **ONE}
    for values in ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"):
        yield "update_item", {**here, "Key": key("1"), **add, "ReturnValues": values}
    yield "update_item", {**here, "Key": key("new"), **add, "ReturnValues": "ALL_NEW"}
    yield "update_item", {**here, "Key": key("2"), **add, "ConditionExpression": "amount < :one", **OLD}
    yield "delete_item", {**here, "Key": key("new"), "ReturnValues": "ALL_OLD"}
    yield "delete_item", {**here, "Key": key("4"), "ConditionExpression": "amount = :one", **ONE, **OLD}
    changes = [{"PutRequest": {"Item": item("9", 9)}}, {"DeleteRequest": {"Key": key("7")}}]
    yield "batch_write_item", {"RequestItems": {table: changes}}
    actions = [
        {"Update": {**here, "Key": key("5"), **add}},
        {"Put": {**here, "Item": item("t", 1), **is_new}},
        {"Delete": {**here, "Key": key("6")}},
        {"ConditionCheck": {**here, "Key": key("1"), "ConditionExpression": "amount > :one", **ONE}},
    ]
    for _ in range(2):  # the second time its condition fails
        yield "transact_write_items", {"TransactItems": actions}
    for order in ("1", "6", "t"):
        yield "get_item", {**here, "Key": key(order), "ConsistentRead": True, "ProjectionExpression": "amount"}
    gets = [{"Get": {**here, "Key": key(n)}} for n in ("1", "6", "t")]
    yield "transact_get_items", {"TransactItems": gets}
    yield (
        "batch_get_item",
        {"RequestItems": {table: {"Keys": [key(str(n)) for n in range(10)], "ConsistentRead": True}}},
    )
    of_all = {
        **here,
        "ConsistentRead": True,
        "KeyConditionExpression": "customer = :c",
        "ExpressionAttributeValues": {":c": {"S": "c"}},
    }
    yield "query", of_all
    yield "query", {**of_all, "Limit": 3, "ScanIndexForward": False}
    yield "query", {**of_all, "Limit": 3, "ExclusiveStartKey": key("3")}
    yield "scan", {**here, "ConsistentRead": True}


def answers(ask: Ask, table: str) -> list[Any]:
    found: list[Any] = []
    for operation, request in requests(table):
        answer = ask(operation, request)
        if operation == "batch_get_item" and "Responses" in answer:
            answer["Responses"] = sorted(answer["Responses"][table], key=order_of)
        if operation == "scan" and "Items" in answer:
            answer["Items"].sort(key=order_of)
        found.append((operation, answer))
    return found


@pytest.fixture(scope="module")
def expected(dynamodb: Database) -> list[Any]:
    client, table = dynamodb.client(), Table(f"plain-{uuid.uuid4().hex[:8]}", key=KEY)
    with tables(client, table):
        return answers(plainly(client), table.name)


MAPPINGS: Final[dict[str, list[Piece]]] = {
    "rename": [rename("total", "sum")],
    "suffix": [suffix("customer", count=2, by="order")],
}


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize(
    ("strategy", "stage"), [(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows]
)
def test_a_chain_of_two_migrations(
    dynamodb: Database, expected: list[Any], strategy: Strategy, stage: Stage, mapping: str
) -> None:
    """Every answer, in every stage of the second."""
    plain, unique = dynamodb.client(), uuid.uuid4().hex[:8]
    v1, v2, v3 = (Table(f"orders-{unique}-v{n}", key=KEY) for n in (1, 2, 3))
    control = Table(f"control-{unique}", key={PARTITION_KEY: "S", SORT_KEY: "S"})
    pieces = [suffix("customer", count=3, by="order"), rename("amount", "total")]
    first = Migration(f"first-{unique}", v1, v2, pieces, control_table=control.name)
    second = Migration(f"second-{unique}", v2, v3, MAPPINGS[mapping], strategy, control_table=control.name)
    with tables(plain, v1, v2, v3, control):
        for each, its_stage in ((first, Stage.COMPLETE), (second, stage)):
            put_in_stage(plain, each, its_stage)
        lot = len(stage) + len(mapping)
        with (by_boto3, by_aiobotocore)[lot % 2](dynamodb, *(first, second)[:: (1, -1)[lot // 2 % 2]]) as ask:
            found = answers(ask, v1.name)
        for (operation, answer), (_, wanted) in zip(found, expected, strict=True):
            assert answer == wanted, operation
        assert plain.scan(TableName=v1.name)["Count"] == 0


@pytest.mark.parametrize("turn", [1, -1])
def test_a_migration_knows_whether_a_later_one_answers_for_its_target(dynamodb: Database, turn: int) -> None:
    """Whichever is attached first, and only while both are."""
    plain, unique = dynamodb.client(), uuid.uuid4().hex[:8]
    v1, v2, v3 = (Table(f"orders-{unique}-v{n}", key=KEY) for n in (1, 2, 3))
    control = Table(f"control-{unique}", key={PARTITION_KEY: "S", SORT_KEY: "S"})
    first = Migration(f"first-{unique}", v1, v2, MAPPINGS["suffix"], control_table=control.name)
    second = Migration(f"second-{unique}", v2, v3, MAPPINGS["rename"], control_table=control.name)
    with tables(plain, v1, v2, v3, control):
        for each, its_stage in ((first, Stage.COMPLETE), (second, Stage.DUALWRITE)):
            put_in_stage(plain, each, its_stage)
        client = new_session().client("dynamodb", **dynamodb.client_options())
        routers = {each.name: attach(client, each) for each in (first, second)[::turn]}
        line = chain_of(client.meta.events, asynchronous=False)
        try:
            assert {hooks.name: hooks.is_followed for hooks in line.hooks} == {first.name: True, second.name: False}
            assert routers.pop(second.name).detach(10.0)
            assert [hooks.is_followed for hooks in line.hooks] == [False]
        finally:
            ended = [router.detach(10.0) for router in routers.values()]
        assert all(ended)


@pytest.mark.parametrize("by", [by_boto3, by_aiobotocore])
@pytest.mark.parametrize("strategy", LADDERS)
def test_what_the_mapping_cannot_take_back(
    dynamodb: Database, expected: list[Any], strategy: Strategy, by: Callable[..., AbstractContextManager[Ask]]
) -> None:
    """An application of the new table may write it, once that serves alone: here, partitions without a suffix."""
    plain, unique = dynamodb.client(), uuid.uuid4().hex[:8]
    v1, v2 = (Table(f"orders-{unique}-v{n}", key=KEY) for n in (1, 2))
    control = Table(f"control-{unique}", key={PARTITION_KEY: "S", SORT_KEY: "S"})
    pieces = [suffix("customer", count=3, by="order")]
    over = Migration(f"over-{unique}", v1, v2, pieces, strategy, control_table=control.name)
    with tables(plain, v1, v2, control):
        put_in_stage(plain, over, Stage.COMPLETE)
        with by(dynamodb, over, view="target") as ask:
            assert answers(ask, v2.name) == expected
