"""Keys cut out of items, and names for them, a hundred thousand times a second.

A name is equal for equal keys and for no others. Texts are their own names; for all else the form is not the meaning
(`1.0` is `1`), so the general way is taken, whose names are never those of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from crossfade.core.items import Item, canonical


def cutter(names: Sequence[str]) -> Callable[[Item], Item]:
    """Return a function from an item to its key. It raises KeyError where an attribute is missing."""
    if len(names) == 1:
        (only,) = names
        return lambda item: {only: item[only]}
    partition, sort = names
    return lambda item: {partition: item[partition], sort: item[sort]}


def namer(names: Sequence[str]) -> Callable[[Item], Hashable]:
    """Return a function from an item, or a key, to the hashable name of its key."""
    cut = cutter(names)
    if len(names) == 1:
        (only,) = names

        def name_one(item: Item) -> Hashable:
            value = item[only]
            return value["S"] if "S" in value else canonical(cut(item))

        return name_one
    partition, sort = names

    def name_two(item: Item) -> Hashable:
        try:
            return item[partition]["S"], item[sort]["S"]
        except KeyError:
            return canonical(cut(item))

    return name_two
