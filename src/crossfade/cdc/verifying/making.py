"""Which items a row makes and which parts are kept of it, and back: which row an item or a part says that it is of.

Pure, and by the very functions that the log is applied with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.cdc.applying import part_item
from crossfade.cdc.changes import Change, ChangeUnreadable, Version
from crossfade.cdc.mysql.keyset import Key, KeyedRow
from crossfade.cdc.planning import Part, folded, items_made, name_of_row, of_fold, packed_key, unpacked_key
from crossfade.cdc.rows import Fold, Rows
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.tables.pair import key_name
from crossfade.errors import MappingError

WRITE_ALIKE: Final = "write both alike on the source: UPDATE the row that refers to the other"
LOWEST: Final = Version(0, 0)  # below every change


@dataclass(frozen=True, slots=True)
class RowName:
    """A row of the source, whether it is there or not."""

    table: str
    key: Key

    def __str__(self) -> str:
        return name_of_row(self.table, self.key)


@dataclass(frozen=True, slots=True)
class WholeRow:
    """A row, or that there is none, with the rows that are folded into its item, by their tables.

    `misfit`: a row that the source takes for one of them, and that goes into no item, as it writes the key otherwise.
    """

    name: RowName
    row: Mapping[str, Any] | None
    children: Mapping[str, list[KeyedRow]] = field(default_factory=dict[str, list[KeyedRow]])
    misfit: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """One item as it is to be. `fold` is what made it of several rows."""

    key: Item
    item: Item
    fold: Fold | None = None


class Making:
    """What rows mean under a mapping."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.makers: Final = tuple(
            dict.fromkeys([*(single.table for single in rows.singles), *(fold.table for fold in rows.folds)])
        )

    def folds_of(self, parent: str) -> list[Fold]:
        """Return the folds whose parent is this table."""
        return [fold for fold in self.rows.folds if fold.table == parent]

    def items(self, whole: WholeRow) -> dict[str, Made]:
        """Return the items that the row makes, by the names of their keys. Raises MappingError."""
        if whole.row is None:
            return {}
        if whole.misfit:
            raise MappingError(whole.misfit, next_step=WRITE_ALIKE)
        table, target = whole.name.table, self.rows.target
        found: list[Made] = []
        for single in self.rows.singles:
            if single.table == table:
                found += [Made(key, item) for key, item in items_made(single, target, whole.row)]
        for fold in self.folds_of(table):
            written = folded(fold, target, whole.name.key, _in_order(fold, whole))
            if written.item is not None:
                found.append(Made(written.key, written.item, fold))
        return {key_name(made.key): made for made in found}

    def parts(self, table: str, keyed: KeyedRow) -> list[Part]:
        """What is kept of a row, for each item that it goes into. Raises MappingError."""
        change = Change(table, keyed.key, keyed.row, LOWEST)
        return [part for fold in self.rows.folds if fold.reads(table) for part in of_fold(fold, change)]

    def parts_of_whole(self, whole: WholeRow, fold: Fold) -> list[Part]:
        """What is to be kept for the item of this row."""
        found = [] if whole.row is None else [KeyedRow(whole.name.key, dict(whole.row))]
        given = [(fold.table, found), *((table, whole.children.get(table, [])) for table in _child_tables(fold))]
        parts = [part for table, rows in given for keyed in rows for part in self.parts(table, keyed)]
        name = str(whole.name)
        return [part for part in parts if part.fold is fold and name_of_row(fold.name, part.parent) == name]

    # --- the way back

    def maker_of(self, item: Item) -> RowName | None:
        """The row that an item says that it is of; None where it says nothing, or nothing that this mapping knows."""
        stamp: Any = item.get(STAMP, {}).get("M", {})
        return _named(stamp.get("of", {}).get("S", ""), self.makers)

    def row_of_part(self, key: Item) -> RowName | None:
        """The row that a part is of."""
        return _named(key["part"]["S"], self.rows.tables)

    def part_at(self, key: Item) -> Part | None:
        """The part at a key of the parts table, as one that is gone; None where no fold keeps anything there."""
        row = self.row_of_part(key)
        for fold in self.rows.folds:
            parent = _named(key["item"]["S"], (fold.name,))
            if parent is not None and row is not None:
                return Part(fold, parent.key, row.table, row.key, None)
        return None


def part_wanted(part: Part) -> Item:
    """A part as it is to be kept, whatever its version."""
    item = part_item(part, LOWEST)
    del item["version"]
    return item


def key_of_part(item: Item) -> Item:
    return {"item": item["item"], "part": item["part"]}


def _in_order(fold: Fold, whole: WholeRow) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The rows of an item in the order in which its parts are read: that of their names."""
    if whole.row is not None:
        yield whole.name.table, whole.row
    for table in _child_tables(fold):
        rows = whole.children.get(table, ())
        for keyed in sorted(rows, key=lambda each: packed_key(each.key)):
            yield table, keyed.row


def _child_tables(fold: Fold) -> tuple[str, ...]:
    return tuple(dict.fromkeys(child.table for child in fold.children.values()))


def _named(text: str, tables: Iterable[str]) -> RowName | None:
    for table in tables:
        if text.startswith(f"{table} ["):
            try:
                return RowName(table, unpacked_key(text[len(table) + 1 :]))
            except ChangeUnreadable:
                return None
    return None
