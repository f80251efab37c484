"""Capacity that is limited, and what is counted."""

from __future__ import annotations

from typing import Any

from tests.service.conftest import Bench, key, refused
from tests.service.units import Unit, total


def test_a_table_takes_what_it_has_and_then_throttles(bench: Bench) -> None:
    """Two units a second, of which two seconds' worth are kept; an item of 1.5 KB takes two."""
    bench.service.limit(bench.table, "Write", 2, burst_seconds=2)
    client = bench.client()
    item = key("a") | {"text": {"S": "x" * 1_500}}
    for _ in range(2):
        client.put_item(TableName=bench.table, Item=item)
    error = refused(client.put_item, TableName=bench.table, Item=item)
    assert error["ThrottlingReasons"][0]["reason"] == "TableWriteProvisionedThroughputExceeded"
    client.get_item(TableName=bench.table, Key=key("a"))
    bench.service.clock.advance(1.0)
    client.put_item(TableName=bench.table, Item=item)
    assert refused(client.put_item, TableName=bench.table, Item=item)


def test_a_request_may_leave_a_debt(bench: Bench) -> None:
    """It is taken while there is anything, and paid for afterwards."""
    bench.service.limit(bench.table, "Write", 1, burst_seconds=1)
    client = bench.client()
    client.put_item(TableName=bench.table, Item=key("a") | {"text": {"S": "x" * 3_500}})
    bench.service.clock.advance(3.0)
    assert refused(client.put_item, TableName=bench.table, Item=key("a"))
    bench.service.clock.advance(0.5)
    client.put_item(TableName=bench.table, Item=key("a"))


def test_a_partition_key_has_a_limit_of_its_own(bench: Bench) -> None:
    """A hot key is throttled while the others are not."""
    bench.service.limit(bench.table, "Write", 1, by_key=True, burst_seconds=1)
    client = bench.client()
    client.put_item(TableName=bench.table, Item=key("hot", "1"))
    error = refused(client.put_item, TableName=bench.table, Item=key("hot", "2"))
    assert error["throttlingReasons"] == [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": bench.arn}]
    client.put_item(TableName=bench.table, Item=key("cold", "1"))


def test_an_index_without_capacity_holds_up_the_writes_of_its_table(bench: Bench) -> None:
    """What a write consumes of an index is taken from the index."""
    bench.service.limit(bench.table, "Write", 1, index="by-colour", burst_seconds=1)
    client = bench.client()
    client.put_item(TableName=bench.table, Item=key("a") | {"colour": {"S": "red"}})
    error = refused(client.put_item, TableName=bench.table, Item=key("b"))
    assert error["ThrottlingReasons"][0]["resource"] == f"{bench.arn}/index/by-colour"


def test_a_batch_beyond_the_capacity_is_done_in_part_next_time(bench: Bench) -> None:
    """What is left over is told, and can be sent again."""
    bench.service.limit(bench.table, "Write", 1, by_key=True, burst_seconds=1)
    client = bench.client()
    entries = [{"PutRequest": {"Item": key(name)}} for name in ("a", "b")]
    client.put_item(TableName=bench.table, Item=key("a"))
    left = client.batch_write_item(RequestItems={bench.table: entries})["UnprocessedItems"]
    assert left == {bench.table: [entries[0]]}
    bench.service.clock.advance(1.0)
    assert client.batch_write_item(RequestItems=left)["UnprocessedItems"] == {}


def test_units_are_counted_by_table_operation_and_caller(bench: Bench) -> None:
    """Those of the service: a transaction takes twice as many, a read that may be stale half."""
    before = bench.service.told()
    app, job = bench.client("app"), bench.client("job")
    item = key("a") | {"colour": {"S": "red"}}
    app.put_item(TableName=bench.table, Item=item)
    app.transact_write_items(TransactItems=[{"Put": {"TableName": bench.table, "Item": key("b")}}])
    job.get_item(TableName=bench.table, Key=key("a"))
    job.get_item(TableName=bench.table, Key=key("a"), ConsistentRead=True)
    told = bench.service.told().since(before)
    assert told.operations == {"PutItem": 1, "TransactWriteItems": 1, "GetItem": 2}
    assert told.units == {
        Unit(bench.table, "", "Write", "PutItem", "app"): 1.0,
        Unit(bench.table, "by-colour", "Write", "PutItem", "app"): 1.0,
        Unit(bench.table, "", "Write", "TransactWriteItems", "app"): 2.0,
        Unit(bench.table, "", "Read", "GetItem", "job"): 1.5,
    }
    assert total(told.units, table=bench.table, kind="Write", index="") == 3.0


def test_a_caller_is_told_as_much_of_its_units_as_it_asked_for(bench: Bench) -> None:
    """Nothing, the total, or all, though the service asks for all."""
    client = bench.client()
    item = key("a") | {"colour": {"S": "red"}}
    request: dict[str, Any] = {"TableName": bench.table, "Item": item}
    assert "ConsumedCapacity" not in client.put_item(**request)
    told = client.put_item(**request, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert told == {"TableName": bench.table, "CapacityUnits": 1.0}
    told = client.put_item(**request | {"Item": key("c")}, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert told["Table"] == {"CapacityUnits": 1.0}
    wrong = refused(client.put_item, **request, ReturnConsumedCapacity="SOME")
    assert wrong["Error"]["Code"] == "ValidationException"


def test_the_log_has_every_request_in_order(bench: Bench) -> None:
    """Who asked for what, of which tables, and what came of it."""
    client = bench.client("app")
    client.put_item(TableName=bench.table, Item=key("a"))
    _ = refused(client.put_item, TableName=bench.table, Item=key("a"), ConditionExpression="attribute_not_exists(pk)")
    _ = bench.service.throttle(times=1)
    _ = refused(client.get_item, TableName=bench.table, Key=key("a"))
    client.list_tables()
    assert [
        (each.caller, each.operation, each.tables, each.status, each.code, each.fault) for each in bench.service.log
    ] == [
        ("app", "PutItem", (bench.table,), 200, "", ""),
        ("app", "PutItem", (bench.table,), 400, "ConditionalCheckFailedException", ""),
        ("app", "GetItem", (bench.table,), 400, "ProvisionedThroughputExceededException", "throttled"),
        ("app", "ListTables", (), 200, "", ""),
    ]
    assert bench.service.faults == {"throttled": 1}
