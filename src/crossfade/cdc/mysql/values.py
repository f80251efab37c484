"""What a column of each type becomes, once for both ways in.

| type | value | remarks |
|---|---|---|
| TINYINT ... BIGINT, unsigned too | int | TINYINT(1) is an int: a mapping asks for a bool with `bool(...)` |
| DECIMAL | Decimal | the scale is kept: 1.50 |
| FLOAT | float | the shortest digits that give the same four bytes: 0.1, not 0.10000000149011612 |
| DOUBLE | float | |
| YEAR | int | 0 for 0000 |
| DATE, DATETIME | date, datetime | without a zone, as there is none; see below for those that are no dates |
| TIMESTAMP | datetime in UTC | |
| TIME | timedelta | negative, more than a day, to the microsecond |
| BIT(n) | int | |
| ENUM | str | "" for the value the server puts for one that it refused |
| SET | frozenset of str | the server keeps no order and no doubles; a member "" is left out, as no SELECT shows it |
| CHAR | str | without the spaces at its end, as a SELECT gives it |
| VARCHAR, TEXT | str | from the column's own character set |
| BINARY(n) | bytes | n of them, zeros at the end included |
| VARBINARY, BLOB | bytes | |
| JSON | what it says | numbers with a point or an exponent are Decimal |
| GEOMETRY | bytes | as kept: four bytes of SRID, then WKB |
| UUID, INET4, INET6 | str | as a SELECT gives it |

A DATE, DATETIME or TIMESTAMP that is no day of the calendar (0000-00-00, 2024-00-15, or 2024-02-31 where it was
allowed) is the text that a SELECT gives: nothing is lost, and no mapping takes it for a date without asking.
`date_or` is how it asks.

What MariaDB's log does not tell: JSON is LONGTEXT there, and UUID, INET6 and INET4 are BINARY. That the columns are
so is taken from information_schema, for as long as the log's type fits.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import struct
import uuid
from decimal import Decimal
from typing import Final, TypeVar

from crossfade.cdc.changes import ChangeUnreadable, Value

INTEGER_DIGITS_MAX: Final = 1_000  # Python refuses to make an int of several thousand
FLOAT_DIGITS: Final = range(6, 10)  # six always come back, nine are always enough
_FLOAT: Final = struct.Struct("<f")

D = TypeVar("D", datetime.date, datetime.datetime)


def date_or(value: D | str, otherwise: D | None = None) -> D | None:
    """The date, or `otherwise` where the column holds one that is none."""
    return otherwise if isinstance(value, str) else value


def shortest_float(four_bytes_wide: float) -> float:
    """The float with the fewest digits that a FLOAT column keeps as the same four bytes."""
    for digits in FLOAT_DIGITS:
        shorter = float(f"{four_bytes_wide:.{digits}g}")
        try:
            if _FLOAT.unpack(_FLOAT.pack(shorter))[0] == four_bytes_wide:
                return shorter
        except OverflowError:  # rounded up past the largest
            continue
    return four_bytes_wide


def date_value(year: int, month: int, day: int) -> Value:
    """A date, or the text of what is none."""
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return f"{year:04d}-{month:02d}-{day:02d}"


def datetime_value(
    year: int, month: int, day: int, hour: int, minute: int, second: int, microsecond: int, digits: int
) -> Value:
    """A datetime, or the text of what is none, with as many digits after the point as its column has."""
    try:
        return datetime.datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001  it has no zone
    except ValueError:
        text = f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
        return text + (f".{microsecond:06d}"[: digits + 1] if digits else "")


def zero_timestamp(digits: int) -> str:
    """The TIMESTAMP that is none, as a SELECT gives it."""
    return "0000-00-00 00:00:00" + ("." + "0" * digits if digits else "")


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= INTEGER_DIGITS_MAX else Decimal(text)


_JSON: Final = json.JSONDecoder(parse_float=Decimal, parse_int=_integer)


def json_value(text: str) -> Value:
    """What JSON text says, with Decimal for every number that is no integer. Raises ChangeUnreadable."""
    try:
        return _JSON.decode(text)  # type: ignore[no-any-return]
    except (ValueError, RecursionError) as error:
        raise ChangeUnreadable(f"what should be JSON is none: {error}") from None


def uuid_text(sixteen: bytes) -> str:
    return str(uuid.UUID(bytes=sixteen))


def inet6_text(sixteen: bytes) -> str:
    """Return the address as MariaDB writes it: `::` for the first of the longest runs of zeros, also for a single one,
    and the last four bytes with points behind nothing but zeros, or zeros and ffff."""
    words = [f"{sixteen[at] << 8 | sixteen[at + 1]:x}" for at in range(0, 16, 2)]
    begin, size = _zeros(words)
    if begin == 0 and (size == 6 or (size == 5 and words[5] == "ffff")):
        return f"::{'ffff:' if size == 5 else ''}{ipaddress.IPv4Address(sixteen[12:])}"
    if not size:
        return ":".join(words)
    return f"{':'.join(words[:begin])}::{':'.join(words[begin + size :])}"


def _zeros(words: list[str]) -> tuple[int, int]:
    """Find the first of the longest runs of zeros: its place, and how long it is."""
    found = (0, 0)
    for begin in range(len(words)):
        size = next((at for at, word in enumerate(words[begin:]) if word != "0"), len(words) - begin)
        if size > found[1]:
            found = begin, size
    return found


def inet4_text(four: bytes) -> str:
    return str(ipaddress.IPv4Address(four))
