"""What a process writes down, and how that becomes a history again.

One JSON object a line, handed to the operating system with one call each: a process killed at any point leaves whole
lines of everything that it had begun. A call on several items is one line for each of them.

    {"i": "app1.0.17", "t": 1520, "k": ["p0", "1"], "o": "UpdateItem", "a": ["append", "app1.0.17", 0, "NONE", false]}
    {"i": "app1.0.17", "t": 1533, "r": ["ok", [3, ["app1.0.17"], null]]}        its answer
    {"i": "app1.0.18", "t": 1534, "r": null, "e": "TransactionConflictException"}    it did nothing: no part of it
    {"i": "app1.0.19", "t": 1541, "u": "ReadTimeoutError"}    nobody knows: it may take effect for some seconds more

Times are nanoseconds of the machine's monotonic clock, so they are also places in one order of all events.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

from crossfade.demo.journal import Follower, Journal
from crossfade.sim.history import History, KeyName, Operation
from crossfade.sim.model import Action, Answer, State
from tests.histories.scenes import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS

NANOSECONDS: Final = 1_000_000_000
# For how long what was given up on, or sent by a process that was killed, may take effect: the clients' timeouts, and
# as long again.
LANDING_NANOSECONDS: Final = int(2 * (CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS)) * NANOSECONDS
NO_ATTEMPT: Final = "no such attempt"


@dataclass(frozen=True, slots=True)
class Nothing:
    """The call had no effect and told nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The call may have taken effect, or may do so yet."""

    reason: str


Told = Answer | Nothing | Unknown


class Recorder:
    """For one thread of one process."""

    def __init__(self, journal: Journal, who: str, attempts: int = 1) -> None:
        """`attempts`: how often one call may be sent. Each may take effect, so each is an operation of its own."""
        self.who = who
        self.unknown = 0
        self._journal = journal
        self._count = 0
        self._others = attempts - 1
        self._spare: dict[str, list[str]] = {}

    def token(self) -> str:
        """A name for what a write leaves behind, never given twice."""
        self._count += 1
        return f"{self.who}.{self._count}"

    def begin(self, operation: str, actions: Iterable[tuple[KeyName, Action]]) -> list[str]:
        """Before anything is sent; the ids are for `end`."""
        names: list[str] = []
        now = time.monotonic_ns()
        for key, action in actions:
            name = self.token()
            self._journal.write({"i": name, "t": now, "k": key, "o": operation, "a": astuple(action)})
            names.append(name)
            self._spare[name] = [self.token() for _ in range(self._others)]
            for other in self._spare[name]:
                self._journal.write({"i": other, "t": now, "k": key, "o": operation, "a": astuple(action)})
        return names

    def end(self, names: Sequence[str], told: Sequence[Told], retries: int | None = 0) -> None:
        """`retries`: how many attempts there were before the last; None: that is not known."""
        now = time.monotonic_ns()
        for name, each in zip(names, told, strict=True):
            sent = self._others if retries is None else retries
            for n, other in enumerate(self._spare.pop(name)):
                came = {"u": "an attempt before the last"} if n < sent else {"r": None, "e": NO_ATTEMPT}
                self._journal.write({"i": other, "t": now, **came})
            if isinstance(each, Unknown):
                self.unknown += 1
                self._journal.write({"i": name, "t": now, "u": each.reason})
            elif isinstance(each, Nothing):
                self._journal.write({"i": name, "t": now, "r": None, "e": each.reason})
            else:
                self._journal.write({"i": name, "t": now, "r": each})


@dataclass(slots=True)
class Record:
    """All that was recorded in a run. `operations` counts calls by operation and what came of them."""

    history: History
    counts: Counter[str] = field(default_factory=Counter[str])


def load(
    journals: Iterable[Path], initial: dict[KeyName, State], killed: Mapping[Path, int] = MappingProxyType({})
) -> Record:
    """The history that several processes have written down, in the order of the calls. `killed`: when some of them
    were, in nanoseconds."""
    begun: dict[str, tuple[str, Operation]] = {}
    counts: Counter[str] = Counter()
    for path in journals:
        for entry in Follower(path).entries():
            if "k" in entry:
                operation = operation_of(entry)
                begun[entry["i"]] = entry["o"], operation
                if path in killed:
                    operation.lands_before = killed[path] + LANDING_NANOSECONDS
                continue
            name, operation = begun[entry["i"]]
            if "u" in entry:
                operation.lands_before = entry["t"] + LANDING_NANOSECONDS
            else:
                came = end(operation, entry)
                if came != NO_ATTEMPT:
                    counts[f"{name} {came}"] += 1
    for name, operation in begun.values():
        if operation.answered is None and not operation.void:
            counts[f"{name} {'unknown' if operation.action.is_write else 'not answered'}"] += 1
    operations = sorted((operation for _, operation in begun.values()), key=lambda operation: operation.called)
    return Record(History(dict(initial), operations), counts)


def operation_of(entry: dict[str, Any]) -> Operation:
    key: KeyName = (entry["k"][0], entry["k"][1])
    at: int = entry["t"]
    return Operation(entry["i"].rpartition(".")[0], key, Action(*entry["a"]), at, at / NANOSECONDS)


def end(operation: Operation, entry: dict[str, Any]) -> str:
    """Write an answer down in its operation; the word for what came of it."""
    if entry["r"] is None:
        operation.void = True
        reason: str = entry["e"]
        return reason
    operation.answer = answer_from(entry["r"])
    operation.answered, operation.answered_at = entry["t"], entry["t"] / NANOSECONDS
    return operation.answer[0]


def answer_from(plain: list[Any]) -> Answer:
    """An answer as JSON keeps it, with tuples again where the model has them."""
    word, shown = plain
    if not isinstance(shown, list):
        return word, shown
    n, log, status = cast("tuple[int | None, list[str], str | None]", shown)
    return word, (n, tuple(log), status)
