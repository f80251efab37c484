"""What the functions of a migration make of real rows: everything that the target would refuse, lose or mix up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from crossfade.cdc.changes import Change, Value, Version
from crossfade.cdc.migration import RowMigration
from crossfade.cdc.mysql.columns import Column, Kind
from crossfade.cdc.mysql.keyset import Key, KeyedRow, rows_after, rows_with
from crossfade.cdc.mysql.schema import SourceTable
from crossfade.cdc.mysql.source import Connection
from crossfade.cdc.planning import folded, of_single, packed_key
from crossfade.cdc.rows import Child, Fold, Single
from crossfade.cdc.verifying.making import WRITE_ALIKE
from crossfade.cdc.verifying.reading import misfit, taken_for
from crossfade.check.creating import declared_indexes
from crossfade.check.report import Finding, Severity, Tallies
from crossfade.core.items import ITEM_BYTES_MAX, Item, size_bytes, value_bytes
from crossfade.core.mapping import STAMP
from crossfade.core.tables.index_keys import KEY_ROLE_BYTES_MAX, IndexKey, why_refused
from crossfade.errors import CrossfadeError

STAMP_BYTES: Final = len(STAMP) + 128  # a version and a lock, with their names
PARENTS_MAX: Final = 10  # that are taken for one another: there is one, or the key's collation would not let them in
CHILDREN_MAX: Final = 10_000  # of one parent: an item holds a few thousand rows at most
DATES: Final = frozenset({Kind.DATE, Kind.DATETIME, Kind.TIMESTAMP})
FIRST: Final = Version(0, 0)

SAYINGS: Final[dict[str, tuple[Severity, str, str]]] = {  # code: severity, what, next step
    "unmappable": (
        "error",
        "{about}: the function fails for some rows, or makes what is no item or has no key",
        "correct the function; a row that is to make no item returns None",
    ),
    "key-collision": (
        "error",
        "{about}: rows with different primary keys make items with one key, of which the target keeps the last",
        "bring the whole primary key into the item's key: key(...) joins its parts so that none are alike",
    ),
    "misfit": (
        "error",
        "{about}: rows that write their parent's key otherwise (case, spaces, accents, another type)",
        WRITE_ALIKE,
    ),
    "item-too-large": (
        "error",
        f"{{about}}: items over {ITEM_BYTES_MAX:,} bytes, version included: the target would refuse them",
        "leave columns out, put them into an item of their own, or keep them elsewhere",
    ),
    "key-too-large": (
        "error",
        "{about}: keys that are too long: 2,048 bytes for a partition key, 1,024 for a sort key",
        "make the key of less",
    ),
    "index-key": (
        "error",
        "{about}: what an index cannot have as its key: the target would refuse these items",
        "return None for the attribute, or another type",
    ),
    "not-a-date": (
        "warning",
        "{about} holds what is no day of the calendar, such as 0000-00-00: its text is stored as it is",
        "if that is not what applications expect, ask: date_or(row[...], otherwise)",
    ),
    "empty-set": (
        "warning",
        "{about} holds empty sets, which DynamoDB has not: no attribute is stored, as for NULL",
        "store a list, if the difference matters: sorted(row[...])",
    ),
    "unused-column": (
        "info",
        "{about} is read by no function: what it holds is not in the target",
        "",
    ),
}


class Read(dict[str, Value]):
    """A row that knows which of its columns were asked for."""

    def __init__(self, row: dict[str, Value], seen: set[str]) -> None:
        super().__init__(row)
        self._seen = seen

    def __getitem__(self, name: str) -> Value:
        self._seen.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._seen.add(name)
        return super().get(name, default)


class RowExamination:
    """Give it the tables one after the other, then read its findings. Memory: the keys of the items made."""

    def __init__(self, migration: RowMigration, connection: Connection, tables: dict[str, SourceTable]) -> None:
        self.rows = 0
        self.whole = True  # whether every table was read to its end
        self._migration = migration
        self._connection = connection
        self._tables = tables
        self._tallies = Tallies(SAYINGS)
        self._maker_of: dict[str, str] = {}  # an item's key -> the row that made it
        self._seen: dict[str, set[str]] = {name: set() for name in tables}
        self._read: Counter[str] = Counter()
        self._indexes = tuple(
            IndexKey(name, index.kinds[name], index.name, "HASH" if name in index.names.partition else "RANGE")
            for index in declared_indexes(migration.target)
            for name in index.names.every
            if name not in migration.target.key
        )

    def examine(self, name: str, count: int) -> None:
        """The first rows of a table, by everything that reads it. Raises SourceError."""
        table, rows = self._tables[name], self._migration.rows
        found = rows_after(self._connection, table, None, count)
        self.whole = self.whole and len(found) < count
        self.rows += len(found)
        self._read[name] += len(found)
        singles = [single for single in rows.singles if single.table == name]
        folds = [fold for fold in rows.folds if fold.table == name]
        for keyed in found:
            self._look_at_values(table, keyed)
            for single in singles:
                self._single(single, keyed)
            for fold in folds:
                self._fold(fold, keyed)

    def _look_at_values(self, table: SourceTable, keyed: KeyedRow) -> None:
        for column in table.columns:
            code = odd(column, keyed.row[column.name])
            if code:
                self._tally(code, f"{table.name}.{column.name}", f"row {shown(keyed)}: {keyed.row[column.name]!r}")

    def _single(self, single: Single, keyed: KeyedRow) -> None:
        row = Read(keyed.row, self._seen[single.table])
        change = Change(single.table, keyed.key, row, FIRST)
        self._guarded(
            single.table,
            keyed,
            lambda: [written.item for written in of_single(single, self._migration.target, change)],
        )

    def _fold(self, fold: Fold, keyed: KeyedRow) -> None:
        parts = [(fold.table, Read(keyed.row, self._seen[fold.table]))]
        for child in fold.children.values():
            table = self._tables[child.table]
            self._seen[child.table] |= set(child.columns)
            children = rows_with(self._connection, table, child.columns, keyed.key, CHILDREN_MAX)
            self._look_for_misfits(fold, child, keyed.key, children)
            parts += [(child.table, Read(each.row, self._seen[child.table])) for each in children]
        self._guarded(fold.table, keyed, lambda: [folded(fold, self._migration.target, keyed.key, parts).item])

    def _look_for_misfits(self, fold: Fold, child: Child, parent: Key, children: list[KeyedRow]) -> None:
        """Rows that the source takes for those of a parent, though they write its key otherwise."""
        table = self._tables[fold.table]
        for each in children:
            said = tuple(each.row[name] for name in child.columns)
            if packed_key(said) == packed_key(parent):
                continue
            for taken in taken_for(rows_with(self._connection, table, table.key, said, PARENTS_MAX), said):
                self._tally("misfit", child.table, misfit(child.table, each.key, said, taken))

    def _guarded(self, table: str, keyed: KeyedRow, make: Callable[[], list[Item | None]]) -> None:
        try:
            made = make()
        except CrossfadeError as error:
            self._tally("unmappable", table, f"row {shown(keyed)}: {error.message}")
            return
        for item in made:
            if item is not None:
                self._item(table, keyed, item)

    def _item(self, table: str, keyed: KeyedRow, item: Item) -> None:
        row = f"row {shown(keyed)}"
        target = self._migration.target
        key = ", ".join(f"{name}={next(iter(item[name].values()))!r}" for name in target.key_names)
        maker = self._maker_of.setdefault(key, f"{table} {row}")
        if maker != f"{table} {row}":
            self._tally("key-collision", table, f"{maker} and {table} {row}: {key}")
        size = size_bytes(item) + STAMP_BYTES
        if size > ITEM_BYTES_MAX:
            self._tally("item-too-large", table, f"{row}: {size:,} bytes")
        limits = (KEY_ROLE_BYTES_MAX["HASH"], KEY_ROLE_BYTES_MAX["RANGE"])
        for name, limit in zip(target.key_names, limits, strict=False):
            if value_bytes(item[name]) > limit:
                self._tally("key-too-large", table, f"{row}: {name} has {value_bytes(item[name]):,} bytes")
        refused = why_refused(item, self._indexes)
        if refused is not None:
            self._tally("index-key", table, f"{row}: {refused}")

    def _tally(self, code: str, about: str, sample: str) -> None:
        self._tallies.of(code, about).add(sample)

    def findings(self) -> Iterator[Finding]:
        """Yield the findings about all that was examined."""
        for name, table in self._tables.items():
            if self._read[name]:
                for column in table.columns:
                    if column.name not in self._seen[name]:
                        _ = self._tallies.of("unused-column", f"{name}.{column.name}")
        yield from self._tallies.findings()


def odd(column: Column, value: Value) -> str:
    """The code of what a value would lose, or be taken for; "" for none."""
    if column.kind in DATES and isinstance(value, str):
        return "not-a-date"
    return "empty-set" if isinstance(value, frozenset) and not value else ""


def shown(keyed: KeyedRow) -> str:
    return ", ".join(repr(value) for value in keyed.key)
