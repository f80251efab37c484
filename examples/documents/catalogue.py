"""The application: a catalogue of documents, written for the old table. Nothing in here knows of a migration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.conditions import Attr, Key

Document = dict[str, Any]


@dataclass(frozen=True)
class Catalogue:
    """`table` is boto3's `Table("documents")`."""

    table: Any

    def find(self, tenant: str, document: str) -> Document | None:
        found: Document | None = self.table.get_item(
            Key={"tenant": tenant, "document": document}, ConsistentRead=True
        ).get("Item")
        return found

    def of_tenant(self, tenant: str) -> list[Document]:
        """All documents of a tenant, in the order of their names."""
        request: dict[str, Any] = {"KeyConditionExpression": Key("tenant").eq(tenant)}
        found: list[Document] = []
        while True:
            page = self.table.query(**request)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                return found
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def add(self, document: Document) -> None:
        self.table.put_item(Item=document)

    def revise(self, tenant: str, document: str, *, size_bytes: int, owner: str) -> Document:
        """The document as it then is."""
        revised: Document = self.table.update_item(
            Key={"tenant": tenant, "document": document},
            UpdateExpression="SET #bytes = :bytes, meta.#owner = :owner ADD revision :one",
            ConditionExpression=Attr("document").exists(),
            ExpressionAttributeNames={"#bytes": "bytes", "#owner": "owner"},
            ExpressionAttributeValues={":bytes": str(size_bytes), ":owner": owner, ":one": 1},
            ReturnValues="ALL_NEW",
        )["Attributes"]
        return revised

    def archive(self, tenant: str, document: str) -> Document:
        """The document as it then is."""
        archived: Document = self.table.update_item(
            Key={"tenant": tenant, "document": document},
            UpdateExpression="SET archived = :yes ADD revision :one",
            ExpressionAttributeValues={":yes": True, ":one": 1},
            ReturnValues="ALL_NEW",
        )["Attributes"]
        return archived

    def remove(self, tenant: str, document: str) -> None:
        self.table.delete_item(Key={"tenant": tenant, "document": document})
