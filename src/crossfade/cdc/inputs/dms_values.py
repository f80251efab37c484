"""Values as AWS DMS writes them into JSON, as a SELECT would give them: by the columns of the source's table.

Numbers and text are taken as the text that the source would have shown. Dates are ISO ("2024-02-29T12:34:56Z"), binary
is hexadecimal with "0x" before it or without, and a column that is not there is NULL. What does not fit is an error,
with the column's name. A column that the table has got since is as JSON has it.

A row before a change of which the key alone is told (`ColumnFilter` "pk-only") is one that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from crossfade.cdc.changes import Change, ChangeUnreadable, Value
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.mysql.text_values import from_text
from crossfade.cdc.mysql.values import json_value

Converter = Callable[[Value], Value]
HEXADECIMAL: Final = frozenset({Kind.BINARY, Kind.BLOB, Kind.GEOMETRY})
TEXT: Final = frozenset({Kind.CHAR, Kind.TEXT, Kind.ENUM, Kind.UUID, Kind.INET4, Kind.INET6})
MOMENTS: Final = frozenset({Kind.DATE, Kind.DATETIME, Kind.TIMESTAMP})


def values_as_selected(table: SourceTable) -> Callable[[Change], Change]:
    """The change with other values. Raises ChangeUnreadable."""
    columns = {column.name: column for column in table.columns}
    nothing: dict[str, Value] = dict.fromkeys(columns)

    def converted(values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: _value(columns.get(name), name, value) for name, value in values.items()}

    def is_key_alone(image: Mapping[str, Value]) -> bool:
        return len(columns) > len(table.key) and image.keys() <= {*table.key}

    def convert(change: Change) -> Change:
        row = None if change.row is None else nothing | converted(change.row)
        before = None if change.before is None or is_key_alone(change.before) else nothing | converted(change.before)
        unknown = change.before_unknown or (change.before is not None and before is None)
        named = zip(table.key, change.key, strict=True)
        return replace(
            change,
            row=row,
            before=before,
            before_unknown=unknown,
            key=tuple(_value(columns[name], name, value) for name, value in named),
        )

    return convert


def _value(column: Column | None, name: str, value: Value) -> Value:
    if column is None or value is None:
        return value
    try:
        return _read(column, value)
    except (ValueError, TypeError, ArithmeticError, AssertionError) as error:
        raise ChangeUnreadable(f"column {name} holds {value!r}, which is no {column.kind}") from error


def _read(column: Column, value: Value) -> Value:
    kind = column.kind
    text = value if isinstance(value, str) else format(value, "f") if isinstance(value, Decimal) else str(value)
    if kind in HEXADECIMAL:
        return bytes.fromhex(text.removeprefix("0x"))
    if kind in TEXT:
        return text.rstrip(" ") if kind is Kind.CHAR else text
    if kind is Kind.SET:
        return frozenset(text.split(",")) if text else frozenset()
    if kind is Kind.JSON:
        return json_value(text)
    if kind is Kind.BIT:
        return int(text)
    if kind is Kind.DECIMAL:
        return Decimal(text).quantize(Decimal(1).scaleb(-column.digits))
    if kind in MOMENTS:
        text = text.replace("T", " ").removesuffix("Z")
        text = text.partition(" ")[0] if kind is Kind.DATE else text
    return from_text(column)(text.encode())
