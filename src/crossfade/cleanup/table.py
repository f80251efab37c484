"""What a table is made of, as a value: kept beside its snapshot, and enough to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crossfade.core.effects import Request
from crossfade.core.mapping import Kind

FORM: Final = 1
ON_DEMAND: Final = "PAY_PER_REQUEST"
PROVISIONED: Final = "PROVISIONED"
UNITS: Final = ("ReadCapacityUnits", "WriteCapacityUnits")


def billing_of(description: Mapping[str, Any]) -> str:
    return str(description.get("BillingModeSummary", {}).get("BillingMode", PROVISIONED))


def throughput_of(described: Mapping[str, Any]) -> dict[str, int]:
    """Return the provisioned units of a table or an index."""
    found = described.get("ProvisionedThroughput", {})
    return {name: int(found.get(name, 0)) for name in UNITS}


def key_of(description: Mapping[str, Any]) -> dict[str, Kind]:
    """Name -> type, partition first."""
    kinds: dict[str, Kind] = {
        each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]
    }
    parts: list[dict[str, str]] = sorted(description["KeySchema"], key=lambda part: part["KeyType"] != "HASH")
    return {part["AttributeName"]: kinds[part["AttributeName"]] for part in parts}


def document_of(description: Mapping[str, Any], expiry: str) -> dict[str, Any]:
    """Return what restores the table, from its description and its TTL attribute ("" for none)."""
    provisioned = billing_of(description) == PROVISIONED

    def index(each: Mapping[str, Any], *, throughput: bool) -> dict[str, Any]:
        projection = {name: each["Projection"][name] for name in ("ProjectionType", "NonKeyAttributes")
                      if name in each["Projection"]}  # fmt: skip
        made = {"IndexName": each["IndexName"], "KeySchema": each["KeySchema"], "Projection": projection}
        return {**made, "ProvisionedThroughput": throughput_of(each)} if throughput else made

    create: Request = {
        "AttributeDefinitions": description["AttributeDefinitions"],
        "KeySchema": description["KeySchema"],
        "BillingMode": billing_of(description),
    }
    if provisioned:
        create["ProvisionedThroughput"] = throughput_of(description)
    if description.get("LocalSecondaryIndexes"):
        create["LocalSecondaryIndexes"] = [
            index(each, throughput=False) for each in description["LocalSecondaryIndexes"]
        ]
    if description.get("GlobalSecondaryIndexes"):
        create["GlobalSecondaryIndexes"] = [
            index(each, throughput=provisioned) for each in description["GlobalSecondaryIndexes"]
        ]
    stream = description.get("StreamSpecification", {})
    if stream.get("StreamEnabled"):
        create["StreamSpecification"] = dict(stream)
    if description.get("DeletionProtectionEnabled"):
        create["DeletionProtectionEnabled"] = True
    table_class = description.get("TableClassSummary", {}).get("TableClass")
    if table_class:
        create["TableClass"] = table_class
    encryption = description.get("SSEDescription", {})
    if encryption.get("SSEType") == "KMS":
        create["SSESpecification"] = {
            "Enabled": True,
            "SSEType": "KMS",
            "KMSMasterKeyId": encryption["KMSMasterKeyArn"],
        }
    return {
        "crossfade": FORM,
        "TableName": description["TableName"],
        "TableId": description.get("TableId", ""),
        "CreateTable": create,
        "TimeToLive": expiry,
    }


def create_request(document: Mapping[str, Any], name: str) -> Request:
    return {"TableName": name, **document["CreateTable"]}


def summary_of(document: Mapping[str, Any]) -> str:
    """What restore would make, in a line."""
    create: Mapping[str, Any] = document["CreateTable"]
    key = ", ".join(f"{name} ({kind})" for name, kind in key_of(create).items())
    indexes = [*create.get("GlobalSecondaryIndexes", ()), *create.get("LocalSecondaryIndexes", ())]
    parts = [f"key {key}", "on-demand" if create["BillingMode"] == ON_DEMAND else "provisioned"]
    parts += [f"indexes {', '.join(each['IndexName'] for each in indexes)}"] if indexes else []
    parts += ["a stream"] if "StreamSpecification" in create else []
    parts += [f"TTL on {document['TimeToLive']} (switched on at the end)"] if document.get("TimeToLive") else []
    return "; ".join(parts)
