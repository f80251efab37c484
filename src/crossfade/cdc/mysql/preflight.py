"""What has to be set, and allowed, on a source before its log can be followed: each lack with what mends it.

All of it is looked at before anything runs, and all that is missing is told at once. A right is tried rather than
read from SHOW GRANTS, where roles and wildcards hide it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.mysql.charsets import BINARY, decoder
from crossfade.cdc.mysql.errors import SourceError, TableUnfit
from crossfade.cdc.mysql.positions import Counting, GtidSet, Position, file_number, mariadb_domains
from crossfade.cdc.mysql.schema import SourceTable, read_table
from crossfade.cdc.mysql.source import Connection, text_literal
from crossfade.cdc.mysql.text_values import quoted
from crossfade.cdc.mysql.watermarks import Watermarks

DAY_SECONDS: Final = 86_400
RETENTION_SECONDS_MIN: Final = 3 * DAY_SECONDS  # a weekend in which nobody looks

# What each variable must be. Those that a server does not have are of another version, and need nothing.
SETTINGS: Final = (
    ("log_bin", "ON", "write log_bin into the server's option file and restart it; on Amazon RDS turn backups on"),
    ("binlog_format", "ROW", "SET GLOBAL binlog_format = 'ROW'"),
    ("binlog_row_image", "FULL", "SET GLOBAL binlog_row_image = 'FULL'"),
    ("binlog_row_metadata", "FULL", "SET GLOBAL binlog_row_metadata = 'FULL'"),
    ("binlog_row_value_options", "", "SET GLOBAL binlog_row_value_options = ''"),
    ("binlog_transaction_compression", "OFF", "SET GLOBAL binlog_transaction_compression = OFF"),
    ("binlog_order_commits", "ON", "SET GLOBAL binlog_order_commits = ON"),
    ("mysql56_temporal_format", "ON", "SET GLOBAL mysql56_temporal_format = ON, then ALTER TABLE ... FORCE each table"),
)
OUR_READER_S: Final = frozenset({"binlog_row_metadata", "binlog_transaction_compression"})
RETENTION: Final = ("binlog_expire_logs_seconds", f"SET GLOBAL binlog_expire_logs_seconds = {7 * DAY_SECONDS}")
NEW_CONNECTIONS: Final = "; sessions that are open keep the old value until they connect again"
WAITING_RULES: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is not as it has to be. `mend` is the statement, or the words, that put it right.

    One that is not `serious` is advice: the log can be followed all the same.
    """

    what: str
    mend: str
    serious: bool = True

    def __str__(self) -> str:
        return f"{self.what}\n    {self.mend}"


def lacks(
    connection: Connection,
    tables: Collection[str],
    *,
    watermarks: Watermarks,
    may_replicate: Callable[[], bool] | None,
    position: Position | None = None,
) -> list[Lack]:
    """All that is missing. `may_replicate` tries to read the log (`wire.may_replicate`); None: others read it, and have
    that right and need no names of columns. Raises SourceError."""
    settings = SETTINGS if may_replicate is not None else [each for each in SETTINGS if each[0] not in OUR_READER_S]
    found = [*_settings(connection, settings), *_rights(connection, watermarks, may_replicate)]
    found += _filters(connection, tables)
    for name in tables:
        found += _table(connection, name)
    if position is not None:
        found += _purged(connection, position)
    return found


def require(found: Collection[Lack]) -> None:
    """Raise SourceError where something serious is missing, with all of it."""
    serious = [lack for lack in found if lack.serious]
    if serious:
        raise SourceError(
            f"the source is not ready to be followed: {len(serious)} things are missing"
            + "".join(f"\n  - {lack}" for lack in serious),
            next_step="mend them in this order, then run `crossfade check` again",
        )


def variable(connection: Connection, name: str) -> str | None:
    """A global variable's value; None where this server has none of that name."""
    found = connection.texts(f"SHOW GLOBAL VARIABLES LIKE '{name}'")
    return found[0][1] if found else None


# --- the server


def _settings(connection: Connection, settings: Iterable[tuple[str, str, str]]) -> Iterator[Lack]:
    for name, wanted, mend in settings:
        value = variable(connection, name)
        if value is None and name == "binlog_row_metadata":
            yield Lack(
                "this server's log does not name columns (binlog_row_metadata is unknown to it)",
                "upgrade it to MySQL 8.0.1, MariaDB 10.5 or later, or follow a replica that is",
            )
        elif value is not None and value.upper() != wanted:
            yield Lack(f"{name} is {value or 'empty'}, not {wanted or 'empty'}", mend + NEW_CONNECTIONS)
    seconds = variable(connection, RETENTION[0])
    if seconds and 0 < int(seconds) < RETENTION_SECONDS_MIN:
        yield Lack(
            f"the log is kept for {int(seconds) / 3600:.0f} hours: who is down for longer has to begin again",
            RETENTION[1] + "; on Amazon RDS: CALL mysql.rds_set_configuration('binlog retention hours', 168)",
            serious=False,
        )


def _rights(connection: Connection, watermarks: Watermarks, may_replicate: Callable[[], bool] | None) -> Iterator[Lack]:
    account = _account(connection)
    if may_replicate is not None and not may_replicate():
        yield Lack("this account may not read the log", f"GRANT REPLICATION SLAVE ON *.* TO {account}")
    if may_replicate is not None and _status(connection) is None:
        right = "BINLOG MONITOR" if connection.mariadb else "REPLICATION CLIENT"
        yield Lack("this account may not ask where the log ends", f"GRANT {right} ON *.* TO {account}")
    try:
        watermarks.create(connection)
        watermarks.commit(connection, "crossfade-check", "may I")
    except SourceError as error:
        schema = watermarks.name.partition(".")[0]
        yield Lack(
            f"this account may not write its marks to {watermarks.name}: {error.message}",
            f"{watermarks.creating}; GRANT SELECT, INSERT, DELETE ON `{schema}`.* TO {account}",
        )


def _status(connection: Connection) -> list[tuple[str, ...]] | None:
    """What the server says of its log's end: by MySQL 8.4's name for it, or the older one."""
    for statement in ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"):
        found = connection.texts_or_none(statement)
        if found is not None:
            return found
    return None


def _filters(connection: Connection, tables: Collection[str]) -> Iterator[Lack]:
    for row in _status(connection) or []:
        written, left_out = (set(filter(None, text.split(","))) for text in row[2:4])
        for schema in sorted({name.partition(".")[0] for name in tables}):
            if (written and schema not in written) or schema in left_out:
                yield Lack(
                    f"the server leaves the schema {schema} out of its log",
                    "remove binlog_do_db and binlog_ignore_db from the server's option file and restart it",
                )


def _account(connection: Connection) -> str:
    user, _, host = connection.texts("SELECT CURRENT_USER()")[0][0].rpartition("@")
    return f"'{user}'@'{host}'"


# --- tables


def _table(connection: Connection, name: str) -> Iterator[Lack]:
    grant = f"GRANT SELECT ON {'.'.join(map(quoted, name.split('.')))} TO {_account(connection)}"
    try:
        table = read_table(connection, name)
        _ = connection.rows(f"SELECT 1 FROM {table.quoted} LIMIT 0")  # noqa: S608
    except TableUnfit as error:
        yield Lack(error.message, error.next_step or grant)
        return
    except SourceError as error:
        yield Lack(error.message, grant)
        return
    if not table.key:
        yield Lack(
            f"{name} has no primary key, so its rows cannot be told apart",
            f"ALTER TABLE {table.quoted} ADD COLUMN id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY "
            "(INVISIBLE, if no application may see it), or leave the table out",
        )
    yield from _columns(table)
    yield from _engine(connection, table)
    yield from _cascades(connection, table)


def _columns(table: SourceTable) -> Iterator[Lack]:
    for column in table.columns:
        if column.charset == BINARY:
            continue
        try:
            _ = decoder(column.charset)
        except ChangeUnreadable as error:
            yield Lack(f"{table.name}.{column.name}: {error.message}", error.next_step)


def _engine(connection: Connection, table: SourceTable) -> Iterator[Lack]:
    rows = connection.texts(
        "SELECT COALESCE(engine, ''), table_type FROM information_schema.tables "  # noqa: S608
        f"WHERE table_schema = {text_literal(table.schema)} AND table_name = {text_literal(table.table)}"
    )
    for engine, kind in rows:
        if kind != "BASE TABLE":
            yield Lack(f"{table.name} is a {kind.lower()}, whose rows are not the log's", "leave it out")
        elif engine != "InnoDB":
            yield Lack(
                f"{table.name} is kept by {engine}, which takes no part in transactions",
                f"ALTER TABLE {table.quoted} ENGINE = InnoDB",
            )


def _cascades(connection: Connection, table: SourceTable) -> Iterator[Lack]:
    """What a foreign key does to rows by itself is done below the log, and is not in it."""
    rows = connection.texts(
        "SELECT constraint_name, update_rule, delete_rule, referenced_table_name "  # noqa: S608
        "FROM information_schema.referential_constraints "
        f"WHERE constraint_schema = {text_literal(table.schema)} AND table_name = {text_literal(table.table)}"
    )
    for name, on_update, on_delete, parent in rows:
        rules = [
            f"ON {what} {rule}"
            for what, rule in (("UPDATE", on_update), ("DELETE", on_delete))
            if rule in WAITING_RULES
        ]
        if rules:
            yield Lack(
                f"rows of {table.name} change by {' and '.join(rules)} of {name}, which the log does not tell",
                f"change such rows in the application before those of {parent}, then ALTER TABLE {table.quoted} "
                f"DROP FOREIGN KEY `{name}` and add it again with RESTRICT",
            )


# --- where to read on


def _purged(connection: Connection, position: Position) -> Iterator[Lack]:
    """Nothing if the log still holds what follows the position."""
    if position.counting is Counting.MYSQL:
        purged = connection.texts("SELECT @@GLOBAL.gtid_purged")[0][0]
        gone = not GtidSet(position.gtids).contains(GtidSet(purged))
    else:
        files = [row[0] for row in connection.texts("SHOW BINARY LOGS")]
        if position.counting is Counting.FILE:
            gone = position.file not in files or connection.server_name() != position.server
        else:
            (oldest,) = connection.texts(f"SELECT BINLOG_GTID_POS('{min(files, key=file_number)}', 4)")[0]
            known = mariadb_domains(position.gtids)
            gone = any(known.get(domain, (0, 0))[1] < number for domain, (_, number) in mariadb_domains(oldest).items())
    if gone:
        yield Lack(
            f"the log no longer holds what follows {position.gtids or position.file + ':' + str(position.offset)}",
            "run the backfill again from now on; keep the log longer (binlog_expire_logs_seconds)",
        )
