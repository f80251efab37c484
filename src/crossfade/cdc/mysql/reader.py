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
from crossfade.cdc.mysql.positions import (
    OFFSET_BITS,
    Counting,
    GtidSet,
    Position,
    begins,
    mariadb_domains,
    mariadb_text,
)
from crossfade.cdc.mysql.resuming import resumed
from crossfade.cdc.mysql.rows import has_whole_rows, images, size_of_rows, table_number
from crossfade.cdc.mysql.schema import read_charsets, read_hints
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.statements import Meaning, meaning, names_any
from crossfade.cdc.mysql.table_map import Table, Tables
from crossfade.cdc.mysql.transactions import Transaction
from crossfade.cdc.mysql.watermarks import Watermark
from crossfade.cdc.mysql.wire import Wire

HEARTBEAT_SECONDS: Final = 1.0  # how far behind an idle source's position is
AS_ROWS: Final = "SET GLOBAL binlog_format = ROW, take the right to change it from applications"
REFUSE_NEXT: Final = (
    "begin anew behind it, run the backfill again, then `crossfade verify --repair --execute`; both find rows that went"
    " untold"
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

    `server_id` has to be one that no other replica of the source has. `past_removals`: transactions that RowsUntold
    named and that were dealt with; rows that they do not tell are passed over. Raises SourceGone (read on from the last
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
        past_removals: Collection[str] = (),
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._position: Position | None = position
        self._counting, self._epoch, self._server = position.counting, position.epoch, position.server
        self._source = source
        self._followed = frozenset(tables)
        self._watermarks = watermarks
        self._past_removals = frozenset(past_removals)
        self._heartbeat_seconds = heartbeat_seconds
        self._clock = clock
        with source.connect() as connection:
            charsets = read_charsets(connection)
            self._mariadb = connection.mariadb
            if resumed(connection, position) != position:
                raise SourceError(
                    f"the server {connection.server_name()} answers, and the position is one of {position.server}",
                    next_step="give it the position that `read_on_from` finds and keeps",
                )
        self._chosen = self._followed | {watermarks}
        self._tables = Tables(self._chosen.__contains__, charsets, self._hints, mariadb=self._mariadb)
        self._numbers: dict[int, Table | None] = {}
        self._file = position.file
        self._behind = position.file, position.offset
        self._state = Transaction(Version(position.epoch, 0))
        self._mysql_gtids = GtidSet(position.gtids) if position.counting is Counting.MYSQL else GtidSet()
        self._mysql_gtid: tuple[str, int] | None = None
        self._domains = mariadb_domains(position.gtids) if self._mariadb else {}
        self._domain: tuple[int, int, int] | None = None
        self._said_at = clock()
        self._wire = Wire(source, position, server_id=server_id, heartbeat_seconds=heartbeat_seconds)

    @property
    def position(self) -> Position:
        """Behind the last transaction that was read whole."""
        if self._position is None:
            gtids = ""
            if self._mariadb:
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
                place = self._state.next_place(size_of_rows(event))
                table = self._numbers.get(table_number(event))
                if table is not None:
                    yield from self._rows(event, table, place)
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

    def _rows(self, event: Event, table: Table, place: int) -> Iterator[Told]:
        state = self._state
        if not state.open:
            raise ChangeUnreadable(f"rows of {table.name} stand outside of any transaction in the log")
        if not has_whole_rows(event):
            self._refuse(
                f"the log has only parts of rows of {table.name}",
                "SET GLOBAL binlog_row_image = FULL (and in sessions that set it)",
            )
            return
        if table.name == self._watermarks:
            yield from self._marks(event, table)
            return
        state.told = True
        epoch, position = state.begun.epoch, state.begun.position
        for before, after, at in images(event, table):
            version = Version(epoch, position, place + at)
            if before is None:
                assert after is not None  # noqa: S101  an insert
                yield Change(table.name, table.key_of(after), after, version, None, event.at)
                continue
            key = table.key_of(before)
            if after is None:
                yield Change(table.name, key, None, version, before, event.at)
                continue
            new_key = table.key_of(after)
            if new_key != key:
                yield Change(table.name, key, None, version, before, event.at)
                version, before = Version(epoch, position, place + at + 1), None
            yield Change(table.name, new_key, after, version, before, event.at)

    def _marks(self, event: Event, table: Table) -> Iterator[Watermark]:
        for _, after, _ in images(event, table):
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
        elif kind in {events.QUERY, events.QUERY_COMPRESSED, events.LOAD_QUERY}:
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
                next_step="use one gtid_domain_id; `crossfade backfill --from-now --execute` begins anew behind it, and"
                " counts files and offsets",
            )
        self._begin(event, sequence)
        self._state.standalone = bool(flags & events.STANDALONE)

    def _begin(self, event: Event, sequence: int) -> None:
        begun = begins(self._counting, self._epoch, sequence, self._file, event.end - event.size)
        self._state = Transaction(begun, open=True)

    def _statement(self, event: Event) -> Iterator[Told]:
        of_load = event.kind == events.LOAD_QUERY
        query = events.query(event.body, event.kind == events.QUERY_COMPRESSED, of_load=of_load)
        means = meaning(query.text)
        state = self._state
        if means is Meaning.BEGIN:
            if not state.open:  # a log without GTIDs
                self._begin(event, 0)
            state.explicit = True
            return
        if means is Meaning.SAVEPOINT:
            return
        if means in {Meaning.ROLLBACK, Meaning.UNDONE, Meaning.PREPARE}:
            self._refuse_rolled_back()
        if means is Meaning.UNDONE:
            return
        if means in {Meaning.COMMIT, Meaning.ROLLBACK}:
            yield from self._ended(event)
            return
        yield from self._change_of_schema(query, means)
        if state.standalone or not (state.explicit or self._mariadb or not state.open):
            yield from self._ended(event)

    def _refuse_rolled_back(self) -> None:
        """Rows were told that are not there, or not yet, or never will be."""
        if self._state.told:
            self._refuse(
                "the log has rows of followed tables in a transaction that was rolled back or only prepared (XA)",
                "keep the followed tables in InnoDB, out of XA transactions and out of those that write other engines'"
                " tables",
            )

    def _refuse(self, what: str, first: str = "") -> None:
        """Raises RowsUntold, unless somebody says that this transaction was dealt with."""
        where = self._where()
        if where not in self._past_removals:
            raise RowsUntold(what, where=where, first=first)

    def _where(self) -> str:
        """The transaction under way, as `past_removals` names it: by its GTID, or by its place in its file."""
        if self._domain:
            return "-".join(map(str, self._domain))
        if self._mysql_gtid:
            return ":".join(map(str, self._mysql_gtid))
        return f"{self._file}:{self._state.begun.position % (1 << OFFSET_BITS)}"

    def _change_of_schema(self, query: events.Query, means: Meaning) -> Iterator[Told]:
        if means is Meaning.FUNCTION:
            self._refuse(
                f"a session called a function as a statement, and which rows it wrote is not told: {query.text[:200]}",
                AS_ROWS,
            )
        if means not in {Meaning.ROWS, Meaning.REMOVAL, Meaning.SCHEMA}:
            return
        table = names_any(query.text, query.schema, self._followed)
        if table and means is Meaning.ROWS:
            self._refuse(
                f"a session wrote {table} as a statement, not as rows: {query.text[:200]}",
                AS_ROWS,
            )
        if table and means is Meaning.REMOVAL:
            self._refuse(f"rows of {table} are gone and the log does not name them: {query.text[:200]}")
        if means is not Meaning.ROWS:
            self._tables.forget()
            if table:
                yield SchemaChange(table, query.text, self.position)

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
        self._state = Transaction(state.begun)
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


def position_now(source: Source, *, epoch: int = 0, file_only: bool = False) -> Position:
    """Return where the source's log ends now. Raises SourceError where it writes none."""
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
