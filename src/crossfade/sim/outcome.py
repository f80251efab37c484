"""What came of one seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from crossfade.sim.checkers import Violation
from crossfade.sim.faults import Fault


@dataclass(slots=True)
class Outcome:
    seed: int
    violations: list[Violation]
    operations: int = 0
    moves: int = 0
    virtual_seconds: float = 0.0
    injected: Counter[Fault] = field(default_factory=Counter[Fault])
    undecided: bool = False  # a history was too entangled to be decided
