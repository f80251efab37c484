"""A table with every type of column, and random values for each of them."""

from __future__ import annotations

import datetime
import ipaddress
import random
import string
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal

from crossfade.cdc.changes import Value
from crossfade.cdc.mysql.values import datetime_value, inet6_text, shortest_float

LATIN = "abcXYZ 'äöüßéÿ€\\\"%_\t\n"
WIDE = LATIN + "ЖΩ漢字"
ASTRAL = WIDE + "😀𝄞"
DAY = datetime.timedelta(days=1)
Make = Callable[[random.Random], Value]


def _integer(bits: int, *, unsigned: bool) -> Make:
    low, high = (0, (1 << bits) - 1) if unsigned else (-(1 << bits - 1), (1 << bits - 1) - 1)
    return lambda chance: chance.choice([low, high, 0, 1, chance.randint(low, high), chance.randint(0, 100)])


def _decimal(precision: int, scale: int, *, unsigned: bool = False) -> Make:
    def make(chance: random.Random) -> Value:
        digits = chance.randint(0, precision)
        number = chance.randint(0, 10**digits - 1) if digits else 0
        sign = "" if unsigned or not number else chance.choice(["", "-"])
        return Decimal(f"{sign}{number}").scaleb(-scale)

    return make


def _text(letters: str, longest: int, *, stripped: bool = False) -> Make:
    def make(chance: random.Random) -> Value:
        text = "".join(chance.choices(letters, k=chance.choice([0, 1, chance.randint(0, longest), longest])))
        return text.rstrip(" ") if stripped else text

    return make


def _bytes(longest: int, *, exactly: bool = False) -> Make:
    def make(chance: random.Random) -> Value:
        size = longest if exactly else chance.choice([0, 1, chance.randint(0, longest), longest])
        made = chance.choice([bytes(size), b"\xff" * size, chance.randbytes(size)])
        return made[: size // 2] + bytes(size - size // 2) if chance.random() < 0.3 else made

    return make


def _float32(chance: random.Random) -> Value:
    made = struct.unpack("<f", chance.randbytes(4))[0]
    if made != made or abs(made) > 3.4e38:
        return shortest_float(struct.unpack("<f", struct.pack("<f", chance.uniform(-1000, 1000)))[0])
    return shortest_float(made) if chance.random() < 0.5 else shortest_float(round(chance.uniform(-9, 9), 2))


def _float64(chance: random.Random) -> Value:
    made = struct.unpack("<d", chance.randbytes(8))[0]
    return made if made == made and abs(made) < 1.7e308 else chance.uniform(-1000, 1000)


def _date(chance: random.Random) -> Value:
    if chance.random() < 0.2:
        return chance.choice(["0000-00-00", "2024-00-00", "2024-05-00", "0000-01-01", "2023-02-29", "2024-02-31"])
    return datetime.date(1, 1, 1) + DAY * chance.randint(0, 3_652_058)


def _microseconds(chance: random.Random, digits: int) -> int:
    return int(chance.randint(0, 10**digits - 1) * 10 ** (6 - digits))


def _datetime(digits: int) -> Make:
    def make(chance: random.Random) -> Value:
        fraction = _microseconds(chance, digits)
        if chance.random() < 0.2:
            parts = chance.choice([(0, 0, 0, 0, 0, 0), (2024, 0, 0, 1, 2, 3), (2023, 2, 29, 23, 59, 59)])
            return datetime_value(*parts, fraction if parts[0] else 0, digits)
        day = datetime.date(1, 1, 1) + DAY * chance.randint(0, 3_652_058)
        hour, minute, second = chance.randint(0, 23), chance.randint(0, 59), chance.randint(0, 59)
        return datetime_value(day.year, day.month, day.day, hour, minute, second, fraction, digits)

    return make


def _timestamp(digits: int) -> Make:
    def make(chance: random.Random) -> Value:
        if chance.random() < 0.1:
            return "0000-00-00 00:00:00" + ("." + "0" * digits if digits else "")
        seconds = chance.choice([1, 2**31 - 1, chance.randint(1, 2**31 - 1)])
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC) + datetime.timedelta(
            microseconds=_microseconds(chance, digits)
        )

    return make


def _time(digits: int) -> Make:
    def make(chance: random.Random) -> Value:
        longest = 838 * 3600 + 59 * 60 + 58
        seconds = chance.choice([0, 1, longest, chance.randint(0, longest), chance.randint(0, 86_400)])
        span = datetime.timedelta(seconds=seconds, microseconds=_microseconds(chance, digits))
        return chance.choice([span, -span])

    return make


def _set(members: list[str]) -> Make:
    return lambda chance: frozenset(chance.sample(members, chance.randint(0, len(members))))


def _json(chance: random.Random, depth: int = 0) -> Value:
    kind = chance.randint(0, 7 if depth < 3 else 5)
    if kind == 0:
        return chance.choice([None, True, False])
    if kind == 1:
        return chance.choice([0, -1, 2**31, 2**63 - 1, -(2**63), chance.randint(-(10**6), 10**6)])
    if kind == 2:
        return Decimal(str(round(chance.uniform(-1000, 1000), 3)))
    if kind <= 5:
        return _text(ASTRAL, 12)(chance)
    if kind == 6:
        return [_json(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    keys = {"".join(chance.choices(string.ascii_letters + "é😀", k=3)) for _ in range(chance.randint(0, 4))}
    return {key: _json(chance, depth + 1) for key in sorted(keys)}


def _point(chance: random.Random) -> Value:
    srid, x, y = chance.choice([0, 4326]), chance.uniform(-90, 90), chance.uniform(-90, 90)
    return struct.pack("<IBIdd", srid, 1, 1, x, y)


def _uuid(chance: random.Random) -> Value:
    """Of the versions that the server takes; it turns the bytes of some of them when it keeps them."""
    if chance.random() < 0.1:
        return str(uuid.UUID(int=0))
    made = uuid.UUID(bytes=chance.randbytes(16), version=chance.choice([1, 4, 5]))
    if chance.random() < 0.3:  # version 7, which Python 3.11 does not make
        made = uuid.UUID(int=made.int & ~(0xF << 76) | 7 << 76)
    return str(made)


def _inet6(chance: random.Random) -> Value:
    mapped, zeros = 0xFFFF << 32 | chance.getrandbits(32), chance.getrandbits(16)  # which words are zero
    holed = sum(chance.getrandbits(16) << 16 * word for word in range(8) if not zeros >> word & 1)
    numbers = [0, 1, 1 << 64, 0xFE80 << 112, chance.getrandbits(128), chance.getrandbits(32), mapped, holed]
    return inet6_text(chance.choice(numbers).to_bytes(16))


def _inet4(chance: random.Random) -> Value:
    return str(ipaddress.IPv4Address(chance.choice([0, 1 << 24, chance.getrandbits(32)])))


MANY = [f"m{number}" for number in range(300)]
FLAGS = [f"f{number}" for number in range(64)]
TYPES: dict[str, tuple[str, Make]] = {
    "t": ("TINYINT", _integer(8, unsigned=False)),
    "tu": ("TINYINT UNSIGNED", _integer(8, unsigned=True)),
    "t1": ("TINYINT(1)", _integer(8, unsigned=False)),
    "s": ("SMALLINT", _integer(16, unsigned=False)),
    "su": ("SMALLINT UNSIGNED", _integer(16, unsigned=True)),
    "m": ("MEDIUMINT", _integer(24, unsigned=False)),
    "mu": ("MEDIUMINT UNSIGNED", _integer(24, unsigned=True)),
    "y": ("YEAR", lambda chance: chance.choice([0, 1901, 2155, chance.randint(1901, 2155)])),
    "i": ("INT", _integer(32, unsigned=False)),
    "iz": ("INT(10) UNSIGNED ZEROFILL", _integer(32, unsigned=True)),
    "b": ("BIGINT", _integer(64, unsigned=False)),
    "bu": ("BIGINT UNSIGNED", _integer(64, unsigned=True)),
    "d5": ("DECIMAL(5,2)", _decimal(5, 2)),
    "d65": ("DECIMAL(65,30)", _decimal(65, 30)),
    "d18": ("DECIMAL(18,9)", _decimal(18, 9)),
    "d30": ("DECIMAL(30,0)", _decimal(30, 0)),
    "dz": ("DECIMAL(12,12) UNSIGNED", _decimal(12, 12, unsigned=True)),
    "f": ("FLOAT", _float32),
    "g": ("DOUBLE", _float64),
    "bit1": ("BIT(1)", lambda chance: chance.getrandbits(1)),
    "bit12": ("BIT(12)", lambda chance: chance.getrandbits(12)),
    "bit64": ("BIT(64)", lambda chance: chance.getrandbits(64)),
    "da": ("DATE", _date),
    "dt": ("DATETIME", _datetime(0)),
    "dt3": ("DATETIME(3)", _datetime(3)),
    "dt6": ("DATETIME(6)", _datetime(6)),
    "ts": ("TIMESTAMP NULL", _timestamp(0)),
    "ts1": ("TIMESTAMP(1) NULL", _timestamp(1)),
    "ts6": ("TIMESTAMP(6) NULL", _timestamp(6)),
    "ti": ("TIME", _time(0)),
    "ti2": ("TIME(2)", _time(2)),
    "ti5": ("TIME(5)", _time(5)),
    "ti6": ("TIME(6)", _time(6)),
    "e": ("ENUM('a','é','it''s','') CHARACTER SET latin1", lambda c: c.choice(["a", "é", "it's", ""])),
    "e300": (f"ENUM({','.join(map(repr, MANY))})", lambda chance: chance.choice(MANY)),
    "e16": ("ENUM('x','Ω') CHARACTER SET utf16", lambda chance: chance.choice(["x", "Ω", ""])),
    "se": ("SET('p','q','ü') CHARACTER SET utf8mb4", _set(["p", "q", "ü"])),
    "se64": (f"SET({','.join(map(repr, FLAGS))})", _set(FLAGS)),
    "se32": ("SET('x','Ω') CHARACTER SET utf32", _set(["x", "Ω"])),
    "c1": ("CHAR(10) CHARACTER SET latin1", _text(LATIN, 10, stripped=True)),
    "c2": ("CHAR(10) CHARACTER SET utf8mb4", _text(ASTRAL, 10, stripped=True)),
    "c3": ("CHAR(10) CHARACTER SET utf16", _text(ASTRAL, 10, stripped=True)),
    "c4": ("CHAR(255) CHARACTER SET utf8mb4", _text(ASTRAL, 255, stripped=True)),
    "c5": ("CHAR(7) CHARACTER SET ucs2", _text(WIDE, 7, stripped=True)),
    "v1": ("VARCHAR(20) CHARACTER SET latin1", _text(LATIN, 20)),
    "v2": ("VARCHAR(300) CHARACTER SET utf8mb4", _text(ASTRAL, 300)),
    "v3": ("VARCHAR(20) CHARACTER SET utf16le", _text(ASTRAL, 20)),
    "v4": ("VARCHAR(20) CHARACTER SET utf32", _text(ASTRAL, 20)),
    "v5": ("VARCHAR(20) CHARACTER SET utf8mb3", _text(WIDE, 20)),
    "v6": ("VARCHAR(20) CHARACTER SET koi8r", _text("abc Жя", 20)),
    "v7": ("VARCHAR(20) CHARACTER SET cp1250", _text("abc čžŽ", 20)),
    "v8": ("VARCHAR(20) CHARACTER SET gbk", _text("abc 漢字", 20)),
    "v9": ("VARCHAR(20) CHARACTER SET cp932", _text("abc 漢字", 20)),
    "va": ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", _text(ASTRAL, 20)),
    "bi": ("BINARY(5)", _bytes(5, exactly=True)),
    "bi16": ("BINARY(16)", _bytes(16, exactly=True)),
    "vb": ("VARBINARY(300)", _bytes(300)),
    "tb": ("TINYBLOB", _bytes(255)),
    "bl": ("BLOB", _bytes(500)),
    "mb": ("MEDIUMBLOB", _bytes(500)),
    "lb": ("LONGBLOB", _bytes(500)),
    "tt": ("TINYTEXT CHARACTER SET latin1", _text(LATIN, 60)),
    "tx": ("TEXT CHARACTER SET utf8mb4", _text(ASTRAL, 300)),
    "mt": ("MEDIUMTEXT CHARACTER SET utf16", _text(ASTRAL, 60)),
    "lt": ("LONGTEXT CHARACTER SET utf8mb4", _text(ASTRAL, 300)),
    "j": ("JSON", _json),
    "p": ("POINT", _point),
    "ge": ("GEOMETRY", _point),
}
OF_MARIADB: dict[str, tuple[str, Make]] = {
    "u": ("UUID", _uuid),
    "i6": ("INET6", _inet6),
    "i4": ("INET4", _inet4),
}


def random_row(chance: random.Random, types: dict[str, tuple[str, Make]]) -> dict[str, Value]:
    """A value for each column; one in ten is NULL."""
    return {name: None if chance.random() < 0.1 else make(chance) for name, (_, make) in types.items()}
