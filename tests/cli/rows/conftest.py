"""A shell for a migration of rows: a schema of its own on a real MariaDB, topics of its own on a real Kafka."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from crossfade.cdc.mysql.source import Source
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.local.errors import JarsUnavailable
from crossfade.local.kafka import KafkaServer
from crossfade.local.mariadb import MariaDbServer
from tests.cli.conftest import Shell

SERVER_IDS = itertools.count(50_000 + os.getpid() % 1000 * 1000)
MAPPING: Final = """
@migration.table("{schema}.customers")
def customer(row):
    return {{"pk": f"customer#{{row['id']}}", "sk": "profile", "name": row["name"]}}


@migration.fold(
    "{schema}.orders",
    into=lambda id: {{"pk": f"order#{{id}}", "sk": "order"}},
    lines=Child("{schema}.order_lines", parent="order_id"),
)
def order(row, lines):
    return {{"total": row["total"], "skus": sorted(line["sku"] for line in lines)}}
"""
SCHEMA: Final = (
    "CREATE DATABASE {schema} CHARACTER SET utf8mb4",
    "CREATE TABLE {schema}.customers (id INT PRIMARY KEY, name VARCHAR(50))",
    "CREATE TABLE {schema}.orders (id INT PRIMARY KEY, total DECIMAL(10,2))",
    "CREATE TABLE {schema}.order_lines (id INT PRIMARY KEY, order_id INT NOT NULL REFERENCES orders (id), sku TEXT)",
)


@dataclass
class RowShell(Shell):
    """`schema` is the source's; `source` an account that may do everything there."""

    source: Source
    with_kafka: bool
    theirs: str = ""  # in the file, where others fill the topics

    @property
    def schema(self) -> str:
        return f"shop_{self.mark}"

    @property
    def parts(self) -> str:
        return f"target-{self.mark}-parts"

    def sql(self, *statements: str) -> None:
        with self.source.connect() as connection:
            for statement in statements:
                _ = connection.rows(statement.format(schema=self.schema))

    def write_rows(self, mapping: str = MAPPING) -> None:
        """The migration file."""
        names = self.tables
        topics = self.theirs or (f'Kafka("shop-{self.mark}", partitions=2)' if self.with_kafka else "None")
        _ = self.file.write_text(
            "from crossfade import Table\n"
            "from crossfade.cdc import DMS, Child, Debezium, Kafka, MySQL, RowMigration\n\n"
            f'migration = RowMigration("{self.mark}", MySQL(server_id={next(SERVER_IDS)}),\n'
            f'    Table("{names["target"]}", key={{"pk": "S", "sk": "S"}}),\n'
            f'    topics={topics}, control_table="{names["control"]}")\n' + mapping.format(schema=self.schema)
        )

    def create_tables(self) -> None:
        """The target, and the table of parts."""
        for name, key in ((self.tables["target"], ("pk", "sk")), (self.parts, ("item", "part"))):
            self.create_table(name, *key)

    def create_table(self, name: str, partition: str, sort: str) -> None:
        _ = self.client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": partition, "KeyType": "HASH"},
                {"AttributeName": sort, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in (partition, sort)],
        )

    def items(self, table: str = "") -> dict[str, dict[str, Any]]:
        """By partition key, what nobody has deleted, without stamps."""
        found: dict[str, Item] = {}
        for item in self.scan(table or self.tables["target"]):
            if "deleted" not in item.get(STAMP, {"M": {}})["M"]:
                found[item["pk"]["S"]] = {
                    name: value for name, value in item.items() if name not in (STAMP, "pk", "sk")
                }
        return found


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDbServer]:
    """Skips where the server cannot be had."""
    try:
        with MariaDbServer.start() as running:
            yield running
    except JarsUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """Skips where the server's jars cannot be had."""
    try:
        with KafkaServer.start() as running:
            yield running
    except JarsUnavailable as error:
        pytest.skip(str(error))


def row_shell(bare: Shell, mariadb: MariaDbServer, kafka: KafkaServer | None) -> RowShell:
    environment = {
        **bare.environment,
        "CROSSFADE_MYSQL_URL": f"mysql://{mariadb.user}@{mariadb.host}:{mariadb.port}/",
        "CROSSFADE_MYSQL_PASSWORD": mariadb.password,
        "CROSSFADE_KAFKA_BOOTSTRAP": kafka.bootstrap_servers if kafka else "",
    }
    source = Source(mariadb.host, mariadb.port, mariadb.user, mariadb.password)
    shell = RowShell(bare.folder, bare.client, environment, bare.mark, source, kafka is not None)
    shell.sql(*SCHEMA)
    shell.write_rows()
    shell.create_tables()
    return shell


@pytest.fixture
def direct(bare_shell: Shell, mariadb: MariaDbServer) -> RowShell:
    """Without Kafka: tables on both sides, and a file."""
    return row_shell(bare_shell, mariadb, None)


@pytest.fixture
def through_kafka(bare_shell: Shell, mariadb: MariaDbServer, kafka: KafkaServer) -> RowShell:
    """Tables on both sides, and a file."""
    return row_shell(bare_shell, mariadb, kafka)
