"""The log's events, taken apart as far as the order of transactions needs it; rows are `table_map.py`'s.

https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Binary__log__event.html and
https://mariadb.com/kb/en/replication-protocol/
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple

QUERY, STOP, ROTATE, FORMAT_DESCRIPTION, XID, LOAD_QUERY, TABLE_MAP = 2, 3, 4, 15, 16, 18, 19
WRITE_ROWS_1, UPDATE_ROWS_1, DELETE_ROWS_1 = 23, 24, 25
HEARTBEAT, WRITE_ROWS, UPDATE_ROWS, DELETE_ROWS = 27, 30, 31, 32
GTID, ANONYMOUS_GTID, XA_PREPARE, PARTIAL_UPDATE_ROWS, TRANSACTION_PAYLOAD, HEARTBEAT_2 = 33, 34, 38, 39, 40, 41
GTID_TAGGED = 42
MARIADB_GTID, MARIADB_GTID_LIST = 162, 163
QUERY_COMPRESSED, WRITE_ROWS_COMPRESSED_1, UPDATE_ROWS_COMPRESSED_1, DELETE_ROWS_COMPRESSED_1 = 165, 166, 167, 168
WRITE_ROWS_COMPRESSED, UPDATE_ROWS_COMPRESSED, DELETE_ROWS_COMPRESSED = 169, 170, 171

WRITES: Final = frozenset({WRITE_ROWS_1, WRITE_ROWS, WRITE_ROWS_COMPRESSED_1, WRITE_ROWS_COMPRESSED})
UPDATES: Final = frozenset({UPDATE_ROWS_1, UPDATE_ROWS, UPDATE_ROWS_COMPRESSED_1, UPDATE_ROWS_COMPRESSED})
DELETES: Final = frozenset({DELETE_ROWS_1, DELETE_ROWS, DELETE_ROWS_COMPRESSED_1, DELETE_ROWS_COMPRESSED})
ROWS: Final = WRITES | UPDATES | DELETES
COMPRESSED: Final = frozenset(range(QUERY_COMPRESSED, DELETE_ROWS_COMPRESSED + 1))
VERSION_2: Final = frozenset(
    {WRITE_ROWS, UPDATE_ROWS, DELETE_ROWS, *range(WRITE_ROWS_COMPRESSED, DELETE_ROWS_COMPRESSED + 1)}
)

HEADER: Final = struct.Struct("<IBIIIH")
HEADER_SIZE: Final = HEADER.size  # 19
CHECKSUM_SIZE: Final = 4
CRC32: Final = 1  # the algorithm's number

QUERY_HEADER_SIZE: Final = 13
OF_FILE_SIZE: Final = 13

# Flags of MariaDB's GTID event.
STANDALONE: Final = 1  # a statement by itself: no commit follows


class Event(NamedTuple):
    """One event without its checksum. `end` is the offset behind it in its file; 0 for one that is in no file.

    A tuple, as four of them are made for a row that is a transaction of its own.
    """

    at: int
    kind: int
    server: int
    size: int
    end: int
    body: bytes


def event_of(packet: bytes, checksums: bool) -> Event:
    """The event in a packet, whose first byte is the protocol's own.

    Checksums are left to the connection, and to the source, which looks at them when it reads its log.
    """
    at, kind, server, size, end, _flags = HEADER.unpack_from(packet, 1)
    body = packet[1 + HEADER_SIZE : -CHECKSUM_SIZE] if checksums else packet[1 + HEADER_SIZE :]
    return Event(at, kind, server, size, end, body)


def says_checksums(format_description: bytes) -> bool | None:
    """True if the events behind this one have checksums; None where a packet is no description of the format.

    The description has five bytes for it at its end whatever is used: the algorithm, and its own checksum.
    """
    if format_description[5] != FORMAT_DESCRIPTION:
        return None
    return format_description[-CHECKSUM_SIZE - 1] == CRC32


def rotation(body: bytes) -> tuple[str, int]:
    """The file that follows, and the offset in it."""
    return body[8:].decode(), int.from_bytes(body[:8], "little")


def mariadb_gtid(body: bytes, server: int) -> tuple[int, int, int, int]:
    """Domain, server, sequence number and flags of the transaction that begins."""
    sequence, domain, flags = struct.unpack_from("<QIB", body)
    return domain, server, sequence, flags


def mysql_gtid(body: bytes) -> tuple[str, int]:
    """The server's UUID and the transaction's number there."""
    return str(uuid.UUID(bytes=body[1:17])), int.from_bytes(body[17:25], "little")


@dataclass(frozen=True, slots=True)
class Query:
    """A statement of the log, and the schema that was in use."""

    schema: str
    text: str


def query(body: bytes, compressed: bool = False, *, of_load: bool = False) -> Query:
    """The statement of a query event; what is no UTF-8 in it is shown as such, names are.

    `of_load`: of a LOAD DATA that was logged as a statement, which tells of its file as well.
    """
    _thread, _seconds, schema_size, _error, status_size = struct.unpack_from("<IIBHH", body)
    at = QUERY_HEADER_SIZE + (OF_FILE_SIZE if of_load else 0) + status_size
    text = body[at + schema_size + 1 :]
    return Query(
        body[at : at + schema_size].decode("utf-8", "backslashreplace"),
        (inflated(text) if compressed else text).decode("utf-8", "backslashreplace"),
    )


def inflated(data: bytes) -> bytes:
    """What MariaDB compressed: a byte with the size of the length that follows, then zlib's stream."""
    width = data[0] & 7
    return zlib.decompress(data[1 + width :])


def inflated_size(body: bytes, at: int) -> int:
    """How many bytes `inflated` gives of what begins at this place."""
    width = body[at] & 7
    return int.from_bytes(body[at + 1 : at + 1 + width])


def length_coded(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and the place behind it."""
    first = data[at]
    if first < 251:
        return first, at + 1
    width = {252: 2, 253: 3, 254: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width
