"""A SELECT and the log give one value, and it is the one that was written: random rows of every type."""

from __future__ import annotations

import os
import random

from crossfade.cdc.mysql.reader import position_now
from crossfade.cdc.mysql.schema import read_table
from crossfade.cdc.mysql.source import Connection, Source
from tests.cdc.mysql.all_types import OF_MARIADB, TYPES, Make, random_row
from tests.cdc.mysql.reading import changes, read_to_end, select_all
from tests.cdc.mysql.writing import insert

EVERY = os.environ.get("EVERY") == "1"
ROWS = 10_000 if EVERY else 300
ROWS_A_STATEMENT = 500 if EVERY else 100
SEED = 16


def _types(connection: Connection) -> dict[str, tuple[str, Make]]:
    of_mariadb = "MariaDB" in connection.texts("SELECT VERSION()")[0][0]
    return {**TYPES, **(OF_MARIADB if of_mariadb else {})}


def test_rows_of_all_types_are_the_same_from_a_select_and_from_the_log(
    server: Source, connection: Connection, server_id: int
) -> None:
    """Every value comes back from both ways in as it was written."""
    types = _types(connection)
    columns = ", ".join(f"`{name}` {of_type}" for name, (of_type, _) in types.items())
    _ = connection.rows(f"CREATE TABLE every (id BIGINT UNSIGNED PRIMARY KEY, {columns})")
    table = read_table(connection, "shop.every")
    position = position_now(server)
    chance = random.Random(SEED)
    for first in range(0, ROWS, ROWS_A_STATEMENT):
        written = [{"id": first + number, **random_row(chance, types)} for number in range(ROWS_A_STATEMENT)]
        insert(connection, table, written)
        at = f"WHERE id >= {first}"
        selected = select_all(connection, table, at)
        told = read_to_end(server, ["shop.every"], position, server_id)
        position = position_now(server)
        logged = [change.row for change in changes(told)]
        assert len(logged) == len(selected) == len(written)
        for wrote, saw, heard in zip(written, selected, logged, strict=True):
            assert heard is not None
            for name in wrote:
                case = f"{name} {types[name][0] if name in types else ''} in row {wrote['id']!r}"
                assert (saw[name], type(saw[name])) == (wrote[name], type(wrote[name])), f"SELECT: {case}"
                assert (heard[name], type(heard[name])) == (wrote[name], type(wrote[name])), f"log: {case}"
