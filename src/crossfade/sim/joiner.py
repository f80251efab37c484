"""How the processes of a world join its migration: applications, which may have another one before it, and jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
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
from crossfade.sim.scenario import Scenario
from crossfade.sim.setting import CONTROL_TABLE, Setting
from crossfade.sim.world import World

NO_EXPIRY: Final[dict[Side, str]] = {"source": "", "target": ""}  # the simulated tables expire nothing
NOTHING_INDEXED: Final[dict[Side, tuple[IndexKey, ...]]] = {"source": (), "target": ()}  # which nobody asks then


@dataclass(slots=True)
class Joiner:
    """Makes processes, each with a name of its own."""

    world: World
    setting: Setting
    pair: Pair
    names: Counter[str] = field(default_factory=Counter[str])

    @property
    def scenario(self) -> Scenario:
        return self.setting.scenario

    def application(self) -> Application:
        name, pair, before = self._name("app"), self._new_pair(), self.setting.before
        agent = self._agent(self.setting.migration, name, Role.APP)
        if before is not None:
            return self._chained(name, before, pair, agent)
        if self.world.random.random() < self.scenario.target_share:
            pair = replace(pair, view="target")
        return Client(self.world, pair, agent, name, self.scenario.poll_seconds, self.scenario.strategy)

    def _chained(self, name: str, before: Migration, pair: Pair, agent: Agent) -> ChainedClient:
        scenario, ledger = self.scenario, Ledger(CONTROL_TABLE, before.name)
        tables = before.source, before.target, before.compiled
        earlier = Pair(*tables, scenario.rules, scenario.landing_seconds, ledger=ledger, expiry=NO_EXPIRY)
        first = Joining(before.name, earlier, self._agent(before, name, Role.APP), before.strategy)
        second = Joining(self.setting.migration.name, pair, agent, scenario.strategy)
        return ChainedClient(self.world, name, scenario.poll_seconds, first, second)

    def job(self, job: Job) -> Client:
        name = self._name(job.value)
        agent = self._agent(self.setting.migration, name, Role.BACKFILL if job is Job.BACKFILL else Role.VERIFY)
        scenario = self.scenario
        return Client(self.world, self._new_pair(), agent, name, scenario.poll_seconds, scenario.strategy)

    def _new_pair(self) -> Pair:
        """What one process knows of the tables."""
        return replace(self.pair, schemas={}, index_keys={} if self.scenario.index else dict(NOTHING_INDEXED))

    def _agent(self, migration: Migration, name: str, role: Role) -> Agent:
        return Agent(
            migration.name,
            name,
            lease_seconds=self.scenario.lease_seconds,
            landing_seconds=self.scenario.landing_seconds,
            role=role,
            host="simulated",
            pid=0,
            fingerprint=migration.compiled.fingerprint,
            rules=self.scenario.rules,
            new_id=lambda: self._new_id(name),
        )

    def _name(self, kind: str) -> str:
        self.names[kind] += 1
        return f"{kind}-{self.names[kind]}"

    def _new_id(self, name: str) -> str:
        self.names[name] += 1
        return f"{name}.{self.names[name]}"
