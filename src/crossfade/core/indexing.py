"""An index as its table's description tells it: by what it is keyed, and what it holds of an item.

Asked for once, when items are first merged by that index, and remembered: an index never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Call, Reply, Routine
from crossfade.core.items import Item, same
from crossfade.core.mirroring import patiently
from crossfade.core.pair import Image, IndexSchema, Pair, Stored
from crossfade.core.stages import Side, other_side
from crossfade.errors import Rejected

KINDS: Final = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")


@dataclass(frozen=True, slots=True)
class MergedIndex:
    """One index of both tables. `names` are the caller's names of its key: the partition, and what it sorts by."""

    pair: Pair
    name: str  # the caller's
    names: tuple[str, str | None]
    sides: dict[Side, IndexSchema]
    whole: bool  # the caller asked for all attributes, whatever the index holds

    def has(self, side: Side, stored: Stored) -> bool:
        """Whether an item of that side is in the index at all."""
        return stored.item is not None and all(name in stored.item for name in self.sides[side].keys)

    def entry(self, side: Side, stored: Stored) -> Image:
        """What the index of that side shows of an item."""
        held = self.sides[side].held
        if held is None or self.whole or stored.item is None:
            return self.pair.image(side, stored)
        return self.pair.image(side, Stored({name: value for name, value in stored.item.items() if name in held}))

    def same_place(self, left: Image, right: Image) -> bool:
        """Whether two images are at one place of the index."""
        if left is None or right is None:
            return False
        names = [name for name in self.names if name is not None]
        return all(name in left and name in right and same(left[name], right[name]) for name in names)


def merged_index(pair: Pair, index: str, names: tuple[str, str | None] | None, *, whole: bool) -> Routine[MergedIndex]:
    """`index` and `names` are the caller's; None where the index is not declared. Raises Rejected where one side has no
    such index."""
    own = yield from index_schema(pair, pair.view, index)
    other = yield from index_schema(pair, other_side(pair.view), index)
    known = names or (own.keys[0], own.keys[1] if len(own.keys) > 1 else None)
    return MergedIndex(pair, index, known, {pair.view: own, other_side(pair.view): other}, whole)


def index_schema(pair: Pair, side: Side, index: str) -> Routine[IndexSchema]:
    name = pair.index_name(side, index)
    found = pair.schemas.get((side, name))
    if found is None:
        table = pair.table(side)
        reply = yield from patiently(Call(side, "DescribeTable", {"TableName": table.name}))
        described: Sequence[Reply] = [each for kind in KINDS for each in reply["Table"].get(kind, ())]
        for each in described:
            pair.schemas[side, each["IndexName"]] = schema_of(each, table.key_names)
        found = pair.schemas.get((side, name))
    if found is None:
        where = "" if side == pair.view else f" ({pair.table(side).name} has none called {name})"
        raise Rejected("ValidationException", f"The table does not have the specified index: {index}{where}")
    return found


def schema_of(description: Reply, key_names: tuple[str, ...]) -> IndexSchema:
    roles = {part["KeyType"]: part["AttributeName"] for part in description["KeySchema"]}
    keys = tuple(roles[role] for role in ("HASH", "RANGE") if role in roles)
    projection = description["Projection"]
    if projection["ProjectionType"] == "ALL":
        return IndexSchema(keys, None)
    return IndexSchema(keys, frozenset({*keys, *key_names, *projection.get("NonKeyAttributes", ())}))


def place_of(image: Item, names: Sequence[str | None]) -> Item:
    """The attributes of a token."""
    return {name: image[name] for name in names if name is not None}
