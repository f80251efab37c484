"""A column, whether information_schema tells of it or the log does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from crossfade.cdc.mysql.charsets import BINARY


class Kind(StrEnum):
    """What is in a column, by what becomes of it. Names are those of information_schema where it has one."""

    INTEGER = "integer"  # of every width, TINYINT(1) too
    DECIMAL = "decimal"
    FLOAT = "float"
    DOUBLE = "double"
    YEAR = "year"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    TIMESTAMP = "timestamp"
    BIT = "bit"
    ENUM = "enum"
    SET = "set"
    CHAR = "char"
    TEXT = "text"  # VARCHAR and the TEXTs
    BINARY = "binary"
    BLOB = "blob"  # VARBINARY and the BLOBs
    JSON = "json"
    GEOMETRY = "geometry"
    UUID = "uuid"
    INET4 = "inet4"
    INET6 = "inet6"


@dataclass(frozen=True, slots=True)
class Column:
    """`size` is in bytes for BINARY and in bits for BIT; `digits` counts those after the point, of a second too.

    `members` are those of an ENUM or a SET, in their order.
    """

    name: str
    kind: Kind
    unsigned: bool = False
    size: int = 0
    digits: int = 0
    charset: str = BINARY
    members: tuple[str, ...] = ()
