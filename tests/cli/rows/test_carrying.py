"""`backfill`, `replicate` and `etl` of rows, against a real MariaDB, with Kafka and without."""

from __future__ import annotations

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


def test_rows_come_without_kafka(direct: RowShell) -> None:
    """Backfill brings what is there, replicate what is written after it; each goes on where the last has ended."""
    shell = at_dualwrite(direct)
    result = shell.lines("backfill", "--execute")[-1]
    assert (result["status"], result["snapshot_rows"], result["tables_done"]) == ("complete", 5, 3)
    assert shell.items() == ITEMS
    assert "the backfill is complete" in shell("backfill", "--execute", status=2).stderr
    shell.sql("DELETE FROM {schema}.order_lines WHERE id = 70", "INSERT INTO {schema}.customers VALUES (3, 'Cid')")
    _ = shell("replicate", "--for", "2", "--execute")
    changed = {"order#7": {"total": {"N": "12.5"}, "skus": {"L": [{"S": "ink"}]}}, "customer#3": {"name": {"S": "Cid"}}}
    assert shell.items() == ITEMS | changed


def test_rows_come_through_kafka(through_kafka: RowShell) -> None:
    """Backfill fills the topics that it makes, and a worker empties them until it is quiet."""
    shell = at_dualwrite(through_kafka)
    assert shell.lines("backfill", "--execute")[-1]["status"] == "complete"
    assert shell.items() == {}
    worked = shell.lines("etl", "--quiet-seconds", "2", "--execute")[-1]
    assert (worked["status"], worked["counts"]["changes"], worked["counts"]["set_aside"]) == ("quiet", 5, 0)
    assert shell.items() == ITEMS
    carriage = shell.json("status")["carriage"]
    assert carriage["carrier"]["letters"] == 0
    assert '"finished": true' in carriage["captures"][0]["snapshot"]
