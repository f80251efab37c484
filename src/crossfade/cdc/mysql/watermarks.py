"""Marks that a snapshot commits to a table of its own on the source, to see in the log where a chunk was read.

Asking the source where its log ends is not enough: a transaction is in the log before it can be seen by a SELECT. A
mark's own commit is behind all that was committed before it, in the log as for whoever reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.cdc.changes import Version
from crossfade.cdc.mysql.source import Connection, text_literal
from crossfade.cdc.mysql.text_values import quoted
from crossfade.cdc.topics import MARKS

TABLE: Final = MARKS
NAME_CHARACTERS_MAX: Final = 190  # what a key of utf8mb4 may have in the oldest row format
NUMBERS_A_SECOND: Final = 1_000  # far more than are written


@dataclass(frozen=True, slots=True)
class Watermark:
    """A mark as the log tells of it."""

    of: str
    mark: str
    version: Version


class Watermarks:
    """The table of marks in a schema: one row for each snapshot, which every mark replaces."""

    def __init__(self, schema: str) -> None:
        self.name = f"{schema}.{TABLE}"
        self._quoted = f"{quoted(schema)}.{quoted(TABLE)}"

    @property
    def creating(self) -> str:
        """The statement that makes the table, for whoever may."""
        return (
            f"CREATE TABLE IF NOT EXISTS {self._quoted} (name VARCHAR({NAME_CHARACTERS_MAX}) CHARACTER SET utf8mb4 "
            "NOT NULL PRIMARY KEY, mark VARCHAR(190) CHARACTER SET utf8mb4 NOT NULL) ENGINE=InnoDB"
        )

    def create(self, connection: Connection) -> None:
        """Make the table where it is missing; an account that may not create any can use one. Raises SourceError."""
        if connection.texts_or_none(f"SELECT 1 FROM {self._quoted} LIMIT 0") is None:  # noqa: S608
            _ = connection.rows(self.creating)

    def drop(self, connection: Connection) -> None:
        """Remove the table, where there is one. Raises SourceError."""
        _ = connection.rows(f"DROP TABLE IF EXISTS {self._quoted}")

    def commit(self, connection: Connection, of: str, mark: str) -> None:
        """Write a mark; it has been committed when this returns. Raises SourceError."""
        values = f"{text_literal(of)}, {text_literal(mark)}"
        _ = connection.rows(f"REPLACE INTO {self._quoted} (name, mark) VALUES ({values})")  # noqa: S608  literals

    def count(self, connection: Connection, names: Sequence[str], at: float) -> int:
        """Write the next number of a count, and the time, to all of these names in one transaction; the number.

        A number is committed before the next one is given, so the log has them in their order. The source's clock tells
        the least: a table that was dropped in between does not give numbers again that came through the log before.
        Raises SourceError.
        """
        _ = connection.rows("START TRANSACTION")
        try:
            first = text_literal(names[0])
            _ = connection.rows(
                f"INSERT INTO {self._quoted} (name, mark) VALUES ({first}, '0 0')"  # noqa: S608  literals
                " ON DUPLICATE KEY UPDATE mark = mark"  # locks the row at once: two that count do not meet
            )
            found = connection.texts(
                f"SELECT mark, UNIX_TIMESTAMP() FROM {self._quoted} WHERE name = {first} FOR UPDATE"  # noqa: S608
            )
            last, seconds = found[0]
            number = max(int(last.split()[0]) + 1, int(seconds) * NUMBERS_A_SECOND)
            mark = text_literal(f"{number} {at:.3f}")
            rows = ", ".join(f"({text_literal(name)}, {mark})" for name in names)
            _ = connection.rows(f"REPLACE INTO {self._quoted} (name, mark) VALUES {rows}")  # noqa: S608  literals
            _ = connection.rows("COMMIT")
        except BaseException:
            connection.close()  # and with it the transaction
            raise
        return number
