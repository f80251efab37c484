"""Every operation against the embedded engine, beside botocore."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any, cast

import botocore.session
import pytest
from botocore.exceptions import ClientError

from crossfade.aws.lean.client import BulkClient
from crossfade.aws.own_calls import method_name
from crossfade.errors import ServiceRejected
from tests.conftest import Database

ITEM: dict[str, Any] = {
    "pk": {"S": "ü"},
    "B": {"B": b"\x00\xff"},
    "BS": {"BS": [b"a", b""]},
    "n": {"N": "1234567890.1234567890123456789012345678"},
    "m": {"M": {"B": {"L": [{"B": b"x"}, {"NULL": True}, {"SS": ["a"]}, {"NS": ["1", "2"]}]}, "e": {"M": {}}}},
    "t": {"BOOL": False},
    "s": {"S": ""},
}
SELECT = 'SELECT * FROM "TABLE" WHERE pk = ?'


@pytest.fixture
def table(dynamodb: Database) -> Iterator[str]:
    """Empty, with a stream."""
    name = f"bulk-{uuid.uuid4().hex[:8]}"
    client = dynamodb.client()
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    yield name
    client.delete_table(TableName=name)


def theirs_to(client: Any, operation: str, request: dict[str, Any]) -> Any:
    try:
        reply = getattr(client, method_name(operation))(**request)
    except ClientError as error:
        reply = cast("Any", error).response
    return without_metadata(reply)


async def ours_to(client: BulkClient, operation: str, request: dict[str, Any]) -> Any:
    try:
        return without_metadata(await client.call(operation, request))
    except ServiceRejected as error:
        return without_metadata(dict(error.response))


def without_metadata(reply: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reply.items() if name != "ResponseMetadata"}


def cases(table: str) -> list[tuple[str, dict[str, Any]]]:
    """Each leaves the table as it was, so that both see the same."""
    key = {"pk": ITEM["pk"]}
    failing = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    put = {"TableName": table, "Item": ITEM}
    return [
        ("PutItem", {**put, "ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "TOTAL"}),
        ("PutItem", {**put, **failing}),
        ("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True}),
        ("GetItem", {"TableName": table, "Key": {"pk": {"S": "none"}}}),
        ("GetItem", {"TableName": "no-such-table", "Key": key}),
        ("GetItem", {"TableName": table, "Key": {"pk": {"N": "1"}}}),
        (
            "UpdateItem",
            {
                "TableName": table,
                "Key": key,
                "UpdateExpression": "SET #B = :b",
                "ExpressionAttributeNames": {"#B": "B"},
                "ExpressionAttributeValues": {":b": {"B": b"\x00\xff"}},
                "ReturnValues": "ALL_NEW",
            },
        ),
        ("DeleteItem", {"TableName": table, "Key": {"pk": {"S": "none"}}, "ReturnValues": "ALL_OLD"}),
        (
            "Query",
            {"TableName": table, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": ITEM["pk"]}},
        ),
        ("Scan", {"TableName": table, "Limit": 1, "ReturnConsumedCapacity": "INDEXES"}),
        ("BatchGetItem", {"RequestItems": {table: {"Keys": [key, {"pk": {"S": "none"}}]}}}),
        ("BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": ITEM}}]}}),
        ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": table, "Key": key}}]}),
        ("TransactWriteItems", {"TransactItems": [{"Put": put}], "ReturnConsumedCapacity": "TOTAL"}),
        ("TransactWriteItems", {"TransactItems": [{"Put": {**put, **failing}}]}),
        (
            "BatchExecuteStatement",
            {"Statements": [{"Statement": SELECT.replace("TABLE", table), "Parameters": [ITEM["pk"]]}]},
        ),
        ("DescribeTable", {"TableName": table}),
    ]


def test_every_operation_answers_as_botocore_has_it(dynamodb: Database, table: str) -> None:
    """Replies and errors, binary values and long numbers among them."""
    theirs = dynamodb.client()
    theirs.put_item(TableName=table, Item=ITEM)

    async def scenario() -> None:
        async with BulkClient.like(theirs) as ours:
            for operation, request in cases(table):
                assert await ours_to(ours, operation, request) == theirs_to(theirs, operation, request), operation

    asyncio.run(scenario())


def test_streams_answer_as_botocore_has_it(dynamodb: Database, table: str) -> None:
    """The records of a table, through the client of the table."""
    theirs = dynamodb.client()
    theirs.put_item(TableName=table, Item=ITEM)
    session: Any = botocore.session.Session()
    streams = session.create_client("dynamodbstreams", **dynamodb.client_options())

    async def scenario() -> None:
        async with BulkClient.like(theirs) as ours:
            arn = (await ours.call("DescribeTable", {"TableName": table}))["Table"]["LatestStreamArn"]
            described = await ours_to(ours, "DescribeStream", {"StreamArn": arn})
            assert described == theirs_to(streams, "DescribeStream", {"StreamArn": arn})
            shard = described["StreamDescription"]["Shards"][0]["ShardId"]
            at = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
            iterator = {"ShardIterator": (await ours.call("GetShardIterator", at))["ShardIterator"]}
            records = (await ours.call("GetRecords", iterator))["Records"]
            assert records == theirs_to(streams, "GetRecords", iterator)["Records"]
            assert records[0]["dynamodb"]["NewImage"]["B"] == {"B": b"\x00\xff"}
            last = records[-1]["dynamodb"]["SequenceNumber"]
            after = {**at, "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
            iterator = {"ShardIterator": (await ours.call("GetShardIterator", after))["ShardIterator"]}
            assert (await ours.call("GetRecords", iterator))["Records"] == []
            for operation, request in (
                ("ListStreams", {"TableName": table}),
                ("DescribeStream", {"StreamArn": arn, "ExclusiveStartShardId": shard}),
                ("DescribeStream", {"StreamArn": arn[:-1]}),
                ("GetShardIterator", {**at, "ShardId": shard[:-1]}),
                ("GetRecords", {"ShardIterator": "no iterator"}),
            ):
                assert await ours_to(ours, operation, request) == theirs_to(streams, operation, request), operation

    asyncio.run(scenario())


def test_many_calls_at_once(dynamodb: Database, table: str) -> None:
    """Three hundred writes over eight connections, and every one is there."""

    async def scenario() -> int:
        async with BulkClient.like(dynamodb.client(), connections_max=8) as client:
            puts = [{"TableName": table, "Item": {**ITEM, "pk": {"S": f"p{n}"}}} for n in range(300)]
            _ = await asyncio.gather(*(client.call("PutItem", put) for put in puts))
            return int((await client.call("Scan", {"TableName": table, "Select": "COUNT"}))["Count"])

    assert asyncio.run(scenario()) == 300
