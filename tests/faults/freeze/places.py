"""Where calls of the strategy `freeze` are tried: a stage, who calls, and how the switch was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from crossfade.core.stages import FREEZE, FREEZE_STRATEGY, Row, Stage

Carried = Literal["", "log"]

SWITCHES: Final = ("threads", "tasks")
WORKER: Final = "worker"
APPLYING: Final = (Stage.DUALWRITE, Stage.SHADOW)  # of a worker; beside a freeze it polls more often


@dataclass(frozen=True, slots=True)
class Place:
    """`client`: a switch on `threads` or with `tasks`, or the `worker` of an ETL. `carried` and `conditional` are the
    mirror's; `tables`: it is one between two tables."""

    stage: Stage
    client: str
    carried: Carried = ""
    conditional: bool = False
    tables: bool = False

    @property
    def name(self) -> str:
        told = ("carried by the log" * bool(self.carried), "conditional" * self.conditional, "tables" * self.tables)
        return ", ".join([f"{self.strategy} {self.stage} {self.client}", *filter(None, told)])

    @property
    def strategy(self) -> str:
        return FREEZE_STRATEGY

    @property
    def row(self) -> Row:
        return FREEZE[self.stage]

    @property
    def mirrors(self) -> bool:
        """Whether the switch brings what is written to the other side."""
        return self.row.keeps_equal and not (self.carried and self.row.authority == "source")


def places() -> Iterator[Place]:
    """All there are. How the mirror saves matters only where it does."""
    for stage, client, carried in product(FREEZE, SWITCHES, CARRIED):
        place = Place(stage, client, carried)
        yield place
        if place.mirrors:
            yield Place(stage, client, carried, conditional=True)
        if not carried and (place.mirrors or place.row.holds):
            yield Place(stage, client, tables=True)
    for stage in APPLYING:
        yield Place(stage, WORKER, "log")


CARRIED: Final[tuple[Carried, ...]] = ("", "log")
