"""A world in virtual time: the third driver, which performs the effects of the very routines that run in production.

Everything happens in one heap of moments, and every chance comes from one seeded generator: the same seed is the same
history, call by call. A process may stand still, lose its tasks, or be cut off; what becomes of its calls is the
network's business.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

from crossfade.core.effects import (
    Call,
    Effect,
    Forward,
    Gather,
    Later,
    MayLand,
    Note,
    Now,
    Queued,
    Reply,
    Sleep,
    Stamp,
    Today,
    Turn,
)
from crossfade.core.rules import Rules
from crossfade.drivers.lease_clock import furthest
from crossfade.drivers.local import lengthened
from crossfade.errors import CrossfadeError
from crossfade.sim.faults import Faults
from crossfade.sim.network import Network
from crossfade.sim.processes import Answered, Process, Task, Watcher
from crossfade.sim.tables import Database

EVENTS_MAX: Final = 400_000  # a world that needs more is going in circles


class EndlessWorld(Exception):
    """The world did not come to rest: something goes in circles."""


class World:
    def __init__(self, seed: int, database: Database, faults: Faults, random: Random, landing_seconds: float) -> None:
        """`landing_seconds`: after this, a request that was sent has been carried out or never will be."""
        self.seed = seed
        self.database = database
        self.faults = faults
        self.random = random
        self.now = 0.0
        self.watchers: list[Watcher] = []
        self.network = Network(self, database, faults, random, landing_seconds, self.watchers)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._stamps = 0

    # --- time -----------------------------------------------------------------------------------------------------

    def monotonic(self, process: Process) -> float:
        """Seconds by a clock of the process that no suspension moves."""
        return self.now - process.suspended_seconds

    def lease_clock(self, process: Process, rules: Rules) -> Callable[[], float]:
        """Return what production goes by, on the clocks of the process."""
        monotonic = partial(self.monotonic, process)
        return furthest(monotonic, lambda: self.now, lambda: self.now) if rules.lease_clock else monotonic

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._heap, (when, self._order, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + seconds, action)

    def order(self) -> int:
        """A fresh place in the one order of everything that happens."""
        self._order += 1
        return self._order

    def run(self, until: Callable[[], bool], seconds_max: float) -> bool:
        """Whether `until` came true within `seconds_max` of virtual time. Raises EndlessWorld."""
        limit = self.now + seconds_max
        heap = self._heap
        while not until():
            if not heap or heap[0][0] > limit:
                return False
            when, _, action = heappop(heap)
            self.now = max(self.now, when)
            if self._order > EVENTS_MAX:
                raise EndlessWorld(f"more than {EVENTS_MAX} events at {self.now:.1f} s")
            action()
        return True

    # --- tasks ----------------------------------------------------------------------------------------------------

    def start(self, task: Task) -> None:
        self.deliver(task.process, lambda: self._step(task, None, None))

    def note(self, who: str, name: str, facts: dict[str, Any]) -> None:
        for watcher in self.watchers:
            watcher.noted(who, name, facts)

    def deliver(self, process: Process, action: Callable[[], None]) -> None:
        """Run something inside a process: now, when it goes on, or never."""
        if not process.alive:
            return
        if process.paused_until > self.now:
            process.held.append(action)
        else:
            action()

    def _step(self, task: Task, value: Any, error: CrossfadeError | None) -> None:
        """Go on with a routine until it has to wait."""
        routine = task.routine
        while True:
            try:
                effect = routine.send(value) if error is None else routine.throw(error)
            except StopIteration as stop:
                self._end(task, stop.value, None)
                return
            except CrossfadeError as raised:
                self._end(task, None, raised)
                return
            value, error = None, None
            try:
                if self._waits(task, effect):
                    return
                value = self._at_once(task, effect)
            except CrossfadeError as refused:  # by the scope, before anything was sent
                error = refused

    def _waits(self, task: Task, effect: Effect[Any]) -> bool:
        """Whether the effect takes time; then it has begun, and its answer goes on with the task."""
        match effect:
            case Call():
                self._call(task, effect, sdk=False)
            case Forward():
                self._call(task, task.scope.forwarded(effect), sdk=True)
            case Gather():
                self._gather(task, effect)
            case Sleep():
                seconds = lengthened(effect.seconds, self.random.random())
                self.after(seconds, lambda: self.deliver(task.process, lambda: self._step(task, None, None)))
            case Turn():
                return self._waits_for_turn(task, effect.queued)
            case _:
                return False
        return True

    def _waits_for_turn(self, task: Task, queued: Queued) -> bool:
        def come() -> None:
            task.scope.turned(queued)
            self._step(task, None, None)

        return not task.process.queues.enter(queued, lambda: self.after(0.0, lambda: self.deliver(task.process, come)))

    def _at_once(self, task: Task, effect: Effect[Any]) -> Any:
        match effect:
            case MayLand():
                return task.scope.may_land
            case Now():
                return self.monotonic(task.process)
            case Today():
                return int(self.now)
            case Stamp():
                return self.stamp()
            case Note():
                self.note(task.process.name, effect.name, effect.facts)
            case Later():
                task.scope.later(effect)
            case Turn():
                pass  # it has come at once
            case _:
                raise AssertionError(f"{task.name} yielded {effect!r}, which is no effect")
        return None

    def stamp(self) -> str:
        """Return a stamp that nothing else has."""
        self._stamps += 1
        return f"stamp-{self._stamps}"

    def _end(self, task: Task, value: Any, error: CrossfadeError | None) -> None:
        for watcher in self.watchers:
            watcher.ended(task, value if error is None else error)
        task.then(value, error)

    def _call(self, task: Task, call: Call, *, sdk: bool) -> None:
        task.scope.before(call)
        self._send(task, call, self._resume(task, call), sdk=sdk)

    def _send(self, task: Task, call: Call, answer: Answered, *, sdk: bool) -> None:
        if task.through is None or call.place == "control":
            self.network.send(task, call, answer, sdk=sdk)
        else:
            task.through(task, call, answer)

    def _resume(self, task: Task, call: Call | None) -> Answered:
        def answered(value: Any, error: CrossfadeError | None) -> None:
            if error is not None and call is not None and task.process.alive:
                task.scope.failed(call, error)
            self.deliver(task.process, lambda: self._step(task, value, error))

        return answered

    def _gather(self, task: Task, gather: Gather) -> None:
        for call in gather.calls:
            task.scope.before(call)
        waiting = len(gather.calls)
        replies: list[Reply | None] = [None] * waiting
        errors: list[CrossfadeError | None] = [None] * waiting
        resume = self._resume(task, None)
        if not waiting:
            self.after(0.0, lambda: resume((), None))
            return

        def answer(i: int) -> Answered:
            def answered(value: Any, error: CrossfadeError | None) -> None:
                nonlocal waiting
                replies[i], errors[i] = value, error
                if error is not None and task.process.alive:
                    task.scope.failed(gather.calls[i], error)
                waiting -= 1
                if not waiting:
                    first = next((error for error in errors if error is not None), None)
                    resume(tuple(replies) if first is None else None, first)

            return answered

        for i, call in enumerate(gather.calls):
            self._send(task, call, answer(i), sdk=False)

    # --- what happens to processes --------------------------------------------------------------------------------

    def crash(self, process: Process) -> None:
        """Kill the process: its tasks vanish, and what it had sent may still land."""
        process.alive = False
        process.held.clear()
        process.close()
        self.note(process.name, "crash", {"in_flight": len(process.in_flight)})
        self.network.sender_died(process)

    def pause(self, process: Process, seconds: float) -> None:
        """Pause the process: what it had sent is carried out, and later it goes on as if nothing had been."""
        process.paused_until = max(process.paused_until, self.now + seconds)
        self.note(process.name, "pause", {"seconds": round(seconds, 1)})
        self.at(process.paused_until, lambda: self._wake(process))

    def suspend(self, process: Process, seconds: float) -> None:
        """Pause the process with its machine: its monotonic clock stands still."""
        if process.paused_until <= self.now:
            process.suspended_at = self.now
            process.suspended_seconds += seconds
            self.note(process.name, "suspended", {"seconds": round(seconds, 1)})
            self.pause(process, seconds)

    def goes_on_at(self, process: Process) -> float:
        """When a process that stands still comes to what it had planned for now. Its timers stand still with it."""
        return process.paused_until + (self.now - process.suspended_at if process.suspended_at else 0.0)

    def _wake(self, process: Process) -> None:
        if not process.alive or process.paused_until > self.now:
            return
        process.suspended_at = 0.0
        held, process.held = process.held, []
        self.note(process.name, "goes on", {})
        self.random.shuffle(held)
        for action in held:
            self.deliver(process, action)
