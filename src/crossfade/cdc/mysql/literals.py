"""A value of a column back as SQL, for a comparison with the column and for a write of it.

Text goes as the bytes that the column keeps, in its own character set: so the comparison is the column's collation's,
and no quote, backslash or SQL mode matters. The members of an ENUM or a SET go by number, as ORDER BY has them.
"""

from __future__ import annotations

import datetime
import json
import struct
from decimal import Decimal
from typing import Final

from crossfade.cdc.changes import ChangeUnreadable, Value
from crossfade.cdc.mysql.charsets import encoder
from crossfade.cdc.mysql.columns import Column, Kind

_FLOAT: Final = struct.Struct("<f")
EXACT: Final = frozenset({Kind.INTEGER, Kind.YEAR, Kind.BIT, Kind.DECIMAL})
TEMPORAL: Final = frozenset({Kind.DATE, Kind.DATETIME, Kind.TIMESTAMP, Kind.TIME})
STORED: Final = frozenset({Kind.BINARY, Kind.BLOB, Kind.GEOMETRY})
WRITTEN: Final = frozenset({Kind.CHAR, Kind.TEXT})
ADDRESSES: Final = frozenset({Kind.UUID, Kind.INET4, Kind.INET6})


def literal(column: Column, value: Value) -> str:
    """The value as SQL, for a session with UTC as its time zone. Raises ChangeUnreadable for what is none of it."""
    if value is None:
        return "NULL"
    try:
        return _literal(column, value)
    except (TypeError, ValueError, OverflowError, AttributeError, struct.error) as error:
        raise ChangeUnreadable(f"{value!r} is no value of the column {column.name}: {error}") from None


def _literal(column: Column, value: Value) -> str:
    kind = column.kind
    if kind in EXACT and isinstance(value, int | Decimal):
        return f"{value:f}" if isinstance(value, Decimal) else str(int(value))
    if kind in {Kind.FLOAT, Kind.DOUBLE} and isinstance(value, int | float):
        return _float(value, single=kind is Kind.FLOAT)
    if kind in TEMPORAL or kind in ADDRESSES:
        return f"'{_quotable(temporal_text(value))}'"
    if kind is Kind.ENUM:
        return str(column.members.index(str(value)) + 1 if value in column.members else _refused_member(value))
    if kind is Kind.SET and isinstance(value, frozenset):
        return str(sum(1 << column.members.index(member) for member in value))
    if kind is Kind.JSON:
        return f"_utf8mb4 X'{json_text(value).encode().hex()}'"
    if kind in STORED and isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if kind in WRITTEN and isinstance(value, str):
        return f"_{column.charset} X'{encoder(column.charset)(value).hex()}'"
    raise TypeError(f"the column holds {kind}")


def _float(value: float, *, single: bool) -> str:
    exact = _FLOAT.unpack(_FLOAT.pack(value))[0] if single else float(value)
    text = repr(exact)
    return text if "e" in text else text + "e0"  # without an exponent it would be a DECIMAL


def _refused_member(value: Value) -> int:
    if value == "":
        return 0
    raise ValueError("it is no member")


def json_text(value: Value) -> str:
    """The value as JSON, with the digits of a Decimal as they are."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{json_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(json_text(each) for each in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value)


def temporal_text(value: Value) -> str:
    """A date, a time or what is none of both, as the server writes it."""
    if isinstance(value, datetime.timedelta):
        microseconds = value // datetime.timedelta(microseconds=1)
        sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
        seconds, fraction = divmod(microseconds, 1_000_000)
        return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:06d}"
    if isinstance(value, datetime.datetime):
        if value.tzinfo:
            value = value.astimezone(datetime.UTC).replace(tzinfo=None)
        return f"{value:%Y-%m-%d %H:%M:%S.%f}".rjust(26, "0")  # a year has four digits
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, str):
        return value
    raise TypeError("it is no date and no time")


def _quotable(text: str) -> str:
    if not text.isascii() or "'" in text or "\\" in text:
        raise ValueError("it is no date, time or address")
    return text
