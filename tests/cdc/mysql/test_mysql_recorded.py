"""What MySQL has and MariaDB has not, from bytes as its documentation gives them: GTID sets, binary JSON, events."""

from __future__ import annotations

import struct
import uuid
from decimal import Decimal

import pytest

from crossfade.cdc.changes import ChangeUnreadable, Value, Version
from crossfade.cdc.mysql import events
from crossfade.cdc.mysql.jsonb import json_of_binary
from crossfade.cdc.mysql.positions import Counting, GtidSet, Position, begins
from crossfade.cdc.mysql.statements import Meaning, meaning, names_any

ONE, TWO = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4350f323-7565-4e59-8763-4b1b83a0ce0e"


def test_a_gtid_set_keeps_its_intervals_joined() -> None:
    """Numbers may come out of order, as replicas with several workers commit them."""
    gtids = GtidSet(f"{ONE}:1-3:8,\n{TWO}:5")
    for number in (4, 7, 6, 9):
        gtids.add(ONE, number)
    assert str(gtids) == f"{ONE}:1-4:6-9,{TWO}:5"
    gtids.add(ONE, 5)
    assert str(gtids) == f"{ONE}:1-9,{TWO}:5"
    assert gtids.contains(GtidSet(f"{ONE}:2-9"))
    assert not gtids.contains(GtidSet(f"{ONE}:2-10"))
    assert not GtidSet().contains(gtids)


def test_a_gtid_set_is_sent_with_ends_that_are_not_in_it() -> None:
    """COM_BINLOG_DUMP_GTID's form: counts of eight bytes, the UUID's sixteen, and each interval's end plus one."""
    expected = struct.pack("<Q", 1) + uuid.UUID(ONE).bytes + struct.pack("<QQQQQ", 2, 1, 4, 8, 9)
    assert GtidSet(f"{ONE}:1-3:8").encoded() == expected


@pytest.mark.parametrize("text", ["nonsense", f"{ONE}:1-x", f"{ONE}:tag:1-3"])
def test_a_gtid_set_that_cannot_be_read_is_refused(text: str) -> None:
    """Tags, which MySQL 8.3 brought, are named in what to do."""
    with pytest.raises(ChangeUnreadable, match="no set of GTIDs"):
        _ = GtidSet(text)


def test_a_position_comes_back_from_its_text() -> None:
    """What a checkpoint keeps is all of it, and what is none is refused."""
    position = Position(Counting.MYSQL, f"{ONE}:1-3", "binlog.000042", 1971, ONE, 2)
    assert Position.of_text(str(position)) == position
    with pytest.raises(ChangeUnreadable, match="is no position"):
        _ = Position.of_text('{"counting": "tides"}')


def test_a_position_that_moves_to_another_server_counts_above_all_before() -> None:
    """MySQL's GTIDs go on there, its files begin anew."""
    position = Position(Counting.MYSQL, f"{ONE}:1-3", "binlog.000042", 1971, ONE)
    moved = Position.of_text(str(position.moved(TWO)))
    assert (moved.gtids, moved.server) == (position.gtids, TWO)
    before = begins(position.counting, position.epoch, 3, "binlog.000042", 1971)
    assert before < begins(moved.counting, moved.epoch, 4, "binlog.000001", 4)


def test_versions_count_by_file_and_offset_where_gtids_have_no_order() -> None:
    """A later file wins over any offset, and a later epoch over any file."""
    versions = [
        begins(Counting.MYSQL, 0, 900, "binlog.000009", 1 << 30),
        begins(Counting.MYSQL, 0, 1, "binlog.000010", 4),
        begins(Counting.FILE, 1, 0, "other-log.000001", 4),
    ]
    assert versions == sorted(versions)
    assert versions[1] == Version(0, (10 << 32) + 4)
    assert begins(Counting.MARIADB, 0, 27, "log.000001", 4) == Version(0, 27)


def test_a_gtid_event_names_server_and_number() -> None:
    """A flag, the UUID's sixteen bytes, the number's eight; what follows is of no interest."""
    body = b"\x01" + uuid.UUID(ONE).bytes + struct.pack("<Q", 78) + bytes(20)
    assert events.mysql_gtid(body) == (ONE, 78)


def test_an_event_is_cut_from_its_checksum() -> None:
    """The header's nineteen bytes, then the body, then four bytes that are not looked at."""
    body = struct.pack("<Q", 4) + b"binlog.000043"
    packet = b"\0" + events.HEADER.pack(99, events.ROTATE, 1, 19 + len(body) + 4, 0, 0) + body + b"sum!"
    event = events.event_of(packet, True)
    assert (event.at, event.kind, event.body) == (99, events.ROTATE, body)
    assert events.rotation(event.body) == ("binlog.000043", 4)
    assert events.says_checksums(packet) is None


def _small_object(values: dict[str, tuple[int, bytes]]) -> bytes:
    """A small object of JSON, laid down as the server does: entries of keys, then of values, then both themselves."""
    count = len(values)
    start = 4 + count * (4 + 3)
    keys = b"".join(key.encode() for key in values)
    key_entries, value_entries, tail = b"", b"", b""
    at, behind = start, start + len(keys)
    for key, (kind, data) in values.items():
        key_entries += struct.pack("<HH", at, len(key.encode()))
        at += len(key.encode())
        if kind in {4, 5, 6}:
            value_entries += struct.pack("<B", kind) + data.ljust(2, b"\0")
        else:
            value_entries += struct.pack("<BH", kind, behind + len(tail))
            tail += data
    inside = key_entries + value_entries + keys + tail
    return struct.pack("<HH", count, 4 + len(inside)) + inside


def test_binary_json_says_what_a_select_says() -> None:
    """Every type of it: numbers inline and not, doubles as Decimals, dates and decimals within, arrays in objects."""
    date = ((2024 * 13 + 5) << 5 | 6) << 17 << 24
    array = struct.pack("<HH", 2, 14) + struct.pack("<BhBH", 5, -7, 12, 10) + b"\x03abc"
    document = _small_object(
        {
            "array": (2, array),
            "big": (10, struct.pack("<Q", 2**64 - 1)),
            "date": (15, bytes([10, 8]) + struct.pack("<q", date)),
            "decimal": (15, bytes([246, 4, 3, 2]) + bytes([0x81, 0x32])),
            "double": (11, struct.pack("<d", 1.5)),
            "long": (12, b"\x88\x01" + b"x" * 136),
            "no": (4, b"\x02"),
            "none": (4, b"\x00"),
            "small": (5, struct.pack("<h", -3)),
            "é": (7, struct.pack("<i", -70_000)),
        }
    )
    expected: dict[str, Value] = {
        "array": [-7, "abc"],
        "big": 2**64 - 1,
        "date": "2024-05-06",
        "decimal": Decimal("1.50"),
        "double": Decimal("1.5"),
        "long": "x" * 136,
        "no": False,
        "none": None,
        "small": -3,
        "é": -70_000,
    }
    assert json_of_binary(b"\x00" + document) == expected


@pytest.mark.parametrize("cut", [1, 3, 8, 20])
def test_binary_json_that_is_not_whole_is_refused(cut: int) -> None:
    """No value is made of a part."""
    document = b"\x00" + _small_object({"key": (12, b"\x05hello"), "more": (12, b"\x05hello")})
    with pytest.raises(ChangeUnreadable, match="JSON"):
        _ = json_of_binary(document[: len(document) - cut])


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("BEGIN", Meaning.BEGIN),
        ("COMMIT", Meaning.COMMIT),
        ("SAVEPOINT `s`", Meaning.SAVEPOINT),
        ("ROLLBACK TO `s`", Meaning.UNDONE),
        ("ROLLBACK", Meaning.ROLLBACK),
        ("XA END X'78',X'',1", Meaning.PREPARE),
        ("/* a comment */ truncate table t", Meaning.REMOVAL),
        ("DROP TABLE IF EXISTS `a`,`b` /* generated by server */", Meaning.REMOVAL),
        ("DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `x`", Meaning.OTHER),
        ("ALTER TABLE t RENAME COLUMN a TO b", Meaning.SCHEMA),
        ("ALTER TABLE t RENAME INDEX a TO b", Meaning.SCHEMA),
        ("ALTER TABLE t RENAME TO u", Meaning.REMOVAL),
        ("ALTER TABLE t DROP PARTITION p0", Meaning.REMOVAL),
        ("ALTER TABLE t ADD COLUMN c INT", Meaning.SCHEMA),
        ("CREATE OR REPLACE TABLE t (id INT)", Meaning.REMOVAL),
        ("WITH x AS (SELECT 1) DELETE FROM t", Meaning.ROWS),
        ("GRANT SELECT ON *.* TO a", Meaning.OTHER),
        ("# a comment\nINSERT INTO t VALUES (1)", Meaning.ROWS),
        ("/*!40000 TRUNCATE TABLE t */", Meaning.REMOVAL),
        ("/*!40000 DROP DATABASE IF EXISTS `shop`*/", Meaning.REMOVAL),
        ("/*M!100501 TRUNCATE t */", Meaning.REMOVAL),
        ("CREATE OR REPLACE DATABASE shop", Meaning.REMOVAL),
        ("SET STATEMENT max_statement_time = 1, sql_mode = ' FOR ' FOR TRUNCATE t", Meaning.REMOVAL),
        ("ALTER ONLINE TABLE t DROP PARTITION p0", Meaning.REMOVAL),
        ("ALTER IGNORE TABLE t ADD UNIQUE (a)", Meaning.REMOVAL),
        ("ALTER TABLE t CONVERT TABLE n TO PARTITION p1 VALUES LESS THAN (9)", Meaning.REMOVAL),
        ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", Meaning.SCHEMA),
        ("ALTER TABLE `a#b` DROP PARTITION p0", Meaning.REMOVAL),
        ("ALTER TABLE t RENAME`u`", Meaning.REMOVAL),
        ("ALTER TABLE t RENAME=u", Meaning.REMOVAL),
        ("ALTER TABLE t COMMENT = 'not to RENAME -- it'", Meaning.SCHEMA),
        ("SELECT `shop`.`written`()", Meaning.FUNCTION),
        ('DO RELEASE_LOCK("a")', Meaning.OTHER),
    ],
)
def test_a_statement_is_told_by_its_first_words(statement: str, expected: Meaning) -> None:
    """What ends a transaction, what changes columns, what changes rows that the log does not name."""
    assert meaning(statement) is expected


@pytest.mark.parametrize(
    ("statement", "schema", "expected"),
    [
        ("TRUNCATE `orders`", "shop", "shop.orders"),
        ("TRUNCATE shop . `orders`", "mysql", "shop.orders"),
        ("TRUNCATE ORDERS", "SHOP", "shop.orders"),
        ("TRUNCATE orders", "other", ""),
        ("TRUNCATE orders_old", "shop", ""),
        ("TRUNCATE `orders-old`", "shop", ""),
        ("/*!40000 TRUNCATE TABLE orders*/", "shop", "shop.orders"),
        ("DROP DATABASE shop", "", "shop.orders"),
        ("/*!40000 DROP DATABASE IF EXISTS `shop`*/", "", "shop.orders"),
        ("CREATE OR REPLACE SCHEMA shop", "", "shop.orders"),
        ("TRUNCATE `order lines`", "shop", "shop.order lines"),
        ("DROP TABLE `a``b`", "shop", "shop.a`b"),
        ("DROP DATABASE `the shop`", "", "the shop.x,y"),
    ],
)
def test_a_followed_table_is_found_in_a_statement(statement: str, schema: str, expected: str) -> None:
    """By its name and schema, or the schema that is in use, or when the whole schema goes."""
    followed = frozenset({"shop.orders", "shop.order lines", "shop.a`b", "the shop.x,y"})
    found = names_any(statement, schema, frozenset({expected}) if expected else followed)
    assert found == expected
