"""A pytest plugin for somebody else's tests: each table that they make is in the middle of a migration.

CROSSFADE_SUITE_STRATEGY, _STAGE and _MAPPING say in which stage of which strategy, and how. It watches every DynamoDB
client that is made: after a CreateTable there is a target like it, a migration in that stage, and a router on each
client of that Region; before a DeleteTable all that is taken away again.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import botocore.session
import pytest

from crossfade import Migration, Router, Table, attach
from crossfade.aws.own_calls import OWN
from crossfade.control.record_items import to_item
from crossfade.control.records import PARTITION_KEY, SORT_KEY, STATE
from crossfade.control.starting import table_request
from crossfade.core.mapping import Kind, Piece
from crossfade.core.stages import Stage
from crossfade.mapping import identity, suffix
from crossfade.migration import Strategy
from tests.migrations import state_in, table_names

CONTROL: Final = "crossfade-suite-control"
READS: Final = ("GetItem", "BatchGetItem", "Query", "Scan")
SETTLE_SECONDS_MAX: Final = 20.0
ORIGINAL: Final[Callable[..., Any]] = cast("Any", botocore.session.Session).create_client

Request = dict[str, Any]


@dataclass(slots=True)
class Running:
    migration: Migration
    routers: list[Router] = field(default_factory=list[Router])


class Suite:
    """All clients and migrations of this process."""

    def __init__(self, strategy: Strategy, stage: Stage, mapping: str) -> None:
        self.strategy: Strategy = strategy
        self.stage = stage
        self.mapping = mapping
        self.clients: defaultdict[str, list[Any]] = defaultdict(list)  # by Region, as all that follows
        self.plain: dict[str, Any] = {}
        self.running: dict[tuple[str, str], Running] = {}
        self.migrated = 0

    def create_client(self, session: Any, *arguments: Any, **options: Any) -> Any:
        """In place of botocore's own."""
        client: Any = ORIGINAL(session, *arguments, **options)
        if client.meta.service_model.service_name == "dynamodb":
            self._watch(client, session, options)
        return client

    def finish(self) -> None:
        for region, table in list(self.running):
            self._end(region, table)

    def _watch(self, client: Any, session: Any, options: Request) -> None:
        region: str = client.meta.region_name
        if region not in self.plain:
            here = {"region_name": region, "endpoint_url": options.get("endpoint_url")}
            self.plain[region] = ORIGINAL(session, "dynamodb", **here)
        events = client.meta.events

        def created(http_response: Any, context: Request, **_: Any) -> None:
            if http_response.status_code == 200:
                self._begin(region, context["crossfade-suite"])

        def keep(params: Request, context: Request, **_: Any) -> None:
            context["crossfade-suite"] = {**params}

        def deleting(params: Request, **_: Any) -> None:
            self._end(region, params["TableName"])

        events.register("before-parameter-build.dynamodb.CreateTable", keep)
        events.register("after-call.dynamodb.CreateTable", created)
        events.register("before-parameter-build.dynamodb.DeleteTable", deleting)
        for read in READS:
            events.register(f"before-parameter-build.dynamodb.{read}", self._settle)
        self.clients[region].append(client)
        for (other, _), running in self.running.items():
            if other == region:
                running.routers.append(attach(client, running.migration, landing_seconds=2.0))

    def _begin(self, region: str, params: Request) -> None:
        plain, name = self.plain[region], params["TableName"]
        if CONTROL not in table_names(plain):
            plain.create_table(**table_request(CONTROL))
        plain.create_table(**{**params, "TableName": target_of(name)})
        migration = migration_of(params, self.mapping, self.strategy)
        state = state_in(migration, self.stage)
        plain.put_item(TableName=CONTROL, Item=to_item(migration.name, state))
        running = Running(migration)
        self.running[region, name] = running
        self.migrated += 1
        for client in self.clients[region]:
            running.routers.append(attach(client, migration, landing_seconds=2.0))

    def _end(self, region: str, table: str) -> None:
        running = self.running.pop((region, table), None)
        if running is None:
            return
        for router in running.routers:
            assert router.detach(SETTLE_SECONDS_MAX), f"the router of {table} did not end"
        plain = self.plain[region]
        plain.delete_table(TableName=target_of(table))
        state = {PARTITION_KEY: {"S": running.migration.name}, SORT_KEY: {"S": STATE}}
        plain.delete_item(TableName=CONTROL, Key=state)

    def _settle(self, **_: Any) -> None:
        """A read that may lag behind writes never does in the embedded engine; so here it waits for the mirrors."""
        if OWN.get() is not None:
            return  # not the test's read: crossfade's own
        until = time.monotonic() + SETTLE_SECONDS_MAX
        while any(router.pending for running in self.running.values() for router in running.routers):
            assert time.monotonic() < until, "the mirrors do not end"
            time.sleep(0.005)


def target_of(table: str) -> str:
    return f"{table}-target"


def migration_of(params: Request, mapping: str, strategy: Strategy) -> Migration:
    """Of the table that this CreateTable makes. A partition key is spread where there is text to spread and a sort key
    to spread it by; elsewhere the mapping is the identity."""
    kinds: dict[str, Kind] = {each["AttributeName"]: each["AttributeType"] for each in params["AttributeDefinitions"]}
    schema = sorted(params["KeySchema"], key=lambda each: cast("str", each["KeyType"]))  # HASH, then RANGE
    key: dict[str, Kind] = {each["AttributeName"]: kinds[each["AttributeName"]] for each in schema}
    piece: Piece = identity()
    if mapping == "suffix" and len(key) == 2:
        partition, sort = key
        if key[partition] == "S":
            piece = suffix(partition, count=3, by=sort)
    name = params["TableName"]
    indexes = local_indexes(params, kinds)
    source, target = Table(name, key, indexes=indexes), Table(target_of(name), key, indexes=indexes)
    return Migration(f"suite-{name}", source, target, piece, control_table=CONTROL, strategy=strategy)


def local_indexes(params: dict[str, Any], kinds: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """They are spread as the table is, so the migration names their keys."""
    return {
        index["IndexName"]: {part["AttributeName"]: kinds[part["AttributeName"]] for part in index["KeySchema"]}
        for index in params.get("LocalSecondaryIndexes") or ()
    }


def suite() -> Suite:
    strategy, stage, mapping = (os.environ[f"CROSSFADE_SUITE_{name}"] for name in ("STRATEGY", "STAGE", "MAPPING"))
    return Suite(cast("Strategy", strategy), Stage(stage), mapping)


SUITE = suite()


def pytest_configure() -> None:
    def create_client(session: Any, *arguments: Any, **options: Any) -> Any:
        return SUITE.create_client(session, *arguments, **options)

    cast("Any", botocore.session.Session).create_client = create_client


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"tables migrated: {SUITE.migrated}")


def pytest_sessionfinish() -> None:
    SUITE.finish()
