"""A migration of rows says what is wrong with it when it is made, and holds nothing that is a secret."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crossfade import Mirror, Switch, Table, Write
from crossfade.cdc import DMS, Debezium, Kafka, MySQL, RowMigration, kafka
from crossfade.cdc.connecting import kafka_of_environment, source_of_environment
from crossfade.cdc.topics import AnyTopics
from crossfade.errors import ConfigurationError, in_full
from crossfade.migration import AnyMigration, Migration, load
from tests.conftest import Database

TARGET = Table("shop", key={"pk": "S", "sk": "S"})
HEAD = "from crossfade import Table\nfrom crossfade.cdc import Child, Kafka, MySQL, RowMigration\n"
FILE = f"""{HEAD}
migration = RowMigration(
    name="shop",
    source=MySQL(server_id=7001),
    target=Table("shop", key={{"pk": "S", "sk": "S"}}),
    topics=Kafka("shop"),
)


@migration.table("shop.customers")
def customer(row):
    return {{"pk": str(row["id"]), "sk": "profile"}}


@migration.fold("shop.orders", into=lambda id: {{"pk": str(id), "sk": "order"}}, lines=Child("shop.lines", "order_id"))
def order(row, lines):
    return {{"lines": len(lines)}}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "migration.py"
    _ = file.write_text(text)
    return file


def test_a_file_of_rows_is_loaded_by_the_one_loader(tmp_path: Path) -> None:
    """As either kind, and as its own; as the other it is refused with the place that tells of it."""
    file = write(tmp_path, FILE)
    for kind in (AnyMigration, RowMigration):
        found = load(file, kind)
        assert isinstance(found, RowMigration)
        assert found.tables == ("shop.customers", "shop.orders", "shop.lines")
        assert (found.marks_schema, found.group, found.parts_table) == ("shop", "crossfade-shop", "shop-parts")
        assert found.strategy_name == "freeze"
    with pytest.raises(ConfigurationError, match="makes a RowMigration, and a Migration is needed"):
        _ = load(file, Migration)


def test_loading_it_takes_no_driver(tmp_path: Path) -> None:
    """Who unit-tests a mapping needs neither PyMySQL nor Kafka's client."""
    blocked = "import sys; sys.modules.update(pymysql=None, confluent_kafka=None)\n"
    file = str(write(tmp_path, FILE))
    program = f"{blocked}from crossfade.migration import AnyMigration, load\nload({file!r}, AnyMigration)"
    _ = subprocess.run([sys.executable, "-c", program], check=True)


def test_it_has_the_fingerprint_of_its_switch(dynamodb: Database) -> None:
    """So `crossfade start` records what the applications' Switch joins."""

    class Repository:
        def put(self, key: int) -> None: ...
        def image(self, key: int) -> None: ...
        def store(self, key: int, image: Any) -> None: ...

    mirror = Mirror(load="image", save="store", carried="log")
    repositories = Repository(), Repository()
    switch = Switch("shop", *repositories, {"put": Write(key="key")}, control=dynamodb.client(), mirror=mirror)
    assert switch.plan().fingerprint == made().fingerprint


def made(**changes: Any) -> RowMigration:
    arguments: dict[str, Any] = {"name": "shop", "source": MySQL(7001), "target": TARGET, "topics": Kafka("shop")}
    return RowMigration(**{**arguments, **changes})


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: made(name="a shop"), "migration name 'a shop'"),
        (lambda: made(source="mysql://root:hunter2@db"), "is not of that kind"),
        (lambda: made(target="shop"), "target='shop' is not of that kind"),
        (lambda: made(topics="shop"), "topics='shop' is not of that kind"),
        (lambda: made(control_table="shop"), "are not three different tables"),
        (lambda: made(parts_table="shop"), "are not three different tables"),
        (lambda: MySQL(server_id=0), "server_id=0 is no number from 1"),
        (lambda: MySQL(server_id=2**32), "is no number from 1"),
        (lambda: MySQL(server_id=1, marks="a.b"), "no name of a schema"),
        (lambda: Kafka("a topic"), "no name of a topic"),
        (lambda: Kafka("a", partitions=0), "partitions=0"),
        (lambda: Debezium("a"), "one of topic= and offsets= is needed"),
        (lambda: Debezium("a", topic="b", offsets="c"), "one of topic= and offsets= is needed"),
        (lambda: Debezium("a prefix", topic="b"), "no name of a topic"),
        (lambda: DMS("a", epoch=-1), "epoch=-1"),
        (lambda: DMS("a", dead_letters="a topic"), "no name of a topic"),
        (lambda: Kafka("a", retention_seconds=0), "retention_seconds=0"),
        (lambda: made().table("customers"), "'customers' is no table"),
        (lambda: made().fold("shop.orders", into=dict), "1 to 20 children"),
        (lambda: made().check_whole(), "no table is declared"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_made(make: Any, shown: str) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigurationError) as raised:
        _ = make()
    assert shown in in_full(raised.value)


@pytest.mark.parametrize(
    ("text", "shown", "next_step"),
    [
        (FILE.replace("import Child, Kafka", "import Child, Kafa"), "line 2: ImportError", "did you mean Kafka?"),
        (FILE.replace("server_id=", "server_ib="), "TypeError", "did you mean server_id?"),
        (FILE.replace("topics=", "topic="), "TypeError", "did you mean topics?"),
        (FILE.replace("def customer(row)", "def customer(row, lines)"), "cannot be called with (row)", ""),
        (FILE.partition("@")[0], "no table is declared", "@migration.table"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, shown: str, next_step: str) -> None:
    """And with what was probably meant."""
    with pytest.raises(ConfigurationError) as raised:
        _ = load(write(tmp_path, text), AnyMigration)
    assert shown in raised.value.message
    assert next_step in raised.value.next_step


def test_the_servers_come_from_the_environment(tmp_path: Path) -> None:
    """With what logs in from files, none of it shown."""
    config = tmp_path / "kafka.properties"
    _ = config.write_text("# how we log in\nsecurity.protocol = SASL_SSL\nsasl.password=hunter=2\n\n")
    environment = {
        "CROSSFADE_MYSQL_URL": "mysql://app@db.example/shop",
        "CROSSFADE_MYSQL_PASSWORD": "hunter2",
        "CROSSFADE_KAFKA_BOOTSTRAP": "broker.example:9092",
        "CROSSFADE_KAFKA_CONFIG": str(config),
    }
    source, brokers = source_of_environment(environment), kafka_of_environment(environment)
    assert (source.host, source.user, source.password) == ("db.example", "app", "hunter2")
    assert brokers == {
        "bootstrap.servers": "broker.example:9092",
        "log_level": 3,
        "security.protocol": "SASL_SSL",
        "sasl.password": "hunter=2",
    }
    for shown in (repr(source), repr(brokers), str(brokers), f"{brokers}"):
        assert "hunter" not in shown


@pytest.mark.parametrize(
    ("environment", "shown", "next_step"),
    [
        ({}, "CROSSFADE_MYSQL_URL is not set", "export CROSSFADE_MYSQL_URL=mysql://"),
        ({"CROSSFADE_MYSQL_URL": "mysql://root:hunter2@db/shop"}, "has a password in it", "CROSSFADE_MYSQL_PASSWORD"),
        ({"CROSSFADE_MYSQL_URL": "db.example:3306"}, "not of the form mysql://", ""),
    ],
)
def test_a_source_that_is_not_named_right_is_told(environment: dict[str, str], shown: str, next_step: str) -> None:
    """And never what it said, which may have a password in it."""
    with pytest.raises(ConfigurationError) as raised:
        _ = source_of_environment(environment)
    assert shown in raised.value.message
    assert next_step in raised.value.next_step
    assert "hunter2" not in in_full(raised.value)


def test_settings_that_kafka_does_not_take_are_told() -> None:
    """And what they are is not."""
    for settings in ({"security.protocol": "none"}, {"no.such": "hunter2"}):
        for make in (kafka.admin, kafka.producer, partial(kafka.consumer, group="group")):
            with pytest.raises(ConfigurationError, match="does not take its settings") as raised:
                _ = make({"bootstrap.servers": "127.0.0.1:1", **settings, "sasl.password": "hunter2"})
            assert "hunter2" not in in_full(raised.value)


def test_brokers_that_are_not_named_right_are_told(tmp_path: Path) -> None:
    """And no line of the file, which may be a secret."""
    with pytest.raises(ConfigurationError, match="CROSSFADE_KAFKA_BOOTSTRAP is not set"):
        _ = kafka_of_environment({})
    file = tmp_path / "kafka.properties"
    _ = file.write_text("hunter2\n")
    with pytest.raises(ConfigurationError, match="line 1 is not of the form") as raised:
        _ = kafka_of_environment({"CROSSFADE_KAFKA_CONFIG": str(file)})
    assert "hunter2" not in in_full(raised.value)


@pytest.mark.parametrize(
    ("declared", "names", "dead"),
    [
        (Kafka("shop"), ("shop",), "shop.dead"),
        (Kafka("shop", one_a_table=True), ("shop.s.a", "shop.s.b"), "shop.dead"),
        (
            Debezium("dbz", offsets="connect-offsets"),
            ("dbz.s.a", "dbz.s.b", "dbz.s.crossfade_watermarks"),
            "dbz.dead",
        ),
        (Debezium("dbz", topic="all", dead_letters="letters"), ("all",), "letters"),
        (DMS("dms"), ("dms",), "dms.dead"),
    ],
)
def test_the_topics_that_are_read(declared: AnyTopics, names: tuple[str, ...], dead: str) -> None:
    """By the tools' own names; the table of marks is among them where each table has its own."""
    assert (declared.names(("s.a", "s.b"), "s"), declared.dead_letters) == (names, dead)
