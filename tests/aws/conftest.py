"""A migration on the embedded engine with its control record written by hand, so that a test decides on the stage."""

from __future__ import annotations

import importlib
import time
import uuid
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from crossfade import Migration, Router, Table, attach
from crossfade.control.record_items import from_item, to_item
from crossfade.control.records import PARTITION_KEY, SORT_KEY, STATE, State
from crossfade.core.items import Item, canonical, same_item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.mapping import rename, suffix
from tests.aws.faults import WAIT_SECONDS_MAX, Detour
from tests.conftest import Database, new_botocore_session
from tests.migrations import make_table, state_in


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Look every few milliseconds until it is so."""
    until = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < until, f"in vain: {what}"
        time.sleep(0.005)


def new_session() -> Any:
    """A session of boto3, typed as what it is to us."""
    module: Any = importlib.import_module("boto3.session")
    return module.Session(botocore_session=new_botocore_session())


def _acknowledged(router: Router, epoch: int) -> bool:
    return router.agent.acknowledged == epoch


@dataclass
class World:
    """One migration: orders keyed by customer and order, to orders with their customers spread over four partitions."""

    database: Database
    migration: Migration
    plain: Any  # a client without hooks
    routers: list[Router] = field(default_factory=list[Router])
    detours: list[Detour] = field(default_factory=list[Detour])

    def boto3_client(self, **options: Any) -> Any:
        return new_session().client("dynamodb", **self.database.client_options(), **options)

    def detour(self) -> Detour:
        """For a client whose requests are to meet faults; stopped at the end of the test."""
        made = Detour(self.database.endpoint_url)
        self.detours.append(made)
        return made

    def detoured_client(self) -> tuple[Any, Detour]:
        """A client for `own_client=`, and what its requests meet."""
        made = self.detour()
        return new_session().client("dynamodb", **{**self.database.client_options(), "endpoint_url": made.url}), made

    def boto3_table(self) -> Any:
        resource = new_session().resource("dynamodb", **self.database.client_options())
        return resource.Table(self.migration.source.name)

    def attach(self, client_or_session: Any, **options: Any) -> Router:
        """With short times; detached at the end of the test."""
        given: dict[str, Any] = {"poll_seconds": 0.02, "landing_seconds": 2.0, **options}
        router = attach(client_or_session, self.migration, **given)
        self.routers.append(router)
        return router

    def state(self) -> State:
        key = {PARTITION_KEY: {"S": self.migration.name}, SORT_KEY: {"S": STATE}}
        found = self.plain.get_item(TableName=self.migration.control_table, Key=key, ConsistentRead=True)
        return from_item(State, found["Item"])

    def set_stage(self, stage: Stage, *, ramp_percent: int = 0, wait: bool = True) -> None:
        """Write the next epoch, and wait until every router has entered it and drained."""
        former = self.state()
        state = replace(former, stage=stage, epoch=former.epoch + 1, ramp_percent=ramp_percent)
        self.plain.put_item(TableName=self.migration.control_table, Item=to_item(self.migration.name, state))
        if wait:
            for router in self.routers:
                wait_for(partial(_acknowledged, router, state.epoch), f"{stage} acknowledged")

    def walk(self, *stages: Stage) -> None:
        for stage in stages:
            self.set_stage(stage)

    def key(self, customer: str, order: str) -> dict[str, Any]:
        return {"customer": {"S": customer}, "order": {"S": order}}

    def source_item(self, customer: str, order: str) -> dict[str, Any] | None:
        return self._get(self.migration.source.name, self.key(customer, order))

    def target_item(self, customer: str, order: str) -> dict[str, Any] | None:
        """As stored, stamp included."""
        return self._get(self.migration.target.name, self.migration.compiled.forward_key(self.key(customer, order)))

    def agree(self) -> bool:
        """Whether the target holds exactly the mapped items of the source."""
        source = self.plain.scan(TableName=self.migration.source.name, ConsistentRead=True)["Items"]
        target = self.plain.scan(TableName=self.migration.target.name, ConsistentRead=True)["Items"]
        names = self.migration.target.key_names

        def by_key(items: list[Item]) -> dict[Hashable, Item]:
            return {canonical({name: item[name] for name in names}): item for item in items}

        mapped = by_key([self.migration.compiled.forward(item) for item in source])
        stored = by_key([{name: value for name, value in item.items() if name != STAMP} for item in target])
        return mapped.keys() == stored.keys() and all(same_item(mapped[key], stored[key]) for key in mapped)

    def _get(self, table: str, key: dict[str, Any]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.plain.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return found


@pytest.fixture
def world(dynamodb: Database) -> Iterator[World]:
    """A started migration in stage off, on tables of its own."""
    unique = uuid.uuid4().hex[:8]
    migration = Migration(
        name=f"orders-{unique}",
        source=Table(f"orders-{unique}", key={"customer": "S", "order": "S"}),
        target=Table(f"orders-v2-{unique}", key={"customer": "S", "order": "S"}),
        mapping=[suffix("customer", count=4, by="order"), rename("amount", "total")],
        control_table=f"control-{unique}",
    )
    plain = dynamodb.client()
    control = Table(migration.control_table, key={PARTITION_KEY: "S", SORT_KEY: "S"})
    for table in (migration.source, migration.target, control):
        make_table(plain, table)
    state = state_in(migration, Stage.OFF)
    plain.put_item(TableName=control.name, Item=to_item(migration.name, state))
    world = World(dynamodb, migration, plain)
    yield world
    for router in world.routers:
        _ = router.detach(5.0)
    for detour in world.detours:
        detour.stop()
    for table in (migration.source, migration.target, control):
        plain.delete_table(TableName=table.name)
