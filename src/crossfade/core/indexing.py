"""An index as its table's description tells it: by what it is keyed, and what it holds of an item.

Asked for once, when items are first merged by that index, and remembered: an index never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Call, Reply, Routine
from crossfade.core.items import Item, same
from crossfade.core.mirroring import patiently
from crossfade.core.pair import Image, IndexSchema, Pair, Stored
from crossfade.core.stages import Side, other_side
from crossfade.core.whole_keys import name_there
from crossfade.errors import Refused, Rejected

KINDS: Final = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")


@dataclass(frozen=True, slots=True)
class MergedIndex:
    """One index of both tables; on one side it may be the table itself. `names` are the caller's names of its key: the
    partition, and what it sorts by."""

    pair: Pair
    name: str | None  # the caller's; None: the table
    names: tuple[str, str | None]
    sides: dict[Side, IndexSchema]
    there: dict[Side, str | None]  # its name on each side; None: the table
    whole: bool  # the caller asked for all attributes, whatever the index holds

    @property
    def key_names(self) -> tuple[str, ...]:
        """The caller's names of its key."""
        return tuple(name for name in self.names if name is not None)

    @property
    def unique(self) -> bool:
        """Whether at each place there is one item."""
        return self.name is None

    def has(self, side: Side, stored: Stored) -> bool:
        """Whether an item of that side is in the index at all."""
        return stored.item is not None and all(name in stored.item for name in self.sides[side].keys)

    def holds_less(self, side: Side) -> bool:
        """Whether an entry of that side lacks what the caller's own table shows here."""
        return self.name is None and self.sides[side].held is not None

    def entry(self, side: Side, stored: Stored) -> Image:
        """What the index of that side shows of an item, and what else tells it in both tables (see `cut`)."""
        held = self.sides[side].held
        if self.pair.mapping.kept or held is None or self.whole or stored.item is None:
            return self.pair.image(side, stored)
        return self.pair.image(side, Stored({name: value for name, value in stored.item.items() if name in held}))

    def cut(self, image: Item) -> Item:
        """What the caller's own index shows of an item, whichever side it was read from: where the keys of one table do
        not lead to those of the other, an entry has been completed."""
        own = self.sides.get(self.pair.view)
        if not self.pair.mapping.kept or own is None or own.held is None:
            return image
        return {name: value for name, value in image.items() if name in own.held}

    def same_place(self, left: Image, right: Image) -> bool:
        """Whether two images are at one place of the index."""
        if left is None or right is None:
            return False
        return all(name in left and name in right and same(left[name], right[name]) for name in self.key_names)

    def check_consistency(self, operation: str, sides: Iterable[Side]) -> None:
        """For a strongly consistent request. Raises Refused where a global index of the other table would have to
        answer; what the caller's own table cannot answer either, the service refuses."""
        own = self.sides.get(self.pair.view)
        # Not described, it may be local where its partitions are the table's.
        is_global = self.names[0] != self.pair.caller.partition_key if own is None else own.is_global
        for side in sides:
            if self.sides[side].is_global and not is_global:
                raise Refused(
                    f"a strongly consistent {operation} of {self.pair.caller.name} cannot be answered: items of"
                    f" {self.pair.table(side).name} are found by its global index {self.there[side]}, which is"
                    " eventually consistent; nothing was read",
                    next_step="leave ConsistentRead out, or read the items by their whole key, strongly consistent",
                )


def merged_index(
    pair: Pair,
    index: str | None,
    names: tuple[str, str | None] | None,
    *,
    whole: bool,
    sides: Sequence[Side] = ("source", "target"),
) -> Routine[MergedIndex]:
    """`index` and `names` are the caller's; None where the index is not declared. `index` None: the caller's table.
    `sides`: those that are asked. Raises Rejected where one of them has no such index, Refused where what the caller's
    table does by itself needs an index that the other has not."""
    schemas: dict[Side, IndexSchema] = {}
    there: dict[Side, str | None] = {pair.view: index}
    other = other_side(pair.view)
    if index is None:
        schemas[pair.view] = IndexSchema(pair.caller.key_names, None)
        names = pair.caller.partition_key, pair.caller.sort_key
    elif names is None and pair.view not in sides and (yield from has_index(pair, other, index)):
        names = names_of(pair, pair.schemas[other, pair.index_name(other, index)])
    elif names is None or pair.view in sides:
        own = schemas[pair.view] = yield from index_schema(pair, pair.view, index)
        names = names or partition_and_sort(own.keys)
    if other in sides:
        if index is None:
            there[other] = yield from index_by(pair, other, names)
        else:
            there[other] = yield from counterpart(pair, other, index, names)
        name = there[other]
        schemas[other] = IndexSchema(pair.table(other).key_names, None) if name is None else pair.schemas[other, name]
    return MergedIndex(pair, index, names, schemas, there, whole)


def partition_and_sort(keys: Sequence[str]) -> tuple[str, str | None]:
    return keys[0], keys[1] if len(keys) > 1 else None


def has_index(pair: Pair, side: Side, index: str) -> Routine[bool]:
    """Whether this side has what the caller calls so; the caller's own table may be gone by now."""
    name = pair.index_name(side, index)
    if (side, name) not in pair.schemas:
        yield from described(pair, side)
    return (side, name) in pair.schemas


def names_of(pair: Pair, schema: IndexSchema) -> tuple[str, str | None]:
    """The caller's names of the key of an index of the other table."""
    names = [pair.name_across(pair.view, name) for name in schema.keys]
    return partition_and_sort([name or there for name, there in zip(names, schema.keys, strict=True)])


def counterpart(pair: Pair, side: Side, index: str, names: tuple[str, str | None]) -> Routine[str | None]:
    """The name on one side of the caller's index of the other; None where the table itself is what the index is."""
    table, name = pair.table(side), pair.index_name(side, index)
    is_table = (
        bool(pair.mapping.kept)
        and pair.attribute_name(side, names[0]) == table.partition_key
        and (names[1] is None or pair.attribute_name(side, names[1]) == table.sort_key)
    )
    if is_table:
        return None
    _ = yield from index_schema(pair, side, index)
    return name


def index_by(pair: Pair, side: Side, names: tuple[str, str | None]) -> Routine[str]:
    """An index of one side by the key of the caller's own table: local, if there is one, or else one that holds all."""
    table = pair.table(side)
    wanted = tuple(name_there(pair, side, name) for name in names if name is not None)
    known = by_key(pair, side, wanted)
    if not known:
        yield from described(pair, side)
        known = by_key(pair, side, wanted)
    if not known:
        raise Refused(
            f"a Query of {pair.caller.name} by its key cannot be answered: {table.name} has no index by"
            f" {', '.join(wanted)} that is ready; nothing was read",
            next_step=f"make one: a global index of {table.name}, partition key {wanted[0]}"
            + (f", sort key {wanted[1]}" if len(wanted) > 1 else "")
            + ", all attributes projected; or read the items by their whole key, or scan the table",
        )
    return known[0]


def by_key(pair: Pair, side: Side, wanted: tuple[str, ...]) -> list[str]:
    """The indexes that are known to have this key, the best first."""
    known = [
        (schema.is_global, schema.held is not None, name)
        for (of_side, name), schema in pair.schemas.items()
        if of_side == side and schema.keys == wanted and schema.is_active
    ]
    return [name for _, _, name in sorted(known)]


def index_schema(pair: Pair, side: Side, index: str) -> Routine[IndexSchema]:
    name = pair.index_name(side, index)
    found = pair.schemas.get((side, name))
    if found is None:
        yield from described(pair, side)
        found = pair.schemas.get((side, name))
    if found is None:
        where = "" if side == pair.view else f" ({pair.table(side).name} has none called {name})"
        raise Rejected("ValidationException", f"The table does not have the specified index: {index}{where}")
    return found


def described(pair: Pair, side: Side) -> Routine[None]:
    """What the table says of its indexes is known from now on."""
    table = pair.table(side)
    reply = yield from patiently(Call(side, "DescribeTable", {"TableName": table.name}))
    for kind in KINDS:
        for each in reply["Table"].get(kind, ()):
            pair.schemas[side, each["IndexName"]] = schema_of(each, table.key_names, is_global=kind == KINDS[0])


def schema_of(description: Reply, key_names: tuple[str, ...], *, is_global: bool) -> IndexSchema:
    roles = {part["KeyType"]: part["AttributeName"] for part in description["KeySchema"]}
    keys = tuple(roles[role] for role in ("HASH", "RANGE") if role in roles)
    projection = description["Projection"]
    held = frozenset({*keys, *key_names, *projection.get("NonKeyAttributes", ())})
    is_active = description.get("IndexStatus", "ACTIVE") == "ACTIVE"
    return IndexSchema(keys, None if projection["ProjectionType"] == "ALL" else held, is_global, is_active)


def place_of(image: Item, names: Sequence[str | None]) -> Item:
    """The attributes of a token."""
    return {name: image[name] for name in names if name is not None}
