"""Three clients, one migration, one plain table beside it: every answer must be the plain table's.

Calls come one after the other, so there is one right answer to each. The stage moves as an operator would move it,
through the ladder of either strategy; closed gates are opened by a backfill and a verify, which has nothing to repair
since nobody dies here.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from crossfade import Router, attach
from crossfade.core.items import Item, canonical
from crossfade.core.stages import LADDERS, Fallback, Ramp, Row, Stage
from crossfade.core.tables.stamps import item_without_stamp
from crossfade.demo.console import Console
from crossfade.demo.steering import Steering
from crossfade.errors import GateClosed
from crossfade.migration import Migration, Strategy, Table
from crossfade.sim.scenario import MAPPINGS
from crossfade.sim.scenario import migration as simulated
from tests.conftest import Database
from tests.migrations import REKEYED, make_table, rekeyed
from tests.stateful.answers import told
from tests.stateful.requests import Call, calls

CLIENTS = 3
POLL_SECONDS = 0.1
WAIT_SECONDS_MAX = 20.0  # only a failing test waits so long


def mappings_of(strategy: Strategy) -> tuple[str, ...]:
    return (*MAPPINGS, REKEYED) if strategy == "copy-on-write" else MAPPINGS


def migration_of(mapping: str, unique: str, strategy: Strategy) -> Migration:
    """On tables of its own."""
    if mapping == REKEYED:
        return rekeyed(unique)
    model = simulated(mapping)
    return replace(
        model,
        name=unique,
        source=Table(f"{unique}-source", key=model.source.key),
        target=Table(f"{unique}-target", key=model.target.key),
        strategy=strategy,
    )


class Migrating(RuleBasedStateMachine):
    """`dynamodb` is where all tables are; each example makes its own."""

    def __init__(self, dynamodb: Database, strategy: Strategy) -> None:
        super().__init__()
        self.dynamodb = dynamodb
        self.strategy: Strategy = strategy
        self.ladder = tuple(LADDERS[strategy])
        self.plain = dynamodb.client()
        self.clients: list[Any] = []
        self.routers: list[Router] = []
        self.fallbacks: list[Mapping[str, object]] = []

    @initialize(
        mapping=st.runner().flatmap(lambda machine: st.sampled_from(mappings_of(machine.strategy))),
        first=st.lists(calls, max_size=6),
        at=st.runner().flatmap(lambda machine: st.sampled_from(machine.ladder)),
    )
    def begin(self, mapping: str, first: list[Call], at: Stage) -> None:
        unique = f"stateful-{uuid.uuid4().hex[:8]}"
        self.migration = migration_of(mapping, unique, self.strategy)
        self.oracle = Table(f"{unique}-oracle", key=self.migration.source.key)
        for table in (self.migration.source, self.migration.target, self.oracle):
            make_table(self.plain, table)
        for call in first:  # before anybody thought of a migration
            assert told(self.plain, call, self.oracle.name) == told(self.plain, call, self.migration.source.name)
        self.steering = Steering(self.dynamodb.server, self.migration, Console(quiet=True), lambda _: None)
        self.steering.start()
        for _ in range(CLIENTS):
            client = self.dynamodb.client()
            self.clients.append(client)
            self.routers.append(
                attach(client, self.migration, poll_seconds=POLL_SECONDS, landing_seconds=2.0, observer=self._observed)
            )
        self.stage = Stage.OFF
        self.copied = False
        for stage in self.ladder[1 : self.ladder.index(at) + 1]:
            self._move(stage)

    @rule(call=calls)
    def first_calls(self, call: Call) -> None:
        self._call(0, call)

    @rule(call=calls)
    def second_calls(self, call: Call) -> None:
        self._call(1, call)

    @rule(call=calls)
    def third_calls(self, call: Call) -> None:
        self._call(2, call)

    def _call(self, who: int, call: Call) -> None:
        """The same of the plain table and of the one that is being migrated."""
        if not self._strongly(call):
            self._settle()  # an eventually consistent read may be of any age, so it is asked when there is but one
        wanted = told(self.plain, call, self.oracle.name)
        got = told(self.clients[who], call, self.migration.source.name)
        if got != wanted:
            what = f"{call.operation} in stage {self.stage}, mapping {self.migration.mapping}"
            raise AssertionError(f"{what}\n  asked   {call.request}\n  plain   {wanted}\n  routed  {got}")

    @precondition(lambda self: self.stage is not Stage.COMPLETE)
    @rule(for_good=st.sampled_from((False, False, False, True)))
    def up(self, for_good: bool) -> None:
        above = self.ladder[self.ladder.index(self.stage) + 1]
        if above is not Stage.COMPLETE or for_good:  # there is nothing after it, and most of a test is to be before it
            self._move(above)

    @precondition(lambda self: self.stage not in (Stage.OFF, Stage.COMPLETE))
    @rule()
    def down(self) -> None:
        below = self.ladder[self.ladder.index(self.stage) - 1]
        if below is Stage.STAMP and self.row.merges and self._items(self.migration.target.name):
            note("not back to off: the target has items")
            with pytest.raises(GateClosed, match="empty"):
                self._step(below)
            return
        self._move(below)

    @precondition(lambda self: self.row.ramp is not Ramp.NONE)
    @rule(percent=st.sampled_from((0, 50, 100)))
    def ramp(self, percent: int) -> None:
        note(f"a ramp of {percent} %")
        try:
            self.steering.ramp(percent)
        except GateClosed:
            self._open_gates()
            self.steering.ramp(percent)

    def teardown(self) -> None:
        """At rest: what the plain table holds, both tables hold, each in its form."""
        try:
            if self.routers:
                self._settle()
                self._compare_at_rest()
        finally:
            for router in self.routers:
                assert router.detach(10.0)
            for client in (*self.clients, self.plain):
                client.close()

    def _compare_at_rest(self) -> None:
        assert not self.fallbacks, "rampdown had to look for items that a clean verify had found in the target"
        mapping = self.migration.compiled
        wanted = {canonical(item) for item in self._items(self.oracle.name)}
        source = [item_without_stamp(item) for item in self._items(self.migration.source.name)]
        found = [item_without_stamp(item) for item in self._items(self.migration.target.name)]
        if self.row.fallback is not Fallback.NONE:
            names = self.migration.source.key_names
            there = [mapping.backward(item) for item in found]
            keys = {canonical({name: item[name] for name in names}) for item in there}
            behind = [item for item in source if canonical({name: item[name] for name in names}) not in keys]
            assert not behind or self.row.merges
            assert {canonical(item) for item in (*there, *behind)} == wanted
            return
        if self.stage is not Stage.COMPLETE:
            assert {canonical(item) for item in source} == wanted
        if self.stage is Stage.OFF or not self.copied:
            return
        assert {canonical(mapping.backward(item)) for item in found} == wanted
        forward = {canonical(mapping.forward(item)) for item in self._items(self.oracle.name)}
        assert {canonical(item) for item in found} == forward

    @property
    def row(self) -> Row:
        return LADDERS[self.strategy][self.stage]

    def _observed(self, name: str, facts: Mapping[str, object]) -> None:
        if name == "fallback":
            self.fallbacks.append(facts)

    def _items(self, table: str) -> list[Item]:
        items: list[Item] = self.plain.scan(TableName=table, ConsistentRead=True)["Items"]
        return items

    def _move(self, to: Stage) -> None:
        note(f"from {self.stage} to {to}")
        try:
            self._step(to)
        except GateClosed:
            self._open_gates()
            self._step(to)
        self.stage = to
        if self.row.leaves_target_behind:
            self.copied = False

    def _step(self, to: Stage) -> None:
        if to is Stage.COMPLETE:
            self.steering.complete()
        else:
            self.steering.walk(to, lambda _: None)

    def _open_gates(self) -> None:
        if not self.copied:
            assert self.steering.backfill(lambda _: None).status == "complete"
            self.copied = True
        result = self.steering.verify(lambda _: None, (0.1, 0.5, 1.0), repair=False)
        assert result.status == "clean", result

    def _settle(self) -> None:
        until = time.monotonic() + WAIT_SECONDS_MAX
        while any(router.pending for router in self.routers):
            assert time.monotonic() < until, "the mirrors do not end"
            time.sleep(0.005)

    def _strongly(self, call: Call) -> bool:
        """Whether the answer may not be an old one."""
        if call.operation in ("GetItem", "Query", "Scan"):
            return bool(call.request["ConsistentRead"])
        if call.operation == "BatchGetItem":
            return all(entry["ConsistentRead"] for entry in call.request["RequestItems"].values())
        return True
