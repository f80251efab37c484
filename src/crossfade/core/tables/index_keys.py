"""Attributes that are keys of indexes, as a table's description tells them, and what an item may not hold in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from crossfade.core.items import AttributeValue, Item, value_bytes
from crossfade.core.mapping import Kind
from crossfade.core.tables.descriptions import all_indexes, key_names_of, kinds_of

Role = Literal["HASH", "RANGE"]
KEY_ROLES: Final[tuple[Role, Role]] = ("HASH", "RANGE")

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-partition-sort-keys
KEY_ROLE_BYTES_MAX: Final[dict[Role, int]] = {"HASH": 2048, "RANGE": 1024}
KEY_TOO_LONG: Final[dict[Role, str]] = {
    "HASH": "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of"
    "2048 bytes",
    "RANGE": "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit"
    " of 1024 bytes",
}
EMPTY_KEY_VALUE: Final = (
    "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The"
    " AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: {index}, IndexKey: {name}"
)
KEY_TYPE_MISMATCH: Final = (
    "One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {kind} Actual: {found}"
    " IndexName: {index}"
)


@dataclass(frozen=True, slots=True)
class IndexKey:
    """One attribute that is a key of an index: an item may lack it, but not hold anything else in it."""

    attribute: str
    kind: Kind
    index: str
    role: Role


def index_keys(description: Mapping[str, Any]) -> tuple[IndexKey, ...]:
    """Return every index key attribute of a described table that is not in the table's own key."""
    kinds, own = kinds_of(description), key_names_of(description).every
    return tuple(
        IndexKey(name, kinds[name], index["IndexName"], part["KeyType"])
        for index in all_indexes(description)
        for part in index["KeySchema"]
        if (name := part["AttributeName"]) not in own
    )


def why_refused(item: Item, keys: tuple[IndexKey, ...]) -> str | None:
    """What the service says of an item because of its index keys; None where it takes it."""
    if (said := wrong_kind(item, keys)) is not None:
        return said
    held = [(key, item[key.attribute]) for key in keys if key.attribute in item]
    return next((said for key, value in held if (said := too_long(value, key.role)) is not None), None)


def wrong_kind(item: Item, keys: tuple[IndexKey, ...]) -> str | None:
    """Return what is wrong with the item's index keys apart from their length; empty values come first."""
    held = [(key, item[key.attribute]) for key in keys if key.attribute in item]
    for key, value in held:
        if key.kind != "N" and value.get(key.kind, "some") in ("", b""):
            kind = "binary" if key.kind == "B" else "string"
            return EMPTY_KEY_VALUE.format(kind=kind, index=key.index, name=key.attribute)
    for key, value in held:
        if key.kind not in value:
            found = next(iter(value))
            return KEY_TYPE_MISMATCH.format(name=key.attribute, kind=key.kind, found=found, index=key.index)
    return None


def is_of_form(said: str) -> bool:
    """Whether a transaction is refused as a whole for it, before any condition is looked at."""
    return OF_PUT.search(said) is not None


def as_of_update(text: str) -> str:
    """Return a put's error text in the words that the service uses for an update."""
    return OF_PUT.sub(OF_UPDATE, text)


OF_PUT: Final = re.compile(
    r"A value specified for a secondary index key is not supported\. (The AttributeValue for a key attribute cannot"
    r" contain an empty (?:string|binary) value\.) IndexName: .*, IndexKey: .*"
)
OF_UPDATE: Final = (
    r"The update expression attempted to update a secondary index key to a value that is not supported. \1"
)


def too_long(value: AttributeValue, role: Role) -> str | None:
    """What the service says of a key attribute of this size."""
    return KEY_TOO_LONG[role] if value_bytes(value) > KEY_ROLE_BYTES_MAX[role] else None
