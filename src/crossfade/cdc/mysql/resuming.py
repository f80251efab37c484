"""Where a log is read on, on the server that answers now: it may be another one than the server that was read.

| counted by | another server |
|---|---|
| GTIDs of MariaDB | read on by GTID: versions are the same there. The server refuses what it does not have |
| GTIDs of MySQL | read on by GTID, in the next epoch: files and offsets, which versions count, begin anew there |
| file and offset | refused: the same name and offset are another place there |
"""

from __future__ import annotations

from collections.abc import Callable

from crossfade.cdc.mysql.errors import SourceMoved
from crossfade.cdc.mysql.positions import Counting, Position, mariadb_domains
from crossfade.cdc.mysql.source import Connection, Source


def read_on_from(source: Source, position: Position, keep: Callable[[Position], None]) -> Position:
    """The position to give to a reader of the log, kept where it is another one. Raises SourceMoved, SourceError."""
    with source.connect() as connection:
        found = resumed(connection, position)
    if found != position:
        keep(found)
    return found


def resumed(connection: Connection, position: Position) -> Position:
    """The position to read on from; where it is another one, it is to be kept before anything is read.

    Raises SourceMoved, SourceError.
    """
    if position.counting is Counting.MARIADB:
        return position
    server = connection.server_name()
    if position.counting is Counting.MYSQL:
        return position if server == position.server else position.moved(server)
    if server != position.server:
        raise SourceMoved(f"the server {server} answers, and files and offsets are those of server {position.server}")
    if position.gtids:  # MariaDB's server ids are whatever somebody has set, often 1 on all of them
        _require_history(connection, position)
    return position


def _require_history(connection: Connection, position: Position) -> None:
    """The transactions before this place in this file are those that were read; a file that is gone is told later."""
    found = connection.rows(f"SELECT BINLOG_GTID_POS('{position.file}', {position.offset})")[0][0]
    if found is not None and mariadb_domains(found.decode()) != mariadb_domains(position.gtids):
        raise SourceMoved(
            f"{position.file} up to {position.offset} ends with {found.decode() or 'nothing'} on the server that"
            f" answers, and ended with {position.gtids} when it was read"
        )
