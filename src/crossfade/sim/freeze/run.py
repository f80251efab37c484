"""One seed of the freeze ladder, from the first call to the verdict.

While things go wrong, no caller may be told a wrong answer, or be held for longer than a write may be. Then the faults
end, the operator reaches the last stage, everything drains: both stores must be equal, without any verify or repair but
the switch's own, and each entity's whole history, closed by a read, must be that of one plain item.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from crossfade.control.coordinator import Coordinator
from crossfade.control.record_items import from_item
from crossfade.control.records import REPAIRS
from crossfade.control.records import State as Record
from crossfade.control.starting import StartPlan
from crossfade.core.effects import Call
from crossfade.core.items import Item
from crossfade.core.rules import Rules
from crossfade.core.stages import FREEZE, FREEZE_STRATEGY, Stage
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError
from crossfade.sim.calls import GET, label
from crossfade.sim.checkers import Violation, answers
from crossfade.sim.faults import Faults
from crossfade.sim.freeze.checks import other_parts, unequal
from crossfade.sim.freeze.database import Sql
from crossfade.sim.freeze.fleet import FINGERPRINT, MIGRATION, Fleet
from crossfade.sim.freeze.operator import BECAUSE, Operator
from crossfade.sim.freeze.scenario import draw
from crossfade.sim.freeze.service import HELD_LOOK_SECONDS
from crossfade.sim.freeze.shapes import shape
from crossfade.sim.freeze.stores import CONTROL_TABLE, Stores
from crossfade.sim.freeze.workload import Workload
from crossfade.sim.freeze.world import ServiceWorld
from crossfade.sim.history import History, Operation
from crossfade.sim.linearizability import TooLong
from crossfade.sim.outcome import Outcome
from crossfade.sim.processes import Process, Task
from crossfade.sim.trace import Trace
from crossfade.sim.world import EndlessWorld

FAULTY_SECONDS_MAX: Final = 25.0
HEALED_SECONDS_MAX: Final = 300.0
REST: Final = "everything comes to rest"
LOOK_SECONDS: Final = 0.1


class Run:
    """A scenario's world and everybody in it."""

    def __init__(self, seed: int, rules: Rules) -> None:
        random = Random(seed)  # noqa: S311 - chance, not secrets
        more = Random(f"more of {seed}")  # noqa: S311
        scenario = self.scenario = draw(random, more, rules)
        self.stores = Stores(Sql(shape(scenario.shape), scenario.initial), keeps_stamp=scenario.keeps_stamp)
        self.faults = Faults(scenario.rates, random, Random(f"suspensions of {seed}"))  # noqa: S311
        self.world = ServiceWorld(seed, self.stores, self.faults, random, scenario.landing_seconds)
        self.violations: list[Violation] = []
        self.fleet = Fleet(self.world, scenario, self.stores, self.faults, self._held_for)
        self.coordinator = Coordinator(
            self.fleet.control, self.fleet.caller, rules, force_because=BECAUSE, hold_seconds=scenario.hold_seconds,
            asks_clients=False,
        )  # fmt: skip
        self.operator = Operator(
            self.coordinator, scenario.goals, scenario.replays, self.fleet.filled, self.fleet.emptied,
            self.fleet.replay,
        )  # fmt: skip
        self.history = History(dict(scenario.initial))
        torn = scenario.carried and scenario.shape == "fold"
        self.workload = Workload(self.world, self.history, list(scenario.keys), scenario.delete_share, torn)
        self.world.watchers.append(self)
        self.moves = 0
        self._process = Process("operator")

    # --- watching

    def sent(self, task: Task, call: Call) -> None: ...

    def landed(self, task: Task, call: Call, outcome: object, late: str) -> None: ...

    def ended(self, task: Task, outcome: object) -> None: ...

    def noted(self, who: str, name: str, facts: dict[str, Any]) -> None:
        """Make callers busy when a stage has moved, since two stages are live at once."""
        del who, facts
        if name not in ("moved", "turned_back"):
            return
        self.moves += name == "moved"
        for _ in range(self.world.random.choice((1, 1, 2))):
            delay = self.world.random.random() * (self.scenario.poll_seconds + 0.2)
            self.world.after(delay, lambda: self.workload.burst(self.fleet.living()))

    def _held_for(self, seconds: float) -> None:
        bound = self.scenario.hold_seconds + 2 * HELD_LOOK_SECONDS
        if seconds > bound:
            self._violate("no write is held longer than its bound", f"held for {seconds:.3f} s, and not {bound:.3f}")

    # --- the phases

    def perform(self) -> Outcome:
        outcome = Outcome(self.world.seed, self.violations)
        try:
            self._prepare()
            self.fleet.begin()
            self._start_operator()
            self.workload.begin(self.fleet.living, self.scenario.pause_seconds)
            _ = self.world.run(lambda: self.operator.finished or bool(self.violations), FAULTY_SECONDS_MAX)
            if not self.violations:
                self._heal()
            if not self.violations:
                self._judge()
        except EndlessWorld as endless:
            self._violate(REST, str(endless))
        except TooLong:
            outcome.undecided = True
        outcome.operations = len(self.history.operations)
        outcome.moves = self.moves
        outcome.virtual_seconds = self.world.now
        outcome.injected = self.faults.injected
        return outcome

    def _prepare(self) -> None:
        self.faults.healed = True
        carried = self.scenario.carried and self.scenario.rules.fence
        plan = StartPlan(FREEZE_STRATEGY, "old", "new", FINGERPRINT, carried, anew=True)
        started: list[object] = []
        self._operate(self.coordinator.start(plan), started.append)
        if not self.world.run(lambda: bool(started), HEALED_SECONDS_MAX):
            raise AssertionError("the migration was never started")
        self.faults.healed = False

    def _start_operator(self) -> None:
        self._process = self.fleet.process("operator")
        self._operate(self.operator.work(), lambda _value: None)
        self.fleet.trouble(self._process, self._start_operator)

    def _operate(self, routine: Any, then: Callable[[object], None]) -> None:
        def ended(value: object, error: CrossfadeError | None) -> None:
            if error is not None:
                raise error
            then(value)

        self.world.start(Task(self._process, routine, "operate", ended, Scope(), "job"))

    def _heal(self) -> None:
        """No more faults: the operator reaches the last goal, then everything drains."""
        self.faults.healed = self.workload.slow = True
        self._process.cut_off_until = self._process.slowed_until = 0.0
        self.fleet.heal()
        self.world.note("world", "heal", {})
        if not self._comes_true(lambda: self.operator.finished):
            goal = self.operator.goals[self.operator.done].stage
            self._violate(REST, f"without faults, {goal} was not reached in {HEALED_SECONDS_MAX} s")
            return
        self.workload.stopped = True
        if not self._comes_true(self._at_rest):
            self._violate(REST, f"not drained after {HEALED_SECONDS_MAX} s in {self.state().stage}")
            return
        self.world.note("world", "at rest", {"stage": self.state().stage.value})
        self._compare()

    def _comes_true(self, what: Callable[[], bool]) -> bool:
        """Looked at now and then; whether it does."""
        until = self.world.now + HEALED_SECONDS_MAX
        while self.world.now < until:
            if what():
                return True
            _ = self.world.run(lambda: bool(self.violations), LOOK_SECONDS)
            if self.violations:
                return True
            self.world.now += LOOK_SECONDS / 10
        return False

    def _at_rest(self) -> bool:
        """Nothing is under way, nothing waits to be repaired, and where the log is applied, all of it is."""
        row = FREEZE[self.state().stage]
        if not self.fleet.at_rest() or (row.keeps_equal and self._repairs()):
            return False
        if row.authority == "target" or (row.is_single and not self.scenario.carried):
            return True
        return self.fleet.filled() and self.fleet.topic.is_read()

    def _repairs(self) -> list[str]:
        return [name for _, name in self.stores.tables[CONTROL_TABLE].items if name.startswith(REPAIRS)]

    def _compare(self) -> None:
        stage = self.state().stage
        if stage is Stage.COMPLETE or (stage is Stage.OFF and not self.scenario.carried):
            return
        self.violations += unequal(self.stores, self.scenario.keys)
        if self.scenario.carried and FREEZE[stage].authority == "source":
            self.violations += other_parts(self.stores)

    def _judge(self) -> None:
        place, side = self.world.order(), FREEZE[self.state().stage].authority
        for key in self.scenario.keys:
            read = Operation("at rest", key, GET, place, self.world.now, place, self.world.now)
            read.answer = ("ok", self.stores.state(side, key))
            self.history.operations.append(read)
        self.violations += answers(self.history)

    def state(self) -> Record:
        return from_item(Record, self.stores.tables[CONTROL_TABLE].items[MIGRATION, "state"])

    def _violate(self, invariant: str, what: str) -> None:
        self.violations.append(Violation(invariant, what))


def run_seed(
    seed: int, rules: Rules, *, trace: Callable[[str], None] | None = None, keys: frozenset[str] | None = None
) -> Outcome:
    """Play one seed. `trace` is given lines for people, on the entities in `keys` (None: everything)."""
    run = Run(seed, rules)
    if trace is not None:
        names = {key[1]: label(key) for key in run.scenario.keys}
        run.world.watchers.append(Trace(run.world, trace, keys, lambda call: named(names, call)))
    return run.perform()


def named(names: dict[str, str], call: Call) -> tuple[str, ...]:
    """The entities that a call of the ETL is about, as far as its request tells."""
    told: Item = call.request.get("Item") or call.request.get("Key") or {}
    return tuple(name for entity, name in names.items() if any(entity in tells(value) for value in told.values()))


def tells(value: Any) -> list[str]:
    """The parts of a key's text."""
    text = next(iter(value.values()))
    return text.replace('"', "#").replace("[", "#").split("#") if isinstance(text, str) else []
