"""Every fate of a call of a real `Switch`, and who judges it.

The caller gets what the authority's method gave or raised. What was carried out stays; and once nothing fails any more,
both sides are equal and the repair queue is empty, also where the process was killed and another one has to do it.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, cast

from crossfade.control.calls import ask
from crossfade.control.carrying import NO_CARRIER
from crossfade.control.coordinator import Coordinator
from crossfade.control.records import RepairRecord
from crossfade.control.repairs import list_repairs
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.stages import FREEZE, Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import CrossfadeError, DatabaseError, Held, NotPossibleInStage
from crossfade.mapping import rename
from crossfade.migration import Migration, Table
from crossfade.sim.table import Key
from crossfade.sim.tables import Database
from crossfade.switch import Mirror, Switch, TableMirror
from crossfade.switch.keys import key_text
from crossfade.switch.membership import Timing
from tests.contract.worlds import low_level_client
from tests.faults.freeze.clock import Clock, Killed, Process, virtual_time
from tests.faults.freeze.mishaps import Fate, Mishap, NoSuchThing, is_method, is_mirrors
from tests.faults.freeze.places import Carried, Place
from tests.faults.freeze.stores import CALLS, DECLARED, Gave, InTable, Sides
from tests.faults.freeze.wire import CONFIG, ENDPOINT, LANDING_SECONDS, Course, Wire

NAME: Final = "switched"
TABLE: Final = "crossfade"
LEASE_SECONDS: Final = 10.0
HOLD_SECONDS: Final = 0.5
TIMING: Final = Timing(1.0, repair_seconds=1.0)
LOOK_SECONDS: Final = 0.25
WATCHED_SECONDS: Final = 1.3  # at least, behind a call: a poll and a round of repairs are among its steps
WATCHED_FROZEN_SECONDS: Final = 0.3  # likewise: where writes are held, both come more often
SETTLED_SECONDS_MAX: Final = 150.0  # a lease, twice the longest pause between two repairs, and what lands late
BETWEEN_SECONDS: Final = 0.3  # of two writes: behind the first one's mirror, before what lands late
AGAIN_MAX: Final = 60
RAMP_PERCENT: Final = 100
TOO_MANY: Final = 101


@dataclass(frozen=True, slots=True)
class SwitchCall:
    """A call on the entities `a` and `b`, which are there, and `new`, which is not. `twice`: and once more, a moment
    later, perhaps before all of the first has landed."""

    name: str
    method: str
    arguments: Callable[[str], tuple[Any, ...]]  # of what the fate's keys begin with
    twice: bool = False

    @property
    def writes(self) -> bool:
        return self.method not in ("find", "look")


def many(prefix: str) -> tuple[Any, ...]:
    return tuple(f"{prefix}{n}" for n in range(TOO_MANY)), "x"


SWITCH_CALLS: Final = (
    SwitchCall("switch: a read", "find", lambda prefix: (f"{prefix}a",)),
    SwitchCall("switch: an eventual read", "look", lambda prefix: (f"{prefix}a",)),
    SwitchCall("switch: a write", "append", lambda prefix: (f"{prefix}a", "x")),
    SwitchCall("switch: a write and another", "append", lambda prefix: (f"{prefix}a", "x"), twice=True),
    SwitchCall("switch: a write of something new", "append", lambda prefix: (f"{prefix}new", "x")),
    SwitchCall("switch: a write of two", "move", lambda prefix: (f"{prefix}a", f"{prefix}b", "x")),
    SwitchCall(
        "switch: a unit of work", "place", lambda prefix: ((f"{prefix}a", f"{prefix}b", f"{prefix}new"), "x")
    ),
    SwitchCall("switch: a unit of work of too many", "place", many),
)  # fmt: skip


# --- the migration, in a stage


def client_in(region: str) -> Any:
    """What it sends is met on the wire, as everything is."""
    return low_level_client({**ENDPOINT, "region_name": region}, CONFIG)


MIGRATION: Final = Migration(
    NAME,
    Table("orders", key={"key": "S"}, region="us-east-1", client=lambda: client_in("us-east-1")),
    Table("orders-v2", key={"id": "S"}, region="eu-west-1", client=lambda: client_in("eu-west-1")),
    [rename("key", "id"), rename("tokens", "log")],
    "freeze",
    TABLE,
)


def mirror_of(where: Place) -> Mirror | TableMirror:
    return TableMirror(MIGRATION) if where.tables else Mirror(carried=where.carried, conditional=where.conditional)


@cache
def staged(stage: Stage, carried: Carried, tables: bool = False) -> dict[Key, Item]:
    """The control table of a migration that is there."""
    clock, database = Clock(), Database({TABLE: ("migration", "record")})
    operator = Operator(clock, database)
    plan = replace(mirror_of(Place(stage, "", carried, tables=tables)).plan(NAME), carried=False)  # see below
    control = Control(NAME, TABLE)
    coordinator = Coordinator(control, Caller("ann", "here", lambda: "now"), force_because="set up")
    _ = operator.run(coordinator.start(plan))
    row = FREEZE[stage]
    rests = Stage.RAMPDOWN if stage is Stage.COMPLETE else Stage.SHADOW if row.holds else stage
    _ = operator.run(coordinator.walk(rests))
    if stage is Stage.SHADOW:
        _ = operator.run(coordinator.set_ramp(RAMP_PERCENT))
    if stage is Stage.COMPLETE:
        _ = operator.run(coordinator.complete(confirmed=True))
    for through in (Stage.FREEZE_SOURCE, Stage.FREEZE_TARGET) if row.holds else ():
        state = operator.run(control.state())
        if state.stage is not stage:
            _ = operator.run(coordinator._step(state, through, confirmed=False))  # pyright: ignore[reportPrivateUsage]
    if carried:  # only now, or nothing would have led past it
        _ = operator.run(ask("PutItem", control.put(NO_CARRIER)))
    return dict(database.tables[TABLE].items)


class Operator:
    """Asks the database itself: nothing fails on that way."""

    def __init__(self, clock: Clock, database: Database) -> None:
        self._clock = clock
        self._database = database
        self._driver = SyncDriver(self._call, lambda _name, _facts: None, sleep=clock.advance, clock=lambda: clock.now)

    def run(self, routine: Routine[Any]) -> Any:
        return self._driver.run(routine, Scope())

    def repairs(self) -> tuple[RepairRecord, ...]:
        found: tuple[RepairRecord, ...] = self.run(list_repairs(Control(NAME, TABLE)))
        return found

    def stage(self) -> Stage:
        found: Stage = self.run(Control(NAME, TABLE).state()).stage
        return found

    def _call(self, _place: str, operation: str, request: Request) -> Reply:
        return self._database.perform(operation, request, self._clock.now)


# --- one call


@dataclass(frozen=True, slots=True)
class Told:
    """What the caller was told: a value, or what was raised; neither where its process was killed."""

    value: Any = None
    error: BaseException | None = None


class World:
    """A switch in one stage; another one where that has been killed, or has left what it may not."""

    def __init__(self, where: Place) -> None:
        self.where = where
        self.clock = Clock()
        source, target = MIGRATION.source, MIGRATION.target
        self.database = Database(
            {TABLE: ("migration", "record"), source.name: source.key_names, target.name: target.key_names},
            regions={target.name: target.region},
        )
        self.wire = Wire(self.clock, self.database)
        self.sides = Sides(self.wire)
        if where.tables:
            self.sides.held["source"] = InTable(self.wire, source, "tokens")
            self.sides.held["target"] = InTable(self.wire, target, "log")
        self.operator = Operator(self.clock, self.database)
        self.lost: list[str] = []  # what would have been, had the process ended then
        self.switch: Switch | None = None
        self.process: Process | None = None
        self.counts: Counter[str] = Counter()
        self._looked: set[str] = set()
        self._stack = ExitStack()
        self.wire.watch = self._watch
        _ = self._stack.enter_context(virtual_time(self.clock, self.wire.process))
        _ = self._stack.enter_context(self.wire.connected())

    def close(self) -> list[str]:
        """What was wrong at the end."""
        wrong = self.leave()
        self._stack.close()
        return wrong

    # --- processes

    def restart(self) -> None:
        """The migration in its stage, with no client, and then with this one."""
        self.abandon()
        table = self.database.tables[TABLE]
        table.items.clear()
        table.versions.clear()
        table.items.update(staged(self.where.stage, self.where.carried, self.where.tables))
        self.begin()

    def begin(self) -> None:
        """Another process, as soon as one can be started."""
        while not self._begun():
            self.abandon()
            self.clock.advance(LOOK_SECONDS)

    def _begun(self) -> bool:
        kind, where = CALLS[self.where.client], self.where
        self.switch = Switch(
            NAME, kind(self.sides, "source"), kind(self.sides, "target"), DECLARED, control=self.wire.client,
            mirror=mirror_of(where), control_table=TABLE, landing_seconds=LANDING_SECONDS, lease_seconds=LEASE_SECONDS,
            hold_seconds=HOLD_SECONDS, refusals=(NoSuchThing,), timing=TIMING,
        )  # fmt: skip
        self.counts = Counter()
        try:
            if where.client == "threads":
                self.switch.start()
                self.process = self.clock.process
            else:
                self.process = self.wire.process()
                self.process.run(self.switch.ready())
        except (DatabaseError, Killed):
            self.process = self.clock.process
            return False
        return True

    def abandon(self) -> None:
        """As a process that is killed."""
        if self.switch is not None:
            parts = cast("Any", self.switch)
            parts._thread = None
            for connection in parts._membership._connections.values():
                connection.forget()
        if self.process is not None and not self.process.loop.is_closed():
            self.process.dead = True
            _ = self.process.close()
        self.switch = self.process = None

    def leave(self) -> list[str]:
        if self.switch is None or self.process is None:
            return []
        try:
            ended = self.switch.close() if self.where.client == "threads" else self.process.run(self.switch.aclose())
        finally:
            self.switch = self.process = None
        return [] if ended else ["it has not ended in order"]

    @property
    def pending(self) -> tuple[int, int, int]:
        """Of this process: keys that are not settled, tickets that are held, comparisons."""
        assert self.switch is not None
        parts = cast("Any", self.switch)._membership
        backlog = parts.background._backlog
        comparing: int = backlog._comparing + len(backlog._compares)
        return self.switch.pending, parts.board.agent.pending, comparing

    # --- what may be at no moment

    def _watch(self) -> None:
        """Whatever is not equal, or may land, stands in the queue."""
        if not self.where.mirrors:
            return
        kept = {item["key"]["S"] for (_, record), item in self._records() if record.startswith("repair#")}
        for key in self._looked:
            if not self.sides.equal(key) and key_text(key) not in kept:
                self.lost.append(f"{key} is not equal on both sides, and is not in the queue")

    def _records(self) -> list[tuple[Any, Item]]:
        return list(self.database.tables[TABLE].items.items())

    # --- calls

    def call(self, call: SwitchCall, prefix: str, course: Course | None) -> Told:
        assert self.switch is not None
        method, arguments = getattr(self.switch, call.method), call.arguments(prefix)
        self._looked = {f"{prefix}{name}" for name in ("a", "b", "new")}
        self.wire.course = course
        self.sides.gave.clear()
        try:
            if self.where.client == "threads":
                if course is not None:
                    course.thread = threading.get_ident()
                return Told(method(*arguments))
            assert self.process is not None
            return self.process.run(self._awaited(method, arguments, course))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not (course and course.hit):
                raise
            return Told(error=error)

    async def _awaited(self, method: Callable[..., Any], arguments: tuple[Any, ...], course: Course | None) -> Told:
        async def calling() -> Any:
            if course is not None:
                course.task = asyncio.current_task()
            return await method(*arguments)

        task = asyncio.ensure_future(calling())
        _ = await asyncio.wait([task])
        if task.cancelled():
            return Told(error=asyncio.CancelledError())
        error = task.exception()
        return Told(error=error) if error is not None else Told(task.result())

    def settle(self, course: Course, wait_until: float) -> str | None:
        """Let time pass until nothing is left to be done; what is, after so long."""
        until = self.clock.now + SETTLED_SECONDS_MAX
        while True:
            if self.process is None or self.process.dead:
                self.abandon()
                self.begin()
            assert self.process is not None
            try:
                self.process.advance(LOOK_SECONDS)
            except Killed:
                continue
            left = [record.key for record in self.operator.repairs()]
            busy = self.clock.something_lands or course.lasts or self.clock.now < wait_until
            if not busy and not left and not any(self.pending):
                return None
            if self.clock.now >= until:
                return f"in the queue: {left}; keys, tickets, comparisons that wait: {self.pending}"


# --- all that can become of it


@dataclass
class SwitchTrial:
    """All the fates of one call."""

    world: World
    call: SwitchCall
    numbers: Iterator[int]
    wrongs: list[tuple[Fate, str, Course]] = field(default_factory=list[tuple[Fate, str, Course]])
    tried: int = 0

    def make(self, fate: Fate) -> Course:
        """Make the call in this fate, and judge it."""
        world, where = self.world, self.world.where
        random.seed(0)
        if world.switch is None or (where.row.holds and self.call.writes):
            world.restart()
        assert world.switch is not None
        prefix = f"{next(self.numbers)}-"
        for name in ("a", "b"):
            world.sides.given(f"{prefix}{name}", ("given",))
        course, before = Course(world.clock, fate), Counter(world.switch.counts())
        former = world.switch
        began = world.clock.now
        told = world.call(self.call, prefix, course)
        gave = list(world.sides.gave)
        wrongs = list(self._told(told, gave, course))
        if self.call.twice and self._comes_again():
            again = world.call(self.call, prefix, course)
            wrongs += self._told(again, world.sides.gave, course)
        waits = world.settle(course, began + watched_seconds(where))
        counts = Counter(former.counts()) - before
        wrongs += self._swallowed(course, gave, counts)
        lasted = any(mishap.lasting for _, mishap in course.fate)
        if waits is None and (lasted or (where.row.holds and self.call.writes)):
            wrongs += self._goes_on(prefix, course)
        wrongs += [waits] if waits is not None else self._held(prefix)
        wrongs += world.lost[:1]
        wrongs += ["it made step after step, without an end"] if course.endless else []
        if course.met == len(fate):
            self.tried += 1
            self.wrongs += [(fate, wrong, course) for wrong in wrongs]
        world.lost.clear()
        world.wire.course = None
        if wrongs:
            world.abandon()
            world.clock.advance(LANDING_SECONDS)
            world.lost.clear()
        return course

    def _comes_again(self) -> bool:
        """Whether the process is there a moment later."""
        process = self.world.process
        try:
            if process is not None and not process.dead:
                process.advance(BETWEEN_SECONDS)
        except Killed:
            return False
        return process is not None and not process.dead

    def _told(self, told: Told, gave: list[Gave], course: Course) -> Iterator[str]:
        """The caller got what the last method gave it, or why there was none."""
        where, error = self.world.where, told.error
        if isinstance(error, Killed):
            return
        sides = [each.side for each in gave]
        ramp = self.call.method == "look" and where.stage is Stage.SHADOW
        wanted = ["target", "source"] if ramp else [where.row.authority]
        if sides and sides != wanted[: len(sides)]:
            yield f"the caller's method was called on {sides}"
        if gave and gave[-1].error is None and gave[-1].value is not told.value:
            yield f"told {told}, and the method gave {gave[-1]}"
        if gave and gave[-1].error is not None and not same(gave[-1].error, error):
            yield f"told {told}, and the method raised {gave[-1].error!r}"
        if gave:
            return
        of_caller = [mishap for step, mishap, waited in course.hit if waited and not is_method(step)]
        if isinstance(error, Held):
            good = where.row.holds and self.call.writes
        elif isinstance(error, NotPossibleInStage):
            good = self.call.arguments is many
        elif isinstance(error, DatabaseError):
            failed = [mishap for mishap in of_caller if mishap.ends == "answer"]
            lasting = [mishap for step, mishap, _ in course.hit if mishap.lasting and not is_method(step)]
            good = where.mirrors and self.call.writes and bool(failed or lasting)
        else:
            good = any(mishap.ends == "cancel" for mishap in of_caller) and not isinstance(error, Exception)
        if not good or error is None:
            yield f"told {told}, and no method was called"

    def _held(self, prefix: str) -> Iterator[str]:
        """What both sides hold at the end."""
        where, sides = self.world.where, self.world.sides
        authority = where.row.authority
        if where.row.holds:
            authority = FREEZE[self.world.operator.stage()].authority
        for name in ("a", "b", "new"):
            key = f"{prefix}{name}"
            held, model = sides.held[authority].get(key), sides.model.get(key)
            if held != model:
                yield f"{name}: the authority holds {held}, and {model} was written"
            other = sides.held["target" if authority == "source" else "source"].get(key)
            if (where.mirrors or (where.row.holds and not where.carried)) and other != held:
                yield f"{name}: the authority holds {held}, and the other side {other}"
            given = None if name == "new" else ("given",)
            if not where.mirrors and not where.row.holds and other != given:
                yield f"{name}: nobody should have written {other} to the other side"

    def _swallowed(self, course: Course, gave: list[Gave], counts: Counter[str]) -> Iterator[str]:
        """Whatever failed behind the caller's back was counted."""
        for step, mishap, waited in course.hit:
            if mishap.ends == "kill":
                return
            if waited:
                if is_method(step) and len(gave) > 1 and not counts["ramp_failed"]:
                    yield f"{step}: {mishap.name} is told nowhere: {dict(counts)}"
            elif (names := told_by(step, mishap)) and not any(counts[name] for name in names):
                yield f"{step}: {mishap.name} is told nowhere: {dict(counts)}"

    def _goes_on(self, prefix: str, course: Course) -> Iterator[str]:
        """Another write is carried out, as soon as the stage allows it."""
        world, again = self.world, SWITCH_CALLS[2]
        for _ in range(AGAIN_MAX):
            told = world.call(again, prefix, None)
            if told.error is None:
                break
            if not isinstance(told.error, CrossfadeError) or not told.error.retryable:
                yield f"a later write is told {told}"
                return
            assert world.process is not None
            world.process.advance(LOOK_SECONDS)
        else:
            yield f"writes are carried out no more, in {world.operator.stage()}"
            return
        waits = world.settle(course, 0.0)
        if waits is not None:
            yield f"after a later write, {waits}"


FAILED: Final = ("mirror_failed", "mirror_lost", "repair_failed")
POLLED: Final = ("lease_not_renewed", "agent_error", "not_moved")
OUTCOMES: Final = ("matching", "mismatched", "missing", "extra", "error", "dropped")
COMPARED: Final = tuple(f"compare.{outcome}" for outcome in OUTCOMES)
PASSING: Final = frozenset({"500", "reset", "timeout,", "timeout", "throttle", "conflict"})


OUTLASTED: Final = frozenset({"GetItem", "PutItem", "DeleteItem"})  # background work is denied them for minutes first


def told_by(step: str, mishap: Mishap) -> tuple[str, ...]:
    """The events of which one has to tell it; none where it is tried again at once, and succeeds then."""
    if mishap.ends == "slow":
        return ()
    if is_mirrors(step):
        return FAILED
    if is_method(step):
        return COMPARED
    passes = mishap.kind in PASSING or (mishap.kind == "denied" and step in OUTLASTED and not mishap.lasting)
    return () if mishap.ends != "answer" or passes else (*FAILED, *POLLED)


def same(raised: BaseException, told: BaseException | None) -> bool:
    """The very exception; of a task that was cancelled, a cancellation."""
    return told is raised or (isinstance(raised, asyncio.CancelledError) and isinstance(told, asyncio.CancelledError))


def watched_seconds(where: Place) -> float:
    return WATCHED_FROZEN_SECONDS if where.row.holds else WATCHED_SECONDS
