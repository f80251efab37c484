"""What is missing on a source is told before anything runs, each lack with the statement that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from crossfade.cdc.mysql.errors import SourceError
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.mysql.preflight import Lack, lacks, require
from crossfade.cdc.mysql.reader import position_now
from crossfade.cdc.mysql.source import Connection, Row, Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.mysql.wire import may_replicate
from crossfade.local.mariadb import MariaDbServer
from tests.cdc.mysql.conftest import source_of
from tests.cdc.mysql.reading import changes, read_to_end


def _lacks(
    source: Source, connection: Connection, *tables: str, server_id: int = 77, position: Position | None = None
) -> list[Lack]:
    return lacks(
        connection,
        tables,
        watermarks=Watermarks("shop"),
        may_replicate=lambda: may_replicate(source, server_id),
        position=position,
    )


def test_a_source_as_it_should_be_lacks_nothing(server: Source, connection: Connection, server_id: int) -> None:
    """The servers of these tests are set up right, and `require` lets them pass."""
    _ = connection.rows("CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(9))")
    found = _lacks(server, connection, "shop.orders", server_id=server_id, position=position_now(server))
    assert found == []
    require(found)


def test_where_others_read_the_log_less_is_needed(server: Source, connection: Connection) -> None:
    """No names of columns in it; what it says of rows is needed all the same."""
    for name, wrong, lacking in (("binlog_row_metadata", "MINIMAL", 0), ("binlog_row_image", "MINIMAL", 1)):
        _ = connection.rows(f"SET GLOBAL {name} = '{wrong}'")
        try:
            assert len(lacks(connection, (), watermarks=Watermarks("shop"), may_replicate=None)) == lacking
            assert len(_lacks(server, connection)) == 1
        finally:
            _ = connection.rows(f"SET GLOBAL {name} = 'FULL'")


SETTINGS = {
    "binlog_format": ("STATEMENT", "ROW"),
    "binlog_row_image": ("MINIMAL", "FULL"),
    "binlog_row_metadata": ("MINIMAL", "FULL"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_setting_is_mended_by_the_statement_that_is_told(
    server: Source, connection: Connection, server_id: int, name: str
) -> None:
    """The statement itself is carried out here, and then nothing is missing."""
    wrong, right = SETTINGS[name]
    _ = connection.rows(f"SET GLOBAL {name} = '{wrong}'")
    try:
        (lack,) = _lacks(server, connection, server_id=server_id)
        assert lack.what == f"{name} is {wrong}, not {right}"
        with pytest.raises(SourceError, match=f"SET GLOBAL {name} = '{right}'"):
            require([lack])
        _ = connection.rows(lack.mend.partition(";")[0])
        assert _lacks(server, connection, server_id=server_id) == []
    finally:
        _ = connection.rows(f"SET GLOBAL {name} = '{right}'")


TABLES = {
    "no key": ("CREATE TABLE odd (id INT)", "has no primary key"),
    "no transactions": ("CREATE TABLE odd (id INT PRIMARY KEY) ENGINE=MyISAM", "is kept by MyISAM"),
    "a view": ("CREATE VIEW odd AS SELECT 1 AS id", "is a view"),
    "history": ("CREATE TABLE odd (id INT PRIMARY KEY) WITH SYSTEM VERSIONING", "is a system versioned"),
    "compressed": ("CREATE TABLE odd (id INT PRIMARY KEY, t TEXT COMPRESSED)", "which cannot be read"),
    "letters": ("CREATE TABLE odd (id INT PRIMARY KEY, t TEXT CHARACTER SET swe7)", "character set swe7"),
    "missing": ("SELECT 1", "has no table shop.odd"),
    "cascade": (
        (
            "CREATE TABLE odd (id INT PRIMARY KEY, parent INT, CONSTRAINT of_parent FOREIGN KEY (parent) "
            "REFERENCES parents (id) ON DELETE CASCADE ON UPDATE RESTRICT)"
        ),
        "change by ON DELETE CASCADE of of_parent",
    ),
}


@pytest.mark.parametrize(("statement", "words"), TABLES.values(), ids=TABLES)
def test_a_table_that_cannot_be_followed_is_told_with_the_way_out(
    server: Source, connection: Connection, server_id: int, statement: str, words: str
) -> None:
    """Whatever would make rows go untold or unread is found in the schema."""
    _ = connection.rows("CREATE TABLE parents (id INT PRIMARY KEY)")
    _ = connection.rows(statement)
    found = _lacks(server, connection, "shop.odd", server_id=server_id)
    assert any(words in lack.what for lack in found), found
    assert all(lack.mend for lack in found)


def test_rows_that_a_foreign_key_removes_are_in_no_log(server: Source, connection: Connection, server_id: int) -> None:
    """Why a cascade is refused: the parent's delete is in the log and the child's is not."""
    _ = connection.rows("CREATE TABLE parents (id INT PRIMARY KEY)")
    _ = connection.rows(
        "CREATE TABLE children (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES parents (id) "
        "ON DELETE CASCADE)"
    )
    _ = connection.rows("INSERT INTO parents VALUES (1)")
    _ = connection.rows("INSERT INTO children VALUES (5, 1)")
    here = position_now(server)
    _ = connection.rows("DELETE FROM parents")
    told = changes(read_to_end(server, ["shop.parents", "shop.children"], here, server_id))
    assert [(each.table, each.key) for each in told] == [("shop.parents", (1,))]
    assert connection.rows("SELECT * FROM children") == []


def test_rights_that_are_missing_are_each_mended_by_the_grant_that_is_told(
    server: Source, connection: Connection, server_id: int
) -> None:
    """An account without any right is told four grants, and with them it lacks nothing."""
    _ = connection.rows("CREATE TABLE orders (id INT PRIMARY KEY)")
    for host in ("%", "localhost"):
        _ = connection.rows(f"DROP USER IF EXISTS poor@`{host}`")
        _ = connection.rows(f"CREATE USER poor@`{host}` IDENTIFIED BY 'poor'")
    poor = Source(server.host, server.port, "poor", "poor")
    try:
        with poor.connect() as opened:
            found = _lacks(poor, opened, "shop.orders", server_id=server_id)
        assert len(found) == 4, found
        assert all(lack.serious for lack in found)
        for lack in found:
            for statement in lack.mend.split("; "):
                _ = connection.rows(statement)
        with poor.connect() as opened:
            assert _lacks(poor, opened, "shop.orders", server_id=server_id) == []
    finally:
        for host in ("%", "localhost"):
            _ = connection.rows(f"DROP USER IF EXISTS poor@`{host}`")


@pytest.fixture(scope="module")
def purged() -> Iterator[MariaDbServer]:
    """A server whose oldest log file is gone."""
    with MariaDbServer.start() as running:
        yield running


def test_a_position_whose_log_is_gone_is_told(purged: MariaDbServer, server_id: int) -> None:
    """By GTIDs and by files; and the position after it is all right."""
    source = source_of(purged)
    with source.connect() as connection:
        _ = connection.rows("CREATE DATABASE shop")
        gone, gone_file = position_now(source), position_now(source, file_only=True)
        _ = connection.rows("CREATE TABLE shop.orders (id INT PRIMARY KEY)")
        _ = connection.rows("FLUSH BINARY LOGS")
        here, here_file = position_now(source), position_now(source, file_only=True)
        _ = connection.rows(f"PURGE BINARY LOGS TO '{here.file}'")
        for position in (gone, gone_file):
            (lack,) = _lacks(source, connection, "shop.orders", server_id=server_id, position=position)
            assert "no longer holds" in lack.what
        for position in (here, here_file):
            assert _lacks(source, connection, "shop.orders", server_id=server_id, position=position) == []


class Recorded(Connection):
    """The answers of a MySQL 8.4, as its documentation and its users give them; anything else is a syntax error."""

    ANSWERS: ClassVar[dict[str, list[tuple[str, ...]]]] = {
        "SELECT VERSION()": [("8.4.6",)],
        "SELECT CURRENT_USER()": [("app@%",)],
        "SHOW BINARY LOG STATUS": [("binlog.000042", "1971", "", "", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77")],
        "SELECT @@GLOBAL.gtid_purged": [("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-50",)],
    }
    VARIABLES: ClassVar[dict[str, str]] = {
        "log_bin": "ON",
        "binlog_format": "ROW",
        "binlog_row_image": "FULL",
        "binlog_row_metadata": "MINIMAL",  # the default of 8.4
        "binlog_row_value_options": "PARTIAL_JSON",
        "binlog_transaction_compression": "OFF",
        "binlog_order_commits": "ON",
        "binlog_expire_logs_seconds": "86400",
    }

    def __init__(self) -> None:
        super().__init__(None)

    def rows(self, statement: str) -> list[Row]:
        if statement.startswith("SHOW GLOBAL VARIABLES LIKE"):
            name = statement.split("'")[1]
            found: list[tuple[str, ...]] = [(name, self.VARIABLES[name])] if name in self.VARIABLES else []
        else:
            found = self.ANSWERS.get(statement, [])
        return [tuple(cell.encode() for cell in row) for row in found]


def test_a_mysql_8_4_is_read_by_its_own_words() -> None:
    """Its settings, its end of the log and its purged GTIDs, from recorded answers."""
    position = Position(Counting.MYSQL, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-60")
    found = lacks(Recorded(), [], watermarks=Watermarks("shop"), may_replicate=lambda: True, position=position)
    assert [(lack.what.partition(" ")[0], lack.serious) for lack in found] == [
        ("binlog_row_metadata", True),
        ("binlog_row_value_options", True),
        ("the", False),
    ]
    old = Position(Counting.MYSQL, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-40")
    more = lacks(Recorded(), [], watermarks=Watermarks("shop"), may_replicate=lambda: True, position=old)
    assert "no longer holds" in more[-1].what
