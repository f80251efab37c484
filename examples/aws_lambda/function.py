"""The function: carts that are filled, looked at and emptied. Two lines more than it had before."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

import crossfade
from examples.aws_lambda.migration import migration

table = boto3.resource("dynamodb", config=Config(connect_timeout=1, read_timeout=2)).Table("carts")
# The first line. Two seconds, since this plays in a minute what in earnest takes days; leave it at ten there.
router = crossfade.attach(table, migration, background="inline", lease_seconds=2)


def handler(event: dict[str, Any], context: object) -> Any:
    """Return the cart as it is after the event; None where there is none."""
    del context
    key = {"customer": event["customer"], "cart": event["cart"]}
    with router.invocation():  # the second line
        match event["what"]:
            case "add":
                return table.update_item(
                    Key=key,
                    UpdateExpression="ADD #count :one SET call_number = :number",
                    ExpressionAttributeNames={"#count": "count"},
                    ExpressionAttributeValues={":one": 1, ":number": event["number"]},
                    ReturnValues="ALL_NEW",
                )["Attributes"]
            case "empty":
                table.delete_item(Key=key)
                return None
            case _:
                return table.get_item(Key=key, ConsistentRead=True).get("Item")
