"""A boto3 resource's Python values in requests of the low-level form."""

from __future__ import annotations

from typing import Any, Final, cast

from boto3.dynamodb.types import TypeDeserializer

from tests.contract.answers import list_of

KINDS: Final = frozenset({"S", "N", "B", "SS", "NS", "BS", "BOOL", "NULL", "L", "M"})


def python_values(value: Any) -> Any:
    """The same request, as one gives it to a resource."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        if len(given) == 1 and given.keys() <= KINDS:
            deserializer: Any = TypeDeserializer()
            return deserializer.deserialize(given)
        return {name: python_values(inner) for name, inner in given.items()}
    if isinstance(value, list):
        return [python_values(inner) for inner in list_of(value)]
    return value
