"""A process of the service: a switch, as its callers, its background work, its lease and its repairs go.

What the switch's threads do around its routines (admitting, holding, ending, polling, leading out) is done here with
the world's time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from crossfade.control.coordinator import Coordinator
from crossfade.control.freezing import way_out
from crossfade.control.store import Caller
from crossfade.core.effects import Later, Routine, Sleep, relayed
from crossfade.core.rules import Rules
from crossfade.core.stages import FREEZE, FREEZE_STRATEGY, Row, Stage
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError, Held, StageUncertain
from crossfade.sim.background import Background
from crossfade.sim.freeze.dropped import recorded_without
from crossfade.sim.freeze.member import Keeper
from crossfade.sim.freeze.world import Busy, CallScope, ServiceWorld
from crossfade.sim.history import KeyName
from crossfade.sim.processes import Process, Task
from crossfade.switch.declaring import Operation, Read, Write
from crossfade.switch.intents import Intents
from crossfade.switch.invoking import Invoke, Raised
from crossfade.switch.keys import key_text
from crossfade.switch.mirror import Mirror, SaveFailed
from crossfade.switch.refusals import Refusals
from crossfade.switch.repairing import Repairs
from crossfade.switch.switchboard import Call, SwitchAgent, Switchboard, SwitchScope

HELD_LOOK_SECONDS: Final = 0.04
REPAIR_SECONDS: Final = 0.8
REPAIR_FROZEN_SECONDS: Final = 0.15


def first(*arguments: Any) -> Any:
    return arguments[0]


def first_two(*arguments: Any) -> tuple[Any, ...]:
    return arguments[:2]


FIND: Final = Operation("find", Read(key=first), None)
FIND_EVENTUALLY: Final = Operation("find", Read(key=first, eventual=True), None)
ACT: Final = Operation("act", Write(key=first), None)
MOVE: Final = Operation("move", Write(keys=first_two), None)

# What was answered, the error, and whether a write went out to a store.
Told = Callable[[Any, BaseException | None, bool], None]
HeldFor = Callable[[float], None]


class SecondFreezeless(Switchboard):
    """Drops the rule `second-freeze`: writes go on as soon as the authority has moved."""

    __slots__ = ()

    def admit(self, operation: Operation, invoke: Invoke, now: float, since: float) -> Call | None:
        agent = self.agent
        if not operation.writes or agent.stage is not Stage.FREEZE_TARGET:
            return super().admit(operation, invoke, now, since)
        keys = tuple((key, key_text(key)) for key in operation.keys(invoke.arguments, dict(invoke.named)))
        return Call(operation, invoke, keys, agent.begin(True), [])


class Service:
    def __init__(
        self, world: ServiceWorld, process: Process, agent: SwitchAgent, mirror: Mirror, caller: Caller, rules: Rules,
        *, poll_seconds: float, hold_seconds: float, held_for: HeldFor,
    ) -> None:  # fmt: skip
        self.world = world
        self.process = process
        self.agent = agent
        self.clock: Callable[[], float] = partial(world.monotonic, process)
        self.intents = Intents(self._serial)
        self.background = Background(world, process, agent, SwitchScope)
        self._rules = rules
        self._mirror = mirror
        self._caller = caller
        self._held_for = held_for
        self._serials = 0
        kind = Switchboard if rules.second_freeze else SecondFreezeless
        self.board = kind(
            agent, mirror, self.intents, self._put, self._note, world.random.random, agent.landing_seconds,
            hold_seconds, Refusals((Busy,)),
        )  # fmt: skip
        self._repairs = Repairs(self.board, caller, world.random.sample)
        self._repair_at = 0.0
        self._repairing = self._leading = False
        self.keeper = Keeper(world, process, agent, poll_seconds, nothing, self._repair)

    def _serial(self) -> str:
        self._serials += 1
        return f"{self.process.name}-{self._serials}"

    def _note(self, name: str, facts: dict[str, Any]) -> None:
        self.world.note(self.process.name, name, facts)

    def _put(self, later: Later, ticket: Any) -> None:
        routine = relayed(later.routine, partial(recorded_without, self._rules))
        self.background.put(Later(later.kind, later.key, routine, later.delay_seconds), ticket)

    # --- calls

    def call(self, operation: Operation, arguments: tuple[Any, ...], keys: tuple[str, ...], told: Told) -> None:
        invoke = Invoke("source", operation.name, arguments, {}, operation.writes)
        self._admit(operation, invoke, self.clock(), keys, told)

    def _admit(self, operation: Operation, invoke: Invoke, since: float, keys: tuple[str, ...], told: Told) -> None:
        world = self.world
        try:
            call = self.board.admit(operation, invoke, self.clock(), since)
        except (Held, StageUncertain) as error:
            if isinstance(error, Held):
                self._seen_held(since)
                self._rescue()
            told(None, error, False)
            return
        if call is None:
            again = partial(self._admit, operation, invoke, since, keys, told)
            world.after(HELD_LOOK_SECONDS, lambda: world.deliver(self.process, again))
            return
        self._seen_held(since)
        self._carry_out(call, keys, told)

    def _seen_held(self, since: float) -> None:
        seconds = self.clock() - since
        if self.process.paused_until < self.world.now - seconds:  # else it stood still, and nobody can help that
            self._held_for(seconds)

    def _carry_out(self, call: Call, keys: tuple[str, ...], told: Told) -> None:
        world = self.world
        scope = CallScope(self.agent, call.ticket, self._put)

        def ended(value: object, error: CrossfadeError | None) -> None:
            given: BaseException | None = error.error if isinstance(error, Raised) else error
            try:
                self.board.ended(call, scope, given, self.clock())
            except StageUncertain as uncertain:
                given = uncertain
            told(value, given, scope.wrote)

        routine = relayed(self.board.routine(call), partial(recorded_without, self._rules))
        name = f"{call.operation.name} {' '.join(keys)}"
        world.start(Task(self.process, routine, name, ended, scope, "caller", keys))

    # --- repairs, and the way out

    def _repair(self) -> None:
        now = self.world.now
        frozen = self.agent.stage in FREEZE and FREEZE[self.agent.stage].holds
        if self._repairing or not (
            now >= self._repair_at or (frozen and now >= self._repair_at - REPAIR_SECONDS + REPAIR_FROZEN_SECONDS)
        ):
            return
        self._repair_at = now + REPAIR_SECONDS * self.world.random.uniform(0.75, 1.25)
        self._repairing = True

        def ended(_value: object, _error: CrossfadeError | None) -> None:
            self._repairing = False

        self.keeper.own(self._repairs.round(), "repairs", ended)

    def _rescue(self) -> None:
        stage = self.agent.stage
        if self._leading or not FREEZE[stage].holds:
            return
        self._leading = True
        moving = Coordinator(self.agent.control, self._caller, self._rules, hold_seconds=self.board.hold_seconds)

        def ended(_value: object, _error: CrossfadeError | None) -> None:
            self._leading = False

        walk = moving.walk(way_out(FREEZE_STRATEGY, stage))
        self.world.start(Task(self.process, walk, "lead out", ended, Scope(), "job"))

    # --- the copy of what was there before

    def copy(self, key: KeyName, done: Callable[[], None]) -> None:
        """Make the other store hold it, as a mirror does. Raises StageUncertain."""
        ticket = self.agent.begin(True)
        text = key_text(key)

        def copied(row: Row) -> Routine[None]:
            if not row.keeps_equal:
                return
            try:
                if self.board.mirrors(row):
                    yield from self._mirror.sync(row.authority, key, lambda: False)
            except CrossfadeError as error:
                if isinstance(error, SaveFailed):  # its ticket is held until that can no longer land
                    yield from Sleep(self.agent.landing_seconds)
                return
            done()

        try:
            self._put(Later("mirror", f"copy of {text}", copied(FREEZE[ticket.stage])), ticket)
        finally:
            self.agent.release(ticket)


def nothing() -> None:
    """Before its polls a service does nothing."""
