"""A table as it was when its rows were written: what a table map tells, and how to read rows by it.

With `binlog_row_metadata=FULL` a table map names the columns, their signs, character sets and members, and the primary
key. So an ALTER TABLE in the middle of the log, or while nobody read it, needs no history of schemas.

A server repeats the same bytes before each statement's rows, so what they say is remembered by them (`Tables`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from crossfade.cdc.changes import ChangeUnreadable, Value
from crossfade.cdc.mysql import log_values as codes
from crossfade.cdc.mysql.charsets import BINARY, decoder
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.errors import TableUnfit
from crossfade.cdc.mysql.events import length_coded
from crossfade.cdc.mysql.log_values import FromLog, Wire, from_log

MAPS_KEPT: Final = 4_096  # each some hundred bytes; a source with more live tables than that reads them again

SIGNEDNESS, DEFAULT_CHARSET, COLUMN_CHARSET, COLUMN_NAME, SET_MEMBERS, ENUM_MEMBERS = 1, 2, 3, 4, 5, 6
PRIMARY_KEY, PRIMARY_KEY_PREFIX, MEMBERS_DEFAULT_CHARSET, MEMBERS_CHARSET = 8, 9, 10, 11

WITH_SIGN: Final = frozenset(
    {
        codes.TINY,
        codes.SHORT,
        codes.INT24,
        codes.LONG,
        codes.LONGLONG,
        codes.NEWDECIMAL,
        codes.FLOAT,
        codes.DOUBLE,
        codes.YEAR,  # tools that print a log have left it out; the servers do not
    }
)
WITH_CHARSET: Final = frozenset({codes.STRING, codes.VAR_STRING, codes.VARCHAR, codes.BLOB})
WITH_MEMBERS: Final = frozenset({codes.ENUM, codes.SET})
KINDS: Final = {
    codes.TINY: Kind.INTEGER,
    codes.SHORT: Kind.INTEGER,
    codes.INT24: Kind.INTEGER,
    codes.LONG: Kind.INTEGER,
    codes.LONGLONG: Kind.INTEGER,
    codes.FLOAT: Kind.FLOAT,
    codes.DOUBLE: Kind.DOUBLE,
    codes.NEWDECIMAL: Kind.DECIMAL,
    codes.YEAR: Kind.YEAR,
    codes.DATE: Kind.DATE,
    codes.NEWDATE: Kind.DATE,
    codes.TIME: Kind.TIME,
    codes.TIME2: Kind.TIME,
    codes.DATETIME: Kind.DATETIME,
    codes.DATETIME2: Kind.DATETIME,
    codes.TIMESTAMP: Kind.TIMESTAMP,
    codes.TIMESTAMP2: Kind.TIMESTAMP,
    codes.BIT: Kind.BIT,
    codes.ENUM: Kind.ENUM,
    codes.SET: Kind.SET,
    codes.JSON: Kind.JSON,
    codes.GEOMETRY: Kind.GEOMETRY,
}
META_SIZES: Final = {  # bytes that a table map has beside each type; none for all others
    codes.FLOAT: 1,
    codes.DOUBLE: 1,
    codes.BLOB: 1,
    codes.GEOMETRY: 1,
    codes.JSON: 1,
    codes.TIME2: 1,
    codes.DATETIME2: 1,
    codes.TIMESTAMP2: 1,
    codes.VARCHAR: 2,
    codes.VAR_STRING: 2,
    codes.BIT: 2,
    codes.NEWDECIMAL: 2,
    codes.STRING: 2,
    140: 1,  # a compressed BLOB of MariaDB, refused later
    141: 2,  # a compressed VARCHAR
    242: 1,  # a VECTOR of MySQL 9
}

HASH_OF_UNIQUE: Final = re.compile(r"DB_ROW_HASH_\d+")  # MariaDB keeps one for a UNIQUE that is too long for an index

Hints = Mapping[str, Kind]
"""Of a table's columns: what information_schema knows of them and the log does not (JSON, UUID, INET6, INET4)."""

Charsets = Mapping[int, str]
"""The character set of each collation, by its number."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the log tells of it. `name` is the schema's and the table's with a dot between."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[int, ...]
    readers: tuple[tuple[str, FromLog], ...]
    hidden: tuple[str, ...] = ()
    """What the log has beside the columns, and no SELECT: no part of a row."""

    def key_of(self, row: Mapping[str, Value]) -> tuple[Value, ...]:
        """The values of the primary key, in its order."""
        return tuple(row[self.columns[place].name] for place in self.key)

    def image(self, data: bytes, at: int) -> tuple[dict[str, Value], int]:
        """One whole row at a place, and the place behind it."""
        begin = at + (len(self.readers) + 7) // 8
        nulls = int.from_bytes(data[at:begin], "little")
        at = begin
        row: dict[str, Value] = {}
        if not nulls:
            for name, read in self.readers:
                row[name], at = read(data, at)
        else:
            for name, read in self.readers:
                if nulls & 1:
                    row[name] = None
                else:
                    row[name], at = read(data, at)
                nulls >>= 1
        for name in self.hidden:
            del row[name]
        return row, at


class Tables:
    """The tables of one log. `chosen` decides which are read; `hints` and `charsets` are asked of the source."""

    def __init__(
        self, chosen: Callable[[str], bool], charsets: Charsets, hints: Callable[[str], Hints], *, mariadb: bool
    ) -> None:
        self._chosen = chosen
        self._charsets = charsets
        self._hints = hints
        self._mariadb = mariadb
        self._known: dict[bytes, Table | None] = {}

    def of_map(self, body: bytes) -> Table | None:
        """The table that a table map tells of, or None if it was not chosen. Raises TableUnfit, ChangeUnreadable."""
        said = body[8:]  # behind the table's number and flags
        try:
            return self._known[said]
        except KeyError:
            pass
        if len(self._known) >= MAPS_KEPT:
            self._known.clear()
        found = self._known[said] = self._read(said)
        return found

    def forget(self) -> None:
        """After a change of a schema: what information_schema knows of it has changed too."""
        self._known.clear()

    def _read(self, said: bytes) -> Table | None:
        schema, at = _short_text(said, 0)
        table, at = _short_text(said, at)
        name = f"{schema}.{table}"
        if not self._chosen(name):
            return None
        count, at = length_coded(said, at)
        types = said[at : at + count]
        size, at = length_coded(said, at + count)
        wires = list(_wires(types, said[at : at + size]))
        extra = dict(_extra(said, at + size + (count + 7) // 8))
        names = [text.decode() for text in _texts(extra.get(COLUMN_NAME, b""))]
        if len(names) != count:
            raise TableUnfit(
                f"the log does not name the columns of {name}",
                next_step="SET GLOBAL binlog_row_metadata = FULL, then begin behind the rows written without it:"
                " `crossfade backfill --from-now --execute`",
            )
        hints = self._hints(name)
        columns = tuple(_hinted(column, hints.get(column.name)) for column in self._columns(names, wires, extra))
        key = _key(extra)
        if not key:
            raise TableUnfit(
                f"{name} has no primary key, so its rows cannot be told apart",
                next_step=f"ALTER TABLE {name} ADD COLUMN id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, "
                "or leave the table out",
            )
        readers = tuple((column.name, from_log(column, wire)) for column, wire in zip(columns, wires, strict=True))
        hidden = tuple(column for column in names if self._mariadb and HASH_OF_UNIQUE.fullmatch(column))
        return Table(name, columns, key, readers, hidden)

    def _columns(self, names: list[str], wires: list[Wire], extra: Mapping[int, bytes]) -> Iterator[Column]:
        """Each column, from what is told of all with a sign, all with text, all with members in turn."""
        signs = _bits(extra.get(SIGNEDNESS, b""))
        with_charset = WITH_CHARSET | {codes.GEOMETRY} if self._mariadb else WITH_CHARSET
        charsets = self._charsets_of(extra, DEFAULT_CHARSET, COLUMN_CHARSET, _count(wires, with_charset))
        of_members = self._charsets_of(extra, MEMBERS_DEFAULT_CHARSET, MEMBERS_CHARSET, _count(wires, WITH_MEMBERS))
        enums, sets = _members(extra.get(ENUM_MEMBERS, b"")), _members(extra.get(SET_MEMBERS, b""))
        for name, wire in zip(names, wires, strict=True):
            unsigned = next(signs, False) if wire.code in WITH_SIGN else False
            charset = next(charsets) if wire.code in with_charset else BINARY
            members: tuple[str, ...] = ()
            if wire.code in WITH_MEMBERS:
                charset = next(of_members)
                decode = decoder(charset)
                members = tuple(decode(member) for member in next(enums if wire.code == codes.ENUM else sets))
            kind = KINDS.get(wire.code) or _kind_of_text(wire, charset)
            yield Column(name, kind, unsigned, _size(wire), _digits(wire), charset, members)

    def _charsets_of(self, extra: Mapping[int, bytes], default: int, each: int, count: int) -> Iterator[str]:
        """The character set of each column that has one: all in turn, or one for all with exceptions by place."""
        if each in extra:
            numbers = list(_numbers(extra[each]))
        elif default in extra:
            first, *exceptions = _numbers(extra[default])
            numbers = [first] * count
            for place, number in zip(exceptions[::2], exceptions[1::2], strict=True):
                numbers[place] = number
        else:
            numbers = []
        return (self._charset(number) for number in numbers)

    def _charset(self, collation: int) -> str:
        try:
            return self._charsets[collation]
        except KeyError:
            raise ChangeUnreadable(f"the source has no collation with the number {collation}") from None


def _wires(types: bytes, metas: bytes) -> Iterator[Wire]:
    at = 0
    for code in types:
        size = META_SIZES.get(code, 0)
        meta = int.from_bytes(metas[at : at + size], "little")
        at += size
        if code == codes.STRING:
            real, length = meta & 0xFF, meta >> 8
            if real in WITH_MEMBERS:
                yield Wire(real, length)
                continue
            # Two bits of a length beyond one byte are in the type's, turned.
            yield Wire(code, length | (((real & 0x30) ^ 0x30) << 4))
        else:
            yield Wire(code, meta)


def _extra(said: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at < len(said):
        field = said[at]
        size, at = length_coded(said, at + 1)
        yield field, said[at : at + size]
        at += size


def _hinted(column: Column, hint: Kind | None) -> Column:
    """The column as information_schema has it, if what the log has is what such a column is kept as."""
    if hint is Kind.JSON and column.kind is Kind.TEXT:
        return replace(column, kind=hint)
    if hint is not None and column.kind is Kind.BINARY and column.size == _ADDRESS_SIZES.get(hint):
        return replace(column, kind=hint)
    return column


_ADDRESS_SIZES: Final = {Kind.UUID: 16, Kind.INET6: 16, Kind.INET4: 4}


def _kind_of_text(wire: Wire, charset: str) -> Kind:
    fixed = wire.code == codes.STRING
    if charset == BINARY:
        return Kind.BINARY if fixed else Kind.BLOB
    return Kind.CHAR if fixed else Kind.TEXT


def _size(wire: Wire) -> int:
    return (wire.meta >> 8) * 8 + (wire.meta & 0xFF) if wire.code == codes.BIT else wire.meta


def _digits(wire: Wire) -> int:
    if wire.code == codes.NEWDECIMAL:
        return wire.meta >> 8
    return wire.meta if wire.code in {codes.TIME2, codes.DATETIME2, codes.TIMESTAMP2} else 0


def _key(extra: Mapping[int, bytes]) -> tuple[int, ...]:
    if PRIMARY_KEY in extra:
        return tuple(_numbers(extra[PRIMARY_KEY]))
    return tuple(_numbers(extra.get(PRIMARY_KEY_PREFIX, b"")))[::2]  # each followed by the prefix's length


def _count(wires: list[Wire], of_codes: Collection[int]) -> int:
    return sum(wire.code in of_codes for wire in wires)


def _bits(data: bytes) -> Iterator[bool]:
    return (bool(byte & 128 >> place) for byte in data for place in range(8))


def _numbers(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        number, at = length_coded(data, at)
        yield number


def _texts(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size, at = length_coded(data, at)
        yield data[at : at + size]
        at += size


def _members(data: bytes) -> Iterator[list[bytes]]:
    at = 0
    while at < len(data):
        count, at = length_coded(data, at)
        members: list[bytes] = []
        for _ in range(count):
            size, at = length_coded(data, at)
            members.append(data[at : at + size])
            at += size
        yield members


def _short_text(said: bytes, at: int) -> tuple[str, int]:
    """A name with its length in one byte, closed by a zero byte."""
    end = at + 1 + said[at]
    return said[at + 1 : end].decode(), end + 1
