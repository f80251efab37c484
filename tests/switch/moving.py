"""The operator's side in tests: a coordinator on a thread, and what it saw; and histories of what applications saw."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from crossfade.aws import own_calls
from crossfade.control.coordinator import Coordinator
from crossfade.control.records import RepairRecord, State
from crossfade.control.repairs import list_repairs
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Routine
from crossfade.core.stages import Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import CrossfadeError
from crossfade.sim.linearizability import Event, Stuck, TooLong, linearize
from crossfade.sim.model import Action, Answer
from crossfade.switch import Switch

T = TypeVar("T")
TABLE = "control-switch"
LEASE_SECONDS = 2.0
LANDING_SECONDS = 0.5
GATES = "the jobs are for other tests"


class Operator:
    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name
        self.control = Control(name, TABLE)
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self._driver = SyncDriver(self._call, lambda note, facts: self.notes.append((note, facts)))

    def _call(self, _place: str, operation: str, request: dict[str, Any]) -> Any:
        return own_calls.call(self.client, operation, request, self.name)

    def close(self) -> None:
        self._driver.close()

    def run(self, routine: Routine[T]) -> T:
        return self._driver.run(routine, Scope())

    def coordinator(self, **options: Any) -> Coordinator:
        return Coordinator(self.control, Caller("ann", "laptop", lambda: "now"), force_because=GATES, **options)

    def start(self, switch: Switch, stage: Stage = Stage.OFF) -> None:
        _ = self.run(self.coordinator().start(switch.plan()))
        _ = self.walk(stage)

    def walk(self, stage: Stage, **options: Any) -> State:
        return self.run(self.coordinator(**options).walk(stage))

    def state(self) -> State:
        return self.run(self.control.state())

    def repairs(self) -> tuple[RepairRecord, ...]:
        return self.run(list_repairs(self.control))

    def options(self, **more: Any) -> dict[str, Any]:
        """For a Switch: quick leases, so that tests of what dies are short."""
        usual = {
            "control": self.client,
            "control_table": TABLE,
            "lease_seconds": LEASE_SECONDS,
            "landing_seconds": LANDING_SECONDS,
            "poll_seconds": 0.2,
        }
        return usual | more


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "this has not come"
        time.sleep(0.02)


@dataclass(slots=True)
class Recorder:
    """Calls and answers in the order in which they were made, for the checker of linearizability."""

    events: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    seconds: list[tuple[float, float, bool]] = field(default_factory=list[tuple[float, float, bool]])
    errors: list[CrossfadeError] = field(default_factory=list[CrossfadeError])
    _places: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def place(self) -> int:
        with self._lock:
            return next(self._places)

    def record(self, key: str, called: int, action: Action, answer: Answer | None) -> None:
        answered = None if answer is None else self.place()
        with self._lock:
            self.events[key].append(Event(called, answered, action, answer))

    def took(self, began: float, is_write: bool) -> None:
        with self._lock:
            self.seconds.append((began, time.monotonic() - began, is_write))

    @property
    def longest_write(self) -> float:
        return max(seconds for _, seconds, is_write in self.seconds if is_write)

    def faults(self) -> list[Stuck]:
        """What no order explains. A history that is too long to judge is a failure of the test."""
        found: list[Stuck] = []
        for events in self.events.values():
            try:
                stuck = linearize(seen_or_known(events), None)
            except TooLong as error:
                raise AssertionError("the history is too long to be judged: make the test shorter") from error
            found += [] if stuck is None else [stuck]
        return found


def seen_or_known(events: list[Event]) -> list[Event]:
    """Without appends of unknown outcome whose token nobody has ever seen: had they been carried out, then so that it
    explains nothing."""
    seen = {token for event in events if event.answer is not None and event.answer[1] for token in event.answer[1][1]}
    return [event for event in events if event.known or not event.action.token or event.action.token in seen]


def action(name: Any, token: str = "") -> Action:
    return Action(name, token)
