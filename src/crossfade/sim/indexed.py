"""The index of a world, on both tables: by what it is, whether it is local, and what it holds of items there.

It is by `n`, which changes, so that items move in it, come and go; or by `sk` alone, where items have no order but the
table's own. Where the mapping stores `n` in another form, or the target has its own key, some Queries of it are refused
in some stages, as they are in production.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

from crossfade.core.mapping import Kind
from crossfade.core.stages import SIDES, Side
from crossfade.core.tables.pair import Pair
from crossfade.migration import Index, Migration
from crossfade.sim.indexes import SimIndex
from crossfade.sim.model import Held
from crossfade.sim.own_keys import BY_OLD_KEY

NAME: Final = "by-something"
OTHER_NAME: Final = "by-something-else"
Projection = Literal["all", "keys", "log"]
PROJECTIONS: Final[tuple[Projection, ...]] = ("all", "all", "keys", "log")
HELD: Final[dict[Projection, tuple[str, ...] | None]] = {"all": None, "keys": (), "log": ("log",)}


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """The partition and the sort attribute in the source's terms; `share` of the calls are Queries of it."""

    partition: Literal["pk", "sk"]
    by_n: bool
    is_local: bool
    renamed: bool
    source: Projection
    target: Projection
    share: float

    def held_of(self, side: Side) -> Held:
        """What the index of one table shows of an item."""
        held = self.source if side == "source" else self.target
        return Held(self.by_n, log=held != "keys", status=held == "all")

    def name_of(self, side: Side) -> str:
        return OTHER_NAME if self.renamed and side == "target" else NAME

    def attribute_of(self, pair: Pair) -> str:
        """Return the partition attribute of the caller's own index."""
        if pair.view == "source":
            return self.partition
        spread = pair.target.partition_key if self.partition == "pk" else self.partition
        return pair.name_across("target", self.partition) or spread

    def is_local_of(self, pair: Pair) -> bool:
        """Whether the caller's own index answers strongly consistent Queries."""
        return self.is_local and self.attribute_of(pair) == pair.caller.partition_key


def draw_index(random: Random) -> IndexPlan:
    partition: Literal["pk", "sk"] = "pk" if random.random() < 0.7 else "sk"
    by_n = partition == "pk" or random.random() < 0.5
    return IndexPlan(
        partition,
        by_n,
        is_local=partition == "pk" and random.random() < 0.5,
        renamed=random.random() < 0.3,
        source=random.choice(PROJECTIONS),
        target=random.choice(PROJECTIONS),
        share=random.choice((0.15, 0.3, 0.5)),
    )


def with_index(made: Migration, plan: IndexPlan) -> Migration:
    """Return the migration with the index declared on both tables."""
    there = plan.name_of("target")
    return replace(
        made,
        source=replace(made.source, indexes={NAME: declared(made, plan, "source")}),
        target=replace(made.target, indexes={there: declared(made, plan, "target")}),
        indexes={NAME: there} if plan.renamed else {},
    )


def declared(made: Migration, plan: IndexPlan, side: Side) -> Index:
    n: Kind = "N" if side == "source" or made.compiled.arrives("n") else "S"
    sort: dict[str, Kind] = {name_on(made, "n", side): n} if plan.by_n else {}
    return Index({name_on(made, plan.partition, side): "S"}, sort)


def name_on(made: Migration, name: str, side: Side) -> str:
    if side == "source":
        return name
    spread = made.target.partition_key if name == "pk" else name
    return made.compiled.arrives(name) or spread


def sim_indexes(made: Migration, plan: IndexPlan | None) -> dict[str, list[SimIndex]]:
    """Return the indexes of both tables, by the table's name."""
    found: dict[str, list[SimIndex]] = {made.source.name: [], made.target.name: []}
    if made.compiled.source_key_extras:
        old = Index({"pk": "S"}, {"sk": "S"})
        found[made.target.name].append(SimIndex(BY_OLD_KEY, old.names, old.kinds, is_global=True))
    if plan is None:
        return found
    for side in SIDES:
        table, index = made.table(side), declared(made, plan, side)
        is_local = plan.is_local and (side == "source" or index.names.partition[0] == made.target.partition_key)
        holds = HELD[plan.source if side == "source" else plan.target]
        if holds:
            holds = tuple(name_on(made, each, side) for each in holds)
        found[table.name].append(SimIndex(plan.name_of(side), index.names, index.kinds, not is_local, holds))
    return found
