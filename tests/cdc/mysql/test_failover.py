"""Another server answers: it is read on where it is known to be the same log, and refused where it is not.

Two real MariaDB servers, one the replica of the other. What MySQL does is played from positions in test_publishing.py:
no server of it is to be had here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from crossfade.cdc.mysql.errors import LogGone, SourceGone, SourceMoved
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.mysql.reader import Commit, Heartbeat, LogReader, position_now
from crossfade.cdc.mysql.resuming import resumed
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.wire import not_sent
from crossfade.local.mariadb import MariaDbServer
from tests.cdc.mysql.conftest import source_of
from tests.cdc.mysql.reading import changes, read_to_end

FOLLOWED = ["shop.orders", "shop.parts"]
WAIT_SECONDS = 60
SMALL_EVENTS = "--binlog-row-event-max-size=256"  # so that the replica's events are not those of the other one


class Pair:
    """A server and its replica, which writes all that it gets into its own log."""

    def __init__(self, first: MariaDbServer, second: MariaDbServer) -> None:
        self.first, self.second = source_of(first), source_of(second)
        _run(
            self.second,
            f"CHANGE MASTER TO master_host = '{first.host}', master_port = {first.port}, master_user = '{first.user}',"
            f" master_password = '{first.password}', master_use_gtid = slave_pos, master_ssl = 0,"
            " master_ssl_verify_server_cert = 0",
            "START SLAVE",
        )

    def in_step(self) -> Position:
        """The replica has all; where the first one's log ends."""
        position = position_now(self.first)
        with self.second.connect() as connection:
            waited = connection.texts(f"SELECT MASTER_GTID_WAIT('{position.gtids}', {WAIT_SECONDS})")
            assert waited == [("0",)], connection.texts("SHOW SLAVE STATUS")
        return position


def _run(source: Source, *statements: str) -> None:
    with source.connect() as connection:
        for statement in statements:
            _ = connection.rows(statement)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with (
        MariaDbServer.start() as first,
        MariaDbServer.start(options=["--server-id=2", "--log-slave-updates=1", SMALL_EVENTS]) as second,
    ):
        yield Pair(first, second)


@pytest.fixture
def beginning(pair: Pair) -> Position:
    """Where both logs end once there are tables to write to."""
    _run(
        pair.first,
        "CREATE DATABASE shop",
        "CREATE TABLE shop.orders (id INT PRIMARY KEY, note VARCHAR(200))",
        "CREATE TABLE shop.parts (id INT PRIMARY KEY)",
    )
    return pair.in_step()


def test_the_replica_is_read_on_by_gtids(pair: Pair, beginning: Position, server_id: int) -> None:
    """From every commit on it tells what the first server told, the versions too."""
    for number in range(4):
        rows = ", ".join(f"({number * 100 + each}, '{'x' * 100}')" for each in range(20))
        _run(
            pair.first,
            "BEGIN",
            f"INSERT INTO shop.parts VALUES ({number})",
            f"INSERT INTO shop.orders VALUES {rows}",
            f"UPDATE shop.orders SET id = id + 50 WHERE id >= {number * 100} ORDER BY id DESC",
            "COMMIT",
        )
    _ = pair.in_step()
    told = read_to_end(pair.first, FOLLOWED, beginning, server_id)
    assert len(changes(told)) > 200
    for place, each in enumerate(told):
        if isinstance(each, Commit):
            there = changes(read_to_end(pair.second, FOLLOWED, each.position, server_id))
            assert there == changes(told[place:])


def test_a_replica_without_what_was_read_is_not_read(pair: Pair, beginning: Position, server_id: int) -> None:
    """One that is behind is waited for; one that went on by itself is refused, and so is one whose log is empty."""
    _run(pair.second, "STOP SLAVE")
    _run(pair.first, "INSERT INTO shop.parts VALUES (1000)")
    ahead = position_now(pair.first)
    with pytest.raises(SourceGone, match="has not come as far"):
        _ = read_to_end(pair.second, FOLLOWED, ahead, server_id)
    _run(pair.second, "SET GLOBAL gtid_strict_mode = 0", "INSERT INTO shop.parts VALUES (2000)")
    with pytest.raises(SourceMoved, match="went on without transactions"):
        _ = read_to_end(pair.second, FOLLOWED, ahead, server_id)
    there = changes(read_to_end(pair.second, FOLLOWED, beginning, server_id))
    assert [each.key for each in there] == [(2000,)]

    _run(pair.second, "RESET SLAVE ALL", "RESET MASTER")
    reader = LogReader(pair.second, FOLLOWED, ahead, server_id=server_id, heartbeat_seconds=0.2)
    told = iter(reader)
    assert isinstance(next(told), Heartbeat)  # nothing is told of it yet
    _run(pair.second, "INSERT INTO shop.parts VALUES (3000)")
    with pytest.raises(SourceGone, match="has not come as far"):
        _ = [each for each in told if not isinstance(each, Heartbeat)]
    reader.close()


def test_files_and_offsets_are_read_where_they_are_from(pair: Pair, beginning: Position, server_id: int) -> None:
    """Another server is told by its number; where both have the same, by the transactions before that place."""
    _run(pair.first, "INSERT INTO shop.parts VALUES (1)")
    position = position_now(pair.first, file_only=True)
    with pytest.raises(SourceMoved, match="files and offsets are those of server 1"):
        _ = read_to_end(pair.second, FOLLOWED, position, server_id)
    _run(pair.first, "INSERT INTO shop.parts VALUES (2)")
    (commit, *_) = (each for each in read_to_end(pair.first, FOLLOWED, position, server_id) if isinstance(each, Commit))
    _ = pair.in_step()
    _run(pair.second, "SET GLOBAL server_id = 1")  # as it is where nobody has set it
    same_place = replace(position_now(pair.second, file_only=True), gtids=beginning.gtids)
    with pytest.raises(SourceMoved, match=f"ended with {beginning.gtids}"):
        _ = read_to_end(pair.second, FOLLOWED, same_place, server_id)
    _run(pair.first, "INSERT INTO shop.parts VALUES (3)")
    (three,) = changes(read_to_end(pair.first, FOLLOWED, commit.position, server_id))
    assert three.key == (3,)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Replica has more GTIDs than the source has, using the source's SERVER_UUID.", SourceMoved),
        ("Could not find first log file name in binary log index file", LogGone),
        ("Cannot replicate because the source purged required binary logs.", LogGone),
        ("A replica with the same server_uuid/server_id as this replica has connected to the source", SourceGone),
    ],
)
def test_why_a_server_does_not_send_its_log_is_told_apart(words: str, kind: type[Exception]) -> None:
    """By MySQL's words: one reason is to be waited for, another is the end, and all of them have one number."""
    assert type(not_sent(words)) is kind


def test_mysql_goes_on_in_the_next_epoch() -> None:
    """Only where another server answers; a position by file and offset does not move."""

    class Answering:
        def server_name(self) -> str:
            return "two"

    here: object = Answering()
    position = Position(Counting.MYSQL, "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3", "binlog.000042", 1971, "one")
    moved = resumed(here, position)  # type: ignore[arg-type]
    assert (moved.server, moved.epoch, moved.gtids) == ("two", 1, position.gtids)
    assert resumed(here, moved) == moved  # type: ignore[arg-type]
    with pytest.raises(SourceMoved):
        _ = resumed(here, replace(position, counting=Counting.FILE, gtids=""))  # type: ignore[arg-type]
