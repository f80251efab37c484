"""What one seed stands for: the mapping, the items, and how the processes are set up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from crossfade.migration import Migration, Strategy, Table
from crossfade.sim.history import KeyName
from crossfade.sim.model import State
from crossfade.sim.scenario import MAPPINGS
from crossfade.sim.scenario import migration as simulated
from tests.migrations import REKEYED, rekeyed

# Few enough that processes meet on them, enough that no item's history grows beyond what a search can decide.
KEYS: Final[tuple[KeyName, ...]] = tuple((f"p{i % 3}", f"{i // 3}") for i in range(12))
INITIAL: Final[dict[KeyName, State]] = {
    key: (i, (f"old{i}",), f"old{i}" if i % 3 else None) if i % 4 else None for i, key in enumerate(KEYS)
}

# Short, so that a run has many stage changes; a client that died is waited for as long as both together.
LEASE_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.2
CONNECT_TIMEOUT_SECONDS: Final = 1.0
READ_TIMEOUT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One run. `drop` names a rule of the protocol that is switched off everywhere, or is empty. `clients`: of which
    kinds, in turns; `role`: who they say they are; `attempts`: how often one call may be sent by the SDK."""

    seed: int
    mapping: str
    processes: int = 3
    threads: int = 3
    rate: float = 12.0  # calls a second of one thread
    drop: str = ""
    strategy: Strategy = "dual-write"
    clients: tuple[str, ...] = ("boto3",)
    role: str = "crossfade"
    attempts: int = 1
    clock_stands_still: bool = False  # while a process is stopped

    @property
    def unique(self) -> str:
        return f"histories-{self.strategy}-{self.seed}"


def draw(seed: int, strategy: Strategy, drop: str) -> Scene:
    mappings = (*MAPPINGS, REKEYED) if strategy == "copy-on-write" else MAPPINGS
    return Scene(seed, Random(seed).choice(mappings), drop=drop, strategy=strategy)


def migration(mapping: str, unique: str, strategy: Strategy) -> Migration:
    """One of the simulator's mappings, or the one whose target has a key of its own, on tables of its own."""
    model = rekeyed(unique) if mapping == REKEYED else simulated(mapping)
    return replace(
        model,
        name=unique,
        source=Table(unique, key=model.source.key),
        target=Table(f"{unique}-target", key=model.target.key, indexes=model.target.indexes),
        strategy=strategy,
    )
