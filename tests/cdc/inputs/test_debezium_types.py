"""Debezium's table of types for MariaDB and MySQL, row by row, on recorded messages.

https://debezium.io/documentation/reference/stable/connectors/mariadb.html#mariadb-data-types
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import pytest

from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.inputs.connect_values import EPOCH, converter_of
from tests.cdc.inputs.recordings import of_topic, types_row

TYPICAL, EXTREME, NULLS, ZEROS = 1, 2, 3, 4
AFTER_SNAPSHOT: Final = 10  # added to a row's number for the same values from the log
Row = tuple[str, str, Any, Any]


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def utc(text: str) -> datetime.datetime:
    return at(text).replace(tzinfo=datetime.UTC)


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def span(hours: int, minutes: int = 0, seconds: int = 0, microseconds: int = 0) -> datetime.timedelta:
    return datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=microseconds)


def point(x: float, y: float) -> bytes:
    """A point as the server keeps it: no SRID, little-endian, of type 1."""
    return struct.pack("<IBIdd", 0, 1, 1, x, y)


NOON: Final = "2024-02-29 12:34:56"
BASIC: Final[list[Row]] = [
    ("BOOLEAN, BOOL", "c_bool", 1, 0),
    ("BIT(1)", "c_bit1", 1, 0),
    ("BIT(>1)", "c_bit12", 0b101010101010, 0),
    ("BIT(64)", "c_bit64", 2**64 - 1, 0),
    ("TINYINT", "c_tiny", -5, -128),
    ("TINYINT UNSIGNED", "c_tiny_u", 200, 255),
    ("SMALLINT", "c_small", -300, -32768),
    ("SMALLINT UNSIGNED", "c_small_u", 60000, 65535),
    ("MEDIUMINT", "c_medium", -70000, -8388608),
    ("MEDIUMINT UNSIGNED", "c_medium_u", 16000000, 16777215),
    ("INT", "c_int", -2000000000, -2147483648),
    ("INT UNSIGNED", "c_int_u", 4000000000, 4294967295),
    ("INT ZEROFILL", "c_int_z", 42, 0),
    ("BIGINT", "c_big", -9000000000000000000, -(2**63)),
    ("REAL", "c_real", 1.5, -1.7976931348623157e308),
    ("FLOAT(53)", "c_float53", 0.1, 5e-324),
    ("DOUBLE", "c_double", 0.1, -1.7976931348623157e308),
    ("CHAR", "c_char", "abc", ""),
    ("VARCHAR", "c_varchar", "naïve 🎉", ""),
    ("VARCHAR latin1", "c_latin", "café", ""),
    ("VARCHAR sjis", "c_sjis", "日本", ""),
    ("BINARY", "c_binary", b"\x00\xff\x10\x20", b"\0\0\0\0"),
    ("VARBINARY", "c_varbinary", b"\x00\x01", b""),
    ("TINYBLOB", "c_tinyblob", b"\x01", b""),
    ("TINYTEXT", "c_tinytext", "tiny", ""),
    ("BLOB", "c_blob", b"\x02\xff", b""),
    ("TEXT", "c_text", "text", ""),
    ("MEDIUMBLOB", "c_mediumblob", b"\x03", b""),
    ("MEDIUMTEXT", "c_mediumtext", "medium", ""),
    ("LONGBLOB", "c_longblob", b"\x04", b""),
    ("LONGTEXT", "c_longtext", "long", ""),
    ("JSON, a LONGTEXT in MariaDB", "c_json", '{"a": [1, 2.50, null, "x"]}', "[]"),
    ("ENUM", "c_enum", "b,lue", "red"),
    ("SET", "c_set", frozenset({"a", "c"}), frozenset()),
    ("YEAR", "c_year", 2024, 1901),
    ("TIMESTAMP", "c_timestamp", utc(NOON), utc("1970-01-01 00:00:01")),
    ("TIMESTAMP(6)", "c_timestamp6", utc(f"{NOON}.123456"), utc("2038-01-19 03:14:07.999999")),
    ("POINT", "c_point", point(1, 2), point(0, 0)),
    (
        "GEOMETRY",
        "c_geometry",
        struct.pack("<IBIIdddd", 0, 1, 2, 2, 1, 2, 3, 4),
        point(-1, -1),
    ),
]
DATETIMES: Final[list[Row]] = [
    ("DATE", "c_date", day("2024-02-29"), day("1000-01-01")),
    ("DATETIME", "c_datetime", at(NOON), at("1000-01-01 00:00:00")),
    ("DATETIME(3)", "c_datetime3", at(f"{NOON}.789"), at("9999-12-31 23:59:59.999")),
    ("DATETIME(6)", "c_datetime6", at(f"{NOON}.123456"), at("9999-12-31 23:59:59.999999")),
]
TIMES: Final[list[Row]] = [
    ("TIME", "c_time", span(12, 34, 56), -span(838, 59, 59)),
    ("TIME(6)", "c_time6", span(12, 34, 56, 123456), span(838, 59, 59)),
]
DECIMALS: Final[list[Row]] = [
    ("DECIMAL", "c_decimal", Decimal("1234567890123456.7891"), Decimal("-9999999999999999.9999")),
    (
        "NUMERIC",
        "c_numeric",
        Decimal("12345678901234567890123456789012345.000000000000000000000000000001"),
        Decimal("-99999999999999999999999999999999999.999999999999999999999999999999"),
    ),
    ("DECIMAL(10)", "c_decimal0", Decimal(99), Decimal(-1)),
]
UNSIGNED: Final[list[Row]] = [("BIGINT UNSIGNED, precise", "c_big_u", 2**64 - 1, 2**63)]
WITHOUT_FRACTION: Final[list[Row]] = [
    ("DATE", "c_date", day("2024-02-29"), day("1000-01-01")),
    ("DATETIME", "c_datetime", at(NOON), at("1000-01-01 00:00:00")),
    ("DATETIME(6), to the millisecond", "c_datetime6", at(f"{NOON}.123"), at("9999-12-31 23:59:59.999")),
    ("TIME", "c_time", span(12, 34, 56), None),
    ("TIME(6), to the millisecond", "c_time6", span(12, 34, 56, 123000), None),
]
WITHIN_A_DAY: Final[list[Row]] = [(name, column, typical, None) for name, column, typical, _ in TIMES]
BY_CONNECTOR: Final[Mapping[str, list[Row]]] = {
    "on": [*BASIC, *DATETIMES, *TIMES, *DECIMALS],
    "numeric": [*DATETIMES, *TIMES, *DECIMALS, *UNSIGNED],
    "text": [
        *DATETIMES,
        *WITHIN_A_DAY,
        *UNSIGNED,
        *((f"{name}, as text", column, str(one), str(other)) for name, column, one, other in DECIMALS),
        ("BINARY, hex", "c_binary", "00ff1020", "00000000"),
        ("BLOB, hex", "c_blob", "02ff", ""),
    ],
    "connect": [
        *WITHOUT_FRACTION,
        *((f"{name}, double", column, float(one), float(other)) for name, column, one, other in DECIMALS),
        ("BINARY, base64", "c_binary", "AP8QIA==", "AAAAAA=="),
    ],
}
ROWS: Final = [(connector, *row) for connector, rows in BY_CONNECTOR.items() for row in rows]


@pytest.mark.parametrize("added", [0, AFTER_SNAPSHOT], ids=["snapshot", "log"])
@pytest.mark.parametrize(
    ("connector", "name", "column", "typical", "extreme"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS]
)
def test_a_type_of_the_table(connector: str, name: str, column: str, typical: Any, extreme: Any, added: int) -> None:
    """A column of each documented type is read as a SELECT gives it, from a snapshot and from the log."""
    for number, expected in ((TYPICAL, typical), (EXTREME, extreme), (NULLS, None)):
        found = types_row(connector, number + added)[column]
        assert found == expected, (name, number)
        assert type(found) is type(expected), (name, number)


def test_float_has_six_digits_from_a_snapshot() -> None:
    """FLOAT comes whole from the log, and from a snapshot with the digits that MariaDB prints."""
    assert types_row("on", TYPICAL)["c_float"] == types_row("on", TYPICAL + AFTER_SNAPSHOT)["c_float"] == 0.1
    assert types_row("on", EXTREME)["c_float"] == -3.40282e38
    assert types_row("on", EXTREME + AFTER_SNAPSHOT)["c_float"] == -3.4028235e38


def test_zero_dates_are_lost_before_us() -> None:
    """A zero date is NULL where that is allowed, and the first day of 1970 where it is not."""
    for number in (ZEROS, ZEROS + AFTER_SNAPSHOT):
        row = types_row("on", number)
        assert (row["c_date"], row["c_datetime"], row["c_datetime6"]) == (None, None, None)
        assert (row["c_date_nn"], row["c_datetime_nn"]) == (day("1970-01-01"), at("1970-01-01 00:00:00"))
    assert types_row("on", ZEROS + AFTER_SNAPSHOT)["c_year"] == 1900


def test_hazard_27_an_unsigned_bigint_is_negative_by_default() -> None:
    """With Debezium's default the upper half of BIGINT UNSIGNED is negative, and nothing in the message tells."""
    assert types_row("on", TYPICAL)["c_big_u"] == -1


def test_far_dates_in_nanoseconds_are_refused() -> None:
    """A DATETIME beyond 64 bits of nanoseconds has been wrapped before us: that is seen, in every year there is."""
    typical, extreme = of_topic("nano.shop.types")[:2]
    row = typical.change().row
    assert row is not None
    assert (row["c_datetime6"], row["c_time6"]) == (at(f"{NOON}.123456"), span(12, 34, 56, 123456))
    with pytest.raises(ChangeUnreadable, match=r"c_datetime .*another `time.precision.mode`"):
        _ = extreme.change()
    read = converter_of({"type": "int64", "name": "io.debezium.time.NanoTimestamp"})
    for year in [*range(1, 1677), *range(2263, 10000)]:
        nanoseconds = (at(f"{year:04}-06-01") - EPOCH) // datetime.timedelta(microseconds=1) * 1000
        with pytest.raises(ValueError, match="64 bits"):
            _ = read((nanoseconds + 2**63) % 2**64 - 2**63)


def test_a_uuid_from_the_log_is_another() -> None:
    """The connector puts a digit before a UUID that comes from the log; the snapshot has it right."""
    assert types_row("on", TYPICAL)["c_uuid"] == "123e4567-e89b-12d3-a456-426614174000"
    assert types_row("on", TYPICAL + AFTER_SNAPSHOT)["c_uuid"] != types_row("on", TYPICAL)["c_uuid"]


def test_without_schemas_values_stay_as_they_are() -> None:
    """Without schemas the text of bytes and the number of days are what they are in JSON, and true is 1."""
    row = types_row("off", TYPICAL)
    assert row["c_decimal"] == "AKtUqYzrHwrT"
    assert row["c_date"] == 19782
    assert row["c_bit1"] == 1
    assert type(row["c_bit1"]) is int
    assert row["c_double"] == Decimal("0.1")
    assert row["c_varchar"] == "naïve 🎉"
