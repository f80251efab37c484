"""One seed, from the first call to the verdict: safety while things go wrong, then healing, then convergence.

While faults happen, applications must never be told a wrong answer. Then the faults end and everything drains: the two
sides must be equal wherever the records say "verified", and after a repair wherever they do not. At the end each item's
whole history, closed by a read of what is there, must be that of one plain item.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from crossfade.control.coordinator import Coordinator
from crossfade.control.evidence import Evidence
from crossfade.control.gates import findings
from crossfade.control.record_items import from_item
from crossfade.control.records import CLIENTS, Job, Lease, Role
from crossfade.control.records import State as Record
from crossfade.control.starting import StartPlan
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Call
from crossfade.core.items import Item
from crossfade.core.rules import Rules
from crossfade.core.stages import LADDERS, Gate, Side, Stage
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError
from crossfade.sim.applications import Application
from crossfade.sim.calls import GET, Calls
from crossfade.sim.checkers import Unequal, Violation, Waits, answers, differences
from crossfade.sim.faults import Fault, Faults
from crossfade.sim.frozen import InlineClient
from crossfade.sim.history import History, Operation
from crossfade.sim.jobs import JobRun
from crossfade.sim.joiner import NO_EXPIRY, Joiner
from crossfade.sim.linearizability import TooLong
from crossfade.sim.model import seen
from crossfade.sim.network import STALE_SECONDS_MAX
from crossfade.sim.operator import Operator
from crossfade.sim.outcome import Outcome
from crossfade.sim.processes import Process, Task
from crossfade.sim.scenario import Scenario, draw
from crossfade.sim.setting import CONTROL_TABLE, Setting
from crossfade.sim.settling import SETTLING, SettleRun
from crossfade.sim.trace import Trace, named
from crossfade.sim.workload import Workload
from crossfade.sim.world import EndlessWorld, World

FAULTY_SECONDS_MAX: Final = 30.0  # after so long with faults, they end
HEALED_SECONDS_MAX: Final = 600.0  # without faults, everything must come to rest well within this
QUIET_POLLS: Final = 3
PARTINGS: Final = 4
AWAKENINGS: Final = 3
FOREVER: Final = float("inf")  # a mirror may be late by any time: what it has not brought yet is read from long ago
PAUSE_LEASES: Final = (0.2, 2.5)  # how long a process stands still, in leases


class Run:
    """A scenario's world and everybody in it."""

    def __init__(self, seed: int, rules: Rules, strategy: str = "dual-write") -> None:
        random = Random(seed)  # noqa: S311 - chance, not secrets
        more = Random(f"more of {seed}")  # noqa: S311
        self.scenario: Scenario = draw(random, more, rules, strategy)
        self.strategy = strategy
        self.rows = LADDERS[strategy]
        self.setting = setting = Setting(self.scenario)
        self.migration = made = setting.migration
        ledger = Ledger(CONTROL_TABLE, made.name)
        self.pair = Pair(
            made.source, made.target, made.compiled, rules, self.scenario.landing_seconds, ledger=ledger,
            indexes=made.indexes, expiry=NO_EXPIRY,
        )  # fmt: skip
        self.database = setting.database()
        self.faults = Faults(self.scenario.rates, random, Random(f"suspensions of {seed}"))  # noqa: S311
        self.world = World(seed, self.database, self.faults, random, self.scenario.landing_seconds)
        self.control = Control(self.migration.name, self.migration.control_table)
        self.caller = Caller("simulator", "simulated", lambda: f"{self.world.now:.3f}")
        self.coordinator = Coordinator(self.control, self.caller, rules, quiet_days=0, asks_clients=False)
        self.clients: list[Application] = []
        self.operator_process = Process("operator")
        settles = strategy == "dual-write" and Random(f"settling of {seed}").random() < SETTLING  # noqa: S311
        run_settle = self._run_settle if settles else None
        self.operator = Operator(self.coordinator, list(self.scenario.goals), self._run_job, run_settle)
        self.history = History(dict(self.scenario.initial))
        stale_seconds = STALE_SECONDS_MAX if strategy == "copy-on-write" else FOREVER
        self.workload = Workload(
            Calls(self.world, setting.table, self.history, stale_seconds), list(self.scenario.keys),
            self.scenario.page_share, self.scenario.many_share, self.scenario.delete_share, more, self.scenario.index,
            self.scenario.target_page_share,
        )  # fmt: skip
        inline = Random(f"inline applications of {seed}")  # noqa: S311
        self.joiner = Joiner(self.world, setting, self.pair, inline)
        self.waits = Waits(self.world, self.pair, self.rows)
        self.world.watchers += [self.waits, self]
        self.moves = 0
        self.violations: list[Violation] = []

    # --- watching

    def sent(self, task: Task, call: Call) -> None: ...

    def landed(self, task: Task, call: Call, outcome: object, late: str) -> None: ...

    def ended(self, task: Task, outcome: object) -> None: ...

    def noted(self, who: str, name: str, facts: dict[str, Any]) -> None:
        """A stage has moved: applications become busy, since now two stages are live at once. And where a job moves
        items, just when it does."""
        del who
        if name == "page" and self.strategy == "copy-on-write":
            self.workload.burst(self._applications())
        if name != "moved":
            return
        self.moves += 1
        random = self.world.random
        for _ in range(random.choice((1, 2, 3))):
            delay = random.random() * (self.scenario.poll_seconds + 0.3)
            self.world.after(delay, lambda: self.workload.burst(self._applications()))
        if self.strategy == "copy-on-write" and facts["what"].endswith(f"-> {Stage.COMPLETE}"):
            for n in range(PARTINGS):  # where both sides part for good
                delay = self.scenario.poll_seconds * (n + random.random()) / PARTINGS
                self.world.after(delay, lambda: self.workload.part(self._applications()))

    # --- who is there

    def _start_application(self) -> None:
        client = self.joiner.application()
        if isinstance(client, InlineClient):
            client.ended = self._start_application
        self.clients.append(client)
        self._trouble(client.process, self._start_application)

    def _applications(self) -> list[Application]:
        return [client for client in self.clients if client.process.alive and client.agent.role is Role.APP]

    def _start_operator(self) -> None:
        self.operator_process = Process("operator")
        self._operate(self.operator.work(), lambda: None)
        self._trouble(self.operator_process, self._start_operator)

    def _operate(self, routine: Any, then: Callable[[], None]) -> None:
        def ended(_value: object, error: CrossfadeError | None) -> None:
            if error is not None:
                raise error
            then()

        self.world.start(Task(self.operator_process, routine, "operate", ended, Scope(), "job"))

    def _run_job(self, job: Job, repair: bool) -> JobRun:
        client = self.joiner.job(job)
        self.clients.append(client)
        run = JobRun(client, self.caller, job, repair=repair, strategy=self.strategy)
        run.start()
        self._trouble(client.process, lambda: None)
        return run

    def _run_settle(self) -> JobRun:
        client = self.joiner.job(Job.VERIFY)
        self.clients.append(client)
        run = SettleRun(client, self.caller, self.database, self.strategy)
        run.start()
        self._trouble(client.process, lambda: None)
        return run

    def _trouble(self, process: Process, restart: Callable[[], None]) -> None:
        """Once a second, something may befall this process."""
        world, random = self.world, self.world.random

        def befall() -> None:
            if not process.alive or self.faults.healed:
                return
            lease = self.scenario.lease_seconds
            match self.faults.of_process():
                case Fault.CRASH:
                    world.crash(process)
                    world.after(random.uniform(0.1, 2.0), restart)
                    return
                case Fault.PAUSE:
                    world.pause(process, lease * random.uniform(*PAUSE_LEASES))
                case Fault.SLOW_CLIENT:
                    process.slowed_until = world.now + 2 * lease * random.random()
                    world.note(process.name, "slow", {"until": round(process.slowed_until, 3)})
                case Fault.LEASE_LOSS:
                    process.cut_off_until = world.now + lease * random.uniform(0.5, 2.5)
                    world.note(process.name, "cut off", {"until": round(process.cut_off_until, 3)})
                case _:
                    if leases := self.faults.suspended_leases():
                        self._suspend(process, lease * leases)
            world.after(random.uniform(0.5, 1.5), befall)

        world.after(random.random(), befall)

    def _suspend(self, process: Process, seconds: float) -> None:
        """Suspend the machine of a process. When it goes on, its application is at once as busy as ever."""
        world = self.world
        world.suspend(process, seconds)
        for _ in range(AWAKENINGS):
            delay = seconds + self.scenario.poll_seconds * self.faults.suspensions.random()
            world.after(delay, lambda: self.workload.burst([c for c in self._applications() if c.process is process]))

    # --- the phases

    def perform(self) -> Outcome:
        outcome = Outcome(self.world.seed, self.violations)
        try:
            self._prepare()
            self._start_operator()
            for _ in range(self.scenario.clients):
                self._start_application()
            self.workload.begin(self._applications, self.scenario.pause_seconds)
            _ = self.world.run(lambda: self.operator.finished or bool(self.waits.found), FAULTY_SECONDS_MAX)
            self.violations += self.waits.found
            if not self.violations:
                self._heal()
            if not self.violations:
                self._judge()
        except EndlessWorld as endless:
            self.violations.append(Violation("everything comes to rest", str(endless)))
        except TooLong:
            outcome.undecided = True
        for client in self.clients:
            client.process.close()
        outcome.operations = len(self.history.operations)
        outcome.moves = self.moves
        outcome.virtual_seconds = self.world.now
        outcome.injected = self.faults.injected
        return outcome

    def _prepare(self) -> None:
        self.setting.fill(self.database)
        self.faults.healed = True
        compiled = self.migration.compiled
        plan = StartPlan(
            self.strategy, self.migration.source.name, self.migration.target.name, compiled.fingerprint, anew=True
        )
        started: list[object] = []
        start = self.coordinator.start(plan)
        task = Task(self.operator_process, start, "start", lambda value, _error: started.append(value), Scope(), "job")
        self.world.start(task)
        if not self.world.run(lambda: bool(started), HEALED_SECONDS_MAX):
            raise AssertionError("the migration was never started")
        self.faults.healed = False

    def _heal(self) -> None:
        """No more faults. Everybody goes on, the operator reaches the last goal, then everything drains."""
        self.faults.healed = True
        self.world.note("world", "heal", {})
        for process in (self.operator_process, *(client.process for client in self.clients)):
            process.cut_off_until = process.slowed_until = 0.0
        if not self.world.run(lambda: self.operator.finished, HEALED_SECONDS_MAX):
            goal = self.operator.goals[self.operator.done].stage
            what = f"without faults, {goal} was not reached in {HEALED_SECONDS_MAX} s"
            self._violate("everything comes to rest", what)
            return
        self.workload.stopped = True
        self._drain()
        if self.violations:
            return
        stage = self.state().stage
        row = self.rows[stage]
        if not row.takes_verify:
            return  # the other side is not kept, or not yet
        if self.claims_equality() and (unequal := self._differences()):
            what = f"in {stage} the records say that all is well, but {len(unequal)} keys are {self._wrong}"
            details = tuple(f"{u.key}: source {u.source}, target {u.target}" for u in unequal)
            self._violate("mirrors are lost only where that is reported", what, tuple(u.key for u in unequal), details)
            return
        self._make_equal()

    def _make_equal(self) -> None:
        equal: list[bool] = []
        if not self.operator_process.alive:
            self.operator_process = Process("operator")
        self._operate(self.operator.make_equal(), lambda: equal.append(True))
        if not self.world.run(lambda: bool(equal), HEALED_SECONDS_MAX):
            self._violate("everything comes to rest", "without faults, no verify found nothing, however often repaired")
            return
        self._drain()
        if unequal := self._differences():
            details = tuple(f"{u.key}: source {u.source}, target {u.target}" for u in unequal)
            what = f"{len(unequal)} keys are {self._wrong} after a verify found nothing"
            invariant = "at rest, target == mapping(source)"
            if self.strategy == "copy-on-write":
                invariant = "at rest, the target has whatever the source has"
            self._violate(invariant, what, tuple(u.key for u in unequal), details)

    @property
    def _wrong(self) -> str:
        return "not equal" if self.strategy == "dual-write" else "in the source alone"

    def _differences(self) -> list[Unequal]:
        agreed = self.pair.equal if self.strategy == "dual-write" else self.pair.is_covered
        return differences(self.database, self.pair, agreed)

    def _drain(self) -> None:
        """Until nothing is under way, twice, with some polls in between: a poll may find a stray write to put right."""

        def at_rest() -> bool:
            return not any(
                client.process.in_flight or (client.process.alive and (client.process.held or client.pending))
                for client in self.clients
            )

        for _ in range(2):
            if not self.world.run(at_rest, HEALED_SECONDS_MAX):
                busy = [client.process.name for client in self.clients if client.pending]
                what = f"not drained after {HEALED_SECONDS_MAX} s: {', '.join(busy)}"
                self._violate("everything comes to rest", what)
                return
            _ = self.world.run(lambda: False, QUIET_POLLS * self.scenario.poll_seconds)
        self.world.note("world", "at rest", {"stage": self.state().stage.value})

    def _judge(self) -> None:
        place = self.world.order()
        for key in self.scenario.keys:
            image = self.setting.told_of(self._at_rest(self.setting.source_key(key)))
            read = Operation("at rest", key, GET, place, self.world.now, place, self.world.now, together=True)
            read.answer = ("ok", seen(image))
            self.history.operations.append(read)
        self.violations += answers(self.history)

    def _at_rest(self, source_key: Item) -> Item | None:
        """What an application would see under a key."""
        row = self.rows[self.state().stage]
        sides: tuple[Side, ...] = ("target", "source") if row.merges else (row.authority,)
        for side in sides:
            table = self.database.tables[self.pair.table(side).name]
            held = table.items.get(table.key(self.pair.key(side, source_key)))
            if held is not None:
                return self.pair.image(side, self.pair.stored(side, held))
        return None

    def _violate(self, invariant: str, what: str, keys: tuple[str, ...] = (), details: tuple[str, ...] = ()) -> None:
        self.violations.append(Violation(invariant, what, keys, details))

    # --- what the records say

    def state(self) -> Record:
        return from_item(Record, self.database.tables[CONTROL_TABLE].items[self.migration.name, "state"])

    def claims_equality(self) -> bool:
        """Whether, as the gates see it, the authority might cross right now: nobody who died is left to be counted."""
        control = self.database.tables[CONTROL_TABLE].items
        living = {client.agent.client_id for client in self.clients if client.process.alive}
        for (_, record), item in control.items():
            is_of_the_dead = record.startswith(CLIENTS) and record.removeprefix(CLIENTS) not in living
            if is_of_the_dead and not from_item(Lease, item).at_rest:
                return False
        found: list[Evidence] = []
        routine = Evidence.read(self.control)
        judge = Task(Process("judge"), routine, "judge", lambda value, _error: found.append(value), Scope(), "job")
        self.world.start(judge)
        _ = self.world.run(lambda: bool(found), HEALED_SECONDS_MAX)
        judged = findings((Gate.BACKFILLED, Gate.VERIFIED), self.state(), found[0])
        return all(finding.is_open for finding in judged)


def run_seed(
    seed: int,
    rules: Rules,
    *,
    strategy: str = "dual-write",
    trace: Callable[[str], None] | None = None,
    keys: frozenset[str] | None = None,
) -> Outcome:
    """Play one seed. `trace` is given lines for people, on the items in `keys` (None: everything)."""
    run = Run(seed, rules, strategy)
    if trace is not None:
        labels = run.setting.labels()
        run.world.watchers.append(Trace(run.world, trace, keys, lambda call: named(run.pair, labels, call)))
    return run.perform()
