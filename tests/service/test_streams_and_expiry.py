"""Streams with a lineage, and items whose time comes, without waiting for either."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service import Clock, FakeService
from tests.service.conftest import Bench, key, refused

HOUR = 3600.0
NOW = 2_000_000_000


@pytest.fixture
def stream(bench: Bench) -> str:
    arn: str = bench.client().describe_table(TableName=bench.table)["Table"]["LatestStreamArn"]
    return arn


def shards_of(bench: Bench, stream: str, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.streams().describe_stream(StreamArn=stream, **request)["StreamDescription"][
        "Shards"
    ]
    return found


def iterator_of(bench: Bench, stream: str, shard: str, kind: str = "TRIM_HORIZON", **request: Any) -> str:
    made: str = bench.streams().get_shard_iterator(StreamArn=stream, ShardId=shard, ShardIteratorType=kind, **request)[
        "ShardIterator"
    ]
    return made


def read(bench: Bench, stream: str, shard: str) -> tuple[list[dict[str, Any]], bool]:
    """Return all records that a shard has, and whether it has ended."""
    client, iterator = bench.streams(), iterator_of(bench, stream, shard)
    found: list[dict[str, Any]] = []
    while True:
        page = client.get_records(ShardIterator=iterator)
        found += page["Records"]
        if "NextShardIterator" not in page:
            return found, True
        if not page["Records"]:
            return found, False
        iterator = page["NextShardIterator"]


def write(bench: Bench, *names: str) -> None:
    client = bench.client()
    for name in names:
        client.put_item(TableName=bench.table, Item=key(name) | {"n": {"N": "1"}})


def test_a_stream_begins_with_one_open_shard(bench: Bench, stream: str) -> None:
    """Its ARN and its records are of the service's region, its label is a time."""
    write(bench, "a")
    description = bench.streams().describe_stream(StreamArn=stream)["StreamDescription"]
    assert (description["StreamArn"], description["StreamStatus"]) == (stream, "ENABLED")
    assert stream == f"{bench.arn}/stream/{description['StreamLabel']}"
    (shard,) = description["Shards"]
    assert shard["ShardId"].startswith("shardId-")
    assert len(shard["ShardId"]) >= 28
    assert shard["SequenceNumberRange"].keys() == {"StartingSequenceNumber"}
    assert "ParentShardId" not in shard
    (record,) = read(bench, stream, shard["ShardId"])[0]
    assert (record["eventName"], record["awsRegion"]) == ("INSERT", "us-east-1")
    assert record["dynamodb"]["Keys"] == key("a")


def test_a_split_closes_the_parent_and_its_children_go_on(bench: Bench, stream: str) -> None:
    """Every item's records stay in order: those of before in the parent, those of after in one child."""
    names = [f"item{n}" for n in range(12)]
    write(bench, *names)
    children = bench.service.split(bench.table)
    bench.direct.update_item(TableName=bench.table, Key=key("item0"), UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "2"}})  # fmt: skip
    write(bench, "more1", "more2", "more3", "more4", "more5")
    parent, *others = shards_of(bench, stream)
    assert [(each["ShardId"], each["ParentShardId"]) for each in others] == [
        (child, parent["ShardId"]) for child in children
    ]
    assert int(parent["SequenceNumberRange"]["EndingSequenceNumber"]) < min(
        int(each["SequenceNumberRange"]["StartingSequenceNumber"]) for each in others
    )
    records, ended = read(bench, stream, parent["ShardId"])
    assert ended
    assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in records] == names
    later = [read(bench, stream, child) for child in children]
    assert [ended for _, ended in later] == [False, False]
    assert sorted(record["dynamodb"]["Keys"]["pk"]["S"] for found, _ in later for record in found) == [
        "item0", "more1", "more2", "more3", "more4", "more5",
    ]  # fmt: skip
    assert all(found for found, _ in later)


def test_a_description_is_paged_and_filtered(bench: Bench, stream: str) -> None:
    """Limit, ExclusiveStartShardId, LastEvaluatedShardId; and ShardFilter, which asks for the children of a shard."""
    first, second = bench.service.split(bench.table)
    _ = bench.service.split(bench.table, into=1)
    client = bench.streams()
    page = client.describe_stream(StreamArn=stream, Limit=2)["StreamDescription"]
    found = page["Shards"]
    while "LastEvaluatedShardId" in page:
        page = client.describe_stream(StreamArn=stream, Limit=2, ExclusiveStartShardId=page["LastEvaluatedShardId"])[
            "StreamDescription"
        ]
        found += page["Shards"]
    assert len(found) == 5
    assert found == shards_of(bench, stream)
    root = found[0]["ShardId"]
    of_root = shards_of(bench, stream, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": root})
    assert [each["ShardId"] for each in of_root] == [first, second]
    (child,) = shards_of(bench, stream, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": second})
    assert child["ParentShardId"] == second


def test_what_is_older_than_a_day_is_trimmed(bench: Bench, stream: str) -> None:
    """A position before the trim point is refused, the trim horizon moves, and closed shards go."""
    write(bench, "a", "b")
    (root,) = shards_of(bench, stream)
    (first, _), _ = read(bench, stream, root["ShardId"])
    number = first["dynamodb"]["SequenceNumber"]
    old = iterator_of(bench, stream, root["ShardId"])
    bench.service.trim(bench.table)
    write(bench, "c")
    error = refused(bench.streams().get_records, ShardIterator=old)
    assert error["Error"] == {
        "Code": "TrimmedDataAccessException",
        "Message": "The operation attempted to read past the oldest stream record in a shard.",
    }
    error = refused(
        bench.streams().get_shard_iterator, StreamArn=stream, ShardId=root["ShardId"],
        ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=number,
    )  # fmt: skip
    assert error["Error"]["Code"] == "TrimmedDataAccessException"
    (kept,), _ = read(bench, stream, root["ShardId"])
    assert kept["dynamodb"]["Keys"] == key("c")
    _ = bench.service.split(bench.table)
    bench.service.clock.advance(25 * HOUR)
    assert len(shards_of(bench, stream)) == 2
    error = refused(
        bench.streams().get_shard_iterator, StreamArn=stream, ShardId=root["ShardId"], ShardIteratorType="LATEST"
    )
    assert error["Error"]["Code"] == "ResourceNotFoundException"


def test_an_iterator_expires_after_a_quarter_of_an_hour(bench: Bench, stream: str) -> None:
    """Or when a test says so."""
    (root,) = shards_of(bench, stream)
    iterator = iterator_of(bench, stream, root["ShardId"])
    bench.service.clock.advance(14 * 60)
    bench.streams().get_records(ShardIterator=iterator)
    bench.service.clock.advance(2 * 60)
    error = refused(bench.streams().get_records, ShardIterator=iterator)
    assert error["Error"]["Code"] == "ExpiredIteratorException"
    iterator = iterator_of(bench, stream, root["ShardId"])
    bench.service.clock.advance(1)
    bench.service.expire_iterators()
    assert refused(bench.streams().get_records, ShardIterator=iterator)["Error"]["Code"] == "ExpiredIteratorException"


def test_positions_by_number_and_the_latest(bench: Bench, stream: str) -> None:
    """AT, AFTER and LATEST."""
    write(bench, "a", "b")
    (root,) = shards_of(bench, stream)
    (first, second), _ = read(bench, stream, root["ShardId"])
    number = first["dynamodb"]["SequenceNumber"]
    client = bench.streams()
    at = iterator_of(bench, stream, root["ShardId"], "AT_SEQUENCE_NUMBER", SequenceNumber=number)
    assert client.get_records(ShardIterator=at)["Records"] == [first, second]
    assert client.get_records(ShardIterator=at, Limit=1)["Records"] == [first]
    after = iterator_of(bench, stream, root["ShardId"], "AFTER_SEQUENCE_NUMBER", SequenceNumber=number)
    assert client.get_records(ShardIterator=after)["Records"] == [second]
    latest = iterator_of(bench, stream, root["ShardId"], "LATEST")
    write(bench, "c")
    (third,) = client.get_records(ShardIterator=latest)["Records"]
    assert third["dynamodb"]["Keys"] == key("c")


def test_a_stream_is_described_and_read_only_so_often(bench: Bench, stream: str) -> None:
    """Ten times a second, and five times a shard; the codes can be others."""
    bench.service.quotas()
    client = bench.streams()
    for _ in range(9):
        _ = shards_of(bench, stream)
    shard = shards_of(bench, stream)[0]["ShardId"]
    error = refused(client.describe_stream, StreamArn=stream)
    assert (error["Error"]["Code"], error["Error"]["Message"]) == ("ThrottlingException", "Rate exceeded")
    iterator = iterator_of(bench, stream, shard)
    for _ in range(5):
        client.get_records(ShardIterator=iterator)
    assert refused(client.get_records, ShardIterator=iterator)["Error"]["Code"] == "LimitExceededException"
    bench.service.clock.advance(1.1)
    client.describe_stream(StreamArn=stream)
    bench.service.quotas(reads=0, read_code="ProvisionedThroughputExceededException")
    error = refused(client.get_records, ShardIterator=iterator)
    assert error["Error"]["Code"] == "ProvisionedThroughputExceededException"


def test_streams_are_listed_by_the_services_names(bench: Bench, stream: str) -> None:
    """ListStreams tells the same ARN."""
    (listed,) = bench.streams().list_streams(TableName=bench.table)["Streams"]
    assert listed == {"StreamArn": stream, "TableName": bench.table, "StreamLabel": stream.rpartition("/")[2]}


# --- expiry


def enable(bench: Bench) -> Any:
    client = bench.client()
    specification = {"Enabled": True, "AttributeName": "expires"}
    client.update_time_to_live(TableName=bench.table, TimeToLiveSpecification=specification)
    return client


def test_an_item_is_deleted_some_time_after_its_own(bench: Bench) -> None:
    """Until then it is there. What is no Number, and what is more than five years old, never goes."""
    client = enable(bench)
    for name, expires in (
        ("due", {"N": str(NOW - 10)}), ("later", {"N": str(NOW + HOUR)}), ("text", {"S": str(NOW - 10)}),
        ("ancient", {"N": "1000"}), ("never", None),
    ):  # fmt: skip
        client.put_item(TableName=bench.table, Item=key(name) | ({"expires": expires} if expires else {}))
    bench.service.expiry_delay(bench.table, 60)
    assert bench.service.sweep() == 0
    assert client.get_item(TableName=bench.table, Key=key("due"))["Item"]["pk"] == {"S": "due"}
    bench.service.clock.advance(60)
    assert bench.service.sweep() == 1
    assert "Item" not in client.get_item(TableName=bench.table, Key=key("due"))
    bench.service.clock.advance(HOUR)
    assert bench.service.sweep(bench.table) == 1
    assert {item["pk"]["S"] for item in client.scan(TableName=bench.table)["Items"]} == {"text", "ancient", "never"}


def test_the_record_names_the_service(bench: Bench, stream: str) -> None:
    """time-to-live-ttl-streams.html: userIdentity, which a delete by a client does not have."""
    client = enable(bench)
    for name in ("a", "b"):
        client.put_item(TableName=bench.table, Item=key(name) | {"expires": {"N": str(NOW - 10)}})
    client.delete_item(TableName=bench.table, Key=key("a"))
    client.put_item(TableName=bench.table, Item=key("a") | {"expires": {"N": str(NOW - 10)}})
    assert bench.service.sweep() == 2
    (root,) = shards_of(bench, stream)
    records, _ = read(bench, stream, root["ShardId"])
    removed = [record for record in records if record["eventName"] == "REMOVE"]
    assert [record.get("userIdentity") for record in removed] == [
        None,
        {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"},
        {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"},
    ]
    assert removed[1]["eventVersion"] == "1.1"
    assert removed[1]["dynamodb"].keys() >= {"Keys", "OldImage", "SequenceNumber", "SizeBytes", "StreamViewType"}
    assert "NewImage" not in removed[1]["dynamodb"]


def test_items_of_one_table_go_at_times_of_their_own_and_by_the_seed(bench: Bench) -> None:
    """The delay of each is drawn from a seed, the table and the item."""
    client = enable(bench)
    bench.service.expiry_delay(bench.table, (0, 100))
    for n in range(20):
        client.put_item(TableName=bench.table, Item=key(f"item{n}") | {"expires": {"N": str(NOW - 1)}})
    gone: list[int] = []
    for _ in range(4):
        bench.service.clock.advance(25)
        gone.append(bench.service.sweep())
    assert sum(gone) in (19, 20)
    assert all(gone)


def test_an_item_that_was_given_more_time_stays(bench: Bench) -> None:
    """The delete is conditional on the time that was seen; and a write waits for it at most a moment."""
    client = enable(bench)
    client.put_item(TableName=bench.table, Item=key("a") | {"expires": {"N": str(NOW - 10)}})
    client.put_item(TableName=bench.table, Item=key("a") | {"expires": {"N": str(NOW + 10)}})
    assert bench.service.sweep() == 0
    assert bench.service.told().units  # what the service deletes itself costs nothing
    before = bench.service.told()
    bench.service.clock.advance(20)
    assert bench.service.sweep() == 1
    assert not bench.service.told().since(before).units


def test_time_to_live_is_described_and_refused_as_in_the_service(bench: Bench) -> None:
    """Enabled twice, another attribute, a table that is not there."""
    client = bench.client()
    disabled = {"TimeToLiveStatus": "DISABLED"}
    assert client.describe_time_to_live(TableName=bench.table)["TimeToLiveDescription"] == disabled
    client = enable(bench)
    enabled = {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert client.describe_time_to_live(TableName=bench.table)["TimeToLiveDescription"] == enabled
    assert bench.direct.describe_time_to_live(TableName=bench.table)["TimeToLiveDescription"] == disabled
    again = {"TableName": bench.table, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expires"}}
    assert refused(client.update_time_to_live, **again)["Error"]["Message"] == "TimeToLive is already enabled"
    other = {"TableName": bench.table, "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "other"}}
    assert "different AttributeName" in refused(client.update_time_to_live, **other)["Error"]["Message"]
    missing = refused(client.describe_time_to_live, TableName="no-such-table")
    assert missing["Error"]["Code"] == "ResourceNotFoundException"


def test_a_service_may_sweep_by_itself(bench: Bench) -> None:
    """With an interval, as applications see it."""
    with FakeService.start(bench.direct.meta.endpoint_url, clock=Clock(), sweep_seconds=0.01) as service:
        bench.service.stop()
        bench.service = service
        client = enable(bench)
        client.put_item(TableName=bench.table, Item=key("a") | {"expires": {"N": "1700000000"}})
        for _ in range(2_000):
            if "Item" not in client.get_item(TableName=bench.table, Key=key("a")):
                break
        else:
            pytest.fail("it is still there")
