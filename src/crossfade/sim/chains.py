"""Two migrations, of which one's target is the other's source: the first is complete, the second is under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, cast

from crossfade.core.mapping import Kind, Piece
from crossfade.mapping import convert, derive_key, identity, move, number_to_text, rename, suffix
from crossfade.migration import Migration, Strategy, Table

OLD: Final = "first"  # which the applications speak of, and which is gone
RENAMED: Final = ("rekey", "all")  # of the first: the table between has other names for its key
FIRST: Final[dict[str, list[Piece]]] = {
    "suffix": [suffix("pk", count=3, by="sk")],
    "rename": [rename("log", "events")],
    "rekey": [rename("pk", "customer"), rename("sk", "number"), suffix("customer", count=2, by="number")],
    "reshape": [move("detail.status", "status"), convert("n", number_to_text)],
    "all": [
        rename("log", "events"), rename("pk", "customer"), rename("sk", "number"),
        suffix("customer", count=3, by="number"),
    ],
}  # fmt: skip
NAMESPACE: Final = "6ba7b810-9dad-11d1-80b4-00c04fd430c9"
SECOND: Final[dict[str, Callable[[str, str], list[Piece]]]] = {
    "identity": lambda _pk, _sk: [identity()],
    "suffix": lambda pk, sk: [suffix(pk, count=2, by=sk)],
    "rename": lambda _pk, _sk: [rename("n", "total")],
    "rekey": lambda pk, sk: [rename(pk, "tenant"), rename(sk, "place"), suffix("tenant", count=2, by="place")],
    "derive": lambda pk, sk: [derive_key("id", (pk, sk), NAMESPACE, separator="|")],
}
KEYS: Final[dict[str, tuple[str, ...]]] = {"rekey": ("tenant", "place"), "derive": ("id",)}  # of the last table
MOVING_ALONE: Final = ("derive",)  # for copy-on-write


@dataclass(frozen=True, slots=True)
class ChainPlan:
    first: str
    second: str


def draw_chain(random: Random, strategy: str) -> ChainPlan:
    allowed = [name for name in SECOND if strategy == "copy-on-write" or name not in MOVING_ALONE]
    return ChainPlan(random.choice(list(FIRST)), random.choice(allowed))


def first_migration(plan: ChainPlan) -> Migration:
    return Migration("before", Table(OLD, key=texts("pk", "sk")), between(plan), FIRST[plan.first])


def second_migration(plan: ChainPlan, strategy: str) -> Migration:
    source = between(plan)
    target = Table("target", key=texts(*KEYS.get(plan.second, source.key_names)))
    pk, sk = source.key_names
    return Migration("sim", source, target, SECOND[plan.second](pk, sk), cast("Strategy", strategy))


def between(plan: ChainPlan) -> Table:
    return Table("source", key=texts("customer", "number") if plan.first in RENAMED else texts("pk", "sk"))


def texts(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, "S")
