"""Entries of an index of either table, as the caller sees the items that they stand for.

The index of one table may hold less of an item than that of the other. So an entry is as good as its item only where
it holds all that a request reads and shows; else the item itself is fetched from its table, by its key, as DynamoDB
does for a local index. A mapping is never given a part of an item: what an entry holds counts where it arrives
untouched.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.pages.page import Asked
from crossfade.core.pages.whole_keys import completed
from crossfade.core.stages import Side, other_side
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.schema import IndexSchema


def suffices(pair: Pair, side: Side, schema: IndexSchema, asked: Asked) -> bool:
    """Whether an entry of that side holds all that is asked for."""
    if schema.held is None:
        return True
    if asked.needed is None:
        return False
    there = (pair.attribute_name(side, name) for name in asked.needed.difference(pair.callers_names))
    return all(name in schema.held for name in there)


def of_entry(pair: Pair, side: Side, schema: IndexSchema, entry: Item) -> Image:
    """What an entry tells of its item. Raises MappingError, KeyError where it lacks its key in the other table."""
    item = pair.stored(side, entry).item
    if item is None or side == pair.view or schema.held is None:
        return pair.image(side, pair.stored(side, entry))
    found = {pair.name_across(other_side(side), name): value for name, value in item.items()}
    key = pair.callers_whole_key(pair.whole_key_of(side, item))
    return {**{name: value for name, value in found.items() if name is not None}, **key}


def of_entries(
    pair: Pair,
    side: Side,
    schema: IndexSchema,
    asked: Asked,
    entries: Sequence[Item],
    sent: list[Reply],
    counted: Request,
) -> Routine[list[Item]]:
    """The images of entries, with all that is asked for. Left out are items that are gone by now, or, where they had to
    be fetched, have left the place that their entry tells."""
    fetches = not suffices(pair, side, schema, asked)
    items = yield from completed(pair, side, entries, sent, counted, schema.keys if fetches else ())
    images = (
        pair.image(side, pair.stored(side, item)) if fetches else of_entry(pair, side, schema, item) for item in items
    )
    return [image for image in images if image is not None]
