"""A connection as a replica: packets of the log, as fast as the socket gives them.

PyMySQL brings the connection to where the log is asked for; its private names are in this file alone. Its own way to
read packets costs as much as reading a row does, so the socket is read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

import pymysql

from crossfade.cdc.mysql.errors import LogGone, SourceError, SourceGone, SourceMoved
from crossfade.cdc.mysql.events import Event, event_of, says_checksums
from crossfade.cdc.mysql.positions import Counting, GtidSet, Position
from crossfade.cdc.mysql.source import ACCESS_DENIED, Connection, Source, refusal

COM_BINLOG_DUMP, COM_REGISTER_SLAVE, COM_BINLOG_DUMP_GTID = 18, 21, 30
READ_BYTES: Final = 256 * 1024
PACKET_FULL: Final = 0xFFFFFF  # a packet of that size goes on in the next
ERROR_MARK, END_MARK = 0xFF, 0xFE
END_SIZE_MAX: Final = 9
CANNOT_READ_LOG: Final = 1236  # the source's number for every reason not to send its log
SAME_SERVER_ID: Final = 4052  # MariaDB's own for one of these reasons
HEARTBEATS_MISSED_MAX: Final = 3
EVENTS_AT_THE_END_SECONDS: Final = 10.0  # beside that: a source that is busy sends a heartbeat late


class Wire:
    """One connection to one source's log, from a position on. For one thread."""

    def __init__(self, source: Source, position: Position, *, server_id: int, heartbeat_seconds: float) -> None:
        """Connect and ask for the log. Raises SourceError."""
        patience = HEARTBEATS_MISSED_MAX * heartbeat_seconds + EVENTS_AT_THE_END_SECONDS
        self._patience = patience
        self._connection = source.connect()
        try:
            _prepare(self._connection, position, heartbeat_seconds)
            (checksum,) = self._connection.texts("SELECT @@global.binlog_checksum")[0]
            self._checksums = checksum != "NONE"  # of what comes before a file says how it was written
            _ask(self._connection.raw, position, server_id)
            self._socket: Any = self._connection.raw._sock
            self._socket.settimeout(patience)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; calling it twice is fine."""
        self._connection.raw._force_close()

    def events(self) -> Iterator[Event]:
        """Every event, without end. Raises SourceGone, LogGone, SourceError."""
        for packet in self._packets():
            says = says_checksums(packet)
            yield event_of(packet, self._checksums if says is None else True)
            if says is not None:
                self._checksums = says

    def _packets(self) -> Iterator[bytes]:
        held = b""
        for payload in self._payloads():
            if len(payload) == PACKET_FULL:
                held += payload
                continue
            whole = held + payload if held else payload
            held = b""
            if whole[0]:
                self._raise(whole)
            yield whole

    def _payloads(self) -> Iterator[bytes]:
        receive = self._socket.recv
        kept = b""
        at = 0
        while True:
            if len(kept) - at >= 4:
                end = at + 4 + (kept[at] | kept[at + 1] << 8 | kept[at + 2] << 16)
                if end <= len(kept):
                    yield kept[at + 4 : end]
                    at = end
                    continue
                missing = end - len(kept)
            else:
                missing = 4
            kept, at = kept[at:] + self._more(receive, missing), 0

    def _more(self, receive: Any, missing: int) -> bytes:
        """At least so many bytes more; what is large is gathered, not appended piece by piece."""
        parts: list[bytes] = []
        while missing > 0:
            try:
                part = receive(max(READ_BYTES, missing))
            except TimeoutError:
                raise SourceGone(
                    f"the source's log was silent for {self._patience:.0f} s, without even a heartbeat",
                    next_step="see whether the source answers; the log is read on from the same position",
                ) from None
            except OSError as error:
                raise SourceGone(f"the connection to the source's log broke: {error}") from error
            if not part:
                raise SourceGone("the source closed the connection to its log")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _raise(self, packet: bytes) -> None:
        if packet[0] == END_MARK and len(packet) <= END_SIZE_MAX:
            raise SourceGone(
                "the source ended its log: it is being shut down, or another reader has the same server id"
            )
        if packet[0] != ERROR_MARK:
            raise SourceError(f"the source sent a packet that begins with {packet[0]}")
        code = int.from_bytes(packet[1:3], "little")
        words = packet[3:].decode("utf-8", "backslashreplace")
        if code in {CANNOT_READ_LOG, SAME_SERVER_ID}:
            raise not_sent(words)
        raise refusal(pymysql.OperationalError(code, words), "reading the source's log")


def not_sent(words: str) -> SourceError | LogGone:
    """Why the source does not send its log from a position, by its own words: there is one number for all of it."""
    if "server_id" in words or "server_uuid" in words:
        return SourceGone(f"another reader has the same server id: {words}", next_step="give each its own")
    if "diverged" in words or "more GTIDs than" in words:
        return SourceMoved(f"the server that answers went on without transactions that were read: {words}")
    if "which is not in the master's binlog" in words:  # MariaDB's, of one that has nothing beyond it either
        return SourceGone(
            f"the server that answers has not come as far as what was read: {words}",
            next_step="wait until it has, or go back to the server that was read",
        )
    return LogGone(
        f"the source cannot send its log from where it was to be read on: {words}",
        next_step="run the backfill again from now on, and keep the log longer "
        "(binlog_expire_logs_seconds, on Amazon RDS 'binlog retention hours')",
    )


def _prepare(connection: Connection, position: Position, heartbeat_seconds: float) -> None:
    nanoseconds = int(heartbeat_seconds * 1_000_000_000)
    statements = [
        "SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum",
        f"SET @master_heartbeat_period = {nanoseconds}, @source_heartbeat_period = {nanoseconds}",
        "SET @mariadb_slave_capability = 4",  # knows GTIDs
    ]
    if position.counting is Counting.MARIADB:
        statements += [
            f"SET @slave_connect_state = '{position.gtids}', @slave_gtid_strict_mode = 1",
            "SET @slave_gtid_ignore_duplicates = 0",
        ]
    for statement in statements:
        _ = connection.rows(statement)


def _ask(raw: Any, position: Position, server_id: int) -> None:
    try:
        _register(raw, server_id)
        if position.counting is Counting.MYSQL:
            gtids = GtidSet(position.gtids).encoded()
            raw._execute_command(
                COM_BINLOG_DUMP_GTID,
                struct.pack("<HIIQI", 4, server_id, 0, 4, len(gtids)) + gtids,  # 4: through GTIDs
            )
        else:
            by_gtid = position.counting is Counting.MARIADB
            file, offset = ("", 4) if by_gtid else (position.file, position.offset)
            raw._execute_command(COM_BINLOG_DUMP, struct.pack("<IHI", offset, 0, server_id) + file.encode())
    except (pymysql.MySQLError, OSError) as error:
        raise refusal(error, "asking for the source's log") from error


def _register(raw: Any, server_id: int) -> None:
    raw._execute_command(COM_REGISTER_SLAVE, struct.pack("<I", server_id) + bytes(3 + 2 + 4 + 4))
    _ = raw._read_packet()


def may_replicate(source: Source, server_id: int) -> bool:
    """True if this account may read the log: it registers as a replica, which the server forgets at once."""
    with source.connect() as connection:
        try:
            _register(connection.raw, server_id)
        except pymysql.MySQLError as error:
            if error.args and error.args[0] in ACCESS_DENIED:
                return False
            raise refusal(error, "registering as a replica") from error
    return True
