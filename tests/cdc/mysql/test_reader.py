"""The log of a real server as changes: their order, where to read on, and what is refused because it goes untold."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from crossfade.cdc.applying import Destination
from crossfade.cdc.changes import Change, Version
from crossfade.cdc.mysql.errors import LogGone, RowsUntold, SourceError, SourceGone, TableUnfit
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import Commit, Heartbeat, LogReader, SchemaChange, position_now
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Rows
from crossfade.errors import in_full
from crossfade.local.mariadb import MariaDbServer
from crossfade.migration import Table
from tests.cdc.mysql.conftest import source_of
from tests.cdc.mysql.reading import changes, read_to_end
from tests.cdc.shop import KEY
from tests.cdc.test_applying import PARTS, TARGET, in_memory

ORDERS = "CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(20))"


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        _ = connection.rows(statement)


@pytest.fixture
def here(server: Source, connection: Connection) -> Position:
    """Where the log ends once there is a table to write to."""
    _run(connection, ORDERS)
    return position_now(server)


def test_changes_come_with_rows_before_and_after_and_rising_versions(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """An insert, an update and a delete are told as such, each with a greater version than the one before."""
    _run(
        connection,
        "INSERT INTO orders VALUES (1, 'a')",
        "UPDATE orders SET note = 'b'",
        "DELETE FROM orders",
    )
    told = changes(read_to_end(server, ["shop.orders"], here, server_id))
    assert [(each.key, each.before, each.row) for each in told] == [
        ((1,), None, {"id": 1, "note": "a"}),
        ((1,), {"id": 1, "note": "a"}, {"id": 1, "note": "b"}),
        ((1,), {"id": 1, "note": "b"}, None),
    ]
    assert sorted({each.version for each in told}) == [each.version for each in told]
    assert all(each.committed_at > 1_700_000_000 for each in told)


def test_a_changed_primary_key_is_a_delete_and_then_an_insert(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """Both are at one position, and the version's row tells which came first (hazard 15)."""
    _run(connection, "INSERT INTO orders VALUES (1, 'a')", "UPDATE orders SET id = 2")
    _, gone, come = changes(read_to_end(server, ["shop.orders"], here, server_id))
    assert (gone.key, gone.row, come.key, come.row) == ((1,), None, (2,), {"id": 2, "note": "a"})
    assert gone.version.position == come.version.position
    assert gone.version < come.version


def test_a_transaction_is_one_commit_behind_all_of_its_changes(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """Whoever reads on from a commit's position gets what came after it and nothing twice."""
    _run(connection, "BEGIN", "INSERT INTO orders VALUES (1, 'a')", "INSERT INTO orders VALUES (2, 'a')", "COMMIT")
    _run(connection, "INSERT INTO orders VALUES (3, 'a')")
    told = read_to_end(server, ["shop.orders"], here, server_id)
    kinds = [type(each) for each in told]
    assert kinds[:5] == [Change, Change, Commit, Change, Commit]
    assert isinstance(told[2], Commit)
    again = changes(read_to_end(server, ["shop.orders"], told[2].position, server_id))
    assert again == changes(told)[2:]


def test_reading_again_from_anywhere_gives_the_same_versions(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """A position goes through its text; from each commit on the log tells what it told the first time."""
    for number in range(12):
        _run(connection, f"REPLACE INTO orders VALUES ({number % 5}, 'n{number}'), ({number + 100}, 'x')")
    first = read_to_end(server, ["shop.orders"], here, server_id)
    for place, each in enumerate(first):
        if isinstance(each, Commit):
            position = Position.of_text(str(each.position))
            again = changes(read_to_end(server, ["shop.orders"], position, server_id))
            assert again == changes(first[place:])


def test_files_and_offsets_do_where_there_are_no_gtids_to_go_by(
    server: Source, connection: Connection, server_id: int
) -> None:
    """Across a new file too, the version's position rises: the file's number, then the offset."""
    _run(connection, ORDERS)
    position = position_now(server, file_only=True)
    _run(connection, "INSERT INTO orders VALUES (1, 'a')", "FLUSH BINARY LOGS", "INSERT INTO orders VALUES (2, 'b')")
    told = read_to_end(server, ["shop.orders"], position, server_id)
    one, two = changes(told)
    assert two.version.position >> 32 == (one.version.position >> 32) + 1
    (after_one, _) = (each for each in told if isinstance(each, Commit))
    assert changes(read_to_end(server, ["shop.orders"], after_one.position, server_id)) == [two]


def test_files_of_another_server_are_not_read(server: Source, connection: Connection, server_id: int) -> None:
    """Their names are the same, and what they hold is not."""
    _run(connection, ORDERS)
    elsewhere = replace(position_now(server, file_only=True), server="another")
    with pytest.raises(SourceError, match="files and offsets are those of server another"):
        _ = read_to_end(server, ["shop.orders"], elsewhere, server_id)


def test_an_idle_source_still_moves_the_position(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """What is written to other tables is behind the next heart-beat's position."""
    _run(connection, "CREATE TABLE other (id INT PRIMARY KEY)", "INSERT INTO other VALUES (1)")
    *before, beat = read_to_end(server, ["shop.orders"], here, server_id)
    assert changes(before) == []
    assert isinstance(beat, Heartbeat)
    assert beat.at_end
    assert beat.position.gtids == position_now(server).gtids != here.gtids


def test_rows_are_read_by_the_columns_that_they_were_written_with(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """ALTER TABLE in the middle of the log, all of it while nobody read, changes no row before it (hazard 27)."""
    _run(
        connection,
        "INSERT INTO orders VALUES (1, 'a')",
        "ALTER TABLE orders ADD COLUMN amount BIGINT UNSIGNED FIRST, RENAME COLUMN note TO remark",
        "INSERT INTO orders VALUES (18446744073709551615, 2, 'b')",
        "ALTER TABLE orders DROP COLUMN remark, MODIFY amount DECIMAL(30,2)",
        "INSERT INTO orders VALUES (5, 3)",
    )
    told = read_to_end(server, ["shop.orders"], here, server_id)
    assert [each.row for each in changes(told)] == [
        {"id": 1, "note": "a"},
        {"amount": 2**64 - 1, "id": 2, "remark": "b"},
        {"amount": 5, "id": 3},
    ]
    assert [each.table for each in told if isinstance(each, SchemaChange)] == ["shop.orders"] * 2


def test_following_one_table_more_changes_no_version(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """Rows of all tables count, read or not, compressed or not: a replay with more writes what the first run wrote."""
    _run(connection, "CREATE TABLE parts (id INT PRIMARY KEY, note VARCHAR(200))")
    _run(connection, "SET GLOBAL log_bin_compress_min_len = 10")
    try:
        for compressed in ("OFF", "ON"):
            _run(connection, f"SET GLOBAL log_bin_compress = {compressed}")
            with server.connect() as fresh:
                _run(fresh, "USE shop", "BEGIN", f"REPLACE INTO parts VALUES (1, '{'a' * 200}'), (2, '{'b' * 200}')")
                _run(fresh, "REPLACE INTO orders VALUES (1, 'a'), (2, 'b')", "DELETE FROM parts")
                _run(fresh, "UPDATE orders SET id = 3 WHERE id = 1", "DELETE FROM orders", "COMMIT")
    finally:
        _run(connection, "SET GLOBAL log_bin_compress = OFF")
    alone = changes(read_to_end(server, ["shop.orders"], here, server_id))
    both = changes(read_to_end(server, ["shop.orders", "shop.parts"], here, server_id))
    assert [each for each in both if each.table == "shop.orders"] == alone
    assert (len(alone), len(both)) == (12, 20)
    assert sorted({each.version for each in both}) == [each.version for each in both]
    assert [each.version.row for each in both[:10]] == [each.version.row for each in both[10:]]


def _one_item(row: Row) -> dict[str, Any]:
    return {"pk": f"order#{row['id']}", "sk": "order", "note": row["note"]}


def test_rows_of_two_tables_in_one_transaction_have_an_order(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """A row that moves from a table to another one makes one item: its end is the log's, in whatever order it comes."""
    _run(connection, "CREATE TABLE archive (id INT PRIMARY KEY, note VARCHAR(20))")
    _run(connection, "INSERT INTO orders VALUES (1, 'a')", "BEGIN", "INSERT INTO archive SELECT * FROM orders")
    _run(connection, "DELETE FROM archive", "DELETE FROM orders", "INSERT INTO archive VALUES (1, 'z')", "COMMIT")
    told = changes(read_to_end(server, ["shop.orders", "shop.archive"], here, server_id))
    assert len(told) == 5
    assert sorted({each.version for each in told}) == [each.version for each in told]
    for seed, order in enumerate(itertools.permutations(told)):
        store = in_memory()
        rows = Rows(Table(TARGET, key=KEY))
        for table in ("shop.orders", "shop.archive"):
            _ = rows.table(table)(_one_item)
        store.destination = Destination(rows, PARTS)
        _ = [store.run([change], seed) for change in order]
        assert {name: item["note"] for name, item in store.items().items()} == {"order#1": {"S": "z"}}


def test_large_rows_and_statements_come_whole(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """A row beyond the 16 MB of one packet, and a statement of many events."""
    _run(connection, "ALTER TABLE orders ADD COLUMN large LONGBLOB", "SET GLOBAL max_allowed_packet = 67108864")
    with server.connect() as fresh:
        _run(fresh, "INSERT INTO shop.orders SELECT 1, 'a', REPEAT('x', 20000000)")
        _run(fresh, "INSERT INTO shop.orders SELECT seq, 'b', NULL FROM shop.seq_2_to_3000")
    told = changes(read_to_end(server, ["shop.orders"], here, server_id))
    assert told[0].row == {"id": 1, "note": "a", "large": b"x" * 20_000_000}
    assert [each.key for each in told] == [(number,) for number in range(1, 3001)]
    assert sorted({each.version for each in told}) == [each.version for each in told]


def test_compressed_events_are_read(server: Source, connection: Connection, here: Position, server_id: int) -> None:
    """MariaDB's own compression of events is undone, of rows and of statements."""
    _run(connection, "SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10")
    try:
        with server.connect() as fresh:
            _run(fresh, f"INSERT INTO shop.orders VALUES (1, '{'a' * 20}'), (2, '{'b' * 20}')")
            _run(fresh, f"ALTER TABLE shop.orders COMMENT '{'c' * 500}'")
    finally:
        _run(connection, "SET GLOBAL log_bin_compress = OFF")
    told = read_to_end(server, ["shop.orders"], here, server_id)
    assert [each.row for each in changes(told)] == [{"id": 1, "note": "a" * 20}, {"id": 2, "note": "b" * 20}]
    assert any(isinstance(each, SchemaChange) for each in told)


def test_a_table_without_a_primary_key_is_refused_with_the_way_out(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """Its rows cannot be told apart (hazard 27)."""
    _run(connection, "CREATE TABLE loose (id INT)", "INSERT INTO loose VALUES (1)")
    with pytest.raises(TableUnfit, match=r"shop\.loose has no primary key") as caught:
        _ = read_to_end(server, ["shop.loose"], here, server_id)
    assert "ALTER TABLE" in caught.value.next_step


LOADED = f"crossfade-{uuid.uuid4().hex}.tsv"  # in the server's own folder; it replaces no file
UNTOLD = {
    "truncate": ["TRUNCATE TABLE orders"],
    "truncate elsewhere": ["USE mysql", "TRUNCATE shop.orders"],
    "drop": ["DROP TABLE orders"],
    "drop of the schema": ["DROP DATABASE shop"],
    "rename": ["RENAME TABLE orders TO old_orders"],
    "alter table rename": ["ALTER TABLE orders RENAME TO old_orders"],
    "a statement, not rows": ["SET SESSION binlog_format = STATEMENT", "UPDATE orders SET note = 'z'"],
    "in a comment that a server carries out": ["/*!40000 TRUNCATE TABLE orders */"],
    "as mysqldump drops a schema": ["/*!40000 DROP DATABASE IF EXISTS `shop`*/"],
    "a schema that is made anew": ["CREATE OR REPLACE DATABASE shop"],
    "with variables of its own": ["SET STATEMENT max_statement_time = 10 FOR TRUNCATE TABLE orders"],
    "rows that a new index drops": ["ALTER IGNORE TABLE orders ADD UNIQUE (note(9))"],
    "a file, loaded by a statement": [
        f"SELECT 5, 'x' INTO OUTFILE './{LOADED}'",
        "SET SESSION binlog_format = STATEMENT",
        f"LOAD DATA INFILE './{LOADED}' INTO TABLE orders",
    ],
    "a function, called by a statement": [
        "SET GLOBAL log_bin_trust_function_creators = ON",
        "CREATE FUNCTION written() RETURNS INT BEGIN INSERT INTO orders VALUES (6, 'x'); RETURN 1; END",
        "SET SESSION binlog_format = STATEMENT",
        "SELECT written()",
    ],
    "undone within a transaction": [
        "CREATE TABLE old (id INT) ENGINE = MyISAM",
        "BEGIN",
        "SAVEPOINT s",
        "INSERT INTO orders VALUES (4, 'x')",
        "INSERT INTO old VALUES (1)",
        "ROLLBACK TO s",
        "COMMIT",
    ],
    "part of a row": ["SET SESSION binlog_row_image = MINIMAL", "UPDATE orders SET note = 'z'"],
    "a distributed transaction": [
        "XA START 'x'",
        "INSERT INTO orders VALUES (7, 'x')",
        "XA END 'x'",
        "XA PREPARE 'x'",
        "XA ROLLBACK 'x'",
    ],
}


@pytest.mark.parametrize("statements", UNTOLD.values(), ids=UNTOLD)
def test_what_the_log_does_not_tell_row_by_row_is_refused(
    server: Source, connection: Connection, here: Position, server_id: int, statements: list[str]
) -> None:
    """Rows that change untold stop the reader, and it says how to go on: they are passed over by name alone."""
    _run(connection, "INSERT INTO orders VALUES (1, 'a')", *statements)
    with server.connect() as fresh:  # whose settings are not those of the statements
        _run(fresh, "CREATE DATABASE IF NOT EXISTS shop", "USE shop", ORDERS.replace("TABLE", "TABLE IF NOT EXISTS"))
        _run(fresh, "INSERT INTO orders VALUES (9, 'behind')")
    with pytest.raises(RowsUntold) as caught:
        _ = read_to_end(server, ["shop.orders"], here, server_id)
    where = caught.value.where
    assert f"`crossfade replicate --past-removal {where} --execute`" in caught.value.next_step
    told = changes(read_to_end(server, ["shop.orders"], here, server_id, past_removals=[where]))
    assert (told[0].key, told[-1].key) == ((1,), (9,))


def test_what_is_done_to_other_tables_stops_nobody(
    server: Source, connection: Connection, here: Position, server_id: int
) -> None:
    """TRUNCATE, DROP, statements and XA on tables that are not followed are passed over."""
    _run(
        connection,
        "CREATE TABLE other (id INT PRIMARY KEY)",
        "XA START 'y'",
        "INSERT INTO other VALUES (7)",
        "XA END 'y'",
        "XA PREPARE 'y'",
        "XA COMMIT 'y'",
        "TRUNCATE other",
        "CREATE TEMPORARY TABLE orders_copy (id INT)",
        "DROP TEMPORARY TABLE orders_copy",
        "DROP TABLE other",
        "BEGIN",
        "INSERT INTO orders VALUES (1, 'a')",
        "SAVEPOINT s",
        "INSERT INTO orders VALUES (2, 'b')",
        "ROLLBACK TO SAVEPOINT s",
        "COMMIT",
    )
    assert [each.key for each in changes(read_to_end(server, ["shop.orders"], here, server_id))] == [(1,)]


@pytest.fixture
def own_server() -> Iterator[MariaDbServer]:
    """A server that a test may kill and whose log it may remove."""
    with MariaDbServer.start() as running:
        yield running


def test_a_killed_source_is_read_on_and_a_purged_log_is_told(own_server: MariaDbServer, server_id: int) -> None:
    """A crash is retryable from the same position; what was removed from the log is not, and that is said."""
    source = source_of(own_server)
    with source.connect() as connection:
        _run(connection, "CREATE DATABASE shop", "USE shop", ORDERS)
        beginning = position_now(source)
        _run(connection, "INSERT INTO orders VALUES (1, 'a')")
    reader = LogReader(source, ["shop.orders"], beginning, server_id=server_id, heartbeat_seconds=0.2)
    told = iter(reader)
    assert isinstance(next(told), Change)
    commit = next(told)
    assert isinstance(commit, Commit)
    own_server.kill()
    with pytest.raises(SourceGone) as gone:
        for _ in told:
            pass
    assert gone.value.retryable
    reader.close()
    own_server.restart()
    with source.connect() as connection:
        _run(connection, "INSERT INTO shop.orders VALUES (2, 'b')")
        (two,) = changes(read_to_end(source, ["shop.orders"], commit.position, server_id))
        assert two.key == (2,)
        assert two.version == Version(0, int(commit.position.gtids.rpartition("-")[2]) + 1)
        _run(connection, "FLUSH BINARY LOGS", "INSERT INTO shop.orders VALUES (3, 'c')", "FLUSH BINARY LOGS")
        (last,) = connection.texts("SHOW MASTER STATUS")[0][:1]
        _run(connection, f"PURGE BINARY LOGS TO '{last}'")
        with pytest.raises(LogGone, match="cannot send its log"):
            _ = read_to_end(source, ["shop.orders"], beginning, server_id)
        assert changes(read_to_end(source, ["shop.orders"], position_now(source), server_id)) == []


def test_a_second_reader_of_one_number_ends_the_first_with_the_reason(
    server: Source, here: Position, server_id: int
) -> None:
    """By the server's word; MariaDB has a number of its own for it."""
    first = LogReader(server, ["shop.orders"], here, server_id=server_id, heartbeat_seconds=0.2)
    told = iter(first)
    assert isinstance(next(told), Heartbeat)
    second = LogReader(server, ["shop.orders"], here, server_id=server_id, heartbeat_seconds=0.2)
    assert isinstance(next(iter(second)), Heartbeat)
    with pytest.raises(SourceGone, match=r"same server.id"):
        for _ in told:
            pass
    first.close()
    second.close()


def test_a_wrong_password_is_an_error_of_ours_without_the_password(server: Source) -> None:
    """What PyMySQL raises does not get out, and the password is in no message."""
    wrong = Source(server.host, server.port, server.user, "guessed-wrong")
    with pytest.raises(SourceError, match="Access denied") as caught:
        _ = wrong.connect()
    assert "guessed-wrong" not in in_full(caught.value) + repr(wrong)
