"""How the processes of a world join its migration: applications, which may have another one before it, and jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from crossfade.control.agent import Agent
from crossfade.control.records import Job, Role
from crossfade.core.stages import Side
from crossfade.core.tables.index_keys import IndexKey
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.migration import Migration
from crossfade.sim.applications import Application
from crossfade.sim.chained import ChainedClient, Joining
from crossfade.sim.client import Client
from crossfade.sim.frozen import InlineClient
from crossfade.sim.processes import Process
from crossfade.sim.scenario import Scenario
from crossfade.sim.setting import CONTROL_TABLE, Setting
from crossfade.sim.world import World

INLINE: Final = 0.25  # of the worlds have applications that are frozen between their calls
INLINE_SHARES: Final = (0.5, 1.0)  # of the applications there
NO_EXPIRY: Final[dict[Side, str]] = {"source": "", "target": ""}  # the simulated tables expire nothing
NOTHING_INDEXED: Final[dict[Side, tuple[IndexKey, ...]]] = {"source": (), "target": ()}  # which nobody asks then


@dataclass(slots=True)
class Joiner:
    """Makes processes, each with a name of its own."""

    world: World
    setting: Setting
    pair: Pair
    random: Random  # for who is frozen between its calls
    names: Counter[str] = field(default_factory=Counter[str])
    _inline_share: float = field(default=0.0, init=False)

    @property
    def scenario(self) -> Scenario:
        return self.setting.scenario

    def __post_init__(self) -> None:
        self._inline_share = self.random.choice(INLINE_SHARES) if self.random.random() < INLINE else 0.0

    def application(self) -> Application:
        process, pair, before = Process(self._name("app")), self._new_pair(), self.setting.before
        agent = self._agent(self.setting.migration, process, Role.APP)
        if before is not None:
            return self._chained(process, before, pair, agent)
        if self.world.random.random() < self.scenario.target_share:
            pair = replace(pair, view="target")
        if self.random.random() < self._inline_share:
            agent.rests = True
            return InlineClient(self.world, pair, agent, process, self.scenario, self.random)
        return self._client(process, pair, agent)

    def _chained(self, process: Process, before: Migration, pair: Pair, agent: Agent) -> ChainedClient:
        scenario, ledger = self.scenario, Ledger(CONTROL_TABLE, before.name)
        tables = before.source, before.target, before.compiled
        earlier = Pair(*tables, scenario.rules, scenario.landing_seconds, ledger=ledger, expiry=NO_EXPIRY)
        first = Joining(before.name, earlier, self._agent(before, process, Role.APP), before.strategy)
        second = Joining(self.setting.migration.name, pair, agent, scenario.strategy)
        return ChainedClient(self.world, process, scenario.poll_seconds, first, second)

    def job(self, job: Job) -> Client:
        process, role = Process(self._name(job.value)), Role.BACKFILL if job is Job.BACKFILL else Role.VERIFY
        return self._client(process, self._new_pair(), self._agent(self.setting.migration, process, role))

    def _client(self, process: Process, pair: Pair, agent: Agent) -> Client:
        scenario = self.scenario
        return Client(self.world, pair, agent, process.name, scenario.poll_seconds, scenario.strategy, process)

    def _new_pair(self) -> Pair:
        """What one process knows of the tables."""
        return replace(self.pair, schemas={}, index_keys={} if self.scenario.index else dict(NOTHING_INDEXED))

    def _agent(self, migration: Migration, process: Process, role: Role) -> Agent:
        return Agent(
            migration.name,
            process.name,
            lease_seconds=self.scenario.lease_seconds,
            landing_seconds=self.scenario.landing_seconds,
            role=role,
            host="simulated",
            pid=0,
            fingerprint=migration.compiled.fingerprint,
            rules=self.scenario.rules,
            clock=self.world.lease_clock(process, self.scenario.rules),
            new_id=lambda: self._new_id(process.name),
        )

    def _name(self, kind: str) -> str:
        self.names[kind] += 1
        return f"{kind}-{self.names[kind]}"

    def _new_id(self, name: str) -> str:
        self.names[name] += 1
        return f"{name}.{self.names[name]}"
