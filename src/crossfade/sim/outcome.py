"""What came of one seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from crossfade.core.effects import Request
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


def requests_in(operation: str, request: Request) -> list[Request]:
    """What a call asks for, item by item, each with its table."""
    if operation in ("TransactWriteItems", "TransactGetItems"):
        return [next(iter(action.values())) for action in request["TransactItems"]]
    if operation == "BatchGetItem":
        return [{"TableName": name, "Key": key} for name, of in request["RequestItems"].items() for key in of["Keys"]]
    if operation == "BatchWriteItem":
        entries = [(name, entry) for name, of in request["RequestItems"].items() for entry in of]
        return [{"TableName": name, **next(iter(entry.values()))} for name, entry in entries]
    return [request]
