"""The real Debezium on a real Kafka Connect, Kafka and MariaDB: what its topics tell is what the tables hold.

The servers are started once, which takes half a minute on a quiet machine; what they need, 400 MB, is fetched on first
use. So they are played with EVERY=1 only.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pytest

from crossfade.cdc.changes import Change, Value
from crossfade.cdc.inputs import Kind, NoChange, read_debezium
from crossfade.local.connect import CONNECTOR_CLASS, ConnectServer
from crossfade.local.errors import JarsUnavailable
from crossfade.local.kafka import KafkaServer, confluent_kafka
from tests.sampling import ALL

SEED: Final = 16
ROWS_BEFORE: Final = 40
NUMBERS: Final = 6  # that are written again and again, some of them from before the snapshot
TRANSACTIONS: Final = 160
PAUSE_SECONDS: Final = 0.03  # so that the second snapshot, by chunks, reads while they write
PARTITIONS: Final = 3
ARRIVAL_SECONDS: Final = 120.0
END: Final = "~end"
ENDS: Final = 30  # so many last rows that every partition has one, behind which nothing comes
NAMES: Final = ("anna", "bert", "cleo", "dora", "émile")
Rows = dict[tuple[Value, ...], Mapping[str, Value]]

TABLES: Final = (
    "CREATE DATABASE shop CHARACTER SET utf8mb4",
    """CREATE TABLE shop.orders (
        customer VARCHAR(20), number BIGINT UNSIGNED, total DECIMAL(12,2), note VARCHAR(50) DEFAULT 'none',
        PRIMARY KEY (customer, number))""",
    "CREATE TABLE shop.signals (id VARCHAR(42) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2048))",
)
ANOTHER_SNAPSHOT: Final = """INSERT INTO shop.signals VALUES
    ('again', 'execute-snapshot', '{"data-collections": ["shop.orders"], "type": "INCREMENTAL"}')"""
LOSES_NOTHING: Final = {
    "bigint.unsigned.handling.mode": "precise",
    "key.converter.schemas.enable": "true",
    "value.converter.schemas.enable": "true",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.replace.null.with.default": "false",
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "signal.data.collection": "shop.signals",
    "incremental.snapshot.chunk.size": "7",
}
CONNECTORS: Final[Mapping[str, Mapping[str, str]]] = {
    "live": {**LOSES_NOTHING, "provide.transaction.metadata": "true", "heartbeat.interval.ms": "300"},
    "bare": LOSES_NOTHING,
    "default": {},
}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What was read of each connector's topic in its order, and what the table holds at the end."""

    told: Mapping[str, list[Change]]
    passed: Mapping[str, list[NoChange]]
    table: Rows
    kinds: frozenset[Kind]


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    """A table that is written before, during and after a snapshot, while the connector is killed once."""
    if not ALL:
        pytest.skip("with EVERY=1 only: it takes minutes")
    mariadb: Any = pytest.importorskip("crossfade.local.mariadb")
    pymysql: Any = pytest.importorskip("pymysql")
    try:
        with (
            mariadb.MariaDbServer.start() as database,
            KafkaServer.start() as kafka,
            ConnectServer.start(kafka.bootstrap_servers) as connect,
        ):
            connection = pymysql.connect(
                host=database.host, port=database.port, user=database.user, password=database.password
            )
            yield _played(connection, kafka, connect, database)
            connection.close()
    except JarsUnavailable as error:
        pytest.skip(str(error))


def _played(connection: Any, kafka: KafkaServer, connect: ConnectServer, database: Any) -> Pipeline:
    chance = random.Random(SEED)
    cursor = connection.cursor()
    for statement in TABLES:
        cursor.execute(statement)
    for number in range(ROWS_BEFORE):
        cursor.execute(
            "INSERT INTO shop.orders VALUES (%s, %s, %s, %s)",
            _row(chance, number if number < NUMBERS else 2**64 - number),
        )
    connection.commit()
    admin = confluent_kafka("confluent_kafka.admin").AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    topics = [
        confluent_kafka("confluent_kafka.admin").NewTopic(f"{name}.shop.orders", PARTITIONS) for name in CONNECTORS
    ]
    for made in admin.create_topics(topics).values():
        made.result(ARRIVAL_SECONDS)
    for number, (name, settings) in enumerate(CONNECTORS.items()):
        connect.put(name, {**_settings(name, 7000 + number, kafka, database), **settings})
    for name in CONNECTORS:
        _ = _read(kafka, [f"{name}.shop.orders"], lambda found: len(found) >= ROWS_BEFORE)
    for done in range(TRANSACTIONS):
        _transaction(cursor, chance)
        connection.commit()
        if done == TRANSACTIONS // 4:
            cursor.execute(ANOTHER_SNAPSHOT)
        time.sleep(PAUSE_SECONDS)
        if done == TRANSACTIONS * 3 // 4:
            connect.kill()
            connect.restart()
    for number in range(ENDS):
        cursor.execute("INSERT INTO shop.orders VALUES (%s, %s, 0, NULL)", (END, number))
    connection.commit()
    cursor.execute("SELECT customer, number, total, note FROM shop.orders")
    columns = ("customer", "number", "total", "note")
    table: Rows = {(row[0], row[1]): dict(zip(columns, row, strict=True)) for row in cursor.fetchall()}
    read = {name: _read(kafka, [f"{name}.shop.orders"], _has_ended) for name in CONNECTORS}
    others = ["live", "live.transaction", "__debezium-heartbeat.live"]
    kinds = {each.kind for each in _read(kafka, others, lambda found: len(_kinds(found)) > 2) if _is_none(each)}
    return Pipeline(
        told={name: [each for each in found if isinstance(each, Change)] for name, found in read.items()},
        passed={name: [each for each in found if isinstance(each, NoChange)] for name, found in read.items()},
        table=table,
        kinds=frozenset(kinds),
    )


def _row(chance: random.Random, number: int) -> tuple[str, int, Decimal, str | None]:
    note = chance.choice((None, "none", "", "ünï"))
    return chance.choice(NAMES), number, Decimal(chance.randrange(-(10**6), 10**6)) / 100, note


def _transaction(cursor: Any, chance: random.Random) -> None:
    """One to five statements on few rows, so that one transaction often writes a row more than once."""
    for _ in range(chance.randint(1, 5)):
        customer, number, total, note = _row(chance, chance.randrange(NUMBERS))
        match chance.randrange(5):
            case 0 | 1:
                cursor.execute("REPLACE INTO shop.orders VALUES (%s, %s, %s, %s)", (customer, number, total, note))
            case 2:
                cursor.execute("UPDATE shop.orders SET total = total + 1, note = %s WHERE number = %s", (note, number))
            case 3:
                cursor.execute("DELETE FROM shop.orders WHERE customer = %s AND number = %s", (customer, number))
            case _:
                cursor.execute(
                    "UPDATE IGNORE shop.orders SET number = %s WHERE customer = %s AND number = %s LIMIT 1",
                    (chance.randrange(NUMBERS), customer, number),
                )


def _settings(name: str, server_id: int, kafka: KafkaServer, database: Any) -> dict[str, str]:
    return {
        "connector.class": CONNECTOR_CLASS,
        "tasks.max": "1",
        "topic.prefix": name,
        "database.hostname": database.host,
        "database.port": str(database.port),
        "database.user": database.user,
        "database.password": database.password,
        "database.ssl.mode": "disable",
        "database.server.id": str(server_id),
        "database.include.list": "shop",
        "schema.history.internal.kafka.bootstrap.servers": kafka.bootstrap_servers,
        "schema.history.internal.kafka.topic": f"history-{name}",
    }


def _read(kafka: KafkaServer, topics: list[str], enough: Callable[[list[Change | NoChange]], bool]) -> list[Any]:
    """Everything in these topics, partition by partition, until it is enough."""
    client = confluent_kafka()
    consumer = client.Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": str(time.monotonic()),
            "auto.offset.reset": "earliest",
        }
    )
    found: list[Change | NoChange] = []
    until = time.monotonic() + ARRIVAL_SECONDS
    try:
        consumer.subscribe(topics)
        while not enough(found):
            assert time.monotonic() < until, f"{topics} told {len(found)} messages, and not the last"
            for message in consumer.consume(500, 0.5):
                if message.error() is not None and message.error().code() == client.KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue  # the connector has not made it yet
                assert message.error() is None, message.error()
                read = read_debezium(message.key(), message.value(), epoch=0, offset=message.offset())
                found.extend(read if isinstance(read, list) else [read])
    finally:
        consumer.close()
    return found


def _has_ended(found: list[Change | NoChange]) -> bool:
    return len({str(each.key[1]) for each in found if isinstance(each, Change) and each.key[0] == END}) == ENDS


def _is_none(found: object) -> bool:
    return isinstance(found, NoChange)


def _kinds(found: list[Change | NoChange]) -> set[Kind]:
    return {each.kind for each in found if isinstance(each, NoChange)}


def folded(changes: list[Change]) -> Rows:
    """The rows that are there when each change is applied unless a newer one was before it."""
    latest: dict[tuple[Value, ...], Change] = {}
    for change in changes:
        before = latest.get(change.key)
        if before is None or before.version <= change.version:
            latest[change.key] = change
    return {key: change.row for key, change in latest.items() if change.row is not None}


@pytest.mark.parametrize("name", ["live", "bare"])
def test_the_topic_tells_what_the_table_holds(pipeline: Pipeline, name: str) -> None:
    """Applied in the order of the topic, the changes leave the table, though the connector was killed in between."""
    assert folded(pipeline.told[name]) == pipeline.table


@pytest.mark.parametrize("name", ["live", "bare"])
def test_hazards_3_and_7_in_any_order_the_newest_wins(pipeline: Pipeline, name: str) -> None:
    """Applied in any order, late and twice, the changes leave the same table: the versions are the order."""
    changes = pipeline.told[name] * 2
    for seed in range(20):
        random.Random(seed).shuffle(changes)
        assert folded(changes) == pipeline.table


@pytest.mark.parametrize("name", ["live", "bare"])
def test_a_version_is_of_one_change(pipeline: Pipeline, name: str) -> None:
    """Two changes of one row that differ have two versions, also within one transaction."""
    by_version: dict[tuple[object, ...], Mapping[str, Value] | None] = {}
    for change in pipeline.told[name]:
        assert by_version.setdefault((change.key, change.version), change.row) == change.row
    assert len(by_version) > TRANSACTIONS


@pytest.mark.parametrize("name", ["live", "bare"])
def test_the_snapshots_were_overtaken(pipeline: Pipeline, name: str) -> None:
    """Rows that a snapshot read were changed before it and after it, so the tests above are about that too."""
    read = [change for change in pipeline.told[name] if change.origin == "snapshot"]
    logged = {change.key for change in pipeline.told[name] if change.origin == "log"}
    keys = {change.key for change in read}
    assert keys & logged
    assert keys - logged
    assert len(read) > ROWS_BEFORE, "the second snapshot read nothing"
    assert len({change.version for change in read}) > 1


def test_deletions_are_followed_by_tombstones(pipeline: Pipeline) -> None:
    """For each deletion there is a message without a value, and nothing else that is no change."""
    deleted = [change for change in pipeline.told["live"] if change.row is None]
    assert {each.kind for each in pipeline.passed["live"]} == {Kind.TOMBSTONE}
    assert len(pipeline.passed["live"]) == len(deleted) > 0


def test_the_connector_s_other_topics_are_known(pipeline: Pipeline) -> None:
    """Heart-beats, transactions and schema changes are read as what they are."""
    assert pipeline.kinds == {Kind.HEARTBEAT, Kind.TRANSACTION, Kind.SCHEMA_CHANGE}


def test_the_connector_s_defaults_lose(pipeline: Pipeline) -> None:
    """With the defaults of Debezium and of the JsonConverter, big keys are negative and NULL is the DEFAULT."""
    found = folded(pipeline.told["default"])
    assert found != pipeline.table
    assert any(isinstance(key[1], int) and key[1] < 0 for key in found)
    lost = [key for key, row in pipeline.table.items() if row["note"] is None and key in found]
    assert lost
    assert all(found[key]["note"] == "none" for key in lost)
