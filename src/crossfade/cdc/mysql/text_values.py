"""From what a SELECT gives, as bytes of the text protocol, to the value a mapping sees.

The session that selects has its time zone set to UTC, `character_set_results` to binary, so that text comes as it is
stored, and no SQL mode, so that what is stored is shown. FLOAT is selected as a product (`selected` says how): as it
is the server gives only six of its digits.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from crossfade.cdc.changes import Value
from crossfade.cdc.mysql.charsets import decoder
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.values import (
    date_value,
    datetime_value,
    inet6_text,
    json_value,
    shortest_float,
    zero_timestamp,
)

FromText = Callable[[bytes], Value]

SESSION: Final = "SET SESSION time_zone = '+00:00', character_set_results = binary, sql_mode = ''"


def quoted(name: str) -> str:
    """A name as an identifier in SQL."""
    return "`" + name.replace("`", "``") + "`"


def selected(column: Column) -> str:
    """The column as an expression of a SELECT whose text can be read here without loss."""
    name = quoted(column.name)
    return f"{name} * 1e0" if column.kind is Kind.FLOAT else name


def from_text(column: Column) -> FromText:
    """The function that reads the column. Raises ChangeUnreadable for a character set that cannot be read."""
    kind = column.kind
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind is Kind.DATETIME:
        return lambda text: _datetime(text, column.digits)
    if kind is Kind.TIMESTAMP:
        return lambda text: _timestamp(text, column.digits)
    decode = decoder(column.charset)
    if kind is Kind.JSON:
        return lambda text: json_value(decode(text))
    if kind is Kind.CHAR:
        return lambda text: decode(text).rstrip(" ")
    if kind is Kind.SET:
        return lambda text: frozenset(filter(None, decode(text).split(",")))
    return decode


def _float(text: bytes) -> float:
    return shortest_float(float(text))


def _bit(text: bytes) -> int:
    return int.from_bytes(text)


def _ascii(text: bytes) -> str:
    return text.decode("ascii")


def _inet6(text: bytes) -> str:
    return inet6_text(ipaddress.IPv6Address(text.decode("ascii")).packed)


def _date(text: bytes) -> Value:
    year, month, day = text.split(b"-")
    return date_value(int(year), int(month), int(day))


def _time(text: bytes) -> datetime.timedelta:
    negative = text.startswith(b"-")
    hours, minutes, seconds = text.lstrip(b"-").split(b":")
    whole, _, fraction = seconds.partition(b".")
    span = datetime.timedelta(
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(whole),
        microseconds=int(fraction.ljust(6, b"0")) if fraction else 0,
    )
    return -span if negative else span


def _datetime(text: bytes, digits: int) -> Value:
    day, _, time = text.partition(b" ")
    whole, _, fraction = time.partition(b".")
    year, month, of_month = map(int, day.split(b"-"))
    hour, minute, second = map(int, whole.split(b":"))
    microsecond = int(fraction.ljust(6, b"0")) if fraction else 0
    return datetime_value(year, month, of_month, hour, minute, second, microsecond, digits)


def _timestamp(text: bytes, digits: int) -> Value:
    if text.startswith(b"0000-00-00 00:00:00"):
        return zero_timestamp(digits)
    when = _datetime(text, digits)
    assert isinstance(when, datetime.datetime)  # noqa: S101  the server keeps no other
    return when.replace(tzinfo=datetime.UTC)


_PLAIN: Final[dict[Kind, FromText]] = {
    Kind.INTEGER: int,
    Kind.DECIMAL: lambda text: Decimal(text.decode("ascii")),
    Kind.FLOAT: _float,
    Kind.DOUBLE: float,
    Kind.YEAR: int,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.BIT: _bit,
    Kind.BINARY: lambda stored: stored,
    Kind.BLOB: lambda stored: stored,
    Kind.GEOMETRY: lambda stored: stored,
    Kind.UUID: _ascii,
    Kind.INET4: _ascii,
    Kind.INET6: _inet6,
}
