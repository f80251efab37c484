"""The check itself: the source's settings and rights, its tables and some of their rows, the topics and the tables."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from crossfade.cdc.checking.sample import RowExamination
from crossfade.cdc.checking.tables import Describe, target_findings
from crossfade.cdc.checking.theirs import theirs_findings
from crossfade.cdc.checking.topics import topic_findings
from crossfade.cdc.connecting import KafkaSettings
from crossfade.cdc.migration import RowMigration
from crossfade.cdc.mysql.errors import TableUnfit
from crossfade.cdc.mysql.keyset import prepare
from crossfade.cdc.mysql.preflight import lacks
from crossfade.cdc.mysql.schema import SourceTable, read_table
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.mysql.wire import may_replicate
from crossfade.cdc.topics import Kafka
from crossfade.check.report import CheckReport, Finding, ordered


def run_row_check(
    migration: RowMigration,
    source: Source,
    describe: Describe,
    brokers: KafkaSettings | None,
    *,
    sample_rows: int,
) -> CheckReport:
    """Try `migration` on up to `sample_rows` rows of each table. It writes nothing but a mark into the table of marks,
    which it makes where there is none. Raises SourceError where the source cannot be asked, and DatabaseError."""
    findings = [*target_findings(migration, describe)]
    with source.connect() as connection:
        found = lacks(
            connection,
            migration.tables,
            watermarks=Watermarks(migration.marks_schema),
            may_replicate=(lambda: may_replicate(source, migration.source.server_id)) if ours(migration) else None,
        )
        findings += [
            Finding("error" if each.serious else "warning", "source", each.what, 0, (), each.mend) for each in found
        ]
        tables = readable(connection, migration)
        examination = RowExamination(migration, connection, tables)
        prepare(connection)
        findings += [*child_findings(migration, tables)]
        for name in wholly(migration, tables):
            examination.examine(name, sample_rows)
        if brokers is not None:
            findings += topic_findings(migration, brokers)
            findings += theirs_findings(migration, brokers, connection, tables)
    findings += examination.findings()
    return CheckReport(
        migration=migration.name,
        fingerprint=migration.fingerprint,
        mapping=tuple(described(migration)),
        sampled_items=examination.rows,
        whole_table=examination.whole,
        findings=ordered(findings),
    )


def ours(migration: RowMigration) -> bool:
    """Whether our own capture reads the log."""
    return isinstance(migration.topics, Kafka | None)


def readable(connection: Connection, migration: RowMigration) -> dict[str, SourceTable]:
    """The tables that can be sampled; what is wrong with the others is among the lacks."""
    found: dict[str, SourceTable] = {}
    for name in migration.tables:
        try:
            table = read_table(connection, name)
        except TableUnfit:
            continue
        if table.key:
            found[name] = table
    return found


def wholly(migration: RowMigration, tables: dict[str, SourceTable]) -> list[str]:
    """The tables that may be examined: themselves and, of a fold, all of its children are there as declared."""
    unfit = {
        fold.table
        for fold in migration.rows.folds
        for child in fold.children.values()
        if child.table not in tables
        or not {*child.columns} <= {column.name for column in tables[child.table].columns}
        or len(child.columns) != len(tables[fold.table].key if fold.table in tables else ())
    }
    return [name for name in tables if name not in unfit]


def child_findings(migration: RowMigration, tables: dict[str, SourceTable]) -> Iterator[Finding]:
    """Children whose columns do not hold the parent's primary key."""
    for fold in migration.rows.folds:
        for child in fold.children.values():
            if fold.table not in tables or child.table not in tables:
                continue
            parent, names = tables[fold.table].key, {column.name for column in tables[child.table].columns}
            missing = [name for name in child.columns if name not in names]
            if missing or len(child.columns) != len(parent):
                what = f"has no column {', '.join(missing)}" if missing else f"tells its parent by {len(child.columns)}"
                yield Finding(
                    "error",
                    "child",
                    f"{child.table} {what}{'' if missing else ' columns'}; the primary key of {fold.table} is"
                    f" {', '.join(parent)}",
                    next_step="name the columns in parent= that hold it, in its order",
                )


def described(migration: RowMigration) -> Iterator[str]:
    """One line a function."""
    for single in migration.rows.singles:
        yield f"{single.table} -> {name_of(single.make)}(row)"
    for fold in migration.rows.folds:
        children = ", ".join(child.table for child in fold.children.values())
        yield f"{fold.table} with {children} -> {name_of(fold.make)}(row, {', '.join(fold.children)})"


def name_of(function: Any) -> str:
    return str(inspect.unwrap(function).__name__) if hasattr(function, "__name__") else repr(function)
