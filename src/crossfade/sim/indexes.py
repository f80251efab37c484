"""Indexes of the simulated tables: what they hold, in which order, and how DescribeTable tells of them.

An entry follows its item at some time. So a global index may be read as it was a moment ago, and refuses a strongly
consistent Query; a local one takes it. Items with one sort value come in an order of the table's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from crossfade.core.items import Item
from crossfade.core.key_names import KeyNames
from crossfade.core.tables.index_keys import KEY_ROLES

Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class SimIndex:
    """One index. `kinds` are the types of its key attributes; `held`: what it holds beside keys, all if None."""

    name: str
    names: KeyNames
    kinds: Mapping[str, str]
    is_global: bool
    held: tuple[str, ...] | None = None

    def has(self, item: Item) -> bool:
        """Whether an item has an entry."""
        return all(name in item for name in self.names.every)

    def entry(self, item: Item, key_names: tuple[str, ...]) -> Item:
        """Return what the index holds of an item."""
        if self.held is None:
            return item
        names = dict.fromkeys((*key_names, *self.names.every, *self.held))
        return {name: item[name] for name in names if name in item}

    def describe(self, key_names: tuple[str, ...]) -> dict[str, Any]:
        """Return what DescribeTable tells of it."""
        kind = "ALL" if self.held is None else "INCLUDE" if self.held else "KEYS_ONLY"
        told: dict[str, Any] = {"ProjectionType": kind}
        if self.held:
            told["NonKeyAttributes"] = [name for name in self.held if name not in key_names]
        status = {"IndexStatus": "ACTIVE"} if self.is_global else {}
        return {"IndexName": self.name, "KeySchema": key_schema(self.names), "Projection": told, **status}


def key_schema(names: KeyNames) -> list[dict[str, str]]:
    return [
        {"AttributeName": name, "KeyType": role}
        for role, of_role in zip(KEY_ROLES, (names.partition, names.sort), strict=True)
        for name in of_role
    ]


def among_equals(table: str, key: Place) -> int:
    """Return the place of an item among those with its sort value: each table has an order of its own."""
    return crc32(f"{table} {key}".encode())


KINDS: Final = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")


def described_indexes(indexes: Mapping[str, SimIndex], key_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the parts of a table's description that tell of its indexes."""
    told: dict[str, Any] = {}
    for kind in KINDS:
        found = [each.describe(key_names) for each in indexes.values() if each.is_global == (kind == KINDS[0])]
        if found:
            told[kind] = found
    return told


def attribute_kinds(key_names: tuple[str, ...], indexes: Mapping[str, SimIndex]) -> Iterator[dict[str, str]]:
    """The types of all key attributes; those of the simulated tables' own keys are texts."""
    kinds = dict.fromkeys(key_names, "S")
    for each in indexes.values():
        kinds |= each.kinds
    for name, kind in kinds.items():
        yield {"AttributeName": name, "AttributeType": kind}
