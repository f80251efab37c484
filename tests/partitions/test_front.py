"""The model behind DynamoDB's requests: what is throttled, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.effects import Reply, Request
from crossfade.errors import ServiceRejected
from crossfade.partitions import Front, Provisioned, Topology


def item(number: int, size: int = 0) -> dict[str, Any]:
    return {"customer": {"S": "acme"}, "order": {"N": str(number)}, "text": {"S": "x" * size}}


def front(**options: Any) -> Front:
    return Front(Topology(1, splits=False, **options), ("customer", "order"))


def put(number: int, size: int = 0) -> Request:
    return {"TableName": "orders", "Item": item(number, size)}


def test_a_write_too_many_is_throttled_in_the_services_words() -> None:
    """By the partition of a table on demand; a second later it goes."""
    made = front()
    for number in range(1_000):
        assert made.call("PutItem", put(number), 0.0) == {}
    with pytest.raises(ServiceRejected) as caught:
        _ = made.call("PutItem", put(1_000), 0.0)
    assert caught.value.code == "ThrottlingException"
    assert caught.value.response["ThrottlingReasons"] == [{"reason": "TableWriteKeyRangeThroughputExceeded"}]
    _ = made.call("PutItem", put(1_000), 1.0)


def test_a_provisioned_table_says_that_its_throughput_is_exceeded() -> None:
    """The table's capacity is used up before the partition's."""
    made = Front(Topology(1, provisioned=Provisioned(10.0, 2.0)), ("customer", "order"), on_demand=False)
    _ = made.call("PutItem", put(1, 1_500), 0.0)
    with pytest.raises(ServiceRejected) as caught:
        _ = made.call("PutItem", put(2), 0.0)
    assert caught.value.code == "ProvisionedThroughputExceededException"


def test_a_batch_gives_back_what_does_not_fit() -> None:
    """25 items of 50 units each: 20 are written, 5 come back; when none fits, it is an error."""
    written: list[Any] = []

    def answer(operation: str, request: Request) -> Reply:
        assert operation == "BatchWriteItem"
        written.extend(request["RequestItems"]["orders"])
        return {"UnprocessedItems": {}}

    made = Front(Topology(1, splits=False), ("customer", "order"), answer)
    entries = [{"PutRequest": {"Item": item(number, 50 * 1024 - 60)}} for number in range(25)]
    reply = made.call("BatchWriteItem", {"RequestItems": {"orders": entries}}, 0.0)
    assert (len(written), len(reply["UnprocessedItems"]["orders"])) == (20, 5)
    with pytest.raises(ServiceRejected, match="ThrottlingException"):
        _ = made.call("BatchWriteItem", {"RequestItems": reply["UnprocessedItems"]}, 0.0)
    assert made.call("BatchWriteItem", {"RequestItems": reply["UnprocessedItems"]}, 1.0)["UnprocessedItems"] == {}


def test_what_was_written_is_what_a_read_costs() -> None:
    """An item of 400 KB is 50 units eventually consistent: 60 of them a second, no more."""
    made = front()
    _ = made.call("PutItem", put(1, 400 * 1024 - 40), 0.0)
    get = {"Key": {name: item(1)[name] for name in ("customer", "order")}}
    for _ in range(60):
        _ = made.call("GetItem", get, 0.0)
    with pytest.raises(ServiceRejected):
        _ = made.call("GetItem", get, 0.0)
    keys = [get["Key"], {**get["Key"], "order": {"N": "2"}}]
    reply = made.call("BatchGetItem", {"RequestItems": {"orders": {"Keys": keys}}}, 0.01)
    assert reply["UnprocessedKeys"]["orders"]["Keys"] == [get["Key"]]


def test_a_deleted_item_costs_little() -> None:
    """A DeleteItem is charged what was there, and what comes after it one unit."""
    made = front()
    _ = made.call("PutItem", put(1, 300 * 1024), 0.0)
    delete = {"Key": {name: item(1)[name] for name in ("customer", "order")}}
    _ = made.call("DeleteItem", delete, 1.0)
    with pytest.raises(ServiceRejected):
        _ = made.call("PutItem", put(2, 390 * 1024 + 350 * 1024), 1.0)
    for _ in range(600):
        _ = made.call("DeleteItem", delete, 1.0)


def test_a_transaction_costs_twice_and_is_taken_whole() -> None:
    """What does not fit is canceled, with a reason for each action, and nothing of it is charged."""
    made = front()
    _ = made.call("PutItem", put(0, 500 * 1024), 0.0)
    actions = [{"Put": put(1, 200 * 1024)}, {"Put": put(2, 10)}]
    for _ in range(2):
        _ = made.call("TransactWriteItems", {"TransactItems": actions}, 0.5)
    with pytest.raises(ServiceRejected) as caught:
        _ = made.call("TransactWriteItems", {"TransactItems": actions}, 0.5)
    assert caught.value.code == "TransactionCanceledException"
    assert caught.value.response["CancellationReasons"][0]["Code"] == "ThrottlingError"


@pytest.mark.parametrize(
    "request_",
    [
        {"KeyConditionExpression": "customer = :c", "ExpressionAttributeValues": {":c": {"S": "acme"}}},
        {
            "KeyConditionExpression": "#c = :c AND #o > :o",
            "ExpressionAttributeNames": {"#c": "customer", "#o": "order"},
            "ExpressionAttributeValues": {":c": {"S": "acme"}, ":o": {"N": "1"}},
        },
        {"KeyConditions": {"customer": {"AttributeValueList": [{"S": "acme"}], "ComparisonOperator": "EQ"}}},
    ],
)
def test_a_query_is_charged_what_it_answers(request_: Request) -> None:
    """A page of 1 MB is 128 units, so 24 of them are taken in a second, and the debt of the last is paid first."""
    page = [item(number, 102_400 - 30) for number in range(10)]

    def answer(operation: str, request: Request) -> Reply:
        assert (operation, request) == ("Query", request_)
        return {"Items": page}

    made = Front(Topology(1, splits=False), ("customer", "order"), answer)
    for _ in range(24):
        _ = made.call("Query", request_, 0.0)
    with pytest.raises(ServiceRejected):
        _ = made.call("Query", request_, 0.0)


def test_a_query_without_its_partition_key_is_refused() -> None:
    """As the service refuses it."""
    wrong = {"KeyConditionExpression": "other = :c", "ExpressionAttributeValues": {":c": {"S": "acme"}}}
    with pytest.raises(ServiceRejected, match="missed key schema element"):
        _ = front().call("Query", wrong, 0.0)


def test_a_collection_that_a_local_index_bounds_is_refused_more() -> None:
    """With the service's error, which is no throttle."""
    made = front(local_index=True)
    made.topology.resize(made.place(item(0)), 10 * 1024**3)
    with pytest.raises(ServiceRejected, match="ItemCollectionSizeLimitExceededException"):
        _ = made.call("PutItem", put(1), 0.0)
