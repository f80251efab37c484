"""From a row of the log, at a place in its bytes, to the value a mapping sees and the place behind it.

How each type is laid down there: https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html and, for the
numbers that a table map gives beside a type, `Table_map_log_event` in the same documentation.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from crossfade.cdc.changes import ChangeUnreadable, Value
from crossfade.cdc.mysql.charsets import decoder
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.decimals import decimal_reader
from crossfade.cdc.mysql.jsonb import json_of_binary
from crossfade.cdc.mysql.values import (
    date_value,
    datetime_value,
    inet4_text,
    inet6_text,
    json_value,
    shortest_float,
    uuid_text,
    zero_timestamp,
)

FromLog = Callable[[bytes, int], tuple[Value, int]]

# The numbers of the types in the log.
TINY, SHORT, LONG, FLOAT, DOUBLE, TIMESTAMP, LONGLONG, INT24 = 1, 2, 3, 4, 5, 7, 8, 9
DATE, TIME, DATETIME, YEAR, NEWDATE, VARCHAR, BIT = 10, 11, 12, 13, 14, 15, 16
TIMESTAMP2, DATETIME2, TIME2 = 17, 18, 19
JSON, NEWDECIMAL, ENUM, SET = 245, 246, 247, 248
TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, BLOB, VAR_STRING, STRING, GEOMETRY = 249, 250, 251, 252, 253, 254, 255

LONG_LENGTH: Final = 255  # text that may be longer has two bytes of length
UTC: Final = datetime.UTC
EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wire:
    """How a column's values are laid down: the number of their type, and the number that a table map has beside it."""

    code: int
    meta: int = 0


def from_log(column: Column, wire: Wire) -> FromLog:  # noqa: C901  one line a type
    """The function that reads the column. Raises ChangeUnreadable for a type or character set that cannot be read."""
    code, meta = wire.code, wire.meta
    if code in _INTEGERS:
        signed, unsigned = _INTEGERS[code]
        return unsigned if column.unsigned else signed
    if code in _PLAIN:
        return _PLAIN[code]
    if code == NEWDECIMAL:
        return decimal_reader(meta & 0xFF, meta >> 8)
    if code == BIT:
        return partial(_bit, (meta >> 8) + bool(meta & 0xFF))
    if code == ENUM:
        return partial(_enum, meta, ("", *column.members))
    if code == SET:
        return partial(_set, meta, column.members)
    if code == DATETIME2:
        return partial(_datetime2, meta)
    if code == TIME2:
        return partial(_time2, meta)
    if code == TIMESTAMP2:
        return partial(_timestamp2, meta)
    if code == JSON:
        return _measured(meta, json_of_binary)
    if code in {VARCHAR, VAR_STRING, STRING}:
        return _measured(2 if meta > LONG_LENGTH else 1, _of_bytes(column))
    if code in {BLOB, GEOMETRY}:
        return _measured(meta, _of_bytes(column))
    raise ChangeUnreadable(
        f"column {column.name} has a type (number {code}) that cannot be read",
        next_step="change the column's type, or leave the table out; COMPRESSED columns are of those",
    )


def _of_bytes(column: Column) -> Callable[[bytes], Value]:
    """What becomes of the bytes of a column whose values come with their length."""
    kind, size = column.kind, column.size
    if kind is Kind.BINARY:
        return lambda stored: stored.ljust(size, b"\0")
    if kind in {Kind.BLOB, Kind.GEOMETRY}:
        return bytes
    if kind in _ADDRESSES:
        return lambda stored: _ADDRESSES[kind](stored.ljust(size, b"\0"))
    decode = decoder(column.charset)
    if kind is Kind.JSON:
        return lambda stored: json_value(decode(stored))
    if kind is Kind.CHAR:
        return lambda stored: decode(stored).rstrip(" ")
    return decode


_ADDRESSES: Final[dict[Kind, Callable[[bytes], str]]] = {
    Kind.UUID: uuid_text,
    Kind.INET4: inet4_text,
    Kind.INET6: inet6_text,
}


def _measured(width: int, of_bytes: Callable[[bytes], Value]) -> FromLog:
    """The function for values that come with their length, in `width` bytes."""

    def read_short(data: bytes, at: int) -> tuple[Value, int]:
        at += 1
        end = at + data[at - 1]
        return of_bytes(data[at:end]), end

    def read(data: bytes, at: int) -> tuple[Value, int]:
        begin = at + width
        end = begin + int.from_bytes(data[at:begin], "little")
        return of_bytes(data[begin:end]), end

    return read_short if width == 1 else read


def _fixed(form: str) -> FromLog:
    packed = struct.Struct(form)
    unpack, size = packed.unpack_from, packed.size

    def read(data: bytes, at: int) -> tuple[Value, int]:
        return unpack(data, at)[0], at + size

    return read


def _int24(data: bytes, at: int) -> tuple[Value, int]:
    return int.from_bytes(data[at : at + 3], "little", signed=True), at + 3


def _uint24(data: bytes, at: int) -> tuple[Value, int]:
    return int.from_bytes(data[at : at + 3], "little"), at + 3


_FLOAT: Final = struct.Struct("<f")


def _float(data: bytes, at: int) -> tuple[Value, int]:
    return shortest_float(_FLOAT.unpack_from(data, at)[0]), at + 4


def _year(data: bytes, at: int) -> tuple[Value, int]:
    return 1900 + data[at] if data[at] else 0, at + 1


def _bit(size: int, data: bytes, at: int) -> tuple[Value, int]:
    return int.from_bytes(data[at : at + size]), at + size


def _enum(size: int, members: tuple[str, ...], data: bytes, at: int) -> tuple[Value, int]:
    return members[int.from_bytes(data[at : at + size], "little")], at + size


def _set(size: int, members: tuple[str, ...], data: bytes, at: int) -> tuple[Value, int]:
    bits = int.from_bytes(data[at : at + size], "little")
    return frozenset(member for place, member in enumerate(members) if member and bits >> place & 1), at + size


# --- days and times


def _date(data: bytes, at: int) -> tuple[Value, int]:
    bits = int.from_bytes(data[at : at + 3], "little")
    return date_value(bits >> 9, bits >> 5 & 15, bits & 31), at + 3


def _fraction(digits: int, data: bytes, at: int) -> tuple[int, int]:
    """Microseconds, from as many bytes as hold two digits each, big-endian."""
    size = (digits + 1) // 2
    return int.from_bytes(data[at : at + size]) * 10 ** (6 - 2 * size), at + size


def _datetime2(digits: int, data: bytes, at: int) -> tuple[Value, int]:
    bits = int.from_bytes(data[at : at + 5])
    microsecond, end = _fraction(digits, data, at + 5) if digits else (0, at + 5)
    year, month = divmod(bits >> 22 & 0x1FFFF, 13)
    return (
        datetime_value(year, month, bits >> 17 & 31, bits >> 12 & 31, bits >> 6 & 63, bits & 63, microsecond, digits),
        end,
    )


def _timestamp2(digits: int, data: bytes, at: int) -> tuple[Value, int]:
    seconds = int.from_bytes(data[at : at + 4])
    microsecond, end = _fraction(digits, data, at + 4) if digits else (0, at + 4)
    return _timestamp_value(seconds, microsecond, digits), end


def _timestamp_value(seconds: int, microsecond: int, digits: int) -> Value:
    if seconds == 0 and microsecond == 0:
        return zero_timestamp(digits)
    return EPOCH + datetime.timedelta(seconds=seconds, microseconds=microsecond)


def _time2(digits: int, data: bytes, at: int) -> tuple[Value, int]:
    """Whole and fraction are one number, kept as its distance from the middle: so a negative fraction borrows."""
    size = 3 + (digits + 1) // 2
    below = 8 * (size - 3)
    packed = int.from_bytes(data[at : at + size]) - (1 << 8 * size - 1)
    bits = abs(packed)
    whole = bits >> below
    span = datetime.timedelta(
        hours=whole >> 12 & 0x3FF,
        minutes=whole >> 6 & 63,
        seconds=whole & 63,
        microseconds=(bits & ((1 << below) - 1)) * 10 ** (6 - 2 * (size - 3)),
    )
    return -span if packed < 0 else span, at + size


# Those from before MySQL 5.6, which old tables still have: without fractions.


def _old_timestamp(data: bytes, at: int) -> tuple[Value, int]:
    return _timestamp_value(int.from_bytes(data[at : at + 4], "little"), 0, 0), at + 4


def _old_datetime(data: bytes, at: int) -> tuple[Value, int]:
    day, time = divmod(int.from_bytes(data[at : at + 8], "little"), 1_000_000)
    year, rest = divmod(day, 10_000)
    return (
        datetime_value(year, rest // 100, rest % 100, time // 10_000, time // 100 % 100, time % 100, 0, 0),
        at + 8,
    )


def _old_time(data: bytes, at: int) -> tuple[Value, int]:
    packed = int.from_bytes(data[at : at + 3], "little", signed=True)
    digits = abs(packed)
    span = datetime.timedelta(hours=digits // 10_000, minutes=digits // 100 % 100, seconds=digits % 100)
    return -span if packed < 0 else span, at + 3


_INTEGERS: Final[dict[int, tuple[FromLog, FromLog]]] = {
    TINY: (_fixed("<b"), _fixed("<B")),
    SHORT: (_fixed("<h"), _fixed("<H")),
    INT24: (_int24, _uint24),
    LONG: (_fixed("<i"), _fixed("<I")),
    LONGLONG: (_fixed("<q"), _fixed("<Q")),
}
_PLAIN: Final[dict[int, FromLog]] = {
    FLOAT: _float,
    DOUBLE: _fixed("<d"),
    YEAR: _year,
    DATE: _date,
    NEWDATE: _date,
    TIMESTAMP: _old_timestamp,
    DATETIME: _old_datetime,
    TIME: _old_time,
}
