"""An index as its table's description tells it: by what it is keyed, and what it holds of an item.

Asked for once, when a request is first answered by that index here, and remembered; an index that is not known is asked
for anew. What is shown of an item is decided by the caller's own index, whichever table the item is read from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.core.effects import Request, Routine
from crossfade.core.expressions.keys import names_of_key
from crossfade.core.items import same
from crossfade.core.key_names import KeyNames
from crossfade.core.pages.asked import Asked, understood
from crossfade.core.pages.cursors import name_there
from crossfade.core.request.legacy import modern
from crossfade.core.request.projection import IndexView
from crossfade.core.stages import SIDES, Row, Side, other_side
from crossfade.core.tables.indexes import DENIED, described, in_callers_names, index_schema
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.schema import IndexSchema
from crossfade.core.tables.stamps import Stored
from crossfade.errors import NotPossibleInStage, ServiceRejected


@dataclass(frozen=True, slots=True)
class MergedIndex:
    """One index of both tables; on one side it may be the table itself. `names` are the caller's names of its key."""

    pair: Pair
    name: str | None  # the caller's; None: the table
    names: KeyNames
    sides: dict[Side, IndexSchema]
    there: dict[Side, str | None]  # its name on each side; None: the table
    own: IndexSchema  # the caller's own, which decides what is shown

    @property
    def unique(self) -> bool:
        """Whether at each place there is one item."""
        return self.name is None

    def has(self, side: Side, stored: Stored) -> bool:
        """Whether an item of that side is in the index at all."""
        return stored.item is not None and all(name in stored.item for name in self.sides[side].keys)

    @property
    def shape(self) -> IndexView | None:
        """What the caller's own index holds; None: it is the table."""
        return None if self.name is None else shape_of(self.name, self.own)

    def same_place(self, left: Image, right: Image) -> bool:
        if left is None or right is None:
            return False
        return all(name in left and name in right and same(left[name], right[name]) for name in self.names.every)

    def understood(self, operation: str, request: Request) -> tuple[Asked, Request]:
        """What is asked of it, and the request in terms of expressions. Raises ServiceRejected, NotPossibleInStage."""
        request = modern(operation, request, self.names)
        asked = understood(operation, request, self.names, self.shape)
        self.check(operation, request)
        return asked, request

    def check(self, operation: str, request: Request) -> None:
        """Raises NotPossibleInStage where the index of the other table cannot answer for the caller's: it has other
        entries, or another order; or it is a global one, and the request strongly consistent. What the caller's own
        table cannot answer either, the service refuses."""
        for side, schema in self.sides.items():
            if self.name is not None and self.there[side] is not None:
                check_alike(self.pair, side, self.name, self.own.names, schema.names, operation)
        for side, schema in self.sides.items():
            if request.get("ConsistentRead") and schema.is_global and not self.own.is_global:
                raise NotPossibleInStage(
                    f"a strongly consistent {operation} of {self.pair.caller.name} cannot be answered: items of"
                    f" {self.pair.table(side).name} are found by its global index {self.there[side]}, which is"
                    " eventually consistent; nothing was read",
                    next_step="leave ConsistentRead out, or read the items by their whole key, strongly consistent",
                )


def merged_index(
    pair: Pair, row: Row, index: str | None, names: KeyNames | None, sides: Sequence[Side] = SIDES
) -> Routine[MergedIndex]:
    """`index` and `names` are the caller's; None where the index is not declared. `index` None: the caller's table.
    `sides`: those that are asked. Raises ServiceRejected where one of them has no such index, NotPossibleInStage where
    what the caller's table does by itself needs an index that the other has not."""
    schemas: dict[Side, IndexSchema] = {}
    there: dict[Side, str | None] = {pair.view: index}
    other = other_side(pair.view)
    if index is None:
        own = table_itself(pair, pair.view)
        names = own.names
    else:
        own = yield from own_schema(pair, row, index, names)
        names = names or own.names
    if pair.view in sides:
        schemas[pair.view] = own
    if other in sides:
        if index is None:
            there[other] = yield from index_by(pair, other, names)
        else:
            there[other] = yield from counterpart(pair, other, index, names)
        name = there[other]
        schemas[other] = table_itself(pair, other) if name is None else pair.schemas[other, name]
    return MergedIndex(pair, index, names, schemas, there, own)


def table_itself(pair: Pair, side: Side) -> IndexSchema:
    return IndexSchema(names_of_key(pair.table(side).key_names), None)


def shape_of(index: str, schema: IndexSchema) -> IndexView:
    return IndexView(index, schema.is_global, schema.held)


def own_schema(pair: Pair, row: Row, index: str, names: KeyNames | None = None) -> Routine[IndexSchema]:
    """The caller's own index, by which it is decided what is shown. Where the other table serves alone, the caller's
    may be gone, or have lost the index or its description: then what serves decides."""
    try:
        return (yield from index_schema(pair, pair.view, index))
    except ServiceRejected as error:
        is_left = row.is_single and row.authority != pair.view
        if not is_left or error.code not in GONE:
            raise
    side = row.authority
    there: str | None = pair.index_name(side, index)
    if names is not None:
        there = yield from counterpart(pair, side, index, names)
    schema = table_itself(pair, side) if there is None else (yield from index_schema(pair, side, index))
    schema = in_callers_names(pair, side, schema)
    if pair.view == "source":  # which is left for good
        pair.schemas[pair.view, index] = schema
    return schema


GONE: Final = ("ResourceNotFoundException", "ValidationException", DENIED)  # the table, its index, or the right to ask


def check_alike(pair: Pair, side: Side, index: str, own: KeyNames, there: KeyNames, operation: str) -> None:
    """Raises NotPossibleInStage where an index of the other table, by `there`, has other entries than the caller's own,
    by `own`, or, for a Query, has them in other partitions or in another order."""
    if side == pair.view:
        return
    table, caller = pair.table(side), pair.caller
    spread = pair.attribute_name(side, caller.partition_key) is None

    def across(name: str) -> str | None:
        return pair.attribute_name(side, name)

    if operation == "Scan":  # every item has its key, in whatever form
        wanted = {across(name) for name in own.every if name not in caller.key_names}
        keys = {*table.key_names, *map(across, caller.key_names)}
        alike = wanted - keys == {*there.every} - keys
    else:
        partitions = {
            table.partition_key if spread and name == caller.partition_key else across(name) for name in own.partition
        }
        alike = partitions == {*there.partition} and tuple(map(across, own.sort)) == there.sort
    if not alike:
        lost = [name for name in own.every if across(name) is None]
        why = f"{' and '.join(lost)} is stored in another form" if lost else f"it is by {', '.join(there.every)}"
        raise NotPossibleInStage(
            f"a {operation} of index {index} of {caller.name}, by {', '.join(own.every)}, cannot be answered from"
            f" {table.name}: {why} there, and so it has other entries or another order; nothing was read",
            next_step="query an index of the other table in its own terms, or read the items by their whole key",
        )


def counterpart(pair: Pair, side: Side, index: str, names: KeyNames) -> Routine[str | None]:
    """The name on one side of the caller's index of the other; None where the table itself is what the index is."""
    name = pair.index_name(side, index)
    there = names.called(lambda name: pair.attribute_name(side, name) or "")
    own = table_itself(pair, side).names
    if pair.mapping.source_key_extras and there in (own, replace(own, sort=())):
        return None
    _ = yield from index_schema(pair, side, index)
    return name


def index_by(pair: Pair, side: Side, names: KeyNames) -> Routine[str]:
    """An index of one side by the key of the caller's own table: local, if there is one, or else one that holds all."""
    table = pair.table(side)
    wanted = names.called(lambda name: name_there(pair, side, name))
    known = by_key(pair, side, wanted)
    if not known:
        yield from described(pair, side)
        known = by_key(pair, side, wanted)
    if not known:
        raise NotPossibleInStage(
            f"a Query of {pair.caller.name} by its key cannot be answered: {table.name} has no index by"
            f" {', '.join(wanted.every)} that is ready; nothing was read",
            next_step=f"make one: a global index of {table.name}, partition key {wanted.partition[0]}"
            + (f", sort key {wanted.sort[0]}" if wanted.sort else "")
            + ", all attributes projected; or read the items by their whole key, or scan the table",
        )
    return known[0]


def by_key(pair: Pair, side: Side, wanted: KeyNames) -> list[str]:
    """The indexes that are known to have this key, the best first."""
    known = [
        (schema.is_global, schema.held is not None, name)
        for (of_side, name), schema in pair.schemas.items()
        if of_side == side and schema.names == wanted and schema.is_active
    ]
    return [name for _, _, name in sorted(known)]
