"""A shop on MariaDB that is to be carried to the engine: tables and topics, who writes, and what there should be."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import pymysql
from botocore import xform_name  # pyright: ignore[reportUnknownVariableType]
from botocore.exceptions import ClientError

from crossfade.aws.lean.client import BulkClient
from crossfade.cdc import kafka as client
from crossfade.cdc.applying import Destination
from crossfade.cdc.checkpoints import Checkpoint, Checkpoints, InControlTable
from crossfade.cdc.etl import Progress, Settings, progress_of
from crossfade.cdc.mysql.errors import SourceError
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import position_now
from crossfade.cdc.mysql.schema import read_table
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.cdc.publishing import Capture, Published, Topics
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Rows
from crossfade.cdc.values import item_of
from crossfade.control.capturing import Captures
from crossfade.control.store import Control
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import ServiceRejected
from crossfade.local.kafka import KafkaServer
from tests.cdc.mysql.reading import select_all
from tests.cdc.shop import customer, order, order_key, product, shop
from tests.conftest import Database

PARTITIONS: Final = 4
ARRIVAL_SECONDS: Final = 90.0
TABLES: Final = ("shop.customers", "shop.products", "shop.orders", "shop.lines")
SCHEMA: Final = (
    "DROP DATABASE IF EXISTS shop",
    "CREATE DATABASE shop CHARACTER SET utf8mb4",
    "CREATE TABLE shop.customers (id INT PRIMARY KEY, name VARCHAR(50))",
    "CREATE TABLE shop.products (id INT PRIMARY KEY, codes JSON)",
    "CREATE TABLE shop.orders (id INT PRIMARY KEY, total DECIMAL(10,2))",
    "CREATE TABLE shop.`lines` (id INT PRIMARY KEY, order_id INT, count INT)",
)
PASSING: Final = {1062, 1205, 1213}  # the key is taken, or somebody else was there first
KEYS: Final = {"target": ("pk", "sk"), "parts": ("item", "part"), "control": ("migration", "record")}


class Setting:
    """All that one test has."""

    def __init__(
        self, kafka: KafkaServer, source: Source, database: Database, name: str, server_ids: Iterator[int]
    ) -> None:
        self.source = source
        self.name = name
        self.kafka = {"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0}
        self.topics = Topics(f"shop-{name}", TABLES)
        self.tables = {role: f"{role}-{name}" for role in KEYS}
        quickly = {
            **self.kafka,
            "session.timeout.ms": 6000,
        }  # the least: until then a member that is gone is waited for
        self.settings = Settings(quickly, f"etl-{name}", self.topics.names, f"dead-{name}", commit_seconds=0.2)
        self.control = Control("shop", self.tables["control"])
        self.server_ids = server_ids
        self.database = database
        self._client = database.client()

    def create(self) -> None:
        with self.source.connect() as connection:
            for statement in SCHEMA:
                _ = connection.rows(statement)
        client.create_topics(self.kafka, self.topics.names, partitions=PARTITIONS)
        client.create_topics(self.kafka, [self.settings.dead_letters], partitions=1)
        for role, key in KEYS.items():
            self._client.create_table(
                TableName=self.tables[role],
                AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in key],
                KeySchema=[{"AttributeName": key[0], "KeyType": "HASH"}, {"AttributeName": key[1], "KeyType": "RANGE"}],
                BillingMode="PAY_PER_REQUEST",
            )
        self.beginning = position_now(self.source)

    def close(self) -> None:
        for name in self.tables.values():
            self._client.delete_table(TableName=name)

    # --- from the source to the topics

    def checkpoints(self) -> Checkpoints:
        return InControlTable(Captures(self.control, "log", lambda: "now"), self.run)

    def captured(self) -> Checkpoint:
        """What the capture has kept, for whoever only looks."""
        found = self.run(Captures(self.control, "log", lambda: "now").found())
        return Checkpoint(found.position, found.snapshot) if found else Checkpoint()

    def run(self, routine: Routine[Any]) -> Any:
        """A routine against the engine, on this thread."""
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

    def capture(self, **how: Any) -> Capture:
        return Capture(
            self.source,
            next(self.server_ids),
            self.topics,
            self.kafka,
            self.checkpoints(),
            lambda: self.beginning,
            **how,
        )

    # --- to the target

    def destination(self, rows: Rows | None = None) -> Destination:
        return Destination(rows or shop(self.tables["target"]), self.tables["parts"])

    def bulk(self) -> BulkClient:
        return BulkClient.like(self.database.client())

    def progress(self) -> Progress:
        return progress_of(self.kafka, self.settings.group, self.settings.topics, wall=time.time)

    def end_of_log(self) -> Position:
        return position_now(self.source)

    def items(self) -> dict[str, Item]:
        """By partition key, what nobody has deleted, without the stamp."""
        found: list[Item] = []
        request: Request = {"TableName": self.tables["target"], "ConsistentRead": True}
        while True:
            reply = self.perform("Scan", request)
            found += reply["Items"]
            if "LastEvaluatedKey" not in reply:
                break
            request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
        return {
            item["pk"]["S"]: {name: value for name, value in item.items() if name != STAMP}
            for item in found
            if "deleted" not in item[STAMP]["M"]
        }

    def wanted(self) -> dict[str, Item]:
        """What the rows make that MariaDB holds now: written down once more, without any of the ETL."""
        with self.source.connect() as connection:
            rows = {
                name: [Row(name, row) for row in select_all(connection, read_table(connection, name))]
                for name in TABLES
            }
        found: list[Mapping[str, Any]] = [customer(row) for row in rows["shop.customers"]]
        for row in rows["shop.products"]:
            found += product(row)
        for row in rows["shop.orders"]:
            lines = [line for line in rows["shop.lines"] if line["order_id"] == row["id"]]
            found.append({**order_key(row["id"]), **order(row, sorted(lines, key=lambda line: str([line["id"]])))})
        return {item["pk"]: item_of(item) for item in found}

    def write(self, *statements: str) -> None:
        with self.source.connect() as connection:
            for statement in statements:
                _ = connection.rows(statement)


def _note(_name: str, _facts: dict[str, Any]) -> None:
    """Nothing here notes anything."""


class Writer(threading.Thread):
    """So many transactions of one statement or some, or until it is told to end; those that meet another writer's are
    rolled back."""

    def __init__(
        self,
        source: Source,
        seed: int,
        transactions: int,
        pause_seconds: float = 0.005,
        *,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(name=f"writer-{seed}", daemon=True)
        self._source = source
        self._chance = random.Random(seed)
        self._transactions = transactions
        self._pause_seconds = pause_seconds
        self._until = until
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with self._source.connect() as connection:
                for _ in range(self._transactions):
                    if self._until():
                        break
                    self._transaction(connection)
                    time.sleep(self._pause_seconds * self._chance.random())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def _transaction(self, connection: Connection) -> None:
        try:
            _ = connection.rows("BEGIN")
            for _ in range(self._chance.choice([1, 1, 2, 5])):
                _ = connection.rows(statement(self._chance))
            _ = connection.rows("ROLLBACK" if self._chance.random() < 0.1 else "COMMIT")
        except SourceError as error:
            cause = error.__cause__
            if not isinstance(cause, pymysql.MySQLError) or cause.args[0] not in PASSING:
                raise
            _ = connection.rows("ROLLBACK")


def statement(chance: random.Random) -> str:
    """A write of one row: put, changed, deleted, with another primary key, or moved to another parent."""
    table, key, other, number = (
        chance.choice(["customers", "products", "orders", "lines", "lines"]),
        *(chance.randrange(12) for _ in range(2)),
        chance.randrange(1000),
    )
    kind = chance.random()
    if kind < 0.2:
        return f"DELETE FROM shop.`{table}` WHERE id = {key}"
    codes = f"'{codes_of(chance, other if kind < 0.35 else key)}'"
    values = {
        "customers": {"name": f"'name {number}'"},
        "products": {"codes": codes},
        "orders": {"total": f"{number}.50"},
        "lines": {"order_id": chance.choice(["NULL", *map(str, range(6))]), "count": str(number)},
    }[table]
    sets = ", ".join(f"{column} = {value}" for column, value in values.items())
    if kind < 0.35:  # another primary key
        return f"UPDATE shop.`{table}` SET id = {other}, {sets} WHERE id = {key}"
    if kind < 0.6:
        return f"UPDATE shop.`{table}` SET {sets} WHERE id = {key}"
    return f"INSERT INTO shop.`{table}` VALUES ({key}, {', '.join(values.values())}) ON DUPLICATE KEY UPDATE {sets}"


def codes_of(chance: random.Random, key: int) -> str:
    """Of one product and of no other."""
    codes = [f'"{key}{code}"' for code in "abc" if chance.random() < 0.5]
    return f"[{', '.join(codes)}]"


class Capturing(threading.Thread):
    """A capture on a thread, until it is told to stop or fails."""

    def __init__(self, capture: Capture) -> None:
        super().__init__(name="capture", daemon=True)
        self._capture = capture
        self._stop_it = threading.Event()
        self.failure: BaseException | None = None
        self.published: Published | None = None

    def run(self) -> None:
        try:
            self.published = self._capture.run(self._stop_it.is_set)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def end(self) -> None:
        self._stop_it.set()
        self.join(ARRIVAL_SECONDS)
        if self.failure is not None:
            raise self.failure


def wait_for(condition: Callable[[], bool], seconds: float = ARRIVAL_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come in time"
        time.sleep(0.05)
