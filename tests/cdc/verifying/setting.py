"""A shop on MariaDB that is carried to the engine without Kafka, and its verify."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from botocore import xform_name  # pyright: ignore[reportUnknownVariableType]
from botocore.exceptions import ClientError

from crossfade.aws.lean.client import BulkClient
from crossfade.cdc import MySQL, RowMigration
from crossfade.cdc.applying import Destination
from crossfade.cdc.checkpoints import InControlTable
from crossfade.cdc.etl import Counts, carry, through
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import LogReader, position_now
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child, Rows
from crossfade.cdc.verifying import (
    LogApplied,
    Marking,
    RowSides,
    RowVerifyOptions,
    RowVerifyResult,
    applied_by_capture,
    run_row_verify,
)
from crossfade.control.capturing import Captures
from crossfade.control.coordinator import Coordinator
from crossfade.control.evidence import Evidence
from crossfade.control.gates import findings
from crossfade.control.starting import StartPlan
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import FREEZE_STRATEGY, Gate, Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import ServiceRejected
from crossfade.jobs.connecting import job_config
from crossfade.migration import Table
from tests.cdc.etl.setting import ARRIVAL_SECONDS, SCHEMA, wait_for
from tests.cdc.shop import KEY, customer, order, order_key, product
from tests.conftest import Database

THINGS: Final = (
    "CREATE TABLE shop.things (id BIGINT UNSIGNED PRIMARY KEY, label TEXT, amount DECIMAL(20,4), big DECIMAL(38,0), "
    "tags SET('red','green','blue'), note VARCHAR(50), at DATETIME(6))"
)
LANDING_SECONDS: Final = 1.0


def thing(row: Row) -> Mapping[str, Any]:
    return {
        "pk": thing_pk(row["id"]),
        "sk": "thing",
        **{name: row[name] for name in ("label", "amount", "big", "tags", "note", "at")},
    }


def thing_pk(number: int) -> str:
    return f"thing#{number}"


def mapped(rows: Rows) -> Rows:
    """The shop's functions, and one for all kinds of values."""
    _ = rows.table("shop.customers")(customer)
    _ = rows.table("shop.products")(product)
    _ = rows.table("shop.things")(thing)
    _ = rows.fold("shop.orders", into=order_key, lines=Child("shop.lines", parent="order_id"))(order)
    return rows


class Migrated:
    """All that one test has."""

    def __init__(self, source: Source, database: Database, name: str, server_ids: Iterator[int]) -> None:
        self.source = source
        self.database = database
        self.migration = RowMigration(
            name=f"verify-{name}",
            source=MySQL(server_id=next(server_ids)),
            target=Table(f"target-{name}", key=KEY),
            control_table=f"control-{name}",
        )
        _ = mapped(self.migration.rows)
        self.destination = Destination(self.migration.rows, self.migration.parts_table)
        self.control = Control(self.migration.name, self.migration.control_table)
        self.caller = Caller("nobody", "here", lambda: "2026-01-01T00:00:00+00:00")
        self.jobs_client = database.client(job_config(8))
        self.watermarks = Watermarks("shop")
        self._client = database.client()
        self._server_ids = server_ids
        self._carriers: list[Carrier] = []

    @property
    def target(self) -> str:
        return self.migration.target.name

    def create(self) -> None:
        with self.source.connect() as connection:
            for statement in (*SCHEMA, THINGS, self.watermarks.creating):
                _ = connection.rows(statement)
        for name, key in ((self.target, ("pk", "sk")), (self.migration.parts_table, ("item", "part"))):
            self.create_table(name, key)
        self.beginning = position_now(self.source)
        plan = StartPlan(
            FREEZE_STRATEGY, self.migration.source_name, self.target, self.migration.fingerprint, carried=True
        )
        _ = self.run(Coordinator(self.control, self.caller).start(plan))
        self.move(Stage.SHADOW)

    def move(self, stage: Stage) -> None:
        _ = self.run(Coordinator(self.control, self.caller).walk(stage))

    def create_table(self, name: str, key: tuple[str, str]) -> None:
        self._client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in key],
            KeySchema=[{"AttributeName": key[0], "KeyType": "HASH"}, {"AttributeName": key[1], "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def close(self) -> None:
        for carrier in self._carriers:
            carrier.end()
        control = self.migration.control_table
        _ = self._client.update_table(TableName=control, DeletionProtectionEnabled=False)
        for name in (self.target, self.migration.parts_table, control):
            self._client.delete_table(TableName=name)

    # --- the source, and how its log is carried

    def write(self, *statements: str) -> None:
        with self.source.connect() as connection:
            for statement in statements:
                _ = connection.rows(statement)

    def captures(self, name: str = "log") -> Captures:
        return Captures(self.control, name, lambda: "now")

    def carry(self, destination: Destination | None = None, name: str = "log") -> Carrier:
        """Begin to carry from what was kept, or from the beginning; it ends with the test."""
        carrier = Carrier(self, destination or self.destination, name, next(self._server_ids))
        self._carriers.append(carrier)
        carrier.start()
        return carrier

    def settling(self, name: str = "log") -> LogApplied:
        return LogApplied(
            lambda: position_now(self.source),
            applied_by_capture(self.captures(name), self.run),
            patience_seconds=ARRIVAL_SECONDS,
        )

    def carried_all(self, name: str = "log") -> None:
        """Until all that the log holds now is applied."""
        end, reached = position_now(self.source), applied_by_capture(self.captures(name), self.run)
        wait_for(lambda: reached(end))

    def kept(self, name: str = "log") -> Position:
        found = self.run(self.captures(name).found())
        return Position.of_text(found.position)

    # --- the target

    def run(self, routine: Routine[Any]) -> Any:
        return SyncDriver(lambda _place, operation, request: self.perform(operation, request), _note).run(
            routine, Scope()
        )

    def perform(self, operation: str, request: Request) -> Reply:
        try:
            reply: Reply = getattr(self._client, xform_name(operation))(**request)
        except ClientError as error:
            response: Any = cast("Any", error).response
            said = response["Error"]
            raise ServiceRejected(said["Code"], said["Message"], response) from None
        return reply

    def bulk(self) -> BulkClient:
        return BulkClient.like(self.database.client())

    def item(self, pk: str, sk: str) -> Item:
        """As it is held, with its stamp."""
        found: Item = self.perform(
            "GetItem", {"TableName": self.target, "Key": key_of(pk, sk), "ConsistentRead": True}
        )["Item"]
        return found

    def put(self, item: Item) -> None:
        """As nobody should."""
        _ = self.perform("PutItem", {"TableName": self.target, "Item": item})

    def held(self, table: str) -> list[Item]:
        """All of it, stamps and all."""
        pages = self._client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def items(self, table: str = "") -> dict[str, Item]:
        """What nobody has deleted, without stamps."""
        return {
            item["pk"]["S"]: {name: value for name, value in item.items() if name != STAMP}
            for item in self.held(table or self.target)
            if "deleted" not in item.get(STAMP, {}).get("M", {})
        }

    # --- the verify

    def sides(self, destination: Destination | None = None, name: str = "log") -> RowSides:
        mark = Marking(self.source, self.watermarks, lambda: self.kept(name), lambda: uuid.uuid4().hex)
        return RowSides(self.migration, self.source, destination or self.destination, self.settling(name), mark)

    def verify(self, options: RowVerifyOptions | None = None, **how: Any) -> RowVerifyResult:
        sides = how.pop("sides", None) or self.sides()
        clients: Any = how.pop("clients", None) or {"target": self.jobs_client, "control": self.jobs_client}
        return run_row_verify(
            sides, clients, options or RowVerifyOptions(segments=2, landing_seconds=LANDING_SECONDS), **how
        )

    @property
    def is_verified(self) -> bool:
        """Whether the gate is open."""
        state, evidence = self.run(self.control.state()), self.run(Evidence.read(self.control))
        return all(finding.is_open for finding in findings((Gate.VERIFIED,), state, evidence))


class Carrier(threading.Thread):
    """The log's reader, which feeds the applying, on a thread of its own."""

    def __init__(self, migrated: Migrated, destination: Destination, name: str, server_id: int) -> None:
        super().__init__(name="carrier", daemon=True)
        self._migrated = migrated
        self._destination = destination
        self._kept_as = name
        self._server_id = server_id
        self._stop_it = threading.Event()
        self.failure: BaseException | None = None
        self.counts = Counts()

    def run(self) -> None:
        migrated = self._migrated
        checkpoints = InControlTable(migrated.captures(self._kept_as), migrated.run)
        found = checkpoints.take()
        position = Position.of_text(found.position) if found.position else migrated.beginning
        tables = self._destination.rows.tables
        reader = LogReader(migrated.source, tables, position, server_id=self._server_id, heartbeat_seconds=0.2)

        async def play() -> Counts:
            async with migrated.bulk() as bulk:
                how = through(bulk), checkpoints, found
                return await carry(reader, self._destination, *how, stop=self._stop_it.is_set)

        try:
            self.counts = asyncio.run(play())
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.failure = error
        finally:
            reader.close()

    def end(self) -> None:
        self._stop_it.set()
        self.join(ARRIVAL_SECONDS)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure


def key_of(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _note(_name: str, _facts: dict[str, Any]) -> None:
    """Nothing here notes anything."""
