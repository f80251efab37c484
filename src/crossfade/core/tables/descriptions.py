"""What DescribeTable tells of a table and of its indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossfade.core.key_names import KeyNames
from crossfade.core.mapping import Kind


def kinds_of(description: Mapping[str, Any]) -> dict[str, Kind]:
    """The types of all attributes of keys."""
    return {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}


def description_key(description: Mapping[str, Any]) -> dict[str, Kind]:
    """The key of a table as a migration declares it: name -> type, partition first."""
    kinds = kinds_of(description)
    return {name: kinds[name] for name in key_names_of(description).every}


def key_names_of(described: Mapping[str, Any]) -> KeyNames:
    """The key of a table or of an index."""
    partition, sort = (
        tuple(part["AttributeName"] for part in described["KeySchema"] if part["KeyType"] == role)
        for role in ("HASH", "RANGE")
    )
    return KeyNames(partition, sort)


def all_indexes(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*description.get("GlobalSecondaryIndexes", ()), *description.get("LocalSecondaryIndexes", ())]


def is_local(description: Mapping[str, Any], index: Mapping[str, Any]) -> bool:
    return any(index["IndexName"] == each["IndexName"] for each in description.get("LocalSecondaryIndexes", ()))
