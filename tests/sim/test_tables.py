"""The in-memory DynamoDB: what routines rely on."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.items import Item
from crossfade.errors import ServiceRejected
from crossfade.sim.tables import TOKEN_SECONDS, Database


def database(*keys: str) -> Database:
    made = Database({"orders": ("pk", "sk")})
    for n, key in enumerate(keys):
        _ = made.perform("PutItem", {"TableName": "orders", "Item": item(key, n)}, 0.0)
    return made


def item(key: str, n: int) -> Item:
    return {**where(key), "n": {"N": str(n)}}


def where(key: str) -> Item:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1:]}}


def check_of(key: str, condition: str) -> dict[str, Any]:
    return {"ConditionCheck": {"TableName": "orders", "Key": where(key), "ConditionExpression": condition}}


def get(tables: Database, key: str, **more: Any) -> Item | None:
    found: Item | None = tables.perform("GetItem", {"TableName": "orders", "Key": where(key), **more}, 9.0).get("Item")
    return found


def names(reply: dict[str, Any]) -> list[str]:
    return [found["pk"]["S"] + found["sk"]["S"] for found in reply["Items"]]


def test_a_condition_that_fails_changes_nothing_and_may_show_the_item() -> None:
    """The refusal carries what DynamoDB sends."""
    tables = database("a1")
    request = {
        "TableName": "orders",
        "Item": item("a1", 9),
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    with pytest.raises(ServiceRejected) as refused:
        _ = tables.perform("PutItem", request, 1.0)
    assert refused.value.code == "ConditionalCheckFailedException"
    assert refused.value.response["Item"] == item("a1", 0)
    assert get(tables, "a1") == item("a1", 0)


def test_a_transaction_is_all_or_nothing_with_a_reason_for_each_action() -> None:
    """One failed check, and neither action is carried out."""
    tables = database("a1")
    put = {"Put": {"TableName": "orders", "Item": item("a2", 5)}}
    check = check_of("a1", "attribute_not_exists(pk)")
    with pytest.raises(ServiceRejected) as refused:
        _ = tables.perform("TransactWriteItems", {"TransactItems": [put, check]}, 1.0)
    reasons = refused.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert get(tables, "a2") is None


def test_a_check_changes_nothing() -> None:
    """A ConditionCheck that holds lets the transaction through and leaves its item."""
    tables = database("a1")
    check = check_of("a1", "attribute_exists(pk)")
    delete = {"Delete": {"TableName": "orders", "Key": where("a2")}}
    _ = tables.perform("TransactWriteItems", {"TransactItems": [check, delete]}, 1.0)
    assert get(tables, "a1") == item("a1", 0)


def test_a_token_makes_a_transaction_happen_once() -> None:
    """Within ten minutes the same request with the same token writes once; another request with it is refused."""
    tables = database("a1")
    update = {
        "TableName": "orders",
        "Key": where("a1"),
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    request = {"TransactItems": [{"Update": update}], "ClientRequestToken": "t"}
    for moment in (1.0, 2.0):
        _ = tables.perform("TransactWriteItems", request, moment)
    assert get(tables, "a1") == item("a1", 1)
    other = {**request, "TransactItems": [{"Delete": {"TableName": "orders", "Key": where("a1")}}]}
    with pytest.raises(ServiceRejected) as refused:
        _ = tables.perform("TransactWriteItems", other, 3.0)
    assert refused.value.code == "IdempotentParameterMismatchException"
    _ = tables.perform("TransactWriteItems", request, 2.0 + TOKEN_SECONDS)
    assert get(tables, "a1") == item("a1", 2)


def test_a_query_pages_in_both_directions() -> None:
    """In the order of the sort key, each page after the last key of the one before."""
    tables = database("b9", "a2", "a1", "a3")
    for forward, expected in ((True, ["a1", "a2", "a3"]), (False, ["a3", "a2", "a1"])):
        request: dict[str, Any] = {
            "TableName": "orders",
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "a"}},
            "ScanIndexForward": forward,
            "Limit": 2,
        }
        first = tables.perform("Query", request, 1.0)
        rest = tables.perform("Query", {**request, "ExclusiveStartKey": first["LastEvaluatedKey"]}, 1.0)
        assert names(first) + names(rest) == expected
        assert "LastEvaluatedKey" not in rest


def test_the_segments_of_a_scan_are_a_partition_of_the_table() -> None:
    """Every item in exactly one segment, however it is paged."""
    tables = database("a1", "a2", "b1", "c1", "d1", "e1")
    seen: list[str] = []
    for segment in range(3):
        request: dict[str, Any] = {"TableName": "orders", "Segment": segment, "TotalSegments": 3, "Limit": 1}
        while True:
            page = tables.perform("Scan", request, 1.0)
            seen += names(page)
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    assert sorted(seen) == ["a1", "a2", "b1", "c1", "d1", "e1"]


def test_an_eventually_consistent_read_may_see_the_past() -> None:
    """With `as_of` it sees what was there then; a strongly consistent one sees what is there."""
    tables = database("a1")
    _ = tables.perform("PutItem", {"TableName": "orders", "Item": item("a1", 7)}, 5.0)
    request = {"TableName": "orders", "Key": where("a1")}
    assert tables.perform("GetItem", request, 6.0, as_of=4.0)["Item"] == item("a1", 0)
    assert tables.perform("GetItem", {**request, "ConsistentRead": True}, 6.0, as_of=4.0)["Item"] == item("a1", 7)


def test_batches_write_and_read_several_items() -> None:
    """Puts and deletes in one call; what is not there is left out of the answer."""
    tables = database("a1")
    actions = [{"PutRequest": {"Item": item("a2", 2)}}, {"DeleteRequest": {"Key": where("a1")}}]
    _ = tables.perform("BatchWriteItem", {"RequestItems": {"orders": actions}}, 1.0)
    wanted = {"RequestItems": {"orders": {"Keys": [where("a1"), where("a2")]}}}
    assert tables.perform("BatchGetItem", wanted, 2.0)["Responses"] == {"orders": [item("a2", 2)]}


def test_equal_numbers_are_one_key() -> None:
    """`1.0` and `1` name the same item."""
    tables = Database({"numbers": ("n",)})
    _ = tables.perform("PutItem", {"TableName": "numbers", "Item": {"n": {"N": "1.0"}}}, 1.0)
    found = tables.perform("GetItem", {"TableName": "numbers", "Key": {"n": {"N": "1"}}}, 2.0)
    assert "Item" in found
