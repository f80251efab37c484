"""Queries by applications that speak of the target: a partition there, or the old key by an index."""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Request
from crossfade.core.items import Item
from crossfade.core.tables.pair import Pair, key_name
from crossfade.sim.calls import key_of
from crossfade.sim.history import KeyName
from crossfade.sim.own_keys import BY_OLD_KEY, with_own_key
from crossfade.sim.pages import query_of


def target_key(pair: Pair, key: KeyName) -> Item:
    """Return the key of the target that an item has."""
    return pair.mapping.forward_key(with_own_key(pair.mapping, key_of(key)))


def target_partition(pair: Pair, key: KeyName) -> str:
    partition: str = target_key(pair, key)[pair.target.partition_key]["S"]
    return partition


def by_target_key(pair: Pair, keys: Sequence[KeyName]) -> dict[str, KeyName]:
    """Return the items by the names of their keys in the target."""
    return {key_name(target_key(pair, key)): key for key in keys}


def target_query(
    pair: Pair, keys: Sequence[KeyName], key: KeyName, *, forward: bool, by_old_key: bool
) -> tuple[list[KeyName], Request]:
    """The items of the partition that one is in, in order, and the Query of it."""
    if by_old_key:
        left = [other for other in keys if other[0] == key[0]]
        request = {**query_of(pair.target.name, key[0], forward=forward), "IndexName": BY_OLD_KEY}
    else:
        partition, by = target_partition(pair, key), pair.target.partition_key
        left = [other for other in keys if target_partition(pair, other) == partition]
        request = query_of(pair.target.name, partition, forward=forward, by=by)
    return sorted(left, key=lambda other: other[1], reverse=not forward), request
