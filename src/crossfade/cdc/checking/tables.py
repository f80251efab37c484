"""The tables of DynamoDB that a migration of rows writes to, against what its file declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from crossfade.cdc.migration import PARTS_SUFFIX, RowMigration
from crossfade.check.creating import declared_indexes, table_command
from crossfade.check.report import Finding
from crossfade.check.tables import one_table
from crossfade.core.mapping import Kind
from crossfade.migration import Table

PARTS_KEY: Final[Mapping[str, Kind]] = {"item": "S", "part": "S"}

Describe = Callable[[str], Mapping[str, Any] | None]
"""The `Table` of a DescribeTable answer, or None where there is no such table."""


def parts_table(name: str) -> Table:
    """Return the table that keeps the rows of folded items."""
    return Table(name, key=PARTS_KEY)


def tables_of(migration: RowMigration, into: str = "") -> list[tuple[str, Table]]:
    """Each with what it is; `into` is in the place of the target."""
    target = replace(migration.target, name=into) if into else migration.target
    name = f"{into}{PARTS_SUFFIX}" if into else migration.parts_table
    parts = [("parts table", parts_table(name))] if migration.folds else []
    return [("target", target), *parts]


def target_findings(
    migration: RowMigration, describe: Describe, *, into: str = "", parts: bool = True
) -> Iterator[Finding]:
    """What is missing or otherwise than declared. `parts` False: of the target alone."""
    for place, table in tables_of(migration, into)[: None if parts else 1]:
        description = describe(table.name)
        if description is None:
            command = table_command(table, declared_indexes(table))
            what = f"{place} {table.name}: there is no such table"
            yield Finding("error", "no-table", what, next_step=f"create it: {command}")
        else:
            yield from one_table(place, table, description)
