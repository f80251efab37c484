"""`new --from` and `check` of rows, against a real MariaDB."""

from __future__ import annotations

import re
from typing import Any

import pytest

from crossfade.cdc import RowMigration
from crossfade.migration import load
from crossfade.testing import made_of, row
from tests.cli.rows.conftest import RowShell

CLASS = """CREATE TABLE {schema}.`class` (`a-b` VARCHAR(20) CHARACTER SET latin1, pk BINARY(4),
    `x\ny` DATETIME(3) NULL, flags SET('a','b') NOT NULL, PRIMARY KEY (`a-b`, pk))"""
ONE = "INSERT INTO {schema}.`class` VALUES ('one#', 'abcd', '2024-02-29 12:00:00.125', 'a')"


def findings(report: Any) -> dict[str, list[Any]]:
    """By code."""
    found: dict[str, list[Any]] = {}
    for each in report["findings"]:
        found.setdefault(each["code"], []).append(each)
    return found


def test_the_written_file_passes_its_check(direct: RowShell) -> None:
    """Of plain tables as it is: keys, types as comments, a child in its parent's partition with the fold beside it."""
    shell = direct
    shell.file.unlink()
    shell.sql(CLASS, ONE, "INSERT INTO {schema}.customers VALUES (1, 'Ann')")
    shell.sql("INSERT INTO {schema}.orders VALUES (7, 12.5)", "INSERT INTO {schema}.order_lines VALUES (70, 7, 'pen')")
    url = shell.environment["CROSSFADE_MYSQL_URL"] + shell.schema
    _ = shell("new", "--from", url, "--target", shell.tables["target"], "--name", shell.mark)
    text = shell.file.read_text()
    migration = load(shell.file, RowMigration)
    assert len(migration.tables) == 4
    assert '"pk": key("orders", row["order_id"]),\n        "sk": key("order_lines", row["id"]),' in text
    assert "@migration.fold(" in text
    assert f"# order_id refers to {shell.schema}.orders (id)." in text
    assert '# decimal(10,2)\n        "total": row["total"],  # Decimal: N, exact' in text
    assert '"pk_": row["pk"],  # bytes: B' in text
    report = shell.json("check")
    assert report["ok"], report
    assert report["sampled_items"] == 4
    strange = row(f"{shell.schema}.class", {"a-b": "one#", "pk": b"abcd", "x\ny": None, "flags": frozenset[str]()})
    (made,) = made_of(migration, strange)
    assert made["pk"] == "class#one%23#61626364"


def test_a_suggested_fold_works_as_it_stands(direct: RowShell) -> None:
    """With the comment's marks taken away, in place of both functions."""
    shell = direct
    shell.file.unlink()
    url = shell.environment["CROSSFADE_MYSQL_URL"] + shell.schema
    _ = shell("new", "--from", url, "--target", shell.tables["target"], "--name", shell.mark)
    text = shell.file.read_text()
    fold = re.search(r"(#     @migration\.fold\(.*?)\n@", text, re.DOTALL)
    assert fold is not None
    _ = shell.file.write_text(text[: text.index("\n\n\n")] + "\n\n\n" + fold[1].replace("#     ", ""))
    shell.sql("INSERT INTO {schema}.orders VALUES (7, 12.5)", "INSERT INTO {schema}.order_lines VALUES (70, 7, 'pen')")
    report = shell.json("check")
    assert report["ok"], report
    assert load(shell.file, RowMigration).folds


def test_a_table_without_a_primary_key_is_named_with_the_way_out(direct: RowShell) -> None:
    """By `new` in a comment, by `check` as an error."""
    shell = direct
    shell.sql("CREATE TABLE {schema}.loose (a INT)")
    shell.file.unlink()
    url = shell.environment["CROSSFADE_MYSQL_URL"] + shell.schema
    _ = shell("new", "--from", url, "--target", shell.tables["target"], "--name", shell.mark)
    text = shell.file.read_text()
    assert f"# {shell.schema}.loose has no primary key" in text
    _ = shell.file.write_text(text + f'\n@migration.table("{shell.schema}.loose")\ndef loose(row): ...\n')
    report = shell.json("check", status=1)
    (lack,) = findings(report)["source"]
    assert "has no primary key" in lack["what"]
    assert lack["next_step"].startswith("ALTER TABLE")


FAULTS = """
@migration.table("{schema}.customers")
def customer(row):
    return {{"pk": f"customer#{{row['id'] % 2}}", "sk": row["name"] or "", "big": "x" * row["id"] * 1000, "day": None}}


@migration.table("{schema}.days")
def day(row):
    return {{"pk": key("day", row["id"]), "sk": "day", "day": row["day"], "tags": row["tags"]}}


@migration.fold("{schema}.orders", into=lambda id: {{"pk": f"order#{{id}}", "sk": "x"}},
    lines=Child("{schema}.order_lines", parent="no_such"))
def order(row, lines):
    return {{}}
"""


def test_a_table_whose_history_is_kept_is_named_too(direct: RowShell) -> None:
    """A SELECT shows the rows of now alone, and the log has all of them: it is not left out without a word."""
    direct.sql("CREATE TABLE {schema}.versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING")
    direct.file.unlink()
    url = direct.environment["CROSSFADE_MYSQL_URL"] + direct.schema
    _ = direct("new", "--from", url)
    assert f"# Left out: {direct.schema}.versioned is a system versioned" in direct.file.read_text()


def test_what_the_target_would_refuse_lose_or_mix_up_is_found(direct: RowShell) -> None:
    """Each with rows that show it: keys that collide or are empty, items too large, dates that are none, empty sets."""
    shell = direct
    shell.sql(
        "CREATE TABLE {schema}.days (id INT PRIMARY KEY, day DATE, tags SET('a'), spare INT)",
        "SET SESSION sql_mode = ''",
        "INSERT INTO {schema}.days VALUES (1, '0000-00-00', '', 1)",
        "INSERT INTO {schema}.customers VALUES (1, 'Ann'), (3, 'Ann'), (4, NULL), (500, 'Big')",
    )
    shell.write_rows("from crossfade.cdc import key\n" + FAULTS)
    shell.client.delete_table(TableName=shell.parts)
    report = shell.json("check", status=1)
    found = findings(report)
    assert not report["ok"]
    assert "order_lines has no column no_such" in found["child"][0]["what"]
    (collision,) = found["key-collision"]
    assert "pk='customer#1', sk='Ann'" in collision["samples"][0]
    assert "row 4: " in found["unmappable"][0]["samples"][0]
    assert "row 500: " in found["item-too-large"][0]["samples"][0]
    assert found["not-a-date"][0]["what"].startswith(f"{shell.schema}.days.day")
    assert found["empty-set"][0]["what"].startswith(f"{shell.schema}.days.tags")
    assert [each["what"].partition(" ")[0] for each in found["unused-column"]] == [f"{shell.schema}.days.spare"]
    assert f"aws dynamodb create-table --table-name {shell.parts}" in found["no-table"][0]["next_step"]


COUNTRIES = """
@migration.fold("{schema}.countries", into=lambda code: {{"pk": code, "sk": "x"}},
    cities=Child("{schema}.cities", parent="code"))
def country(row, cities):
    return {{"code": row["code"], "cities": [city["id"] for city in cities]}}
"""


def test_rows_that_no_item_would_have_are_found(direct: RowShell) -> None:
    """Their parent's key is written otherwise, and only the source takes it for the same."""
    direct.sql(
        "CREATE TABLE {schema}.countries (code VARCHAR(9) COLLATE utf8mb4_unicode_ci PRIMARY KEY)",
        "CREATE TABLE {schema}.cities (id INT PRIMARY KEY, code VARCHAR(9), "
        "FOREIGN KEY (code) REFERENCES countries (code)) COLLATE utf8mb4_unicode_ci",
        "INSERT INTO {schema}.countries VALUES ('DE')",
        "INSERT INTO {schema}.cities VALUES (1, 'DE'), (2, 'de')",
    )
    direct.write_rows(COUNTRIES)
    (found,) = findings(direct.json("check", status=1))["misfit"]
    assert "row 2 of" in found["samples"][0]
    assert "UPDATE" in found["next_step"]


def test_rights_that_are_missing_come_with_the_statement(direct: RowShell) -> None:
    """And the password is nowhere in what is said."""
    shell = direct
    user, password = f"u{shell.mark}", "hunter2"
    for host in ("%", "localhost"):
        shell.sql(f"CREATE USER '{user}'@'{host}' IDENTIFIED BY '{password}'")
        shell.sql(f"GRANT SELECT ON {shell.schema}.* TO '{user}'@'{host}'")
    url = shell.environment["CROSSFADE_MYSQL_URL"]
    shell.environment["CROSSFADE_MYSQL_URL"] = re.sub("//.*@", f"//{user}@", url)
    shell.environment["CROSSFADE_MYSQL_PASSWORD"] = password
    result = shell("check", status=1)
    for statement in ("GRANT REPLICATION SLAVE ON *.*", "GRANT BINLOG MONITOR ON *.*", "GRANT SELECT, INSERT, DELETE"):
        assert statement in result.output
    assert "hunter2" not in result.output
    shell.environment["CROSSFADE_MYSQL_PASSWORD"] = f"not {password}"
    result = shell("check", status=2)
    assert "Access denied" in result.output
    assert password not in result.output


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("new", "x.py", "--from", "mysql://root:hunter2@127.0.0.1/shop"), "has a password in it"),
        (("new", "x.py", "--from", "mysql://root@127.0.0.1"), "the URL names no schema"),
        (("new", "x.py", "--from", "postgres://root@127.0.0.1/shop"), "not of the form mysql://"),
    ],
)
def test_a_url_that_cannot_be_is_told(direct: RowShell, words: tuple[str, ...], shown: str) -> None:
    """With the way out, and without what it said."""
    result = direct(*words, status=2)
    assert shown in result.output
    assert "hunter2" not in result.output


def test_commands_for_two_tables_say_what_is_meant_for_rows(direct: RowShell) -> None:
    """And the other way round."""
    assert "`crossfade status` shows how far it is carried" in direct("watch", status=2).output
    assert "has no topics" in direct("etl", status=2).output
    assert "--segments says nothing of a migration of rows" in direct("backfill", "--segments", "3", status=2).output
    assert (
        "whose steps are tombstones, groups, marks, parts" in direct("cleanup", "--step", "snapshot", status=2).output
    )


def test_what_a_migration_of_rows_leaves_where_it_is_given_up_is_said(direct: RowShell) -> None:
    """`cleanup` is for one that is complete, and knows a given up one no more: so its plan is the last to tell."""
    _ = direct("start", "--execute")
    said = " ".join(direct("cancel").output.split())
    assert "crossfade_watermarks on the source" in said
    assert f"{direct.tables['target']}-parts" in said


def test_topics_are_looked_at(through_kafka: RowShell) -> None:
    """Those that are missing are told, with how they will be made; brokers that do not answer are an error."""
    shell = through_kafka
    told = [each["what"] for each in findings(shell.json("check"))["topic"]]
    assert told[0] == f"topic shop-{shell.mark}: there is none yet; backfill makes it, with 2 partitions"
    assert told[1].startswith(f"topic shop-{shell.mark}.dead: there is none yet")
