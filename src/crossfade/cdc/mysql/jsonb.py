"""MySQL's binary JSON, as its log has it. MariaDB's JSON is text.

https://dev.mysql.com/doc/dev/mysql-server/latest/json__binary_8h.html
"""

from __future__ import annotations

import datetime
import struct
from decimal import Decimal
from typing import Final

from crossfade.cdc.changes import ChangeUnreadable, Value
from crossfade.cdc.mysql.decimals import decimal_reader

SMALL_OBJECT, LARGE_OBJECT, SMALL_ARRAY, LARGE_ARRAY, LITERAL = 0, 1, 2, 3, 4
INT16, UINT16, INT32, UINT32, INT64, UINT64, DOUBLE, STRING, OPAQUE = 5, 6, 7, 8, 9, 10, 11, 12, 15
LITERALS: Final[dict[int, Value]] = {0: None, 1: True, 2: False}
NUMBERS: Final = {INT16: "<h", UINT16: "<H", INT32: "<i", UINT32: "<I", INT64: "<q", UINT64: "<Q"}
DATE, TIME, DATETIME, TIMESTAMP, NEWDECIMAL = 10, 11, 12, 7, 246  # values of SQL, by the numbers of their types
DEPTH_MAX: Final = 100  # the server's own limit


def json_of_binary(stored: bytes) -> Value:
    """What the document says. Raises ChangeUnreadable for one that is not whole."""
    if not stored:
        return None  # the server keeps JSON's null so where a NOT NULL column was filled by ALTER TABLE
    try:
        return _value(stored[0], stored, 1, 0)
    except (IndexError, struct.error, KeyError, UnicodeDecodeError) as error:
        raise ChangeUnreadable(f"a JSON value in the log is not whole: {error!r}") from None


def _value(kind: int, data: bytes, at: int, depth: int) -> Value:
    if kind <= LARGE_ARRAY:
        return _container(kind, data, at, depth + 1)
    if kind == LITERAL:
        return LITERALS[data[at]]
    if kind in NUMBERS:
        return int(struct.unpack_from(NUMBERS[kind], data, at)[0])
    if kind == DOUBLE:
        return Decimal(repr(struct.unpack_from("<d", data, at)[0]))
    if kind == STRING:
        length, begin = _length(data, at)
        return _whole(data, begin, length).decode()
    if kind == OPAQUE:
        length, begin = _length(data, at + 1)
        return _opaque(data[at], _whole(data, begin, length))
    raise ChangeUnreadable(f"a JSON value in the log has the unknown type {kind}")


def _container(kind: int, data: bytes, start: int, depth: int) -> Value:
    """Objects and arrays: a count, a size, then entries with offsets from the start. Small numbers are in the entry."""
    if depth > DEPTH_MAX:
        raise ChangeUnreadable("a JSON value in the log is nested deeper than the server allows")
    small = kind in {SMALL_OBJECT, SMALL_ARRAY}
    width = 2 if small else 4
    inline = {LITERAL, INT16, UINT16} if small else {LITERAL, INT16, UINT16, INT32, UINT32}

    def number(at: int) -> int:
        return int(struct.unpack_from("<H" if small else "<I", data, at)[0])

    def entry(at: int) -> Value:
        of_kind = data[at]
        return _value(of_kind, data, at + 1 if of_kind in inline else start + number(at + 1), depth)

    count = number(start)
    at = start + 2 * width
    if kind in {SMALL_ARRAY, LARGE_ARRAY}:
        return [entry(at + place * (1 + width)) for place in range(count)]
    values = at + count * (width + 2)
    found: dict[str, Value] = {}
    for place in range(count):
        of_key = at + place * (width + 2)
        length = int(struct.unpack_from("<H", data, of_key + width)[0])
        key = _whole(data, start + number(of_key), length).decode()
        found[key] = entry(values + place * (1 + width))
    return found


def _whole(data: bytes, begin: int, length: int) -> bytes:
    part = data[begin : begin + length]
    if len(part) != length:
        raise IndexError(f"{length} bytes at {begin} of {len(data)}")
    return part


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, the eighth set where another follows."""
    length = shift = 0
    while True:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length, at
        shift += 7


def _opaque(of_type: int, stored: bytes) -> Value:
    """Values of SQL within a document: as the text that a SELECT gives, or a number where it is one."""
    if of_type == NEWDECIMAL:
        return decimal_reader(stored[0], stored[1])(stored, 2)[0]
    if of_type in {DATE, DATETIME, TIMESTAMP, TIME}:
        return _temporal(of_type == TIME, of_type == DATE, int.from_bytes(stored[:8], "little", signed=True))
    raise ChangeUnreadable(f"a JSON value in the log holds a value of type {of_type}, which has no form in JSON")


def _temporal(is_time: bool, is_date: bool, packed: int) -> str:
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    whole, microsecond = packed >> 24, packed & 0xFFFFFF
    hour_bits = whole if is_time else whole & 0x1FFFF
    clock = datetime.timedelta(hours=hour_bits >> 12, minutes=hour_bits >> 6 & 63, seconds=hour_bits & 63)
    minutes, second = divmod(int(clock.total_seconds()), 60)
    time = f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}.{microsecond:06d}"
    if is_time:
        return sign + time
    year, month = divmod(whole >> 22, 13)
    day = f"{year:04d}-{month:02d}-{whole >> 17 & 31:02d}"
    return day if is_date else f"{day} {time}"
