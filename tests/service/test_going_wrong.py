"""What goes wrong in the service: throttling, conflicts, its own errors, answers that are lost, delays."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.conftest import new_botocore_session
from tests.service import Answer, FakeService, Lost, Received
from tests.service.answers import ACCOUNT_EXCEEDED, INDEX_EXCEEDED, SCALING, TABLE_EXCEEDED, refusal
from tests.service.conftest import ONCE, Bench, key, refused

CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons "


def puts(bench: Bench, *names: str) -> list[dict[str, Any]]:
    return [{"Put": {"TableName": bench.table, "Item": key(name)}} for name in names]


def stored(bench: Bench) -> set[str]:
    return {item["pk"]["S"] for item in bench.direct.scan(TableName=bench.table, ConsistentRead=True)["Items"]}


# --- throttling


def test_a_throttled_write_is_told_with_its_reason(bench: Bench) -> None:
    """API_ProvisionedThroughputExceededException: the text of the table, and the reason with the table's ARN."""
    rule = bench.service.throttle(table=bench.table, operation="PutItem", times=1)
    client = bench.client()
    error = refused(client.put_item, TableName=bench.table, Item=key("a"))
    assert error["Error"] == {"Code": "ProvisionedThroughputExceededException", "Message": TABLE_EXCEEDED}
    assert error["ThrottlingReasons"] == [{"reason": "TableWriteProvisionedThroughputExceeded", "resource": bench.arn}]
    assert stored(bench) == set()
    client.put_item(TableName=bench.table, Item=key("a"))
    assert rule.played == 1


@pytest.mark.parametrize(
    ("limit", "code", "text", "member"),
    [
        ("KeyRangeThroughputExceeded", "ThrottlingException", SCALING, "throttlingReasons"),
        ("MaxOnDemandThroughputExceeded", "ThrottlingException", SCALING, "throttlingReasons"),
        ("AccountLimitExceeded", "RequestLimitExceeded", ACCOUNT_EXCEEDED, "ThrottlingReasons"),
    ],
)
def test_each_limit_has_its_error(bench: Bench, limit: Any, code: str, text: str, member: str) -> None:
    """The members of the errors are those of the API's model, in their case."""
    _ = bench.service.throttle(limit=limit)
    error = refused(bench.client().get_item, TableName=bench.table, Key=key("a"))
    assert error["Error"] == {"Code": code, "Message": text}
    assert error[member] == [{"reason": f"TableRead{limit}", "resource": bench.arn}]


def test_an_index_is_throttled_where_it_is_read_and_where_its_table_is_written(bench: Bench) -> None:
    """A global index without capacity holds up the writes of its table."""
    _ = bench.service.throttle(table=bench.table, index="by-colour")
    client = bench.client()
    client.get_item(TableName=bench.table, Key=key("a"))
    error = refused(client.put_item, TableName=bench.table, Item=key("a"))
    assert error["Error"]["Message"] == INDEX_EXCEEDED
    assert error["ThrottlingReasons"] == [
        {"reason": "IndexWriteProvisionedThroughputExceeded", "resource": f"{bench.arn}/index/by-colour"}
    ]


def test_a_partition_key_is_throttled_alone(bench: Bench) -> None:
    """Writes and reads of other keys go on."""
    _ = bench.service.throttle(key={"pk": {"S": "hot"}}, limit="KeyRangeThroughputExceeded")
    client = bench.client()
    client.put_item(TableName=bench.table, Item=key("cold"))
    assert refused(client.put_item, TableName=bench.table, Item=key("hot"))["Error"]["Code"] == "ThrottlingException"
    query: dict[str, Any] = {"TableName": bench.table, "KeyConditionExpression": "pk = :pk"}
    error = refused(client.query, **query, ExpressionAttributeValues={":pk": {"S": "hot"}})
    assert error["throttlingReasons"][0]["reason"] == "TableReadKeyRangeThroughputExceeded"
    client.query(**query, ExpressionAttributeValues={":pk": {"S": "cold"}})


def test_a_throttled_transaction_is_cancelled_with_a_reason_for_each_action(bench: Bench) -> None:
    """API_TransactWriteItems: ThrottlingError, ProvisionedThroughputExceeded, or None, in the order of the actions."""
    _ = bench.service.throttle(key={"pk": {"S": "b"}})
    error = refused(bench.client().transact_write_items, TransactItems=puts(bench, "a", "b"))
    assert error["Error"] == {
        "Code": "TransactionCanceledException",
        "Message": f"{CANCELLED}[None, ProvisionedThroughputExceeded]",
    }
    assert error["CancellationReasons"] == [
        {"Code": "None"},
        {"Code": "ProvisionedThroughputExceeded", "Message": TABLE_EXCEEDED},
    ]
    assert stored(bench) == set()


def test_a_batch_is_done_in_part_and_tells_what_is_left(bench: Bench) -> None:
    """UnprocessedItems and UnprocessedKeys, by table, in the form of the request."""
    rule = bench.service.throttle(key={"pk": {"S": "b"}})
    client = bench.client()
    entries = [{"PutRequest": {"Item": key(name)}} for name in ("a", "b", "c")]
    answer = client.batch_write_item(RequestItems={bench.table: entries})
    assert answer["UnprocessedItems"] == {bench.table: [entries[1]]}
    assert stored(bench) == {"a", "c"}
    wanted = {"Keys": [key("a"), key("b"), key("c")], "ConsistentRead": True}
    answer = client.batch_get_item(RequestItems={bench.table: wanted})
    assert {item["pk"]["S"] for item in answer["Responses"][bench.table]} == {"a", "c"}
    assert answer["UnprocessedKeys"] == {bench.table: {"Keys": [key("b")], "ConsistentRead": True}}
    rule.stop()
    assert client.batch_write_item(RequestItems={bench.table: entries})["UnprocessedItems"] == {}


def test_a_batch_of_which_nothing_can_be_done_is_an_error(bench: Bench) -> None:
    """API_BatchWriteItem: "if none of the items can be processed ..."."""
    _ = bench.service.throttle()
    client = bench.client()
    entries = [{"PutRequest": {"Item": key(name)}} for name in ("a", "b")]
    error = refused(client.batch_write_item, RequestItems={bench.table: entries})
    assert error["Error"]["Code"] == "ProvisionedThroughputExceededException"
    error = refused(client.batch_get_item, RequestItems={bench.table: {"Keys": [key("a")]}})
    assert error["Error"]["Code"] == "ProvisionedThroughputExceededException"


def test_a_statement_of_a_batch_fails_in_its_place(bench: Bench) -> None:
    """API_BatchStatementError: the response of the statement has the error."""
    bench.direct.put_item(TableName=bench.table, Item=key("a"))
    _ = bench.service.throttle(operation="BatchExecuteStatement", times=1)
    statement = {"Statement": f"SELECT * FROM \"{bench.table}\" WHERE pk = 'a' AND sk = '1'"}  # noqa: S608 - a statement of ours
    first, second = bench.client().batch_execute_statement(Statements=[statement, statement])["Responses"]
    assert first == {
        "Error": {"Code": "ProvisionedThroughputExceeded", "Message": TABLE_EXCEEDED},
        "TableName": bench.table,
    }
    assert second["Item"] == key("a")


def test_operations_on_tables_are_throttled_by_name_alone(bench: Bench) -> None:
    """A throttled table can still be described, unless that is what is asked for."""
    _ = bench.service.throttle(table=bench.table)
    client = bench.client()
    client.describe_table(TableName=bench.table)
    _ = bench.service.throttle(operation="DescribeTable")
    error = refused(client.describe_table, TableName=bench.table)
    assert error["Error"] == {
        "Code": "ThrottlingException",
        "Message": "Rate of requests exceeds the allowed throughput.",
    }


def test_botocore_retries_what_is_throttled(bench: Bench) -> None:
    """By the attempts that it counts itself, a rule can be about the first one alone."""
    rule = bench.service.throttle(operation="PutItem", attempt=1)
    client = bench.client(config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    answer = client.put_item(TableName=bench.table, Item=key("a"))
    assert (rule.played, answer["ResponseMetadata"]["RetryAttempts"]) == (1, 1)
    assert [entry.attempt for entry in bench.service.log] == [1, 2]


# --- what is drawn


def drawn(service: FakeService, table: str, callers: tuple[str, ...]) -> dict[str, list[bool]]:
    """Which of each caller's twenty reads were throttled; the callers take turns in that order."""
    found: dict[str, list[bool]] = {caller: [] for caller in callers}
    clients: Any = {
        caller: new_botocore_session().create_client("dynamodb", config=ONCE, **service.client_options(caller))
        for caller in callers
    }
    for _ in range(20):
        for caller in callers:
            try:
                clients[caller].get_item(TableName=table, Key=key("a"))
                found[caller].append(False)
            except clients[caller].exceptions.ProvisionedThroughputExceededException:
                found[caller].append(True)
    return found


def test_what_is_drawn_depends_on_the_seed_and_not_on_the_others(bench: Bench) -> None:
    """The same seed, the same lots, whoever else asks."""
    url = f"http://127.0.0.1:{bench.direct.meta.endpoint_url.rpartition(':')[2]}"
    lots: list[dict[str, list[bool]]] = []
    for seed, callers in ((1, ("x", "y")), (1, ("y", "x")), (1, ("x",)), (2, ("x",))):
        with FakeService.start(url, seed=seed) as service:
            _ = service.throttle(share=0.5)
            lots.append(drawn(service, bench.table, callers))
    assert lots[0] == lots[1]
    assert lots[0]["x"] == lots[2]["x"] != lots[3]["x"]
    assert lots[0]["x"] != lots[0]["y"]
    assert 3 < sum(lots[0]["x"]) < 17


# --- conflicts


def test_a_conflict_of_one_write_is_an_error_of_its_own(bench: Bench) -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html, on conflicts."""
    _ = bench.service.conflict()
    client = bench.client()
    for call, request in (
        (client.put_item, {"Item": key("a")}),
        (client.update_item, {"Key": key("a")}),
        (client.delete_item, {"Key": key("a")}),
    ):
        error = refused(call, TableName=bench.table, **request)
        assert error["Error"] == {
            "Code": "TransactionConflictException",
            "Message": "Transaction is ongoing for the item",
        }
    client.get_item(TableName=bench.table, Key=key("a"))
    client.scan(TableName=bench.table)


def test_a_conflict_of_an_action_cancels_the_transaction(bench: Bench) -> None:
    """Of a write, and of a read."""
    _ = bench.service.conflict(key={"pk": {"S": "a"}})
    client = bench.client()
    reason = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    error = refused(client.transact_write_items, TransactItems=puts(bench, "a", "b"))
    assert error["Error"]["Message"] == f"{CANCELLED}[TransactionConflict, None]"
    assert error["CancellationReasons"] == [reason, {"Code": "None"}]
    gets = [{"Get": {"TableName": bench.table, "Key": key(name)}} for name in ("b", "a")]
    error = refused(client.transact_get_items, TransactItems=gets)
    assert error["CancellationReasons"] == [{"Code": "None"}, reason]


def test_a_token_in_use_is_told(bench: Bench) -> None:
    """TransactionInProgressException, of TransactWriteItems alone."""
    _ = bench.service.conflict(in_progress=True)
    error = refused(bench.client().transact_write_items, TransactItems=puts(bench, "a"))
    assert error["Error"]["Code"] == "TransactionInProgressException"


# --- errors and silence


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_servers_error_leaves_open_whether_the_request_was_carried_out(bench: Bench, carried_out: bool) -> None:
    """It may have been, or not."""
    _ = bench.service.fail(500, carried_out=carried_out, operation="PutItem")
    error = refused(bench.client().put_item, TableName=bench.table, Item=key("a"))
    assert error["Error"] == {"Code": "InternalServerError", "Message": "Internal server error"}
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert stored(bench) == ({"a"} if carried_out else set())


def test_what_stands_before_the_service_answers_with_a_page(bench: Bench) -> None:
    """botocore makes the status of it."""
    _ = bench.service.fail(503, html=True)
    error = refused(bench.client().put_item, TableName=bench.table, Item=key("a"))
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("503", 503)
    assert error["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/html"


@pytest.mark.parametrize("carried_out", [False, True])
def test_an_answer_is_lost_before_or_after_the_engine_had_the_request(bench: Bench, carried_out: bool) -> None:
    """The connection is reset."""
    _ = bench.service.lose(carried_out=carried_out, operation="PutItem", times=1)
    client = bench.client()
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        client.put_item(TableName=bench.table, Item=key("a"))
    assert stored(bench) == ({"a"} if carried_out else set())
    client.put_item(TableName=bench.table, Item=key("b"))
    assert [(entry.status, entry.fault) for entry in bench.service.log] == [(0, "reset"), (200, "")]


def test_a_silent_service_is_given_up_by_the_client(bench: Bench) -> None:
    """Nothing is heard until the client's own time is over."""
    _ = bench.service.lose(carried_out=True, silent=True, times=1)
    client = bench.client(config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    with pytest.raises(ReadTimeoutError):
        client.put_item(TableName=bench.table, Item=key("a"))
    assert stored(bench) == {"a"}


def test_a_request_is_delayed(bench: Bench) -> None:
    """It waits before it is looked at."""
    _ = bench.service.delay((0.05, 0.06), operation="PutItem")
    began = time.monotonic()
    bench.client().put_item(TableName=bench.table, Item=key("a"))
    assert time.monotonic() - began > 0.05
    assert bench.service.log[0].fault == "delay"


def test_calm_ends_all_rules(bench: Bench) -> None:
    """Nothing goes wrong afterwards."""
    _ = bench.service.throttle()
    bench.service.limit(bench.table, "Write", 0.001, burst_seconds=1)
    bench.service.calm()
    client = bench.client()
    for name in "abc":
        client.put_item(TableName=bench.table, Item=key(name))


# --- a plan of the test's own


def test_a_test_may_decide_about_each_request_itself(bench: Bench) -> None:
    """With an answer, with silence, or by holding it for as long as it likes."""
    gone, may_go = threading.Event(), threading.Event()

    def plan(received: Received) -> Answer | Lost | None:
        if received.operation == "DeleteItem":
            return refusal("LimitExceededException", "no")
        if received.operation == "PutItem":
            gone.set()
            assert may_go.wait(20)
        return Lost(carried_out=False) if received.operation == "GetItem" else None

    bench.service.plan(plan)
    client = bench.client()
    thread = threading.Thread(target=client.put_item, kwargs={"TableName": bench.table, "Item": key("a")})
    thread.start()
    assert gone.wait(20)
    assert refused(client.delete_item, TableName=bench.table, Key=key("a"))["Error"]["Code"] == "LimitExceededException"
    with pytest.raises(ConnectionClosedError):
        client.get_item(TableName=bench.table, Key=key("a"))
    assert stored(bench) == set()
    may_go.set()
    thread.join()
    assert stored(bench) == {"a"}
    bench.service.plan(None)
    client.get_item(TableName=bench.table, Key=key("a"))
