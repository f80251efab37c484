"""`verify` and the purge of tombstones of rows, by commands, while another process carries the log."""

from __future__ import annotations

from tests.cdc.etl.setting import wait_for
from tests.cli.rows.background import running
from tests.cli.rows.conftest import MAPPING, RowShell
from tests.cli.rows.test_carrying import ROWS, at_dualwrite


def damage(shell: RowShell) -> None:
    """One name is lost, and one item is nobody's."""
    table = shell.tables["target"]
    item = next(each for each in shell.scan(table) if each["pk"]["S"] == "customer#1")
    _ = shell.client.put_item(TableName=table, Item={**item, "name": {"S": "An"}})
    _ = shell.client.put_item(TableName=table, Item={"pk": {"S": "nobody"}, "sk": {"S": "profile"}})


def test_a_difference_is_found_and_repaired_by_commands(direct: RowShell) -> None:
    """Found with exit status 1, shown as a plan, repaired with --execute, and clean after it; tombstones are purged."""
    shell = at_dualwrite(direct)
    assert shell.lines("backfill", "--execute")[-1]["status"] == "complete"
    with running(shell, "replicate", "--execute"):
        shell.sql("DELETE FROM {schema}.customers WHERE id = 2")
        clean = shell.lines("verify", "--segments", "2")[-1]
        assert (clean["status"], clean["rows"], clean["matching"]) == ("clean", 4, 2)
        damage(shell)
        found = shell("verify", "--segments", "2", status=1).output
        assert "2 differences" in found
        assert "+ name: 'An'" in found
        assert (
            "Next: crossfade verify --repair --execute, then delete from the target what crossfade did not write"
            in found
        )
        assert "of these a repair would leave as they are:\n    1 not written by crossfade, left alone" in found
        before = shell.scan(shell.tables["target"])
        assert "nothing was changed" in shell("verify", "--repair").output.lower()
        assert shell.scan(shell.tables["target"]) == before
        repaired = shell.lines("verify", "--segments", "2", "--repair", "--execute", status=1)[-1]
        assert (repaired["repaired"], repaired["left_alone"]) == (1, 1)
        assert repaired["reasons"] == {"not written by crossfade, left alone": 1}
        assert repaired["next_step"].startswith("delete from the target what crossfade did not write")
        found = shell("verify", "--segments", "2", status=1).output
        assert "Next: delete from the target what crossfade did not write, or let a row make it, then" in found
        _ = shell.client.delete_item(
            TableName=shell.tables["target"], Key={"pk": {"S": "nobody"}, "sk": {"S": "profile"}}
        )
        assert shell.lines("verify", "--segments", "2")[-1]["status"] == "clean"
        assert shell.items()["customer#1"] == {"name": {"S": "Ann"}}
        _ = shell("advance", "--to", "shadow", "--execute")
        gates = {each["gate"]: each["is_open"] for each in shell.json("status")["up"]["findings"]}
        assert gates["verified"]
        plan = shell("cleanup", "--step", "tombstones", "--age-hours", "1").output
        assert "what tells of items that were deleted at least" in plan
        young = shell.lines("cleanup", "--step", "tombstones", "--execute")[-1]
        assert (young["status"], young["purged"], young["young"]) == ("done", 0, 1)


def test_through_kafka_the_group_tells_how_far_the_log_is(through_kafka: RowShell) -> None:
    """Verify waits for the workers, and has no verdict of its own while changes lie in the topics."""
    shell = at_dualwrite(through_kafka)
    assert shell.lines("backfill", "--execute")[-1]["status"] == "complete"
    with running(shell, "replicate", "--execute"), running(shell, "etl", "--execute"):
        result = shell.lines("verify", "--segments", "2")[-1]
        assert (result["status"], result["matching"], result["rows"]) == ("clean", 3, len(ROWS) + 2)
        damage(shell)
        assert shell.lines("verify", "--segments", "2", status=1)[-1]["mismatched"] == 1


WITH_HELPER = MAPPING.replace(
    """{{"pk": f"customer#{{row['id']}}", "sk": "profile", "name": row["name"]}}""",
    """{{"pk": f"customer#{{row['id']}}", "sk": "profile", "name": called(row["name"])}}


TITLE = ""


def called(name):
    return TITLE + name""",
)


def closed(shell: RowShell) -> dict[str, str]:
    """The gates of the next step that are closed, each with its finding."""
    return {each["gate"]: each["found"] for each in shell.json("status")["up"]["findings"] if not each["is_open"]}


def test_a_clean_verify_of_another_mapping_opens_no_gate(direct: RowShell) -> None:
    """A helper's constant is edited behind it: the gate is closed, until the rows are applied anew and verified with
    what the file says now. An edited comment leaves it open."""
    shell = direct
    shell.write_rows(WITH_HELPER)
    _ = at_dualwrite(shell)
    _ = shell("backfill", "--execute")
    _ = shell("advance", "--to", "shadow", "--execute")
    with running(shell, "replicate", "--execute"):
        assert shell.lines("verify", "--segments", "2")[-1]["status"] == "clean"
        wait_for(lambda: not closed(shell))
        shell.write_rows(
            "# What customers become.\n" + WITH_HELPER.replace("\n    return TITLE", " # all\n    return TITLE")
        )
        assert closed(shell) == {}
        shell.write_rows(WITH_HELPER.replace('TITLE = ""', 'TITLE = "Dr. "'))
        found = closed(shell)
        assert found["verified"].startswith("the last verify was of another mapping (")
        assert found["replicated"].startswith("another mapping than this file's is applied, by replication on ")
        assert "of another mapping" in shell("advance", "--to", "live", "--execute", status=1).output
        assert "applied by" in shell("status").output
    with running(shell, "replicate", "--execute"):
        assert shell.lines("verify", "--segments", "2", status=1)[-1]["mismatched"] == 2
    _ = shell("backfill", "--again", "--execute")
    with running(shell, "replicate", "--execute"):
        assert shell.lines("verify", "--segments", "2")[-1]["status"] == "clean"
        wait_for(lambda: not closed(shell))
    assert shell.items()["customer#1"] == {"name": {"S": "Dr. Ann"}}


def altered(shell: RowShell) -> None:
    """Behind a clean verify a column is dropped, which no item shows; verified again, the gate is open."""
    assert shell.lines("verify", "--segments", "2")[-1]["status"] == "clean"
    wait_for(lambda: not closed(shell))
    shell.sql("ALTER TABLE {schema}.orders\n DROP COLUMN note")
    wait_for(lambda: bool(closed(shell)))
    found = closed(shell)["verified"]
    assert (
        f"the columns of {shell.schema}.orders may have changed (ALTER TABLE {shell.schema}.orders DROP COLUMN" in found
    )
    refused = shell("advance", "--to", "live", "--execute", status=1).output
    assert "-> crossfade verify" in refused.replace("\n", " ")
    assert shell.json("status")["state"]["stage"] == "shadow"
    assert shell.lines("verify", "--segments", "2")[-1]["status"] == "clean"
    wait_for(lambda: not closed(shell))


def with_note(shell: RowShell) -> RowShell:
    _ = at_dualwrite(shell)
    shell.sql("ALTER TABLE {schema}.orders ADD COLUMN note TEXT")
    _ = shell("backfill", "--execute")
    _ = shell("advance", "--to", "shadow", "--execute")
    return shell


def test_an_altered_table_closes_the_gate_without_kafka(direct: RowShell) -> None:
    """The one process that carries the log has met it."""
    shell = with_note(direct)
    with running(shell, "replicate", "--execute"):
        altered(shell)


def test_an_altered_table_closes_the_gate_through_kafka(through_kafka: RowShell) -> None:
    """Likewise."""
    shell = with_note(through_kafka)
    with running(shell, "replicate", "--execute"), running(shell, "etl", "--execute"):
        altered(shell)
