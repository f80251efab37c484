"""The SQL store: rows, transactions that take effect at one moment, and the log of them.

As MySQL's, the log has the rows that a transaction has changed, in its order, and nothing of an update that changes
nothing. A change of a primary key is a delete and an insert at one position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from crossfade.cdc.changes import Change, Version
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.mysql.reader import Commit, Told
from crossfade.cdc.mysql.watermarks import Watermark
from crossfade.sim.freeze.shapes import Shape, row_of
from crossfade.sim.history import KeyName
from crossfade.sim.model import State

EPOCH: Final = 0

RowData = Mapping[str, Any]


@lru_cache(maxsize=2048)
def position_at(number: int) -> Position:
    """Behind this transaction."""
    return Position(Counting.MARIADB, gtids=f"0-1-{number}" if number else "")


def number_of(position: Position) -> int:
    """How many transactions lie before it."""
    return int(position.gtids.rsplit("-", 1)[1]) if position.gtids else 0


@dataclass(frozen=True, slots=True)
class Logged:
    """One transaction, or one mark of a snapshot."""

    told: tuple[Told, ...]


class Sql:
    """`log[n]` is transaction n + 1. What there is before the log begins is in no log."""

    def __init__(self, shape: Shape, initial: Mapping[KeyName, State]) -> None:
        self.shape = shape
        self.log: list[Logged] = []
        self.tables: dict[str, dict[Any, RowData]] = {table: {} for table in shape.tables}
        self._line = 0
        self._now = 0.0
        self._changes: list[Change] = []
        for key, state in initial.items():
            self._set(key, state)
        self._changes = []

    @property
    def end(self) -> Position:
        return position_at(len(self.log))

    def state(self, key: KeyName) -> State:
        row = self.tables[self.shape.parent].get(key[1])
        if row is None:
            return None
        if self.shape.name != "fold":
            return row["n"], tuple(filter(None, row["log"].split(","))), row["status"]
        return row["n"], tuple(line["token"] for line in self._lines(key)), row["status"]

    def set(self, states: Mapping[KeyName, State], now: float) -> None:
        """One transaction. With two entities, one of which goes while the other comes, it is a change of the key."""
        self._now = now
        if self.shape.name == "fold" and len(states) > 1:
            self._adopt(states)
        for key, state in sorted(states.items(), key=lambda entry: entry[1] is not None):
            self._set(key, state)
        changes, self._changes = self._changes, []
        if changes:
            self.log.append(Logged((*changes, Commit(position_at(len(self.log) + 1), now))))

    def mark(self, of: str, mark: str, now: float) -> None:
        """A snapshot's mark is a transaction of its own."""
        position = len(self.log) + 1
        self.log.append(Logged((Watermark(of, mark, Version(EPOCH, position)), Commit(position_at(position), now))))

    def _adopt(self, states: Mapping[KeyName, State]) -> None:
        """A child of the entity that goes becomes one of the entity that comes."""
        lines = [line for key, state in states.items() if state is None for line in self._lines(key)]
        coming = [(key, state) for key, state in states.items() if state is not None and state[1]]
        for line, (key, state) in zip(lines, coming, strict=False):
            assert state is not None  # noqa: S101 - see above
            self._write("shop.lines", line["id"], {**line, "order_id": key[1], "place": 0, "token": state[1][0]})

    def _lines(self, key: KeyName) -> list[RowData]:
        lines = [line for line in self.tables["shop.lines"].values() if line["order_id"] == key[1]]
        return sorted(lines, key=lambda line: line["place"])

    def _set(self, key: KeyName, state: State) -> None:
        if self.shape.name == "fold":
            self._set_lines(key, () if state is None else state[1])
        row = None if state is None else row_of(self.shape.name, key, state)
        self._write(self.shape.parent, key[1], row)

    def _set_lines(self, key: KeyName, log: tuple[str, ...]) -> None:
        """Rows that stay as they are, are not written; nor need they come in their order."""
        held = self._lines(key)
        for line in held:
            if line["place"] >= len(log) or line["token"] != log[line["place"]]:
                self._write("shop.lines", line["id"], None)
        kept = {line["place"] for line in self._lines(key)}
        for at, token in enumerate(log):
            if at not in kept:
                self._line += 1
                row: RowData = {"id": self._line, "order_id": key[1], "place": at, "token": token}
                self._write("shop.lines", self._line, row)

    def _write(self, table: str, key: Any, row: RowData | None) -> None:
        before = self.tables[table].get(key)
        if before == row:
            return
        version = Version(EPOCH, len(self.log) + 1, len(self._changes))
        self._changes.append(Change(table, (key,), row, version, before, self._now))
        if row is None:
            del self.tables[table][key]
        else:
            self.tables[table][key] = row
