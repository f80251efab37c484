"""A SELECT and the log give one value also where a server has a form of its own, or keeps more than it shows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from crossfade.cdc.changes import Value
from crossfade.cdc.mysql.errors import TableUnfit
from crossfade.cdc.mysql.keyset import prepare, rows_after
from crossfade.cdc.mysql.reader import position_now
from crossfade.cdc.mysql.schema import read_table
from crossfade.cdc.mysql.source import Connection, Source
from crossfade.cdc.mysql.values import inet6_text, json_value
from tests.cdc.mysql.reading import changes, read_to_end

INET6 = {
    "00000000000000000000000000000000": "::",
    "00000000000000000000000000000001": "::1",
    "00000000000000000000000000010000": "::0.1.0.0",
    "00000000000000000000ffff01020304": "::ffff:1.2.3.4",
    "00000000000000000000ffff00000000": "::ffff:0.0.0.0",
    "00000000000000000000000001020304": "::1.2.3.4",
    "00010000000200030004000500060007": "1::2:3:4:5:6:7",
    "00010002000300040005000600070000": "1:2:3:4:5:6:7::",
    "00010000000000020003000000000004": "1::2:3:0:0:4",
    "fe80000000000001000000000000000f": "fe80:0:0:1::f",
}


def both_ways(server: Source, connection: Connection, server_id: int, *statements: str) -> list[dict[str, Value]]:
    """The rows of shop.edges after these, which a SELECT and the log agree upon."""
    position = position_now(server)
    for statement in statements:
        _ = connection.rows(statement)
    prepare(connection)
    table = read_table(connection, "shop.edges")
    selected = [keyed.row for keyed in rows_after(connection, table, None, 100)]
    told = [change.row for change in changes(read_to_end(server, ["shop.edges"], position, server_id))]
    assert sorted(map(repr, told)) == sorted(map(repr, selected))
    return selected


@pytest.mark.parametrize(("stored", "text"), INET6.items())
def test_an_address_is_written_as_the_server_writes_it(stored: str, text: str) -> None:
    """With its last four bytes as those of version 4 where they are, and one zero left out like several."""
    assert inet6_text(bytes.fromhex(stored)) == text


def test_addresses_are_the_same_from_both_ways_in(server: Source, connection: Connection, server_id: int) -> None:
    """They are keys of items, where another text is another item."""
    if not connection.mariadb:
        pytest.skip("MySQL has no such type")
    values = ", ".join(f"(CAST(X'{stored}' AS INET6))" for stored in INET6)
    rows = both_ways(
        server,
        connection,
        server_id,
        "CREATE TABLE edges (id INET6 PRIMARY KEY)",
        f"INSERT INTO edges VALUES {values}",
    )
    assert sorted(str(row["id"]) for row in rows) == sorted(INET6.values())


def test_what_a_server_keeps_beside_a_long_unique_text_is_no_column(
    server: Source, connection: Connection, server_id: int
) -> None:
    """MariaDB's log has a hash behind the columns, which no SELECT shows."""
    if not connection.mariadb:
        pytest.skip("MySQL has no such index")
    rows = both_ways(
        server,
        connection,
        server_id,
        "CREATE TABLE edges (id INT PRIMARY KEY, link TEXT UNIQUE)",
        "INSERT INTO edges VALUES (1, 'a'), (2, NULL)",
    )
    assert rows == [{"id": 1, "link": "a"}, {"id": 2, "link": None}]


def test_a_member_of_a_set_that_is_empty_is_none(server: Source, connection: Connection, server_id: int) -> None:
    """A SELECT cannot tell it from no member."""
    rows = both_ways(
        server,
        connection,
        server_id,
        "CREATE TABLE edges (id INT PRIMARY KEY, tags SET('', 'a', 'b'))",
        "INSERT INTO edges VALUES (1, 0), (2, 1), (3, 3), (4, 7)",
    )
    assert [row["tags"] for row in rows] == [frozenset(), frozenset(), {"a"}, {"a", "b"}]


def test_a_year_of_two_digits_is_refused(connection: Connection) -> None:
    """A SELECT shows 70 for what the log calls 1970."""
    if not connection.mariadb:
        pytest.skip("MySQL has no such type any more")
    _ = connection.rows("CREATE TABLE edges (id INT PRIMARY KEY, made YEAR(2))")
    with pytest.raises(TableUnfit, match="year"):
        _ = read_table(connection, "shop.edges")


def test_a_member_of_an_enum_is_known_by_its_own_text(server: Source, connection: Connection, server_id: int) -> None:
    """The schema's own text of it is quoted."""
    rows = both_ways(
        server,
        connection,
        server_id,
        r"CREATE TABLE edges (e ENUM('a\\b', 'c\nd', 'it''s', 'é') PRIMARY KEY)",
        "INSERT INTO edges VALUES (1), (2), (3), (4)",
    )
    members = read_table(connection, "shop.edges").columns[0].members
    assert [row["e"] for row in rows] == list(members) == ["a\\b", "c\nd", "it's", "é"]


def test_a_number_of_json_may_have_more_digits_than_python_reads() -> None:
    """It stops no reader: whether it can be stored is the item's."""
    assert json_value("[" + "1" * 5_000 + "]") == [Decimal("1" * 5_000)]
