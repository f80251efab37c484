"""What the layer around the engine mends, and what a user of `crossfade local` leans on."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from crossfade.local import ENDPOINT_VARIABLE, LocalEngine
from crossfade.local.server import LIST_TABLES_HEADERS
from tests.conftest import Database, client_for

PARTITION: Final = [{"AttributeName": "pk", "KeyType": "HASH"}]
STREAM: Final = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def make(client: Any, name: str, attributes: str = "pk", **more: Any) -> str:
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part in attributes.split()],
        KeySchema=PARTITION,
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return name


@pytest.fixture
def client(dynamodb: Database) -> Any:
    return dynamodb.client()


@pytest.fixture
def table(client: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    name = make(client, f"engine-{abs(hash(request.node.name)) % 10**9}")
    yield name
    client.delete_table(TableName=name)


def records_of(dynamodb: Database, name: str) -> Callable[[], list[dict[str, Any]]]:
    """What reads the whole stream of a table."""
    session: Any = botocore.session.Session()
    streams = session.create_client("dynamodbstreams", **dynamodb.client_options())
    (stream,) = streams.list_streams(TableName=name)["Streams"]
    (shard,) = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
    place = {"StreamArn": stream["StreamArn"], "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(**place)["ShardIterator"]
    return lambda: streams.get_records(ShardIterator=iterator)["Records"]


def text(value: str) -> dict[str, str]:
    return {"S": value}


def test_an_index_may_have_two_partition_and_two_sort_attributes(client: Any) -> None:
    """Indexes of several attributes, in the service since November 2025, can be made and queried by their parts."""
    parts = ("h1", "h2", "r1", "r2")
    schema = [{"AttributeName": part, "KeyType": "HASH" if part[0] == "h" else "RANGE"} for part in parts]
    index = {"IndexName": "by_four", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
    name = make(client, "engine-four-attributes", f"pk {' '.join(parts)}", GlobalSecondaryIndexes=[index])
    for n in range(4):
        item = {"pk": text(str(n)), **{part: text(f"{part}-{n // 2 if part == 'r1' else n % 2}") for part in parts}}
        client.put_item(TableName=name, Item=item | {"h1": text("a"), "h2": text("b")})
    found = client.query(
        TableName=name,
        IndexName="by_four",
        KeyConditionExpression="h1 = :a AND h2 = :b AND r1 = :c AND r2 > :d",
        ExpressionAttributeValues={":a": text("a"), ":b": text("b"), ":c": text("r1-1"), ":d": text("r2-0")},
    )
    assert [item["pk"]["S"] for item in found["Items"]] == ["3"]
    client.delete_table(TableName=name)


def test_an_update_that_makes_its_item_shows_nothing_of_it_as_old(client: Any, table: str) -> None:
    """And one of an item that is nothing but its key shows that."""
    change: dict[str, Any] = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": text("x")}}
    request = {"TableName": table, "Key": {"pk": text("a")}, "ReturnValues": "ALL_OLD", **change}
    assert "Attributes" not in client.update_item(**request)
    assert client.update_item(**request)["Attributes"] == {"pk": text("a"), "n": text("x")}
    client.put_item(TableName=table, Item={"pk": text("b")})
    assert client.update_item(**request | {"Key": {"pk": text("b")}})["Attributes"] == {"pk": text("b")}


def test_updates_that_show_the_old_item_are_one_after_another(dynamodb: Database, table: str) -> None:
    """Of many at once on one absent item, one alone sees it absent."""

    def update(n: int) -> bool:
        reply = dynamodb.client().update_item(
            TableName=table,
            Key={"pk": text("hot")},
            UpdateExpression="SET n = :n",
            ExpressionAttributeValues={":n": text(str(n))},
            ReturnValues="ALL_OLD",
        )
        return "Attributes" not in reply

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(update, range(24))) == 1


def test_a_transaction_does_not_change_a_key(client: Any, table: str) -> None:
    """It is cancelled, with the reason at the action's place."""
    update = {
        "TableName": table,
        "Key": {"pk": text("a")},
        "UpdateExpression": "SET #key = :x",
        "ExpressionAttributeNames": {"#key": "pk"},
        "ExpressionAttributeValues": {":x": text("b")},
    }
    put = {"TableName": table, "Item": {"pk": text("c")}}
    with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
        client.transact_write_items(TransactItems=[{"Put": put}, {"Update": update}])
    assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["None", "ValidationError"]
    assert client.scan(TableName=table)["Items"] == []


def test_what_else_is_wrong_with_such_a_transaction_is_said_first(client: Any, table: str) -> None:
    """A missing table, a syntax error; and beside another reason, each action has its own."""
    update: dict[str, Any] = {"Key": {"pk": text("a")}, "ExpressionAttributeValues": {":x": text("b")}}
    for name, expression, code in (
        ("no-such-table", "SET pk = :x", "ResourceNotFoundException"),
        (table, "SET pk = = :x", "ValidationException"),
        (table, "SET n.set = pk, m = :x", "ValidationException"),
    ):
        with pytest.raises(ClientError) as refused:
            client.transact_write_items(
                TransactItems=[{"Update": update | {"TableName": name, "UpdateExpression": expression}}]
            )
        response: Any = vars(refused.value)["response"]
        assert response["Error"]["Code"] == code, expression
    check = {"TableName": table, "Key": {"pk": text("c")}, "ConditionExpression": "attribute_exists(pk)"}
    whole = update | {"TableName": table, "UpdateExpression": "SET pk = :x"}
    with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
        client.transact_write_items(TransactItems=[{"Update": whole}, {"ConditionCheck": check}])
    codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert codes == ["ValidationError", "ConditionalCheckFailed"]


def test_a_batch_that_names_a_table_in_two_ways_loses_nothing(client: Any, table: str) -> None:
    """It is refused."""
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    puts = [[{"PutRequest": {"Item": {"pk": text(key)}}}] for key in "ab"]
    with pytest.raises(ClientError):
        client.batch_write_item(RequestItems={arn: puts[0], table: puts[1]})
    assert client.scan(TableName=table)["Count"] == 0


def test_a_body_that_is_too_large_is_answered(dynamodb: Database) -> None:
    """With 413, and not with a connection that is cut."""
    headers = {**LIST_TABLES_HEADERS, "X-Amz-Target": "DynamoDB_20120810.PutItem"}
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(dynamodb.endpoint_url).port)
        connection.request("POST", "/", body=b"x" * 17_000_000, headers=headers)
        assert connection.getresponse().status == 413
        connection.close()


def test_a_table_may_be_named_by_its_arn(client: Any, table: str) -> None:
    """In single operations, in transactions and in batches, which answer under the ARN."""
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    client.put_item(TableName=arn, Item={"pk": text("a")})
    client.transact_write_items(TransactItems=[{"Put": {"TableName": arn, "Item": {"pk": text("b")}}}])
    found = client.batch_get_item(RequestItems={arn: {"Keys": [{"pk": text("a")}, {"pk": text("b")}]}})
    assert len(found["Responses"][arn]) == 2


def test_key_conditions_may_stand_beside_a_filter(client: Any, table: str) -> None:
    """Legacy key conditions with a FilterExpression select and filter."""
    client.put_item(TableName=table, Item={"pk": text("a"), "n": text("x")})
    conditions = {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [text("a")]}}
    for value, expected in (("x", 1), ("y", 0)):
        found = client.query(
            TableName=table,
            KeyConditions=conditions,
            FilterExpression="n = :n",
            ExpressionAttributeValues={":n": text(value)},
        )
        assert found["Count"] == expected


def test_streams_are_as_in_the_service(dynamodb: Database, client: Any) -> None:
    """Shard ids that clients accept whatever the table's name, and no record of a write that changes nothing."""
    name = make(client, "sss", StreamSpecification=STREAM)
    for value in ("x", "x", "y"):
        client.put_item(TableName=name, Item={"pk": text("a"), "n": text(value), "set": {"SS": ["p", "q"]}})
    records = records_of(dynamodb, name)()
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY"]
    client.delete_table(TableName=name)


def test_expired_items_are_swept_with_the_services_identity(dynamodb: Database, client: Any) -> None:
    """A record of an expiry names the service as who deleted it."""
    name = make(client, "engine-expiring", StreamSpecification=STREAM)
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    client.put_item(TableName=name, Item={"pk": text("a"), "until": {"N": "1000000000"}})
    read = records_of(dynamodb, name)
    records = next(found for found in (read() for _ in range(2_000)) if len(found) == 2)
    assert records[1]["eventName"] == "REMOVE"
    assert records[1]["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    client.delete_table(TableName=name)


def test_a_hostile_document_is_refused_and_the_engine_lives(dynamodb: Database, client: Any, table: str) -> None:
    """Nesting far beyond the service's 32 levels is an error, not a crash."""
    depth = 20_000
    value = '{"L":[' * depth + "]}" * depth
    item = f'{{"TableName": "{table}", "Item": {{"pk": {{"S": "a"}}, "v": {value}}}}}'
    headers = {**LIST_TABLES_HEADERS, "X-Amz-Target": "DynamoDB_20120810.PutItem"}
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(dynamodb.endpoint_url).port)
    connection.request("POST", "/", body=item, headers=headers)
    answer = connection.getresponse()
    assert (answer.status, b"Exception" in answer.read()) == (400, True)
    connection.close()
    assert client.scan(TableName=table)["Count"] == 0


WRITER = """
import sys, botocore.session
client = botocore.session.Session().create_client("dynamodb", region_name="us-east-1", endpoint_url=sys.argv[1],
    aws_access_key_id="x", aws_secret_access_key="x")
n = 0
while True:
    client.put_item(TableName="engine-kept", Item={"pk": {"S": str(n)}})
    print(n, flush=True)
    n += 1
"""


def test_what_was_acknowledged_is_in_the_file_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL of the engine amid writes loses none of those that it had answered."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    engine = LocalEngine.start(tmp_path)
    _ = make(client_for(engine), "engine-kept")
    command = [sys.executable, "-c", WRITER, engine.endpoint_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdout
        acknowledged = [next(writer.stdout).strip() for _ in range(200)]
        assert engine.process_id
        os.kill(engine.process_id, signal.SIGKILL)
        writer.kill()
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    engine.stop()
    with LocalEngine.start(tmp_path) as again:
        kept = client_for(again).scan(TableName="engine-kept")["Items"]
    assert {item["pk"]["S"] for item in kept} >= set(acknowledged)


def test_a_stopped_engine_is_an_error_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers at its endpoint any more."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    with LocalEngine.start() as engine:
        client = client_for(engine)
        client.list_tables()
    with pytest.raises((EndpointConnectionError, ReadTimeoutError)):
        client_for(engine, Config(retries={"total_max_attempts": 1})).list_tables()
