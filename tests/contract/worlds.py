"""The places where a case is played: a plain table, and a migrating one in one stage, by either client.

The control record is written with the stage in it, so a world begins in its stage. With the strategy dual-write its two
tables begin equal, because what a case is given is written to both (to the one that counts, in the stages where only
one does); with copy-on-write each item is where it may be in that stage (tests/contract/placing.py). A fleet of one.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, cast

import botocore
from botocore.config import Config

from crossfade import Migration, Router, Table, attach
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.foresight import ORDER_CHANGES, REFUSED_LATER
from crossfade.core.items import Item
from crossfade.core.stages import LADDERS, Row, Stage
from crossfade.migration import Strategy
from tests.contract.answers import answer_or_error
from tests.contract.placing import Placed, is_strange, strangers
from tests.contract.shapes import KINDS, Form, Kind, Shape, View
from tests.contract.steps import Answer, Case, Op
from tests.contract.tables import create, empty, everything, key_schema, puts, write_all
from tests.migrations import put_in_stage

# Applications that care for speed switch the client's own check of parameters off, and malformed requests then reach us
# and the service. One attempt: a refusal that a retry would hide is to be seen.
PLAINLY: Final[Mapping[str, Any]] = {"parameter_validation": False, "retries": {"total_max_attempts": 1}}
CONFIG: Final = Config(**PLAINLY)
LOOKING: Final = Config(parameter_validation=False, retries={"total_max_attempts": 5})  # at the tables as stored
SETTLE_SECONDS_MAX: Final = 30.0
RAMP_PERCENT: Final = 50  # so that in the stages with a ramp either side serves reads
WRONG_SHOWN_MAX: Final = 5

STRATEGIES: Final[tuple[Strategy, ...]] = cast("tuple[Strategy, ...]", tuple(LADDERS))

_numbers = itertools.count()


def new_token() -> str:
    """Tells the tables of one world apart; always as long."""
    return f"{os.getpid() % 10**7:07d}x{next(_numbers) % 10**4:04d}{secrets.token_hex(2)}"


@dataclass(frozen=True, slots=True)
class Combination:
    """Where cases are played beside the plain table."""

    mapping: str
    view: View
    stage: Stage
    client: str
    strategy: Strategy = "dual-write"

    @property
    def kind(self) -> Kind:
        return KINDS[self.mapping]

    @property
    def row(self) -> Row:
        return LADDERS[self.strategy][self.stage]

    @property
    def name(self) -> str:
        return f"{self.strategy:13} {self.mapping:9} {self.view:6} {self.stage:15} {self.client}"

    @property
    def untouched(self) -> bool:
        """Whether the caller's table is the one that serves, alone: then nothing stands between."""
        return not self.kind.is_chain and self.stage is (Stage.OFF if self.view == "source" else Stage.COMPLETE)


def cells() -> Iterator[tuple[str, View, Strategy]]:
    """What there is of mappings, views and strategies."""
    for mapping, kind in KINDS.items():
        yield from itertools.product((mapping,), kind.views, kind.strategies)


@cache
def session_of(module: str) -> Any:
    """One session a process: it holds the service's model, which takes longer to load than a sample takes to run. Each
    client has its own events."""
    return importlib.import_module(module).get_session()


def low_level_client(options: dict[str, Any], config: Config = CONFIG) -> Any:
    return session_of("botocore.session").create_client("dynamodb", config=config, **options)


@dataclass(frozen=True, slots=True)
class Calling:
    """How the client that is attached is made, where it is another than the one that looks at the tables."""

    options: dict[str, Any]
    config: dict[str, Any] = field(default_factory=lambda: dict(PLAINLY))  # of botocore
    resource: bool = False  # the client of a boto3 resource, which takes and gives Python values
    landing_seconds: float = 2.0
    poll_seconds: float = 0.5

    def client(self) -> Any:
        config = Config(**self.config)
        if self.resource:
            module = importlib.import_module("boto3.session")
            return module.Session().resource("dynamodb", config=config, **self.options).meta.client
        return low_level_client(self.options, config)


def method(op: Op) -> str:
    """The client's method for an operation."""
    module: Any = botocore
    return str(module.xform_name(op.name))


def may_lag(op: Op) -> bool:
    """Whether DynamoDB lets this read lag behind writes. Mirrors are waited for before it: the plain table never lags,
    and the contract is about what a table answers when it does not."""
    if op.name in ("Scan", "Query", "GetItem"):
        return not op.request.get("ConsistentRead")
    return op.name == "BatchGetItem"


# --- the plain table --------------------------------------------------------------------------------------------------


class PlainWorld:
    """One plain table of the caller's form."""

    def __init__(self, options: dict[str, Any], form: Form) -> None:
        self.form = form
        self.token = new_token()
        self.client: Any = low_level_client(options)
        self.table = f"{form.stem}-{self.token}"
        self.other = f"others-{self.token}"
        create(self.client, self.table, form)
        create(self.client, self.other, None)
        self._held: set[str] = set()  # groups whose items are there; "" for those of cases that write
        self._left: set[str] = set()  # cases that may have left something

    def prepare(self, case: Case, items: list[Item]) -> None:
        """What the case is given; where its group only reads, it may be there already."""
        group = case.group if case.only_reads else ""
        if group and group in self._held and (not case.alone or len(self._held) == 1):
            return
        if case.alone or case.name in self._left:
            self.clear()
        write_all(self.client, {self.table: puts(items)})
        self._held.add(group)
        if not case.only_reads:
            self._left.add(case.name)

    def perform(self, op: Op) -> Answer:
        return perform(self.client, op)

    def clear(self) -> None:
        self._held.clear()
        self._left.clear()
        empty(self.client, self.table, (self.form.partition, self.form.sort))
        empty(self.client, self.other, ("id",))

    def close(self) -> None:
        for name in (self.table, self.other):
            self.client.delete_table(TableName=name)
        self.client.close()


def perform(client: Any, op: Op) -> Answer:
    """The answer, or the error in its place. Whatever is raised is an answer to compare."""
    try:
        answer: Answer = getattr(client, method(op))(**op.request)
    except Exception as error:  # noqa: BLE001 - see above
        return answer_or_error(error)
    return answer


async def perform_async(client: Any, op: Op) -> Answer:
    """The same by aiobotocore."""
    try:
        answer: Answer = await getattr(client, method(op))(**op.request)
    except Exception as error:  # noqa: BLE001 - as in `perform`
        return answer_or_error(error)
    return answer


# --- the migrating one ------------------------------------------------------------------------------------------------


@dataclass
class Sides:
    """The two tables as they are stored, seen by a client that crossfade is not attached to."""

    client: Any
    combination: Combination
    token: str
    migration: Migration = field(init=False)
    earlier: list[Migration] = field(init=False)  # of a chain
    _placed: Placed = field(init=False)

    def __post_init__(self) -> None:
        kind = self.combination.kind
        self.migration = kind.migration(self.token, self.combination.strategy)
        self.earlier = kind.earlier_migrations(self.token)
        self._placed = Placed(self.migration, self.combination.row)
        create(self.client, self.migration.source.name, kind.source)
        create(self.client, self.migration.target.name, kind.target)
        for each in self.earlier:
            create(self.client, each.source.name, kind.earlier)
        create(self.client, self.other, None)
        self._begin()

    @property
    def other(self) -> str:
        return f"others-{self.token}"

    @property
    def migrations(self) -> list[Migration]:
        """What a client is attached to."""
        return [self.migration, *self.earlier]

    def _begin(self) -> None:
        """The control table with its records: the stages."""
        migration, stage = self.migration, self.combination.stage
        self.client.create_table(
            TableName=migration.control_table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in (PARTITION_KEY, SORT_KEY)],
            KeySchema=key_schema([(PARTITION_KEY, "HASH"), (SORT_KEY, "RANGE")]),
        )
        ramp_percent = RAMP_PERCENT if stage in (Stage.SHADOW, Stage.LOCKSTEP_SOURCE) else 0
        put_in_stage(self.client, migration, stage, ramp_percent)
        for each in self.earlier:
            put_in_stage(self.client, each, Stage.COMPLETE)

    def given(self, items: list[Item], turn: int | None = None) -> None:
        """Given in the caller's form, each to the sides where it may be in this stage: `turn` as in `Placed.place`."""
        for each in self.earlier:
            items = [each.compiled.forward(item) for item in items]
        sources, targets = self._placed.place(items, self.combination.view, turn)
        if self.combination.view == "source":  # who names the target sees all of it
            targets += strangers(self.combination.kind.target, list(map(self.migration.compiled.forward, items)))
        migration = self.migration
        write_all(self.client, {migration.source.name: puts(sources), migration.target.name: puts(targets)})

    def wrong(self) -> list[str]:
        """What must not be at rest. One line a key."""
        stored = everything(self.client, self.migration.target.name)
        own = [item for item in stored if not is_strange(self.combination.kind.target, item)]
        found = self._placed.wrong(everything(self.client, self.migration.source.name), own)
        for each in self.earlier:
            left = everything(self.client, each.source.name)
            found += [f"written to the first table of the chain: {item}" for item in left]
        return found[:WRONG_SHOWN_MAX] + ([f"... {len(found)} in all"] if len(found) > WRONG_SHOWN_MAX else [])

    def clear(self) -> None:
        self._placed.forget()
        for table in (self.migration.source, self.migration.target):
            empty(self.client, table.name, table.key_names)
        empty(self.client, self.other, ("id",))

    def close(self) -> None:
        control = Table(self.migration.control_table, key={PARTITION_KEY: "S"})
        earlier = [each.source.name for each in self.earlier]
        for table in (self.migration.source.name, self.migration.target.name, control.name, self.other, *earlier):
            self.client.delete_table(TableName=table)
        self.client.close()


# What may happen in an undisturbed run.
QUIET: Final = frozenset({"joined", "left", "stage_entered", "compare", ORDER_CHANGES, REFUSED_LATER})


@dataclass
class Complaints:
    """What the router observed and should not have: lost mirrors, sides that differ, errors of its own."""

    lines: list[str] = field(default_factory=list[str])

    def __call__(self, name: str, facts: Mapping[str, object]) -> None:
        if name not in QUIET or facts.get("outcome", "matching") not in ("matching", "dropped"):
            self.lines.append(f"the router says {name}: {dict(facts)}")


def attached(client: Any, sides: Sides, calling: Calling, complaints: Complaints) -> list[Router]:
    """The routers, as an application would have them in this view."""
    view = sides.combination.view
    more: dict[str, Any] = {"landing_seconds": calling.landing_seconds, "poll_seconds": calling.poll_seconds}
    more |= {} if view == "source" else {"view": view}
    return [attach(client, each, lease_seconds=60.0, observer=complaints, **more) for each in sides.migrations]


class MigratingWorld:
    """By boto3's low-level client. Every method may be awaited by way of `AioMigratingWorld`, its twin."""

    def __init__(self, options: dict[str, Any], combination: Combination, calling: Calling | None = None) -> None:
        self.combination = combination
        self.sides = Sides(low_level_client(options, LOOKING), combination, new_token())
        calling = calling or Calling(options)
        self.client: Any = calling.client()
        self.complaints = Complaints()
        self.routers = attached(self.client, self.sides, calling, self.complaints)

    def shape(self, prefix: str) -> Shape:
        return Shape(self.combination.kind.form(self.combination.view), self.sides.token, prefix)

    def perform(self, op: Op) -> Answer:
        if may_lag(op):
            self.settle()
        return perform(self.client, op)

    def settle(self) -> None:
        """Until every mirror and comparison has ended."""
        for _ in waiting(self.routers):
            time.sleep(0.001)

    def close(self) -> list[str]:
        left = [router for router in self.routers if not router.detach(SETTLE_SECONDS_MAX)]
        self.sides.close()
        self.client.close()
        return self.complaints.lines + ["a router did not drain when it was detached"] * len(left)


def aio_client(calling: Calling) -> Any:
    """To be entered."""
    config: Any = importlib.import_module("aiobotocore.config").AioConfig(**calling.config)
    return session_of("aiobotocore.session").create_client("dynamodb", config=config, **calling.options)


class AioMigratingWorld:
    """By aiobotocore, on a loop that runs while something is asked of it."""

    def __init__(self, options: dict[str, Any], combination: Combination, calling: Calling | None = None) -> None:
        self.combination = combination
        self.sides = Sides(low_level_client(options, LOOKING), combination, new_token())
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._runner.run(self._open(calling or Calling(options)))

    async def _open(self, calling: Calling) -> None:
        self.client: Any = await self._stack.enter_async_context(aio_client(calling))
        self.complaints = Complaints()
        self.routers = attached(self.client, self.sides, calling, self.complaints)
        for router in self.routers:
            await router.ready()

    def shape(self, prefix: str) -> Shape:
        return Shape(self.combination.kind.form(self.combination.view), self.sides.token, prefix)

    def perform(self, op: Op) -> Answer:
        return self._runner.run(self._perform(op))

    async def _perform(self, op: Op) -> Answer:
        if may_lag(op):
            await self._settle()
        return await perform_async(self.client, op)

    def settle(self) -> None:
        self._runner.run(self._settle())

    async def _settle(self) -> None:
        for _ in waiting(self.routers):
            await asyncio.sleep(0.001)

    def close(self) -> list[str]:
        left = self._runner.run(self._close())
        self._runner.close()
        self.sides.close()
        return self.complaints.lines + ["a router did not drain when it was closed"] * len(left)

    async def _close(self) -> list[Router]:
        left = [router for router in self.routers if not await router.aclose(SETTLE_SECONDS_MAX)]
        await self._stack.aclose()
        return left


def waiting(routers: list[Router]) -> Iterator[None]:
    """As long as a router has something under way. AssertionError when that does not end."""
    until = time.monotonic() + SETTLE_SECONDS_MAX
    while pending := sum(router.pending for router in routers):
        assert time.monotonic() < until, f"after {SETTLE_SECONDS_MAX:.0f} s {pending} mirrors have not ended"
        yield
