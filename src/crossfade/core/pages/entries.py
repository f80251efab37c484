"""What one side answers, items or entries of an index, as the caller sees the items that they stand for.

The index of one table may hold less of an item than that of the other. An entry that lacks something that a request
reads or shows is replaced by the item itself, fetched by its key as DynamoDB does for a local index. A mapping is never
given a part of an item: what an entry holds counts where it arrives untouched.

A target may have more than a migration brings, under keys that no item of the source can have: such as other texts
before its sort keys. For an application of the source these strangers are not there, as in a read by the whole key. An
item under a key that the source could have is no stranger: where the mapping does not take it, that is an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item, same
from crossfade.core.pages.asked import Asked
from crossfade.core.read.lookup import look_under
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.stages import Side, other_side
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.schema import IndexSchema
from crossfade.errors import MappingError


class Entries:
    """The entries of one side, for one page. `sent` gets the replies that it takes to complete them."""

    def __init__(
        self, pair: Pair, side: Side, schema: IndexSchema, asked: Asked, request: Request, sent: list[Reply]
    ) -> None:
        self.suffice = suffices(pair, side, schema, asked)  # whether an entry holds all that is asked for
        self._pair = pair
        self._side: Side = side
        self._schema = schema
        self._counted = capacity_asked(request)
        self._sent = sent
        self._has_strangers = side == "target" and not pair.mapping.source_key_extras and bool(pair.mapping.key_pieces)
        self._key = pair.table(side).key_names
        self._names = pair.whole_key_names(side)

    def without_strangers(self, entries: Sequence[Item]) -> list[Item]:
        """Return those that the other side can have."""
        return [entry for entry in entries if not (self._has_strangers and self._is_stranger(entry))]

    def _is_stranger(self, entry: Item) -> bool:
        prefix, sort = self._pair.mapping.sort_prefix, self._key[1:]
        if prefix and sort and not str(entry[sort[0]].get("S")).startswith(prefix):
            return True
        try:
            _ = self._pair.mapping.backward_key({name: entry[name] for name in self._key})
        except MappingError:
            return True
        return False

    def of_replies(self, replies: Sequence[Reply]) -> Routine[list[list[Item]]]:
        found: list[list[Item]] = []
        for reply in replies:
            found += [(yield from self.images(self.without_strangers(reply["Items"])))]
        return found

    def images(self, entries: Sequence[Item]) -> Routine[list[Item]]:
        """The images, with all that is asked for. Left out are items that are gone by now, or, where they had to be
        fetched, have left the place that their entry tells."""
        pair, side = self._pair, self._side
        if self.suffice:
            return self.shown((yield from self.with_keys(entries)))
        items = yield from self.with_keys(entries, self._schema.keys)
        images = (pair.image(side, pair.stored(side, item)) for item in items)
        return [image for image in images if image is not None]

    def with_keys(self, entries: Sequence[Item], places: Sequence[str] = ()) -> Routine[list[Item]]:
        """Entries with the key attributes of both tables; with `places`, the key of an index, they become the items
        themselves. Those whose item is gone by now, or no longer at that place, are left out."""
        names = self._names
        lacking = [n for n, entry in enumerate(entries) if places or any(name not in entry for name in names)]
        if not lacking:
            return list(entries)
        keys = [{name: entries[n][name] for name in self._key} for n in lacking]
        held = yield from look_under(self._pair, self._side, keys, self._sent, self._counted)
        found = dict(enumerate(entries))
        for n, stored in zip(lacking, held, strict=True):
            there = stored.item
            if there is None or not all(same(there.get(name), entries[n].get(name)) for name in places):
                del found[n]
            else:
                found[n] = there if places else {**{name: there[name] for name in names if name in there}, **found[n]}
        return list(found.values())

    def shown(self, entries: Sequence[Item]) -> list[Item]:
        """What entries tell of their items, as far as they hold it."""
        return [image for image in map(self.image, entries) if image is not None]

    def image(self, entry: Item) -> Image:
        """What an entry tells of its item. Raises MappingError, KeyError where it lacks its key in the other table."""
        pair, side, stored = self._pair, self._side, self._pair.stored(self._side, entry)
        if stored.item is None or side == pair.view or self._schema.held is None:
            return pair.image(side, stored)
        found = {pair.name_across(other_side(side), name): value for name, value in stored.item.items()}
        key = pair.callers_whole_key(pair.whole_key_of(side, stored.item))
        return {**{name: value for name, value in found.items() if name is not None}, **key}


def suffices(pair: Pair, side: Side, schema: IndexSchema, asked: Asked) -> bool:
    """Whether an entry of that side holds all that is asked for."""
    if schema.held is None:
        return True
    if asked.needed is None:
        return False
    there = (pair.attribute_name(side, name) for name in asked.needed.difference(pair.callers_names))
    return all(name in schema.held for name in there)
