"""Everybody in one world, and what befalls them: processes die and others start, stand still, are cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from crossfade.cdc.applying import Destination
from crossfade.cdc.checkpoints import Checkpoint
from crossfade.control.agent import Agent
from crossfade.control.records import Role
from crossfade.control.store import Caller, Control
from crossfade.errors import StageUncertain
from crossfade.sim.faults import Fault, Faults
from crossfade.sim.freeze import capture as capturing
from crossfade.sim.freeze.capture import Capture
from crossfade.sim.freeze.carrier import Carrier
from crossfade.sim.freeze.reporter import Reporter
from crossfade.sim.freeze.scenario import Scenario
from crossfade.sim.freeze.service import Service
from crossfade.sim.freeze.shapes import PARTS
from crossfade.sim.freeze.stores import Stores
from crossfade.sim.freeze.topic import Topic
from crossfade.sim.freeze.world import ServiceWorld
from crossfade.sim.history import KeyName
from crossfade.sim.processes import Process
from crossfade.switch.mirror import Mirror
from crossfade.switch.switchboard import SwitchAgent

MIGRATION: Final = "sim"
FINGERPRINT: Final = "f"
PAUSE_LEASES: Final = (0.2, 2.5)  # how long a process stands still, in leases
CAPTURE_PAUSE_LEASES: Final = (0.2, 12.0)  # a capture's: what it sends then may be of before a whole way up and back
SESSION_SECONDS: Final = 0.5  # after which a silent member of the group has nothing any more


class Fleet:
    def __init__(
        self, world: ServiceWorld, scenario: Scenario, stores: Stores, faults: Faults, held_for: Callable[[float], None]
    ) -> None:
        self.world = world
        self.scenario = scenario
        self.stores = stores
        self.faults = faults
        self.held_for = held_for
        self.caller = Caller("simulator", "simulated", lambda: f"{world.now:.3f}")
        self.control = Control(MIGRATION)
        self.topic = Topic.of(world, scenario.partitions)
        self.checkpoints = capturing.Kept(Checkpoint())
        self.services: list[Service] = []
        self.carriers: list[Carrier] = []
        self.captures: list[Capture] = []
        self._names: Counter[str] = Counter()
        self._copied: set[KeyName] = set()
        self._copying: dict[KeyName, float] = {}

    def begin(self) -> None:
        for _ in range(self.scenario.services):
            self._start_service()
        if not self.scenario.carried:
            return
        self._start_capture()
        if self.scenario.rules.fence:  # without it the coordinator knows of nothing that carries the log
            self._start_reporter()
        for _ in range(self.scenario.workers):
            self._start_carrier()
        self._unrest()

    # --- who is there

    def living(self) -> list[Service]:
        return [service for service in self.services if service.process.alive and service.keeper.ready]

    def process(self, kind: str) -> Process:
        self._names[kind] += 1
        return Process(f"{kind}-{self._names[kind]}")

    def _new_id(self, name: str) -> str:
        self._names[name] += 1
        return f"{name}.{self._names[name]}"

    def _agent(self, kind: type[Agent], process: Process, role: Role) -> Any:
        scenario = self.scenario
        return kind(
            MIGRATION, process.name, landing_seconds=scenario.landing_seconds, host="simulated", pid=0,
            fingerprint=FINGERPRINT, new_id=lambda: self._new_id(process.name), lease_seconds=scenario.lease_seconds,
            role=role, rules=scenario.rules, clock=self.world.lease_clock(process, scenario.rules),
        )  # fmt: skip

    def _start_service(self) -> None:
        scenario, process = self.scenario, self.process("service")
        agent: SwitchAgent = self._agent(SwitchAgent, process, Role.APP)
        mirror = Mirror(carried="log" if scenario.carried else "", conditional=scenario.conditional)
        service = Service(
            self.world, process, agent, mirror, self.caller, scenario.rules, poll_seconds=scenario.poll_seconds,
            hold_seconds=scenario.hold_seconds, held_for=self.held_for,
        )  # fmt: skip
        self.services.append(service)
        self.trouble(process, self._start_service)

    def _start_carrier(self) -> None:
        scenario, process = self.scenario, self.process("etl")
        destination = Destination(self.stores.sql.shape.rows, PARTS)
        agent: Agent = self._agent(Agent, process, Role.ETL)
        carrier = Carrier(self.world, process, self.topic, destination, agent, scenario.rules, scenario.poll_seconds)
        self.carriers.append(carrier)

        def crashed() -> None:
            self.world.after(SESSION_SECONDS, lambda: self._expel(carrier))

        def paused(seconds: float) -> None:
            if seconds > SESSION_SECONDS:
                self.world.after(SESSION_SECONDS, lambda: self._expel(carrier))

        self.trouble(process, self._start_carrier, crashed, paused)

    def _expel(self, carrier: Carrier) -> None:
        """The broker has not heard of this member for too long. One that goes on joins the group again."""
        worker = carrier.worker
        if worker is None or worker.ended:
            return
        self.topic.expel(worker)
        self.world.deliver(carrier.process, worker.join_again)

    def _start_capture(self) -> None:
        process = self.process("capture")
        capture = Capture(
            self.world, process, self.stores.sql, self.topic, self.checkpoints, low_mark=self.scenario.rules.low_mark,
            look_seconds=self.scenario.capture_seconds, retire=lambda: retired(), stand_still=lambda: stand_still(),
        )  # fmt: skip
        self.captures.append(capture)

        def gone() -> None:
            if capture in self.captures:
                self.captures.remove(capture)

        def retired() -> None:
            gone()
            self.world.after(self.world.random.random(), again)

        def crashed() -> None:
            capture.crash()
            gone()

        def again() -> None:
            if not self.captures:
                self._start_capture()

        def paused(_seconds: float) -> None:
            if self.world.random.random() < 0.5:
                _ = self.faults.count(Fault.SENT_AGAIN)
                self._start_capture()

        def stand_still() -> None:
            if not self.faults.healed and self.scenario.stall and self.world.random.random() < self.scenario.stall:
                _ = self.faults.count(Fault.PAUSE)
                seconds = self.scenario.lease_seconds * self.world.random.uniform(*CAPTURE_PAUSE_LEASES)
                self.world.pause(process, seconds)
                paused(seconds)

        self.trouble(process, again, crashed, paused, CAPTURE_PAUSE_LEASES)

    def _start_reporter(self) -> None:
        process = self.process("report")
        _ = Reporter(self.world, process, self.control, self.stores.sql, self.topic)
        self.trouble(process, self._start_reporter)

    # --- what was there before the log, or before writes were mirrored

    def filled(self) -> bool:
        """Whether the target has it; if not, that goes on."""
        if self.scenario.carried:
            snapshot = self.checkpoints.checkpoint.snapshot
            progress = self.topic.progress()
            return '"finished": true' in snapshot and progress.has_reached(self.stores.sql.end)
        for key in self.scenario.keys:
            if key not in self._copied and self.world.now >= self._copying.get(key, 0.0):
                self._copy(key)
        return len(self._copied) == len(self.scenario.keys)

    def emptied(self) -> None:
        self._copied.clear()
        self._copying.clear()

    def replay(self) -> None:
        if self.scenario.carried:
            _ = self.faults.count(Fault.REPLAY)
            self.topic.replay()

    def _copy(self, key: KeyName) -> None:
        living = self.living()
        if living:
            self._copying[key] = self.world.now + 1.0
            try:
                self.world.random.choice(living).copy(key, lambda: self._copied.add(key))
            except StageUncertain:
                return

    # --- what befalls them

    def trouble(
        self, process: Process, restart: Callable[[], None], crashed: Callable[[], None] = lambda: None,
        paused: Callable[[float], None] = lambda _seconds: None, pause_leases: tuple[float, float] = PAUSE_LEASES,
    ) -> None:  # fmt: skip
        """Once a second, something may befall this process."""
        world, random = self.world, self.world.random

        def befall() -> None:
            if not process.alive or self.faults.healed:
                return
            lease = self.scenario.lease_seconds
            match self.faults.of_process():
                case Fault.CRASH:
                    world.crash(process)
                    crashed()
                    world.after(random.uniform(0.1, 2.0), restart)
                    return
                case Fault.PAUSE:
                    seconds = lease * random.uniform(*pause_leases)
                    world.pause(process, seconds)
                    paused(seconds)
                case Fault.SLOW_CLIENT:
                    process.slowed_until = world.now + 2 * lease * random.random()
                case Fault.LEASE_LOSS:
                    process.cut_off_until = world.now + lease * random.uniform(0.5, 2.5)
                    world.note(process.name, "cut off", {"until": round(process.cut_off_until, 3)})
                case _:
                    if leases := self.faults.suspended_leases():
                        world.suspend(process, lease * leases)
                        paused(lease * leases)
            world.after(random.uniform(0.5, 1.5), befall)

        world.after(random.random(), befall)

    def _unrest(self) -> None:
        """Disturb the group, about twice a second."""
        world, random = self.world, self.world.random

        def befall() -> None:
            if self.faults.healed:
                return
            if random.random() < self.scenario.unrest / 2:
                _ = self.faults.count(Fault.REBALANCE)
                self.topic.balance()
            if random.random() < self.scenario.unrest / 10:
                _ = self.faults.count(Fault.OFFSETS_BACK)
                self.topic.go_back()
            world.after(random.uniform(0.3, 0.7), befall)

        world.after(random.random(), befall)

    def heal(self) -> None:
        services = [service.process for service in self.services]
        for process in (*services, *(carrier.process for carrier in self.carriers)):
            process.cut_off_until = process.slowed_until = 0.0

    # --- whether all has come to rest

    def at_rest(self) -> bool:
        for service in self.services:
            process = service.process
            if process.in_flight:
                return False
            if process.alive and (service.agent.pending or len(service.intents) or not service.background.idle):
                return False
        for carrier in self.carriers:
            if carrier.process.in_flight or (carrier.process.alive and not carrier.idle):
                return False
        return not any(each.process.alive and each.process.paused_until > self.world.now for each in self.captures)
