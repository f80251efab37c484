"""The application's repository: members of a shop and the points that they have. It knows of no migration."""

from __future__ import annotations

from typing import Any

TABLE = "members"


class Members:
    """In the Region of this client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def find(self, member: str) -> dict[str, Any] | None:
        found = self._client.get_item(TableName=TABLE, Key=key_of(member), ConsistentRead=True).get("Item")
        return None if found is None else {"name": found["name"]["S"], "points": int(found["points"]["N"])}

    def join(self, member: str, name: str) -> None:
        item = {**key_of(member), "name": {"S": name}, "points": {"N": "0"}}
        self._client.put_item(TableName=TABLE, Item=item)

    def earn(self, member: str, points: int) -> int:
        """How many there are now."""
        answer = self._client.update_item(
            TableName=TABLE,
            Key=key_of(member),
            UpdateExpression="ADD points :more",
            ConditionExpression="attribute_exists(#name)",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":more": {"N": str(points)}},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["points"]["N"])

    def leave(self, member: str) -> None:
        self._client.delete_item(TableName=TABLE, Key=key_of(member))


def key_of(member: str) -> dict[str, Any]:
    return {"member": {"S": member}}
