"""The new repository: one table of DynamoDB. It knows of no migration either; `image` and `store` are for the Switch.

`client` is one that speaks Python's types, as `boto3.resource("dynamodb").meta.client` does.
"""

from __future__ import annotations

from typing import Any

from examples.mysql_to_dynamodb.shop import Entity, Key, Stale

TABLE = "shop"
SORT = {"customer": "profile", "order": "order"}
SAME = {"ConditionExpression": "revision = :seen"}
ABSENT = {"ConditionExpression": "attribute_not_exists(pk)"}


class InDynamoDB:
    def __init__(self, client: Any) -> None:
        self._client = client

    # --- what the service calls

    def find_customer(self, customer_id: int) -> Entity | None:
        return self.image(("customer", customer_id))

    def find_order(self, order_id: int) -> Entity | None:
        return self.image(("order", order_id))

    def show_order(self, order_id: int) -> Entity | None:
        return self._read(("order", order_id))

    def rename(self, customer_id: int, name: str, seen: int) -> None:
        self._update(
            ("customer", customer_id),
            UpdateExpression="SET #name = :name, revision = revision + :one",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues={":name": name, ":one": 1, ":seen": seen},
        )

    def place(self, order_id: int, customer_id: int, lines: list[Entity]) -> None:
        item = item_of(("order", order_id), {"customer": customer_id, "revision": 1, "lines": lines})
        self._transact({"Put": {"TableName": TABLE, "Item": item, **ABSENT}}, counted(customer_id, 1))

    def change(self, order_id: int, lines: list[Entity], seen: int) -> None:
        self._update(
            ("order", order_id),
            UpdateExpression="SET #lines = :lines, revision = revision + :one",
            ExpressionAttributeNames={"#lines": "lines"},
            ExpressionAttributeValues={":lines": lines, ":one": 1, ":seen": seen},
        )

    def cancel(self, order_id: int, customer_id: int, seen: int) -> None:
        delete = {"Key": key_of(("order", order_id)), "ExpressionAttributeValues": {":seen": seen}}
        self._transact({"Delete": {"TableName": TABLE, **delete, **SAME}}, counted(customer_id, -1))

    # --- what the Switch calls

    def image(self, key: Key) -> Entity | None:
        return self._read(key, ConsistentRead=True)

    def store(self, key: Key, image: Entity | None) -> None:
        if image is None:
            self._client.delete_item(TableName=TABLE, Key=key_of(key))
        else:
            self._client.put_item(TableName=TABLE, Item=item_of(key, image))

    def everything(self) -> dict[Key, Entity]:
        pages = self._client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
        return {read_key(item): entity_of(item) for page in pages for item in page["Items"]}

    # --- below

    def _read(self, key: Key, **how: bool) -> Entity | None:
        item = self._client.get_item(TableName=TABLE, Key=key_of(key), **how).get("Item")
        return None if item is None else entity_of(item)

    def _update(self, key: Key, **request: Any) -> None:
        try:
            self._client.update_item(TableName=TABLE, Key=key_of(key), **SAME, **request)
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise Stale from error

    def _transact(self, *actions: Entity) -> None:
        """What is one transaction in MySQL is one here."""
        try:
            self._client.transact_write_items(TransactItems=list(actions))
        except self._client.exceptions.TransactionCanceledException as error:
            raise Stale from error


def key_of(key: Key) -> Entity:
    return {"pk": f"{key[0]}#{key[1]}", "sk": SORT[key[0]]}


def read_key(item: Entity) -> Key:
    kind, _, number = item["pk"].partition("#")
    return kind, int(number)


def item_of(key: Key, entity: Entity) -> Entity:
    return key_of(key) | entity


def entity_of(item: Entity) -> Entity:
    return {name: value for name, value in item.items() if name not in ("pk", "sk")}


def counted(customer_id: int, change: int) -> Entity:
    """One order more, or less, of a customer."""
    update = {
        "TableName": TABLE,
        "Key": key_of(("customer", customer_id)),
        "UpdateExpression": "ADD orders :change",
        "ExpressionAttributeValues": {":change": change},
    }
    return {"Update": update}
