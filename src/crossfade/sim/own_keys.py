"""Targets whose key is an attribute of its own: derived from the old key, or one that the item has.

Of the latter an application that knows both tables gives the key with every item and every key; in a history nobody
speaks of it, since it is always the same.
"""

from __future__ import annotations

from typing import Final

from crossfade.core.items import Item
from crossfade.core.mapping import CompiledMapping
from crossfade.sim.history import KeyName

OWN_KEY: Final = "guid"
BY_OLD_KEY: Final = "by-old-key"  # an index of such a target: Queries of the source go by it


def with_own_key(mapping: CompiledMapping, item: Item) -> Item:
    """Return an item, or a key, of the source as it is where the target's key is one of its attributes."""
    if not mapping.target_key_extras:
        return item
    return {**item, OWN_KEY: {"S": own_key((item["pk"]["S"], item["sk"]["S"]))}}


def own_key(key: KeyName) -> str:
    return f"guid of {key[0]}/{key[1]}"


def without_own_key(mapping: CompiledMapping, item: Item) -> Item:
    if not mapping.target_key_extras or item.get(OWN_KEY) != with_own_key(mapping, item).get(OWN_KEY):
        return item  # with another than its own, it is one that nobody wrote
    return {name: value for name, value in item.items() if name != OWN_KEY}
