"""Tables as the source's information_schema tells them: for snapshots, for `new`, and for what the log leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crossfade.cdc.mysql.charsets import BINARY
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.errors import TableUnfit
from crossfade.cdc.mysql.source import Connection, text_literal
from crossfade.cdc.mysql.text_values import quoted

KINDS: Final = {
    "tinyint": Kind.INTEGER,
    "smallint": Kind.INTEGER,
    "mediumint": Kind.INTEGER,
    "int": Kind.INTEGER,
    "bigint": Kind.INTEGER,
    "decimal": Kind.DECIMAL,
    "float": Kind.FLOAT,
    "double": Kind.DOUBLE,
    "year": Kind.YEAR,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "datetime": Kind.DATETIME,
    "timestamp": Kind.TIMESTAMP,
    "bit": Kind.BIT,
    "enum": Kind.ENUM,
    "set": Kind.SET,
    "char": Kind.CHAR,
    "varchar": Kind.TEXT,
    "tinytext": Kind.TEXT,
    "text": Kind.TEXT,
    "mediumtext": Kind.TEXT,
    "longtext": Kind.TEXT,
    "binary": Kind.BINARY,
    "varbinary": Kind.BLOB,
    "tinyblob": Kind.BLOB,
    "blob": Kind.BLOB,
    "mediumblob": Kind.BLOB,
    "longblob": Kind.BLOB,
    "json": Kind.JSON,
    "uuid": Kind.UUID,
    "inet4": Kind.INET4,
    "inet6": Kind.INET6,
    **dict.fromkeys(
        (
            "geometry",
            "point",
            "linestring",
            "polygon",
            "multipoint",
            "multilinestring",
            "multipolygon",
            "geometrycollection",
            "geomcollection",
        ),
        Kind.GEOMETRY,
    ),
}
YEAR_OF_TWO_DIGITS: Final = "year(2)"  # a SELECT shows 70 where the log tells 1970
ESCAPED: Final = {"''": "'", r"\\": "\\", r"\n": "\n", r"\r": "\r", r"\0": "\0"}
UNTOLD_BY_THE_LOG: Final = frozenset({Kind.JSON, Kind.UUID, Kind.INET4, Kind.INET6})


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table as it is now. `key` holds the names of the primary key's columns, in its order; empty without one."""

    schema: str
    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.table)}"

    @property
    def key_columns(self) -> tuple[Column, ...]:
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in self.key)


def read_table(connection: Connection, name: str) -> SourceTable:
    """The table now. Raises TableUnfit where there is none, or a column of a type that cannot be read."""
    schema, _, table = name.partition(".")
    at = f"table_schema = {text_literal(schema)} AND table_name = {text_literal(table)}"
    rows = connection.texts(
        "SELECT column_name, data_type, column_type, COALESCE(character_set_name, ''), "  # noqa: S608  literals above
        "COALESCE(character_octet_length, 0), COALESCE(numeric_precision, 0), COALESCE(numeric_scale, 0), "
        f"COALESCE(datetime_precision, 0) FROM information_schema.columns WHERE {at} ORDER BY ordinal_position"
    )
    if not rows:
        raise TableUnfit(f"the source has no table {name}, or this account may not see it")
    json_columns = _json_columns(connection, schema, table)
    key = connection.texts(
        f"SELECT column_name FROM information_schema.statistics WHERE {at} "  # noqa: S608
        "AND index_name = 'PRIMARY' ORDER BY seq_in_index"
    )
    columns = tuple(_column(name, row, json_columns) for row in rows)
    return SourceTable(schema, table, columns, tuple(column for (column,) in key))


def read_hints(connection: Connection, name: str) -> dict[str, Kind]:
    """What a table's columns are that the log does not tell. Nothing for a table that is gone by now."""
    schema, _, table = name.partition(".")
    rows = connection.texts(
        "SELECT column_name, data_type FROM information_schema.columns "  # noqa: S608
        f"WHERE table_schema = {text_literal(schema)} AND table_name = {text_literal(table)}"
    )
    hints = {column: KINDS[kind] for column, kind in rows if KINDS.get(kind) in UNTOLD_BY_THE_LOG}
    return hints | dict.fromkeys(_json_columns(connection, schema, table), Kind.JSON)


def read_charsets(connection: Connection) -> dict[int, str]:
    """The character set of every collation, by its number."""
    found = connection.texts("SELECT id, character_set_name FROM information_schema.collations WHERE id IS NOT NULL")
    # MariaDB has collations that are of several character sets, with a number for each.
    more = connection.texts_or_none(
        "SELECT id, character_set_name FROM information_schema.collation_character_set_applicability "
        "WHERE id IS NOT NULL"
    )
    return {int(number): charset for number, charset in [*found, *(more or [])]}


def _column(table: str, row: Iterable[str], json_columns: set[str]) -> Column:
    name, data_type, column_type, charset, octets, precision, scale, fraction = row
    kind = KINDS.get(data_type)
    if kind is None or "COMPRESSED" in column_type or column_type.startswith(YEAR_OF_TWO_DIGITS):
        raise TableUnfit(
            f"{table}.{name} is of the type {column_type}, which cannot be read",
            next_step="change the column's type, or leave the table out",
        )
    if name in json_columns:
        kind = Kind.JSON
    if kind is Kind.JSON:
        charset = charset or "utf8mb4"
    size = {Kind.BIT: int(precision), Kind.BINARY: int(octets)}.get(kind, 0)
    members = enum_members(column_type) if kind in {Kind.ENUM, Kind.SET} else ()
    digits = int(scale) if kind is Kind.DECIMAL else int(fraction)
    return Column(name, kind, "unsigned" in column_type, size, digits, charset or BINARY, members)


def enum_members(column_type: str) -> tuple[str, ...]:
    """The members within "enum('a','b''c','d\\\\e')", where a quote is doubled and some others are escaped."""
    found: list[str] = re.findall(r"'((?:[^']|'')*)'", column_type)
    return tuple(re.sub(r"''|\\.", lambda escaped: ESCAPED.get(escaped[0], escaped[0]), member) for member in found)


def _json_columns(connection: Connection, schema: str, table: str) -> set[str]:
    """MariaDB's JSON is LONGTEXT with a check that the text is JSON."""
    checks = connection.texts_or_none(
        "SELECT check_clause FROM information_schema.check_constraints "  # noqa: S608
        f"WHERE constraint_schema = {text_literal(schema)} AND table_name = {text_literal(table)}"
    )
    found = (re.fullmatch(r"json_valid\(`((?:[^`]|``)+)`\)", clause.strip()) for (clause,) in checks or [])
    return {match[1].replace("``", "`") for match in found if match}


def rows_estimated(connection: Connection, tables: Iterable[str]) -> int:
    """Return the number of rows that the source's statistics estimate."""
    total = 0
    for name in tables:
        schema, _, table = name.partition(".")
        found = connection.texts(
            "SELECT COALESCE(table_rows, 0) FROM information_schema.tables "  # noqa: S608  literals
            f"WHERE table_schema = {text_literal(schema)} AND table_name = {text_literal(table)}"
        )
        total += sum(int(rows) for (rows,) in found)
    return total
