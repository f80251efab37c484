"""What the service has been asked, in order."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from tests.service.answers import Answer
from tests.service.requests import Received
from tests.service.units import Unit, Units

KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `code` is an error's, `fault` what was made of it that the engine would not have."""

    number: int
    at: float
    caller: str
    operation: str
    tables: tuple[str, ...]
    attempt: int
    status: int  # 0: no answer
    code: str
    fault: str


@dataclass
class Log:
    """The last requests, the number of all by operation, and all units."""

    entries: deque[Entry] = field(default_factory=lambda: deque[Entry](maxlen=KEPT))
    operations: Counter[str] = field(default_factory=Counter[str])
    units: Units = field(default_factory=Counter[Unit])
    faults: Counter[str] = field(default_factory=Counter[str])

    def note(self, received: Received, answer: Answer | None, fault: str) -> None:
        self.operations[received.operation] += 1
        if fault:
            self.faults[fault] += 1
        status, code = (answer.status, answer.code) if answer else (0, "")
        if answer and not code and status != 200:
            code = code_of(answer)
        self.entries.append(
            Entry(
                received.number, received.at, received.caller, received.operation, received.tables, received.attempt,
                status, code, fault,
            )
        )  # fmt: skip


def code_of(answer: Answer) -> str:
    try:
        return str(answer.json().get("__type", "")).rpartition("#")[2]
    except ValueError:
        return ""
