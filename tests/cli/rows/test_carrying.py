"""`backfill`, `replicate` and `etl` of rows, against a real MariaDB, with Kafka and without."""

from __future__ import annotations

import os

import pytest

from tests.cdc.etl.setting import wait_for
from tests.cli.rows.background import running
from tests.cli.rows.conftest import RowShell

ROWS = (
    "INSERT INTO {schema}.customers VALUES (1, 'Ann'), (2, 'Ben')",
    "INSERT INTO {schema}.orders VALUES (7, 12.50)",
    "INSERT INTO {schema}.order_lines VALUES (70, 7, 'pen'), (71, 7, 'ink')",
)
ITEMS = {
    "customer#1": {"name": {"S": "Ann"}},
    "customer#2": {"name": {"S": "Ben"}},
    "order#7": {"total": {"N": "12.5"}, "skus": {"L": [{"S": "ink"}, {"S": "pen"}]}},
}


def at_dualwrite(shell: RowShell) -> RowShell:
    shell.sql(*ROWS)
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "dualwrite", "--execute")
    return shell


def kept(shell: RowShell) -> str:
    """How far the snapshot is, as the control table has it."""
    captures = shell.json("status")["carriage"]["captures"]
    return str(captures[0]["snapshot"]) if captures else ""


def test_rows_come_without_kafka(direct: RowShell) -> None:
    """Backfill brings what is there, replicate what is written after it; each goes on where the last has ended."""
    shell = at_dualwrite(direct)
    result = shell.lines("backfill", "--execute")[-1]
    assert (result["status"], result["snapshot_rows"], result["tables_done"]) == ("complete", 5, 3)
    assert shell.items() == ITEMS
    assert "the backfill is complete" in shell("backfill", "--execute", status=2).stderr
    shell.sql("DELETE FROM {schema}.order_lines WHERE id = 70", "INSERT INTO {schema}.customers VALUES (3, 'Cid')")
    _ = shell("replicate", "--once", "--execute")
    changed = {"order#7": {"total": {"N": "12.5"}, "skus": {"L": [{"S": "ink"}]}}, "customer#3": {"name": {"S": "Cid"}}}
    assert shell.items() == ITEMS | changed


def test_rows_come_through_kafka(through_kafka: RowShell) -> None:
    """Backfill fills the topics that it makes, and a worker empties them until it is quiet."""
    shell = at_dualwrite(through_kafka)
    assert shell.lines("backfill", "--execute")[-1]["status"] == "complete"
    assert shell.items() == {}
    with running(shell, "etl", "--quiet-seconds", "2", "--execute") as worker:  # how far behind it is, nobody reports
        worker.wait_for(lambda line: line.get("event") == "result")
    worked = worker.lines[-1]
    assert (worked["status"], worked["counts"]["changes"], worked["counts"]["set_aside"]) == ("quiet", 5, 0)
    assert shell.items() == ITEMS
    carriage = shell.json("status")["carriage"]
    assert carriage["carrier"]["letters"] == 0
    shown = shell("status").output
    assert "complete: 3 tables" in shown
    assert "nothing carries the log now" in shown
    assert '"finished": true' in carriage["captures"][0]["snapshot"]


def test_after_a_truncate_the_way_out_is_a_backfill_from_now(direct: RowShell) -> None:
    """The log does not name the rows that are gone, and cannot be gone on with: what there is is read anew."""
    shell = at_dualwrite(direct)
    _ = shell("backfill", "--execute")
    shell.sql("TRUNCATE {schema}.customers", "INSERT INTO {schema}.customers VALUES (4, 'Dan')")
    for words in (("replicate", "--once"), ("backfill", "--again")):
        assert "rows of" in shell(*words, "--execute", status=2).output
    assert shell.lines("backfill", "--from-now", "--execute")[-1]["status"] == "complete"
    assert shell.items()["customer#4"] == {"name": {"S": "Dan"}}
    shell.sql("INSERT INTO {schema}.customers VALUES (5, 'Eve')")
    _ = shell("replicate", "--once", "--execute")
    assert shell.items()["customer#5"] == {"name": {"S": "Eve"}}


POISON = """
@migration.table("{schema}.customers")
def customer(row):
    if row["name"] == "poison":
        raise ValueError("nobody is called so")
    return {{"pk": f"customer#{{row['id']}}", "sk": "profile", "name": row["name"]}}
"""


def test_dead_letters_and_replays(through_kafka: RowShell) -> None:
    """What cannot be applied waits, closes the gate, and is applied by a corrected file; which a replay has correct
    all, here and in another table."""
    shell = through_kafka
    shell.write_rows(POISON)
    shell.sql("INSERT INTO {schema}.customers VALUES (1, 'Ann'), (2, 'poison')")
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "dualwrite", "--execute")
    _ = shell("backfill", "--execute")
    worked = shell.lines("etl", "--quiet-seconds", "1", "--execute", status=1)[-1]
    assert worked["counts"]["set_aside"] == 1
    assert set(shell.items()) == {"customer#1"}
    _ = shell("replicate", "--once", "--execute")
    assert shell.json("status")["carriage"]["carrier"]["letters"] == 1
    assert "1: 1 ValueError: nobody is called so" in shell("status").output
    assert "why they wait: 1 ValueError: nobody is called so" in " ".join(shell("etl", "retry").output.split())
    assert shell.lines("etl", "retry", "--execute", status=1)[-1]["failed"] == 1
    shell.write_rows(POISON.replace('"poison"', '"nobody"'))
    assert "apply 1 dead letter again" in shell("etl", "retry").output
    retried = shell.lines("etl", "retry", "--execute")[-1]
    assert (retried["applied"], retried["failed"]) == (1, 0)
    assert shell.items()["customer#2"] == {"name": {"S": "poison"}}
    shell.write_rows(POISON.replace('"poison"', '"nobody"').replace('row["name"]}}', 'row["name"].upper()}}'))
    replayed = shell.lines("etl", "replay", "--from", "beginning", "--execute")[-1]
    assert (replayed["failed"], replayed["counts"]["late"]) == (0, 0)
    assert {each["name"]["S"] for each in shell.items().values()} == {"ANN", "POISON"}
    other = f"rebuilt-{shell.mark}"
    assert "create-table" in shell("etl", "replay", "--from", "beginning", "--into", other, status=2).output
    shell.create_table(other, "pk", "sk")
    _ = shell("etl", "replay", "--from", "beginning", "--into", other, "--execute")
    assert shell.items(other) == shell.items()
    nothing = shell.lines("etl", "replay", "--from", "2999-01-01", "--execute")[-1]
    assert nothing["messages_total"] == 0
    assert "is neither beginning, nor a time" in shell("etl", "replay", "--from", "then", status=2).output


ROWS_TO_KILL = 15_000


@pytest.mark.skipif(os.environ.get("EVERY") != "1", reason="with EVERY=1 only: a lease has to run out")
def test_a_backfill_that_is_killed_goes_on(direct: RowShell) -> None:
    """From the chunk that it had kept, with the same command, to the same items."""
    shell = direct
    values = ", ".join(f"({number}, 'name {number}')" for number in range(ROWS_TO_KILL))
    shell.sql("INSERT INTO {schema}.customers VALUES " + values)
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "dualwrite", "--execute")
    with running(shell, "backfill", "--execute") as backfill:
        backfill.wait_for(lambda line: line.get("snapshot_rows", 0) > 0)
        wait_for(lambda: kept(shell) != "")
        backfill.kill()
        assert '"finished": false' in kept(shell)
    result = shell.lines("backfill", "--execute")[-1]
    assert (result["status"], result["resumed"]) == ("complete", True)
    assert result["snapshot_rows"] < ROWS_TO_KILL
    scan = shell.client.get_paginator("scan").paginate(TableName=shell.tables["target"])
    assert sum(len(page["Items"]) for page in scan) == ROWS_TO_KILL
