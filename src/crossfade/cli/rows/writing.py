"""`crossfade new --from mysql://...`: the schema read, and made a file of."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from typing import Final

from crossfade.cdc.connecting import BOOTSTRAP_VARIABLE, source_of
from crossfade.cdc.mysql.errors import TableUnfit
from crossfade.cdc.mysql.schema import SourceTable, read_table
from crossfade.cdc.mysql.source import Connection, text_literal
from crossfade.cdc.mysql.watermarks import TABLE as MARKS
from crossfade.cdc.writing import ForeignKey, file_text, type_of
from crossfade.errors import ConfigurationError
from crossfade.migration import check_migration_name, check_table_name

SERVER_ID_LEAST: Final = 1_000_000_000  # far from the small numbers that people give their servers


def file_from(url: str, name: str | None, target: str | None, file: str) -> str:
    """Raises ConfigurationError, SourceError."""
    source = source_of(url)
    if not source.schema:
        raise ConfigurationError(
            "the URL names no schema", next_step="crossfade new --from mysql://user@host:3306/schema"
        )
    name = name or re.sub(r"[^A-Za-z0-9_.-]", "-", source.schema)
    target = target or (name if len(name) >= 3 else f"{name}-items")
    check_migration_name(name)
    check_table_name(target, "--target")
    with source.connect() as connection:
        tables, left_out = tables_of(connection, source.schema)
        if not tables:
            raise ConfigurationError(f"the schema {source.schema} has no tables that this account may see")
        types = types_of(connection, source.schema, tables)
        foreign_keys = foreign_keys_of(connection, source.schema)
    topic = name if os.environ.get(BOOTSTRAP_VARIABLE) else ""
    server_id = SERVER_ID_LEAST + secrets.randbelow(SERVER_ID_LEAST)
    return file_text(name, target, server_id, tables, types, foreign_keys, topic=topic, left_out=left_out, file=file)


def tables_of(connection: Connection, schema: str) -> tuple[list[SourceTable], list[str]]:
    """Return the tables that can be read, and for the others why not."""
    names = connection.texts(
        "SELECT table_name, table_type FROM information_schema.tables "  # noqa: S608  literals
        f"WHERE table_schema = {text_literal(schema)} AND table_type NOT IN ('VIEW', 'SEQUENCE') ORDER BY table_name"
    )
    found: list[SourceTable] = []
    left_out: list[str] = []
    for name, kind in names:
        if name == MARKS:
            continue
        if kind != "BASE TABLE":
            left_out.append(f"{schema}.{name} is a {kind.lower()}, whose rows are not the log's")
            continue
        if "." in name:
            left_out.append(f"{schema}.{name}: a name with a dot in it cannot be told from a schema's")
            continue
        try:
            found.append(read_table(connection, f"{schema}.{name}"))
        except TableUnfit as error:
            left_out.append(" ".join(error.message.split()))
    return found, left_out


def types_of(connection: Connection, schema: str, tables: Iterable[SourceTable]) -> dict[tuple[str, str], str]:
    rows = connection.texts(
        "SELECT table_name, column_name, column_type FROM information_schema.columns "  # noqa: S608  literals
        f"WHERE table_schema = {text_literal(schema)}"
    )
    written = {(f"{schema}.{table}", column): kind for table, column, kind in rows}
    return {
        (table.name, column.name): type_of(column, written[table.name, column.name])
        for table in tables
        for column in table.columns
    }


def foreign_keys_of(connection: Connection, schema: str) -> list[ForeignKey]:
    rows = connection.texts(
        "SELECT k.constraint_name, k.table_name, k.column_name, k.referenced_table_schema, k.referenced_table_name,"  # noqa: S608
        " k.referenced_column_name, c.is_nullable FROM information_schema.key_column_usage k"
        " JOIN information_schema.columns c ON c.table_schema = k.table_schema AND c.table_name = k.table_name"
        " AND c.column_name = k.column_name"
        f" WHERE k.table_schema = {text_literal(schema)} AND k.referenced_table_name IS NOT NULL"
        " ORDER BY k.table_name, k.constraint_name, k.ordinal_position"
    )
    found: dict[tuple[str, str], ForeignKey] = {}
    for name, table, column, parent_schema, parent, parent_column, nullable in rows:
        before = found.get((table, name))
        found[table, name] = ForeignKey(
            f"{schema}.{table}",
            (*(before.columns if before else ()), column),
            f"{parent_schema}.{parent}",
            (*(before.parent_columns if before else ()), parent_column),
            (before.always if before else True) and nullable == "NO",
        )
    return list(found.values())
