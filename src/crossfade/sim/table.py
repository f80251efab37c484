"""One in-memory table: its items, what they were a moment ago, and its indexes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from zlib import crc32

from crossfade.core.items import Item, parse_number
from crossfade.errors import invalid_request
from crossfade.sim.indexes import SimIndex, among_equals

Key: TypeAlias = tuple[Any, ...]

VERSIONS_KEPT: Final = 4  # how far back, in writes, an eventually consistent read can look


def value_key(value: dict[str, Any]) -> Any:
    """One hashable and sortable form of a key attribute: equal numbers are one key."""
    kind, held = next(iter(value.items()))
    return parse_number(held) if kind == "N" else held


@dataclass(slots=True)
class SimTable:
    """One table. Items are replaced as wholes and never changed in place, so they may be shared freely."""

    name: str
    key_names: tuple[str, ...]
    items: dict[Key, Item] = field(default_factory=dict[Key, Item])
    versions: dict[Key, list[tuple[float, Item | None]]] = field(
        default_factory=dict[Key, list[tuple[float, Item | None]]]
    )
    indexes: dict[str, SimIndex] = field(default_factory=dict[str, SimIndex])
    changes: list[tuple[float, Item]] = field(default_factory=list[tuple[float, Item]])  # as its stream has them

    def key(self, item: Item) -> Key:
        """Raises ServiceRejected where a key attribute is missing, as DynamoDB does."""
        try:
            return tuple([value_key(item[name]) for name in self.key_names])
        except KeyError:
            raise invalid_request("The provided key element does not match the schema") from None

    def get(self, key: Key, as_of: float | None = None) -> Item | None:
        """What is there now, or what was there at `as_of` (virtual seconds)."""
        if as_of is None or key not in self.versions:
            return self.items.get(key)
        versions = self.versions[key]
        for written, item in reversed(versions):
            if written <= as_of:
                return item
        return versions[0][1]

    def set(self, key: Key, item: Item | None, now: float) -> None:
        before = self.items.get(key)
        image = item or before
        if image is not None and item != before:
            self.changes.append((now, {name: image[name] for name in self.key_names}))
        versions = self.versions.setdefault(key, [(0.0, before)])
        versions.append((now, item))
        if len(versions) > VERSIONS_KEPT:
            del versions[0]
        if item is None:
            _ = self.items.pop(key, None)
        else:
            self.items[key] = item

    def ordered(self, partition: Any = None) -> list[tuple[int, Key, Item]]:
        """Every item, or those of a partition, in scan order: by the hash of its partition, then by sort key."""
        found = [(key, item) for key, item in self.items.items() if partition is None or key[0] == partition]
        return sorted(((partition_hash(key), key, item) for key, item in found), key=lambda row: (row[0], row[1]))

    def index(self, name: str) -> SimIndex:
        try:
            return self.indexes[name]
        except KeyError:
            raise invalid_request(f"The table does not have the specified index: {name}") from None

    def entries(self, index: SimIndex, as_of: float | None) -> list[tuple[Key, Item]]:
        """Every entry of an index with its item's key, as it was at `as_of`."""
        known = self.items if as_of is None else {**dict.fromkeys(self.versions), **self.items}
        found = [(key, self.get(key, as_of)) for key in known]
        return [(key, index.entry(item, self.key_names)) for key, item in found if item is not None and index.has(item)]

    def index_place(self, index: SimIndex, entry: Item) -> Key:
        """Return the place of an entry, or of a token, in its partition."""
        key = self.key(entry)
        return (tuple([value_key(entry[name]) for name in index.names.sort]), among_equals(self.name, key), key)


def partition_hash(key: Key) -> int:
    return crc32(str(key[0]).encode())
