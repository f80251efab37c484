"""A table with tombstones and versions, seen through `hide_versions`, beside a plain one: every answer is the same."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key

from crossfade.cdc import hide_versions
from crossfade.core.items import canonical
from crossfade.errors import NotPossibleInStage
from tests.conftest import Database, client_for

VERSION: Final = {"version": {"S": "0000000001"}}
GONE: Final = {**VERSION, "deleted": {"BOOL": True}, "at": {"N": "1700000000"}}
THERE: Final = [{"pk": {"S": "a"}, "sk": {"S": f"{n}"}, "n": {"N": f"{n}"}, "x": {"S": "there"}} for n in (1, 3, 5)]
LEFT: Final = [{"pk": {"S": "a"}, "sk": {"S": f"{n}"}} for n in (0, 2, 4, 6)]


def key(n: int) -> dict[str, Any]:
    return {"pk": {"S": "a"}, "sk": {"S": f"{n}"}}


def add(client: Any, name: str) -> None:
    schema = [("pk", "HASH"), ("sk", "RANGE")]
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": a, "AttributeType": "S"} for a, _ in schema],
        KeySchema=[{"AttributeName": a, "KeyType": kind} for a, kind in schema],
    )


@dataclass
class Pair:
    """The plain table, and the one with tombstones under another client: `both` gives the answers of a call."""

    plain: Any
    hidden: Any
    names: tuple[str, str]

    def both(self, method: str, request: Callable[[str], dict[str, Any]]) -> tuple[Any, Any]:
        plain, hidden = self.names
        return answer(self.plain, method, request(plain), plain), answer(self.hidden, method, request(hidden), hidden)

    def items(self) -> tuple[list[Any], list[Any]]:
        """What both hold, as the application sees it."""
        plain, hidden = self.both("scan", lambda name: {"TableName": name, "ConsistentRead": True})
        return in_order(plain["Items"]), in_order(hidden["Items"])


def in_order(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: str(item["sk"]))


def answer(client: Any, method: str, request: dict[str, Any], name: str) -> Any:
    """The answer or the error, without what tells two tables apart."""
    try:
        told: dict[str, Any] = getattr(client, method)(**request)
    except client.exceptions.ClientError as error:
        told = error.response
    kept = {k: v for k, v in told.items() if k not in ("ResponseMetadata", "ScannedCount", "ConsumedCapacity")}
    return renamed(kept, name)


def renamed(value: dict[str, Any], name: str) -> Any:
    return json.loads(json.dumps(value).replace(name, "T"))


@pytest.fixture(scope="module")
def clients(dynamodb: Database) -> tuple[Any, Any]:
    """One that nothing is hidden from, and one that does not see what it should not."""
    return client_for(dynamodb.server), client_for(dynamodb.server)


@pytest.fixture
def pair(clients: tuple[Any, Any]) -> Iterator[Pair]:
    direct, hidden = clients
    token = uuid4().hex
    names = f"plain-{token}", f"hidden-{token}"
    for name in names:
        add(direct, name)
    for item in THERE:
        direct.put_item(TableName=names[0], Item=item)
        direct.put_item(TableName=names[1], Item={**item, "_crossfade": {"M": VERSION}})
    for item in LEFT:
        direct.put_item(TableName=names[1], Item={**item, "_crossfade": {"M": GONE}})
    undo = hide_versions(hidden, names[1])
    yield Pair(direct, hidden, names)
    undo()
    shown = [item for client in clients for item in client.scan(TableName=names[1])["Items"]]
    assert len(shown) % 2 == 0, "what was undone is done"
    for name in names:
        direct.delete_table(TableName=name)


PLACED: Final[dict[str, Any]] = {
    "ExpressionAttributeNames": {"#x": "x"},
    "ExpressionAttributeValues": {":v": {"S": "v"}},
}
READS: Final[list[tuple[str, dict[str, Any]]]] = [
    *(("get_item", {"Key": key(n)}) for n in (1, 2, 9)),
    *(("get_item", {"Key": key(n), "ProjectionExpression": "x, absent"}) for n in (1, 2)),
    *(("get_item", {"Key": key(n), "AttributesToGet": ["x"]}) for n in (1, 2)),
    ("get_item", {"Key": key(1), "ProjectionExpression": "x,"}),
    ("scan", {}),
    ("scan", {"Select": "COUNT"}),
    (
        "scan",
        {"FilterExpression": "x = :v OR n > :n", "ExpressionAttributeValues": {":v": {"S": "v"}, ":n": {"N": "2"}}},
    ),
    ("scan", {"ScanFilter": {"n": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "2"}]}}}),
    ("scan", {"FilterExpression": "x = "}),
    ("query", {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "a"}}}),
    (
        "query",
        {
            "KeyConditionExpression": "pk = :p",
            "FilterExpression": "#xfs = :p OR n < :n",
            "ExpressionAttributeNames": {"#xfs": "x"},
            "ExpressionAttributeValues": {":p": {"S": "a"}, ":n": {"N": "4"}},
            "ScanIndexForward": False,
        },
    ),
    (
        "query",
        {
            "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}},
            "QueryFilter": {"n": {"ComparisonOperator": "NOT_NULL"}},
        },
    ),
]


@pytest.mark.parametrize(("method", "request_made"), READS, ids=[f"{n} {m}" for n, (m, _) in enumerate(READS)])
def test_a_read_shows_the_items_alone(pair: Pair, method: str, request_made: dict[str, Any]) -> None:
    """Get, Query and Scan, projected, filtered and counted."""
    plain, hidden = pair.both(method, lambda name: {"TableName": name, **request_made})
    assert hidden == plain


WRITES: Final[list[tuple[str, dict[str, Any]]]] = [
    ("put_item", {"Item": {"x": {"S": "v"}}}),
    ("put_item", {"Item": {"x": {"S": "v"}}, "ConditionExpression": "attribute_not_exists(pk)"}),
    ("put_item", {"Item": {"x": {"S": "v"}}, "ConditionExpression": "attribute_exists(pk)"}),
    ("put_item", {"Item": {}, "Expected": {"x": {"Exists": False}}}),
    ("put_item", {"Item": {"x": {"S": "v"}}, "ConditionExpression": "#x = :v OR attribute_not_exists(#x)", **PLACED}),
    ("delete_item", {}),
    ("delete_item", {"ConditionExpression": "attribute_exists(sk)"}),
    ("delete_item", {"ConditionExpression": "attribute_exists(sk) AND "}),
    ("update_item", {}),
    ("update_item", {"UpdateExpression": "SET #x = :v", **PLACED}),
    ("update_item", {"UpdateExpression": "REMOVE #x", "ExpressionAttributeNames": {"#x": "x"}}),
    ("update_item", {"UpdateExpression": "SET #x = :v\tremove n", **PLACED}),
    (
        "update_item",
        {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}},
    ),
    (
        "update_item",
        {
            "UpdateExpression": "SET #REMOVE = if_not_exists(n, :one) + :one",
            "ConditionExpression": "attribute_not_exists(pk) OR n < :four",
            "ExpressionAttributeNames": {"#REMOVE": "REMOVE"},
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":four": {"N": "4"}},
        },
    ),
    ("update_item", {"AttributeUpdates": {"n": {"Action": "ADD", "Value": {"N": "2"}}}}),
    ("update_item", {"UpdateExpression": "SET x = "}),
    ("update_item", {"UpdateExpression": ""}),
    ("update_item", {"UpdateExpression": "SET #x = n + n", "ExpressionAttributeNames": {"#x": "x"}}),
]
RETURNED: Final = {
    "put_item": ("NONE", "ALL_OLD"),
    "delete_item": ("NONE", "ALL_OLD"),
    "update_item": ("ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"),
}


@pytest.mark.parametrize("n", [1, 2, 9], ids=["there", "deleted", "never there"])
@pytest.mark.parametrize(("method", "request_made"), WRITES, ids=[f"{n} {m}" for n, (m, _) in enumerate(WRITES)])
def test_a_write_finds_what_a_plain_table_has(pair: Pair, method: str, request_made: dict[str, Any], n: int) -> None:
    """Conditions, old and new values, refusals with the item; and afterwards both tables hold the same."""
    for returned in RETURNED[method]:
        made: dict[str, Any] = {"ReturnValues": returned, **request_made}
        made["Key" if method != "put_item" else "Item"] = made.get("Item", {}) | key(n)
        if "ConditionExpression" in made:
            made["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        plain, hidden = pair.both(method, with_table(made))
        assert hidden == plain, returned
        plain_items, hidden_items = pair.items()
        assert hidden_items == plain_items


def with_table(request: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    return lambda name: {"TableName": name, **request}


def with_part(part: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    return lambda name: {"RequestItems": {name: part}}


def test_several_at_once(pair: Pair) -> None:
    """Batches and transactions, some of whose items are gone."""
    keys = [key(n) for n in (1, 2, 3, 9)]
    asked: list[dict[str, Any]] = [{}, {"ProjectionExpression": "n"}, {"AttributesToGet": ["n", "x"]}]
    for more in asked:
        parts = {"Keys": keys, **more}
        plain, hidden = pair.both("batch_get_item", with_part(parts))
        assert {*map(canonical, hidden["Responses"]["T"])} == {*map(canonical, plain["Responses"]["T"])}
        assert hidden["UnprocessedKeys"] == plain["UnprocessedKeys"]

    def gets(name: str) -> dict[str, Any]:
        return {"TransactItems": [{"Get": {"TableName": name, "Key": each}} for each in keys]}

    plain, hidden = pair.both("transact_get_items", gets)
    assert hidden == plain

    def writes(name: str) -> dict[str, Any]:
        absent = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        adding: dict[str, Any] = {"UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": "1"}}}
        return {
            "TransactItems": [
                {"Put": {"TableName": name, "Item": {**key(2), "x": {"S": "new"}}, **absent}},
                {"Update": {"TableName": name, "Key": key(4), **adding}},
                {"ConditionCheck": {"TableName": name, "Key": key(6), **absent}},
                {"Delete": {"TableName": name, "Key": key(1)}},
            ]
        }

    for _ in range(2):  # the second is cancelled, and says what is there
        plain, hidden = pair.both("transact_write_items", writes)
        assert hidden == plain
        plain_items, hidden_items = pair.items()
        assert hidden_items == plain_items


def test_a_statement_is_refused(pair: Pair) -> None:
    """PartiQL would see tombstones; about other tables it goes out."""
    with pytest.raises(NotPossibleInStage, match="would see what was deleted"):
        pair.hidden.execute_statement(Statement=f'SELECT * FROM "{pair.names[1]}"')  # noqa: S608
    assert pair.hidden.execute_statement(Statement=f'SELECT * FROM "{pair.names[0]}"')["Items"]  # noqa: S608


def test_a_resource_sees_it_too(pair: Pair, dynamodb: Database) -> None:
    """By Python values, with conditions of boto3's own."""
    session: Any = boto3
    resource = session.resource("dynamodb", **dynamodb.client_options())
    _ = hide_versions(resource.meta.client, pair.names[1])
    table = resource.Table(pair.names[1])
    of_a: Any = Key("pk")
    assert [item["n"] for item in table.query(KeyConditionExpression=of_a.eq("a"))["Items"]] == [1, 3, 5]
    assert "Item" not in table.get_item(Key={"pk": "a", "sk": "2"})
    table.put_item(Item={"pk": "a", "sk": "2", "n": 2}, ConditionExpression=Attr("pk").not_exists())
    assert table.get_item(Key={"pk": "a", "sk": "2"})["Item"] == {"pk": "a", "sk": "2", "n": 2}


def test_a_client_of_asyncio_sees_it_too(pair: Pair, dynamodb: Database) -> None:
    """The events are the same."""

    async def seen() -> tuple[int, bool]:
        module: Any = importlib.import_module("aiobotocore.session")
        async with module.get_session().create_client("dynamodb", **dynamodb.client_options()) as client:
            _ = hide_versions(client, pair.names[1])
            counted = await client.scan(TableName=pair.names[1])
            return counted["Count"], "Item" in await client.get_item(TableName=pair.names[1], Key=key(2))

    assert asyncio.run(seen()) == (len(THERE), False)
