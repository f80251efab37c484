"""Topics that Debezium or AWS DMS fill, by commands: the whole way, what is not told, and what is told of it.

Their messages are made by a stand-in from the real log of a MariaDB (`tests/cdc/filling.py`), in a real Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from crossfade.cdc import DMS, Debezium, kafka
from crossfade.cdc.changes import Change
from crossfade.cdc.checking import theirs
from crossfade.cdc.topics import MARKS, Theirs
from tests.cdc.etl.setting import wait_for
from tests.cdc.filling import Filling
from tests.cdc.inputs.recordings import Message, of_topic
from tests.cdc.inputs.test_real_connector import folded
from tests.cli.rows.background import running
from tests.cli.rows.conftest import SERVER_IDS, RowShell
from tests.cli.rows.test_carrying import ITEMS, ROWS
from tests.cli.rows.test_whole_way import InDynamoDB, InMySQL, switch_of, verified
from tests.sampling import ALL

TABLES: Final = ("customers", "orders", "order_lines")
KINDS: Final[dict[str, Callable[[str], Theirs]]] = {
    "a topic a table": lambda mark: Debezium(mark, offsets=f"offsets-{mark}"),
    "one topic": lambda mark: Debezium(mark, topic=f"all-{mark}"),
    "dms": lambda mark: DMS(f"dms-{mark}"),
}


def declare(shell: RowShell, declared: Theirs, *, partitions: int = 2) -> Theirs:
    """In the file; with topics as those who fill them would have made them."""
    shell.theirs = repr(declared)
    shell.write_rows()
    tables = [f"{shell.schema}.{table}" for table in TABLES]
    kafka.create_topics(brokers(shell), declared.names(tables, shell.schema), partitions=partitions)
    if isinstance(declared, Debezium) and declared.offsets:
        kafka.create_topics(brokers(shell), [declared.offsets], partitions=2)
    return declared


def brokers(shell: RowShell) -> dict[str, Any]:
    return {"bootstrap.servers": shell.environment["CROSSFADE_KAFKA_BOOTSTRAP"]}


@contextmanager
def filled(shell: RowShell, declared: Theirs) -> Generator[Filling, None, None]:
    tables = [f"{shell.schema}.{table}" for table in TABLES]
    with Filling(declared, shell.source, brokers(shell), tables, next(SERVER_IDS)) as filling:
        yield filling


def loaded(declared: Theirs) -> tuple[str, ...]:
    return ("backfill", *(("--loaded",) if isinstance(declared, DMS) else ()), "--execute")


@pytest.mark.parametrize("kind", KINDS if ALL else ("a topic a table", "dms"))
def test_the_whole_way(through_kafka: RowShell, kind: str) -> None:
    """What they captured is applied; marks tell when all of it is; up through a real fence, back, and to the end."""
    shell = through_kafka
    declared = declare(shell, KINDS[kind](shell.mark))
    shell.sql(*ROWS)
    with filled(shell, declared):
        gone_all_the_way(shell, declared)


def gone_all_the_way(shell: RowShell, declared: Theirs) -> None:
    """By commands, while somebody fills the topics."""
    report = shell.json("check")
    assert [each for each in report["findings"] if each["severity"] == "error"] == []
    assert "a mark on the source came round" in str(report["findings"])
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "dualwrite", "--execute")
    with switch_of(shell) as customers, running(shell, "etl", "--execute") as worker:
        assert shell.lines(*loaded(declared))[-1]["status"] == "complete"
        assert shell.items() == ITEMS
        with running(shell, "replicate", "--execute") as log:
            customers.rename(1, "written in dualwrite")
            shell.sql("DELETE FROM {schema}.order_lines WHERE id = 70")
            log.wait_for(lambda line: 0 <= line.get("lag_seconds", -1) < 10)
            verified(shell)
            assert shell.items()["order#7"]["skus"] == {"L": [{"S": "ink"}]}
            _ = shell("advance", "--to", "live", "--execute")
            assert customers.name(1) == "written in dualwrite"
            customers.rename(1, "written in live")
            worker.wait_for(lambda line: line.get("counts", {}).get("passed", 0) >= 1)
            assert InMySQL(shell).name(1) == InDynamoDB(shell).name(1) == "written in live"
            _ = shell("rollback", "--to", "shadow", "--execute")
            customers.rename(1, "written in shadow")
            verified(shell)
            assert InDynamoDB(shell).name(1) == "written in shadow"
            _ = shell("advance", "--to", "rampdown", "--execute")
            _ = shell("complete", "--execute", "--confirm", shell.mark)
            log.wait_for(lambda line: line.get("status") == "over")
            worker.wait_for(lambda line: line.get("status") == "over")
    steps = [step["step"] for step in shell.json("cleanup")["steps"]]
    assert steps == ["tombstones", "groups", "marks", "parts", "stamps"]
    for _ in steps:
        _ = shell("cleanup", "--execute")
    there = kafka.admin(brokers(shell)).list_topics(timeout=kafka.ANSWER_SECONDS).topics
    assert set(declared.names([f"{shell.schema}.customers"], shell.schema)) <= set(there)


def test_rows_that_a_mark_has_overtaken_are_waited_for(through_kafka: RowShell) -> None:
    """A broker that is slow has not got a row, while the mark behind it has come round: no authority moves."""
    shell = through_kafka
    declared = declare(shell, KINDS["a topic a table"](shell.mark))
    shell.sql(*ROWS)
    with filled(shell, declared) as filling:
        _ = shell("start", "--execute")
        _ = shell("advance", "--to", "dualwrite", "--execute")
        with switch_of(shell), running(shell, "etl", "--execute"):
            _ = shell(*loaded(declared))
            with running(shell, "replicate", "--execute") as log:
                log.wait_for(lambda line: 0 <= line.get("lag_seconds", -1) < 3)
                verified(shell)
                filling.hold_rows()
                shell.sql("REPLACE INTO {schema}.customers VALUES (1, 'late')")
                assert "is not possible yet" in shell("advance", "--to", "live", "--execute", status=1).output
                assert shell.items()["customer#1"] == {"name": {"S": "Ann"}}
                filling.release()
                wait_for(lambda: shell.items()["customer#1"] == {"name": {"S": "late"}})
                behind = len(log.lines)
                wait_for(lambda: any(0 <= line.get("lag_seconds", -1) < 3 for line in log.lines[behind:]))
                _ = shell("advance", "--to", "live", "--execute")


def test_what_is_not_followed_is_told(through_kafka: RowShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a check before anything begins: topics that are missing, marks that do not come, offsets of nobody."""
    for name in ("ROUND_SECONDS_MAX", "LAG_SECONDS_MAX"):
        monkeypatch.setattr(theirs, name, 3.0)
    shell = through_kafka
    declared = Debezium(shell.mark, offsets=f"offsets-{shell.mark}")
    shell.theirs = repr(declared)
    shell.write_rows()
    shell.sql(*ROWS)
    found = errors(shell)
    assert [each["what"].partition(":")[0] for each in found] == [
        f"topic {name}" for name in declared.names([f"{shell.schema}.{each}" for each in TABLES], shell.schema)
    ]
    _ = declare(shell, declared)
    with filled(shell, declared):
        shell.theirs = repr(replace(declared, offsets=f"empty-{shell.mark}"))
        shell.write_rows()
        kafka.create_topics(brokers(shell), [f"empty-{shell.mark}"], partitions=1)
        assert [each["code"] for each in errors(shell)] == ["connect-offsets"]
    (mark,) = errors(shell)  # nothing fills them any more
    assert mark["what"].startswith(f"a mark that was written to {shell.schema}.{MARKS} has not come")


def errors(shell: RowShell) -> list[Any]:
    return [each for each in shell.json("check", status=1)["findings"] if each["severity"] == "error"]


def test_recorded_messages_are_applied_replayed_and_retried(through_kafka: RowShell) -> None:
    """Those that a real Debezium wrote, with what is none of the tables' and what cannot be applied among them."""
    shell = through_kafka
    declared = Debezium("on", topic=f"recorded-{shell.mark}")
    messages = [each for table in ("orders", "keyless") for each in of_topic(f"on.shop.{table}")]
    shell.sql(
        "CREATE DATABASE IF NOT EXISTS shop",
        "CREATE OR REPLACE TABLE shop.orders (customer VARCHAR(20), number BIGINT UNSIGNED, total DECIMAL(12,2),"
        " note VARCHAR(50), PRIMARY KEY (customer, number))",
    )
    shell.theirs = repr(declared)
    shell.write_rows(RECORDED.replace("OTHER", "cleo"))
    names = declared.names(["shop.orders"], "shop")
    kafka.create_topics(brokers(shell), names, partitions=1)
    producer = kafka.producer(brokers(shell))
    for each in messages:
        producer.produce(names[0], each.value, each.key)
    assert producer.flush(kafka.DELIVERY_SECONDS) == 0
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "dualwrite", "--execute")
    worked = shell.lines("etl", "--quiet-seconds", "2", "--execute", status=1)[-1]  # nobody tells that it is quiet
    wanted = folded([each for one in of_topic("on.shop.orders") for each in changes_of(one)])
    found = shell.items()
    assert worked["counts"]["set_aside"] > 0
    assert set(found) == {name for name in map(name_of, wanted) if not name.startswith("cleo")}
    shell.write_rows(RECORDED)
    assert shell.lines("etl", "retry", "--execute")[-1]["failed"] == 0
    assert set(shell.items()) == {*map(name_of, wanted)}
    assert "is no place in Debezium's topic" in shell("etl", "replay", "--from", "0-1-7", status=2).output
    for start in ("beginning", "log.000001:4", "2000-01-01"):
        replayed = shell.lines("etl", "replay", "--from", start, "--execute")[-1]
        assert (replayed["failed"], replayed["messages_total"]) == (0, len(messages))
    assert set(shell.items()) == {*map(name_of, wanted)}


RECORDED: Final = """
@migration.table("shop.orders")
def order(row):
    if row["customer"] == "OTHER":
        raise ValueError("not that one")
    return {{"pk": f"{{row['customer']}} {{row['number']}}", "sk": "order", "total": row["total"]}}
"""


def name_of(key: tuple[Any, ...]) -> str:
    return f"{key[0]} {key[1]}"


def changes_of(message: Message) -> list[Change]:
    told = message.read()
    return told if isinstance(told, list) else []


@pytest.mark.skipif(not ALL, reason="with EVERY=1 only: it takes half a minute")
@pytest.mark.parametrize("kind", ["a topic a table", "dms"])
def test_without_the_messages_of_a_snapshot_a_repair_fills_the_target(
    through_kafka: RowShell, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were kept for some days, and these are over: what comes later, and a replay, win over what was repaired."""

    def removed(filling: Filling, offset: int) -> None:
        del filling, offset

    monkeypatch.setattr(Filling, "_snapshot", removed)
    shell = through_kafka
    declared = declare(shell, KINDS[kind](shell.mark))
    shell.sql(*ROWS)
    with filled(shell, declared):
        _ = shell("check")
        _ = shell("start", "--execute")
        _ = shell("advance", "--to", "dualwrite", "--execute")
        with switch_of(shell) as customers, running(shell, "etl", "--execute"):
            assert shell.lines(*loaded(declared))[-1]["status"] == "complete"
            assert shell.items() == {}
            with running(shell, "replicate", "--execute") as log:
                log.wait_for(lambda line: 0 <= line.get("lag_seconds", -1) < 10)
                _ = shell("verify", "--repair", "--execute")
                assert shell.items() == ITEMS
                verified(shell)
                customers.rename(1, "later")
                shell.sql("DELETE FROM {schema}.order_lines WHERE id = 70")
                verified(shell)
                assert shell.items()["customer#1"] == {"name": {"S": "later"}}
                _ = shell("etl", "replay", "--from", "beginning", "--execute")
                verified(shell)


def test_what_is_theirs_is_left_to_them(through_kafka: RowShell) -> None:
    """Plans say who reads the rows and who carries the log; of AWS DMS somebody has to say that it is loaded."""
    shell = through_kafka
    _ = declare(shell, KINDS["one topic"](shell.mark))
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "dualwrite", "--execute")
    plan = " ".join(shell("backfill").output.split())
    assert "the rows are read by whoever fills it, not by this" in plan
    assert f"write marks to {shell.schema}.{MARKS} every second" in " ".join(shell("replicate").output.split())
    assert "apply what Debezium's topic" in " ".join(shell("etl").output.split())
    assert "--loaded is for topics of AWS DMS" in shell("backfill", "--loaded", status=2).output
    assert "--from-now is for our own capture" in shell("backfill", "--from-now", status=2).output
    shell.theirs = repr(Debezium("nobody", topic="nowhere"))
    shell.write_rows()
    assert "see to it that Debezium's topic nowhere is filled" in shell("etl", "--execute", status=2).output
    _ = declare(shell, KINDS["dms"](shell.mark))
    refused = " ".join(shell("backfill", "--execute", status=2).output.split())
    assert "AWS DMS does not tell in its topic when its full load is complete" in refused
    assert "crossfade backfill --loaded --execute" in refused
