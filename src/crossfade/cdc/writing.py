"""The text of a migration file for a schema: a function a table, to be edited.

A row goes under its own primary key. Where a table hangs on one other by a foreign key that is never NULL, its rows go
into the partition of their parent, which a Query then reads together; the comment beside it shows the fold that would
make one item of them.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.schema import SourceTable

BECOMES: Final[dict[Kind, str]] = {
    Kind.INTEGER: "int: N",
    Kind.DECIMAL: "Decimal: N, exact; with more than 38 digits refused",
    Kind.FLOAT: "float: N, by its shortest digits",
    Kind.DOUBLE: "float: N, by its shortest digits; beyond 1E+126 refused",
    Kind.YEAR: "int: N",
    Kind.DATE: "date: S, 2026-11-29; what is no date is a text (date_or)",
    Kind.TIME: "timedelta: S, 16:00:00.000000; may be negative",
    Kind.DATETIME: "datetime: S, 2026-11-29T16:00:00.000000; what is no date is a text (date_or)",
    Kind.TIMESTAMP: "datetime: S, in UTC with Z behind it; what is no date is a text (date_or)",
    Kind.BIT: "int: N",
    Kind.ENUM: "str: S",
    Kind.SET: "frozenset: SS; an empty one is no attribute",
    Kind.CHAR: "str: S",
    Kind.TEXT: "str: S",
    Kind.BINARY: "bytes: B",
    Kind.BLOB: "bytes: B",
    Kind.JSON: "what it says: M, L, S, N, BOOL",
    Kind.GEOMETRY: "bytes: B, SRID and WKB",
    Kind.UUID: "str: S",
    Kind.INET4: "str: S",
    Kind.INET6: "str: S",
}
KEY: Final = ("pk", "sk")


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of `table`; `always`: none of its columns may be NULL."""

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    always: bool


def file_text(
    name: str,
    target: str,
    server_id: int,
    tables: Sequence[SourceTable],
    types: dict[tuple[str, str], str],
    foreign_keys: Sequence[ForeignKey],
    *,
    topic: str,
    left_out: Sequence[str],
    file: str,
) -> str:
    """`types`: of each table and column, as the source writes it. `topic`: "" without Kafka."""
    parts = [_head(name, target, server_id, topic, file)]
    taken: set[str] = {"migration", "key"}
    by_name = {table.name: table for table in tables}
    parts += [_lines(_of_table(table, types, foreign_keys, by_name, taken)) for table in tables]
    parts += [_lines([f"# Left out: {line}"]) for line in left_out]
    return "\n\n\n".join(parts) + "\n"


def _head(name: str, target: str, server_id: int, topic: str, file: str) -> str:
    theirs = "Debezium(...) or DMS(...) where others fill them"
    topics = (
        f"Kafka({_text(topic)}),  # None: without Kafka; {theirs}" if topic else f'None,  # Kafka("shop"); {theirs}'
    )
    return f'''"""What becomes of each row. Edit it, then check it against the real source: crossfade check {file}"""

from crossfade import Table
from crossfade.cdc import Child, Kafka, MySQL, RowMigration, key

migration = RowMigration(
    name={_text(name)},  # the applications' Switch has the same
    source=MySQL(server_id={server_id}),  # that no server and no replica of the source has
    target=Table({_text(target)}, key={{"pk": "S", "sk": "S"}}),
    topics={topics}
)'''


def _of_table(
    table: SourceTable,
    types: dict[tuple[str, str], str],
    foreign_keys: Sequence[ForeignKey],
    tables: dict[str, SourceTable],
    taken: set[str],
) -> Iterator[str]:
    own = [each for each in foreign_keys if each.table == table.name]
    hangs_on = parent_of(own, tables)
    if not table.key:
        yield f"# {table.name} has no primary key, so its rows cannot be told apart. Give it one and a function:"
        yield f"#     ALTER TABLE {table.quoted} ADD COLUMN id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY;"
        return
    for each in own:
        always = "" if each.always else ", which may be NULL"
        yield f"# {', '.join(each.columns)} refers to {each.parent} ({', '.join(each.parent_columns)}){always}."
    if hangs_on is not None:
        yield from _suggested_fold(table, hangs_on)
    yield f"@migration.table({_text(table.name)})"
    yield f"def {_function_name(table.table, taken)}(row):"
    yield "    return {"
    yield from _keys(table, hangs_on)
    for column in table.columns:
        attribute = column.name if column.name not in KEY else f"{column.name}_"
        of_key = ", of the primary key" if column.name in table.key else ""
        yield f"        # {types.get((table.name, column.name), column.kind.value)}{of_key}"
        yield f"        {_text(attribute)}: row[{_text(column.name)}],  # {BECOMES[column.kind]}"
    yield "    }"


def parent_of(own: Sequence[ForeignKey], tables: dict[str, SourceTable]) -> ForeignKey | None:
    """The one table that this one hangs on: by its only foreign key, never NULL, to the other's whole primary key."""
    if len(own) != 1 or not own[0].always or own[0].parent == own[0].table:
        return None
    parent = tables.get(own[0].parent)
    return own[0] if parent is not None and parent.key == own[0].parent_columns else None


def _suggested_fold(table: SourceTable, found: ForeignKey) -> Iterator[str]:
    child = _identifier(table.table)
    columns = found.columns[0] if len(found.columns) == 1 else found.columns
    arguments = ", ".join(_identifier(name) for name in found.parent_columns)
    schema_table = found.parent.partition(".")[2]
    yield "# In the partition of its parent. Or, as a part of its parent's item, in place of both functions:"
    yield "#     @migration.fold("
    yield f"#         {_text(found.parent)},"
    yield (
        f"#         into=lambda {arguments}: {{"
        f'"pk": key({_text(schema_table)}, {arguments}), "sk": {_text(schema_table)}}},'
    )
    told = json.dumps(columns) if isinstance(columns, str) else repr(columns)
    yield f"#         {child}=Child({_text(table.name)}, parent={told}),"
    yield "#     )"
    yield f"#     def {_identifier(schema_table)}(row, {child}):"
    yield f"#         return {{**row, {_text(table.table)}: [dict(each) for each in {child}]}}"


def _keys(table: SourceTable, hangs_on: ForeignKey | None) -> Iterator[str]:
    own = ", ".join(f"row[{_text(name)}]" for name in table.key)
    if hangs_on is None:
        yield f'        "pk": key({_text(table.table)}, {own}),'
        yield f'        "sk": {_text(table.table)},'
        return
    parent = ", ".join(f"row[{_text(name)}]" for name in hangs_on.columns)
    yield f'        "pk": key({_text(hangs_on.parent.partition(".")[2])}, {parent}),'
    yield f'        "sk": key({_text(table.table)}, {own}),'


def _function_name(table: str, taken: set[str]) -> str:
    name, number = _identifier(table), 2
    while name in taken:
        name, number = f"{_identifier(table)}_{number}", number + 1
    taken.add(name)
    return name


def _identifier(name: str) -> str:
    found = re.sub(r"\W", "_", name)
    return found if found.isidentifier() and not keyword.iskeyword(found) else f"t_{found}"


def _text(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _lines(lines: Iterable[str]) -> str:
    """Each is one: a name of the source may hold anything, and what is in a comment must stay in it."""
    return "\n".join(" ".join(line.splitlines()) for line in lines)


def type_of(column: Column, written: str) -> str:
    """Return the type as the source writes it, with a text's character set."""
    return f"{written}, {column.charset}" if column.kind in {Kind.CHAR, Kind.TEXT} else written
