"""A recorded history and what is in the tables at rest: is each item's history that of one plain item?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from crossfade.core.items import Item
from crossfade.sim.checkers import Violation, answers
from crossfade.sim.history import History, KeyName, Operation
from crossfade.sim.linearizability import Stuck, TooLong, linearize
from crossfade.sim.model import Action, Answer, seen
from tests.histories.records import NANOSECONDS

AT_REST = "at rest"


@dataclass(frozen=True, slots=True)
class Fault:
    """One item whose history no plain item has. `stuck` is how far an order can be made, where that says more."""

    key: KeyName
    violation: Violation
    operations: tuple[Operation, ...]
    stuck: Stuck | None


@dataclass(slots=True)
class Verdict:
    """`undecided` are items whose history is too entangled to be judged; none of them is said to hold."""

    faults: list[Fault] = field(default_factory=list[Fault])
    undecided: list[KeyName] = field(default_factory=list[KeyName])


def judge(history: History) -> Verdict:
    """Item by item, which is enough: linearizability of each is linearizability of all together."""
    verdict = Verdict()
    for key, initial in history.initial.items():
        operations = history.of(key)
        try:
            found = answers(History({key: initial}, operations))
            stuck = linearize([event for each in operations for event in each.events()], initial) if found else None
        except TooLong:
            verdict.undecided.append(key)
            continue
        if found:
            verdict.faults.append(Fault(key, found[0], tuple(operations), stuck))
    return verdict


def read_at_rest(history: History, keys: tuple[KeyName, ...], read: Callable[[KeyName], Item | None], now: int) -> None:
    """Add what every item is when all have ended; `now` is later than every answer, in nanoseconds."""
    for key in keys:
        item = read(key)
        answer: Answer
        try:
            answer = "ok", seen(item)
        except (ValueError, KeyError, TypeError) as error:
            answer = "odd", f"{item!r}: {error}"
        at = now / NANOSECONDS
        history.operations.append(Operation(AT_REST, key, Action("get"), now, at, now + 1, at, answer))
