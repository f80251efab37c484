"""Where the items of a case are before it begins, and what must be so at rest: by the strategy and the stage.

While items are copied, each one is somewhere else: in the source alone, with a stamp or without, in the target alone,
or in both, where the source's may be as old as one likes. Which it is follows from the key, so that it is the same in
every run; the plain table knows nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

from crossfade.core.items import Item, canonical, same_item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Fallback, Row, Side, Writes
from crossfade.migration import Migration
from tests.contract.shapes import Form, View, number, text

PLACES: Final = 7  # as `_placed` has them
GIVEN: Final = {STAMP: text("given")}


@dataclass
class Placed:
    """The items that one world was given."""

    migration: Migration
    row: Row
    _source: dict[object, Item] = field(default_factory=dict[object, Item])  # as the source was given them, by key

    def place(self, items: list[Item], view: View, turn: int | None = None) -> tuple[list[Item], list[Item]]:
        """What the source and what the target are to hold; `items` are the caller's.

        `turn`: the place of the first of them, whose followers have the places after it, where that is not to follow
        from their keys."""
        mapping = self.migration.compiled
        sources: list[Item] = []
        targets: list[Item] = []
        for n, item in enumerate(items):
            source = item if view == "source" else mapping.backward(item)
            target = item if view == "target" else mapping.forward(item)
            place = crc32(repr(self._key("source", source)).encode()) if turn is None else turn + n
            old, new = self._placed(source, target, place % PLACES)
            sources += old
            targets += new
        self._source |= {self._key("source", item): item for item in sources}
        return sources, targets

    def _placed(self, source: Item, target: Item, place: int) -> tuple[list[Item], list[Item]]:
        """Both sides of one item."""
        row, given = self.row, {**target, **GIVEN}
        if row.keeps_equal:
            return [source], [given]
        if row.writes is Writes.PLAIN and not row.stamped_source:
            return ([source], []) if row.authority == "source" else ([], [given])
        if row.authority == "source":
            return [{**source, **GIVEN} if place % 2 else source], []
        if row.fallback is not Fallback.MERGED and place < 2:  # nothing is in the source alone any more
            place += 2
        places: tuple[tuple[list[Item], list[Item]], ...] = (
            ([source], []),
            ([{**source, **GIVEN}], []),
            ([], [given]),
            ([{**source, **GIVEN}], [given]),
            ([older(source)], [given]),
            ([{**elsewhere(source), **GIVEN}], [given]),
            ([elsewhere(older(source))], [given]),
        )
        return places[place]

    def wrong(self, source: list[Item], target: list[Item]) -> list[str]:
        """What the tables hold and should not, a line a key."""
        if self.row.keeps_equal:
            return self._unequal(source, target)
        if self.row.fallback is Fallback.NONE:
            return []
        there = {self._key("source", self.migration.compiled.backward(bare(item))) for item in target}
        found = {self._key("source", item): item for item in source}
        lines = [] if self.row.merges else [f"{key}: the source alone has it" for key in found.keys() - there]
        kept = there if self.row.writes is Writes.PREPARED else found.keys()  # these the source must not get anew
        return lines + [
            f"{key}: written to the source: {item}"
            for key, item in found.items()
            if key in kept and not same_item(item, self._source.get(key))
        ]

    def _unequal(self, source: list[Item], target: list[Item]) -> list[str]:
        """The third invariant: the target is the mapped source."""
        mapped = {self._key("target", item): item for item in map(self.migration.compiled.forward, source)}
        stored = {self._key("target", item): item for item in map(bare, target)}
        wrong = [key for key in mapped.keys() | stored.keys() if not same_item(mapped.get(key), stored.get(key))]
        return [
            f"target != mapping(source): source says {mapped.get(key)}\n          target has  {stored.get(key)}"
            for key in wrong
        ]

    def forget(self) -> None:
        """The tables are empty again."""
        self._source.clear()

    def _key(self, side: Side, item: Item) -> object:
        return canonical({name: item[name] for name in self.migration.table(side).key_names})


STRANGE: Final = ("KIND#", "PROFILE#")  # texts before and behind those that sort keys begin with


def strangers(form: Form, targets: list[Item]) -> list[Item]:
    """What else is in a target whose sort keys begin with a text: an item beside each of these, in the same partition
    and at the same places of its indexes."""
    if not form.sort_prefix:
        return []
    places = [(item, item[form.sort]["S"]) for item in targets]
    return [{**item, form.sort: text(STRANGE[n % len(STRANGE)] + sort)} for n, (item, sort) in enumerate(places)]


def is_strange(form: Form, item: Item) -> bool:
    return bool(form.sort_prefix) and str(item[form.sort].get("S")).startswith(STRANGE)


def bare(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != STAMP}


def older(source: Item) -> Item:
    """As it was before somebody wrote it to the target: with another attribute, and without some that it has now."""
    return {name: value for name, value in source.items() if name not in ("t", "m")} | {"n": number(77)}


def elsewhere(source: Item) -> Item:
    """In the indexes at other places than now."""
    return {
        **source,
        **({"score": number(1)} if "score" in source else {}),
        **({"grp": text("old")} if "grp" in source else {}),
    }
