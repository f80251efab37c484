"""A source's log as changes of rows, commits and heart-beats, from a position on.

Changes of a transaction come as they are read, never gathered: a transaction may be larger than memory. What comes
after the last of them, a `Commit`, is the position to keep. Whoever dies in between reads the same changes with the
same versions again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from crossfade.cdc.changes import Change, ChangeUnreadable, Version
from crossfade.cdc.mysql import events
from crossfade.cdc.mysql.columns import Kind
from crossfade.cdc.mysql.errors import RowsUntold, SourceError
from crossfade.cdc.mysql.events import Event
from crossfade.cdc.mysql.positions import Counting, GtidSet, Position, begins, mariadb_domains, mariadb_text
from crossfade.cdc.mysql.rows import images, table_number
from crossfade.cdc.mysql.schema import read_charsets, read_hints
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.statements import Meaning, meaning, names_any
from crossfade.cdc.mysql.table_map import Table, Tables
from crossfade.cdc.mysql.watermarks import Watermark
from crossfade.cdc.mysql.wire import Wire

HEARTBEAT_SECONDS: Final = 1.0  # how far behind an idle source's position is
REFUSE_NEXT: Final = (
    "run the backfill again, then `crossfade verify --repair --execute`; both find rows that went untold"
)


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction has ended: all of its changes have been told. The position is behind it."""

    position: Position
    committed_at: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """All there is up to this position has been told, though nothing of it was of a followed table.

    `at_end` is true where the source itself said that it has no more.
    """

    position: Position
    at_end: bool


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A followed table's columns may be others from here on. What ALTER TABLE did to rows is in no log."""

    table: str
    statement: str
    position: Position


Told = Change | Commit | Heartbeat | SchemaChange | Watermark


class LogReader:
    """Reads from `position` on. Iterate it once; it ends by an error, by `close()` from another thread, or never.

    `server_id` has to be one that no other replica of the source has. Raises SourceGone (read on from the last
    position that was told), LogGone, RowsUntold, TableUnfit, ChangeUnreadable.
    """

    def __init__(
        self,
        source: Source,
        tables: Collection[str],
        position: Position,
        *,
        server_id: int,
        watermarks: str = "",
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._position: Position | None = position
        self._counting, self._epoch, self._server = position.counting, position.epoch, position.server
        self._source = source
        self._followed = frozenset(tables)
        self._watermarks = watermarks
        self._heartbeat_seconds = heartbeat_seconds
        self._clock = clock
        with source.connect() as connection:
            charsets = read_charsets(connection)
            self._mariadb = connection.mariadb
            if position.counting is not Counting.MARIADB:
                _require_same(position, connection.server_name())
        self._chosen = self._followed | {watermarks}
        self._tables = Tables(self._chosen.__contains__, charsets, self._hints, mariadb=self._mariadb)
        self._numbers: dict[int, Table | None] = {}
        self._file = position.file
        self._behind = position.file, position.offset
        self._state = _Transaction(Version(position.epoch, 0))
        self._mysql_gtids = GtidSet(position.gtids) if position.counting is Counting.MYSQL else GtidSet()
        self._mysql_gtid: tuple[str, int] | None = None
        self._domains = mariadb_domains(position.gtids) if position.counting is Counting.MARIADB else {}
        self._domain: tuple[int, int, int] | None = None
        self._said_at = clock()
        self._wire = Wire(source, position, server_id=server_id, heartbeat_seconds=heartbeat_seconds)

    @property
    def position(self) -> Position:
        """Behind the last transaction that was read whole."""
        if self._position is None:
            gtids = ""
            if self._counting is Counting.MARIADB:
                gtids = mariadb_text(self._domains)
            elif self._counting is Counting.MYSQL:
                gtids = str(self._mysql_gtids)
            self._position = Position(
                self._counting, gtids, self._behind[0], self._behind[1], self._server, self._epoch
            )
        return self._position

    def close(self) -> None:
        """End the connection."""
        self._wire.close()

    def __iter__(self) -> Iterator[Told]:
        for event in self._wire.events():
            if event.kind == events.TABLE_MAP:
                self._numbers[table_number(event)] = self._tables.of_map(event.body)
            elif event.kind in events.ROWS:
                table = self._numbers.get(table_number(event))
                if table is not None:
                    yield from self._rows(event, table)
            elif event.kind == events.XID:
                yield from self._ended(event)
            else:
                yield from self._other(event)

    def _ended(self, event: Event) -> Iterator[Told]:
        """The commit; or, where other tables keep the source busy, from time to time the position that moves too."""
        commit = self._commit(event)
        now = self._clock()
        if commit is not None:
            self._said_at = now
            yield commit
        elif now - self._said_at >= self._heartbeat_seconds:
            self._said_at = now
            yield Heartbeat(self.position, at_end=False)

    # --- rows

    def _rows(self, event: Event, table: Table) -> Iterator[Told]:
        state = self._state
        if not state.open:
            raise ChangeUnreadable(f"rows of {table.name} stand outside of any transaction in the log")
        if table.name == self._watermarks:
            yield from self._marks(event, table)
            return
        state.told = True
        for before, after in images(event, table):
            if before is None:
                assert after is not None  # noqa: S101  an insert
                yield Change(table.name, table.key_of(after), after, state.version(table.name), None, event.at)
                continue
            key = table.key_of(before)
            if after is None:
                yield Change(table.name, key, None, state.version(table.name), before, event.at)
                continue
            new_key = table.key_of(after)
            if new_key != key:
                yield Change(table.name, key, None, state.version(table.name), before, event.at)
                before = None
            yield Change(table.name, new_key, after, state.version(table.name), before, event.at)

    def _marks(self, event: Event, table: Table) -> Iterator[Watermark]:
        for _, after in images(event, table):
            if after is not None:
                yield Watermark(str(after["name"]), str(after["mark"]), self._state.begun)

    # --- everything else

    def _other(self, event: Event) -> Iterator[Told]:
        kind = event.kind
        if kind == events.MARIADB_GTID:
            self._begin_mariadb(event)
        elif kind == events.GTID:
            self._mysql_gtid = events.mysql_gtid(event.body)
            self._begin(event, self._mysql_gtid[1])
        elif kind == events.ANONYMOUS_GTID:
            self._begin(event, 0)
        elif kind in {events.QUERY, events.QUERY_COMPRESSED}:
            yield from self._statement(event)
        elif kind == events.ROTATE:
            self._rotate(event)
        elif kind in {events.HEARTBEAT, events.HEARTBEAT_2}:
            if not self._state.open:
                self._said_at = self._clock()
                yield Heartbeat(self.position, at_end=True)
        elif kind == events.XA_PREPARE:
            self._refuse_rolled_back()
            yield from self._ended(event)
        elif kind in _UNREADABLE:
            raise ChangeUnreadable(f"the log has {_UNREADABLE[kind][0]}", next_step=_UNREADABLE[kind][1])

    def _rotate(self, event: Event) -> None:
        self._file, offset = events.rotation(event.body)
        if not self._state.open:
            self._behind = self._file, offset
            self._position = None

    def _begin_mariadb(self, event: Event) -> None:
        domain, server, sequence, flags = events.mariadb_gtid(event.body, event.server)
        self._domain = domain, server, sequence
        known = self._domains
        if self._counting is Counting.MARIADB and known and domain not in known:
            raise ChangeUnreadable(
                f"the source's log has transactions of a second domain ({domain}): their order is not told",
                next_step="use one gtid_domain_id, or begin anew: files and offsets are counted then",
            )
        self._begin(event, sequence)
        self._state.standalone = bool(flags & events.STANDALONE)

    def _begin(self, event: Event, sequence: int) -> None:
        begun = begins(self._counting, self._epoch, sequence, self._file, event.end - event.size)
        self._state = _Transaction(begun, open=True)

    def _statement(self, event: Event) -> Iterator[Told]:
        query = events.query(event.body, event.kind == events.QUERY_COMPRESSED)
        means = meaning(query.text)
        state = self._state
        if means is Meaning.BEGIN:
            if not state.open:  # a log without GTIDs
                self._begin(event, 0)
            state.explicit = True
            return
        if means is Meaning.SAVEPOINT:
            return
        if means in {Meaning.ROLLBACK, Meaning.PREPARE}:
            self._refuse_rolled_back()
        if means in {Meaning.COMMIT, Meaning.ROLLBACK}:
            yield from self._ended(event)
            return
        yield from self._change_of_schema(query, means)
        if state.standalone or not (state.explicit or self._mariadb or not state.open):
            yield from self._ended(event)

    def _refuse_rolled_back(self) -> None:
        """Rows were told that are not there, or not yet, or never will be."""
        if self._state.told:
            raise RowsUntold(
                "the log has rows of followed tables in a transaction that was rolled back or only prepared (XA)",
                next_step="keep the followed tables in InnoDB and out of XA transactions; " + REFUSE_NEXT,
            )

    def _change_of_schema(self, query: events.Query, means: Meaning) -> Iterator[Told]:
        if means not in {Meaning.ROWS, Meaning.REMOVAL, Meaning.SCHEMA}:
            return
        table = names_any(query.text, query.schema, self._followed)
        if means is Meaning.SCHEMA:
            self._tables.forget()
            if table:
                yield SchemaChange(table, query.text, self.position)
        elif table and means is Meaning.ROWS:
            raise RowsUntold(
                f"a session wrote {table} as a statement, not as rows: {query.text[:200]}",
                next_step="SET GLOBAL binlog_format = ROW, take the right to change it from applications; "
                + REFUSE_NEXT,
            )
        elif table:
            raise RowsUntold(
                f"rows of {table} are gone and the log does not name them: {query.text[:200]}", next_step=REFUSE_NEXT
            )

    def _commit(self, event: Event) -> Commit | None:
        """The transaction is behind us, its GTID and its place in the file too. None where nothing of it was told."""
        state = self._state
        if self._domain:
            domain, server, sequence = self._domain
            self._domains[domain] = server, sequence
        if self._mysql_gtid:
            self._mysql_gtids.add(*self._mysql_gtid)
        self._behind = self._file, event.end
        self._position = self._domain = self._mysql_gtid = None
        self._state = _Transaction(state.begun)
        return Commit(self.position, event.at) if state.told else None

    def _hints(self, table: str) -> dict[str, Kind]:
        with self._source.connect() as connection:
            return read_hints(connection, table)


_UNREADABLE: Final = {
    events.PARTIAL_UPDATE_ROWS: ("parts of JSON values", "SET GLOBAL binlog_row_value_options = ''; " + REFUSE_NEXT),
    events.TRANSACTION_PAYLOAD: (
        "compressed transactions",
        "SET GLOBAL binlog_transaction_compression = OFF; " + REFUSE_NEXT,
    ),
    events.GTID_TAGGED: ("GTIDs with tags", "set gtid_next without a tag; " + REFUSE_NEXT),
}


class _Transaction:
    """The one under way: where it begins, and how many rows of each table were told.

    Rows are counted for each table by itself, so that following one table more changes no number of another's rows.
    """

    __slots__ = ("_counts", "begun", "explicit", "open", "standalone", "told")

    def __init__(self, begun: Version, *, open: bool = False) -> None:  # noqa: A002
        self.begun = begun
        self.open = open
        self.explicit = False
        self.standalone = False
        self.told = False
        self._counts: dict[str, int] = {}

    def version(self, table: str) -> Version:
        """The next row's."""
        count = self._counts.get(table, 0)
        self._counts[table] = count + 1
        return Version(self.begun.epoch, self.begun.position, count)


def _require_same(position: Position, server: str) -> None:
    """Files and offsets mean something on one server only. Raises SourceError."""
    if server == position.server:
        return
    by_gtid = position.counting is Counting.MYSQL
    raise SourceError(
        f"the server {server} answers, and the position is one of the server {position.server}",
        next_step="keep `position.moved(server)` first, then read on from it"
        if by_gtid
        else "connect to that server, or run the backfill again from now on in a new epoch",
    )


def position_now(source: Source, *, epoch: int = 0, file_only: bool = False) -> Position:
    """Where the source's log ends at this moment. Raises SourceError where it writes none."""
    with source.connect() as connection:
        status = connection.texts_or_none("SHOW BINARY LOG STATUS") or connection.texts_or_none("SHOW MASTER STATUS")
        if not status:
            raise SourceError("the source writes no log", next_step="see `crossfade check` for what to set")
        file, offset = status[0][:2]
        server = connection.server_name()
        if connection.mariadb:
            gtids = connection.texts(f"SELECT BINLOG_GTID_POS('{file}', {offset})")[0][0]
            many = len(mariadb_domains(gtids)) > 1
            counting = Counting.FILE if many or file_only else Counting.MARIADB
        else:
            mode = connection.texts("SELECT @@gtid_mode")[0][0]
            gtids = status[0][4] if mode == "ON" else ""
            counting = Counting.MYSQL if mode == "ON" and not file_only else Counting.FILE
    return Position(counting, gtids, file, int(offset), server, epoch)
