"""Two tables, a migration between them, and an application that mirrors at once, on the embedded engine."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from crossfade import Migration, Table
from crossfade.aws.own_calls import as_outcome, call, method_name
from crossfade.backfill.result import BackfillOptions, BackfillResult
from crossfade.backfill.run import run_backfill
from crossfade.control.coordinator import Coordinator
from crossfade.control.starting import StartPlan, start
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Call, Later, Reply, Request, Routine
from crossfade.core.items import Item, canonical
from crossfade.core.mapping import STAMP
from crossfade.core.mapping.piece import Piece
from crossfade.core.routing import route
from crossfade.core.stages import Side, Stage
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.jobs.connecting import Connection, job_config, lean
from crossfade.mapping import rename, suffix
from crossfade.migration import Strategy
from crossfade.verify.result import VerifyOptions, VerifyResult
from crossfade.verify.run import run_verify
from tests.conftest import Database

KEY = {"customer": "S", "order": "S"}
LEASE_SECONDS = 5.0
LANDING_SECONDS = 0.3
Hook = Callable[[Request], None]


class Interposed:
    """Something in the way of the jobs' calls: `before[operation]` and `after[operation]` see each request."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.meta = client.meta
        self.before: dict[str, Hook] = {}
        self.after: dict[str, Hook] = {}
        self.instead: dict[str, Callable[[Request], Any]] = {}

    def connected(self, calls_max: int) -> Connection:
        return InterposedConnection(self, lean(self.client, calls_max))


class InterposedConnection:
    """Hooks may block, or run a job of their own; so they are called on a thread, and the loop goes on."""

    def __init__(self, interposed: Interposed, connection: Connection) -> None:
        self._interposed = interposed
        self._connection = connection

    async def call(self, operation: str, request: Request) -> Reply:
        name, way = method_name(operation), self._interposed
        try:
            if name in way.before:
                await asyncio.to_thread(way.before[name], request)
            if name in way.instead:
                reply: Reply = await asyncio.to_thread(way.instead[name], request)
            else:
                reply = await self._connection.call(operation, request)
            if name in way.after:
                await asyncio.to_thread(way.after[name], request)
        except (BotoCoreError, ClientError) as error:
            raise as_outcome(error) from error
        return reply

    async def aclose(self) -> None:
        await self._connection.aclose()


def connect(client: Any, calls_max: int) -> Connection:
    """As jobs do it, with what is in the way of a client."""
    if hasattr(client, "connected"):
        found: Connection = client.connected(calls_max)
        return found
    return lean(client, calls_max)


def once(action: Callable[[], None]) -> Hook:
    """A hook that acts on the first request alone."""
    left = [action]

    def hook(request: Request) -> None:
        del request
        if left:
            left.pop()()

    return hook


def create_table(client: Any, name: str, key: Mapping[str, str], **more: Any) -> None:
    more = {"AttributeDefinitions": [], **more}
    roles = zip(key, ("HASH", "RANGE"), strict=False)
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": attribute, "KeyType": role} for attribute, role in roles],
        **more
        | {
            "AttributeDefinitions": [
                *({"AttributeName": attribute, "AttributeType": kind} for attribute, kind in key.items()),
                *more["AttributeDefinitions"],
            ]
        },
    )


class InlineScope(Scope):
    """Background work is done before the write returns: the application that mirrors fastest."""

    def __init__(self, driver: SyncDriver, forward: Call) -> None:
        super().__init__(forward)
        self._driver = driver

    def later(self, later: Later) -> None:
        self._driver.run(later.routine, Scope())


class Setting:
    def __init__(
        self,
        database: Database,
        *,
        mapping: Any = None,
        stage: Stage = Stage.DUALWRITE,
        strategy: Strategy = "dual-write",
        keys: tuple[dict[str, str], dict[str, str]] = (KEY, KEY),
        **target_options: Any,
    ) -> None:
        tag = uuid.uuid4().hex[:10]
        pieces: list[Piece] = mapping or [suffix("customer", count=4), rename("total", "amount")]
        self.migration = Migration(
            f"m-{tag}",
            Table(f"orders-{tag}", keys[0]),  # type: ignore[arg-type]
            Table(f"orders-v2-{tag}", keys[1]),  # type: ignore[arg-type]
            pieces,
            control_table=f"control-{tag}",
            strategy=strategy,
        )
        self.client = database.client(job_config(8))
        self.jobs_client = Interposed(self.client)
        self.pair = Pair(
            self.migration.source,
            self.migration.target,
            self.migration.compiled,
            landing_seconds=LANDING_SECONDS,
            ledger=Ledger(self.migration.control_table, self.migration.name),
        )
        self.stage = stage
        create_table(self.client, self.migration.source.name, keys[0])
        create_table(self.client, self.migration.target.name, keys[1], **target_options)
        self.driver = SyncDriver(lambda _, operation, request: call(self.client, operation, request), no_note)
        self.control = Control(self.migration.name, self.migration.control_table)
        self.caller = Caller("ann", "laptop", lambda: "today")
        plan = StartPlan(
            strategy, self.migration.source.name, self.migration.target.name, self.migration.compiled.fingerprint
        )
        _ = self.run(start(self.control, self.caller, plan))
        self.move(stage)

    def run(self, routine: Routine[Any]) -> Any:
        return self.driver.run(routine, Scope())

    def move(self, stage: Stage) -> None:
        """To a stage, by force where gates are closed."""
        self.stage = stage
        _ = self.run(Coordinator(self.control, self.caller, force_because="a test").walk(stage))

    # --- data

    def fill(self, count: int, first: int = 0) -> None:
        """Items in the source that were there before the migration."""
        for start_at in range(first, first + count, 25):
            puts = [{"PutRequest": {"Item": order(n)}} for n in range(start_at, min(start_at + 25, first + count))]
            self.client.batch_write_item(RequestItems={self.migration.source.name: puts})

    def put_directly(self, side: Side, item: Item) -> None:
        """Behind the back of crossfade."""
        self.client.put_item(TableName=self.migration.table(side).name, Item=item)

    def app(self, operation: str, **request: Any) -> Any:
        """One write by an application on the router, mirror included."""
        request = {"TableName": self.migration.source.name, **request}
        routine = route(self.pair, self.stage, 0, operation, request, strategy=self.migration.strategy)
        if routine is None:
            return call(self.client, operation, request)
        return self.driver.run(routine, InlineScope(self.driver, Call("source", operation, request)))

    def held(self, side: Side) -> dict[Any, Item]:
        """A whole table, by source or target key, stamps apart; read without crossfade's own code."""
        table = self.migration.table(side)
        items: list[Item] = []
        start_key: dict[str, Any] = {}
        while True:
            reply = self.client.scan(TableName=table.name, ConsistentRead=True, **start_key)
            items += reply["Items"]
            if "LastEvaluatedKey" not in reply:
                break
            start_key = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}
        plain = [{name: value for name, value in item.items() if name != STAMP} for item in items]
        return {canonical({name: item[name] for name in KEY}): item for item in plain}

    def expected(self) -> dict[Any, Item]:
        """What the target must hold."""
        mapped = [self.migration.compiled.forward(item) for item in self.held("source").values()]
        return {canonical({name: item[name] for name in KEY}): item for item in mapped}

    def assert_equal(self) -> None:
        held, expected = self.held("target"), self.expected()
        assert held.keys() == expected.keys()
        assert {key: canonical(item) for key, item in held.items()} == {
            key: canonical(item) for key, item in expected.items()
        }

    # --- jobs

    @property
    def clients(self) -> dict[Any, Any]:
        return {"source": self.jobs_client, "target": self.jobs_client, "control": self.client}

    def backfill(
        self, options: BackfillOptions | None = None, stop: threading.Event | None = None, **more: Any
    ) -> BackfillResult:
        given = options or BackfillOptions(segments=2, workers=1)
        given = replace(given, lease_seconds=LEASE_SECONDS, landing_seconds=LANDING_SECONDS)
        return run_backfill(self.migration, self.clients, given, stop_event=stop, connect=connect, **more)

    def verify(
        self, options: VerifyOptions | None = None, stop: threading.Event | None = None, **more: Any
    ) -> VerifyResult:
        given = options or VerifyOptions()
        given = replace(
            given,
            segments=min(given.segments, 2),
            workers=min(given.workers, 2),
            recheck_seconds=(0.01, 0.02, 0.02),
            lease_seconds=LEASE_SECONDS,
            landing_seconds=LANDING_SECONDS,
        )
        return run_verify(self.migration, self.clients, given, stop_event=stop, connect=connect, **more)


def no_note(name: str, facts: dict[str, Any]) -> None:
    del name, facts


def order(number: int, **more: Any) -> Item:
    """An order as the source holds it."""
    return {**order_key(number), "total": {"N": str(number)}, "note": {"S": f"order {number}"}, **more}


def order_key(number: int) -> Item:
    return {"customer": {"S": f"c{number % 7}"}, "order": {"S": f"o{number:05d}"}}
