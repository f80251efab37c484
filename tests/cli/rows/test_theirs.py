"""Topics that Debezium or AWS DMS fill, by commands: the whole way, what is not told, and what is told of it.

Their messages are made by a stand-in from the real log of a MariaDB (`tests/cdc/filling.py`), in a real Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from crossfade.cdc import DMS, Debezium, kafka
from crossfade.cdc.topics import Theirs
from tests.cdc.filling import Filling
from tests.cli.rows.background import running
from tests.cli.rows.conftest import SERVER_IDS, RowShell
from tests.cli.rows.test_carrying import ITEMS, ROWS
from tests.cli.rows.test_whole_way import InDynamoDB, InMySQL, switch_of, verified

TABLES: Final = ("customers", "orders", "order_lines")
KINDS: Final[dict[str, Callable[[str], Theirs]]] = {
    "a topic a table": lambda mark: Debezium(mark, offsets=f"offsets-{mark}"),
    "one topic": lambda mark: Debezium(mark, topic=f"all-{mark}"),
    "dms": lambda mark: DMS(f"dms-{mark}"),
}


def declare(shell: RowShell, declared: Theirs, *, partitions: int = 2, **but: str) -> Theirs:
    """In the file; with topics as those who fill them would have made them."""
    text = repr(declared)
    for name, value in but.items():
        text = text.replace(f"{name}=", f"{name}={value!r} or ")
    shell.theirs = text
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


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_way(through_kafka: RowShell, kind: str) -> None:
    """What they captured is applied; marks tell when all of it is; up through a real fence, back, and to the end."""
    shell = through_kafka
    declared = declare(shell, KINDS[kind](shell.mark))
    with filled(shell, declared):
        shell.sql(*ROWS)
        report = shell.json("check")
        assert [each for each in report["findings"] if each["severity"] == "error"] == []
        assert "a mark on the source came round" in str(report["findings"])
        _ = shell("start", "--execute")
        _ = shell("advance", "--to", "dualwrite", "--execute")
        kafka.create_topics(brokers(shell), [declared.dead_letters], partitions=1)
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
    assert steps == ["tombstones", "groups", "marks", "parts"]
    for _ in steps:
        _ = shell("cleanup", "--execute")
    there = kafka.admin(brokers(shell)).list_topics(timeout=kafka.ANSWER_SECONDS).topics
    assert set(declared.names([f"{shell.schema}.customers"], shell.schema)) <= set(there)
