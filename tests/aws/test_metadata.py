"""What every answer of a plain table has beside its content: an id, a status, headers and a count of retries."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World


def outcomes(client: Any, world: World) -> list[tuple[str, dict[str, Any]]]:
    """Of operations of every kind, refused ones too."""
    name, key = world.migration.source.name, world.key("c", "1")
    where = {"KeyConditionExpression": "customer = :c", "ExpressionAttributeValues": {":c": {"S": "c"}}}
    refused = {"ConditionExpression": "attribute_exists(nothing)"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("put_item", {"TableName": name, "Item": key}),
        ("get_item", {"TableName": name, "Key": key, "ConsistentRead": True}),
        ("update_item", {"TableName": name, "Key": key, "UpdateExpression": "SET mood = customer"}),
        ("put_item", {"TableName": name, "Item": key, **refused}),
        ("put_item", {"TableName": name, "Item": {"customer": {"S": ""}, "order": {"S": "1"}}}),
        ("query", {"TableName": name, **where}),
        ("scan", {"TableName": name}),
        ("batch_get_item", {"RequestItems": {name: {"Keys": [key]}}}),
        ("batch_write_item", {"RequestItems": {name: [{"PutRequest": {"Item": key}}]}}),
        ("transact_get_items", {"TransactItems": [{"Get": {"TableName": name, "Key": key}}]}),
        ("transact_write_items", {"TransactItems": [{"Put": {"TableName": name, "Item": key}}]}),
        ("transact_write_items", {"TransactItems": [{"Put": {"TableName": name, "Item": key, **refused}}]}),
        ("delete_item", {"TableName": name, "Key": key}),
        ("describe_table", {"TableName": name}),
    ]
    found: list[tuple[str, dict[str, Any]]] = []
    for method, request in calls:
        try:
            answer: Any = getattr(client, method)(**request)
        except ClientError as error:
            answer = error.response
        found.append((method, answer["ResponseMetadata"]))
    return found


@pytest.mark.parametrize("stage", list(DUAL_WRITE))
def test_every_answer_has_what_a_plain_one_has(world: World, stage: Stage) -> None:
    """The id in the headers is that of the answer, and the date is one."""
    client = world.boto3_client()
    _ = world.attach(client)
    for each in DUAL_WRITE:
        world.set_stage(each)
        if each is stage:
            break
    for (method, ours), (_, plain) in zip(outcomes(client, world), outcomes(world.plain, world), strict=True):
        assert ours.keys() >= {"RequestId", "HTTPStatusCode", "HTTPHeaders", "RetryAttempts"}, method
        assert ours["HTTPStatusCode"] == plain["HTTPStatusCode"], method
        headers = ours["HTTPHeaders"]
        assert headers["x-amzn-requestid"] == ours["RequestId"], method
        assert headers["content-type"] == "application/x-amz-json-1.0", method
        assert parsedate_to_datetime(headers["date"]), method
