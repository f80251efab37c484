"""What one change of a row means for the target: which items are written, which are gone, which parts are kept.

Pure: the same change under the same mapping means the same, however often and wherever it is asked. So a change may
come twice, and a log may be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import orjson

from crossfade.cdc.changes import Change, ChangeUnreadable, Value
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Fold, Rows, Single
from crossfade.cdc.values import item_of
from crossfade.cdc.wire import packed, unpacked
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.errors import MappingError
from crossfade.migration import Table

RowData: TypeAlias = Mapping[str, Value]
Name: TypeAlias = tuple[str | bytes, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """One item of the target after the change; `item` is None where the row makes none any more.

    `of` names the row that makes it: of a folded item, the parent's.
    """

    key: Item
    item: Item | None
    of: str


@dataclass(frozen=True, slots=True)
class Part:
    """One row of a folded item. `parent` is the parent's primary key; `row` is None where it is no part any more."""

    fold: Fold
    parent: tuple[Value, ...]
    table: str
    key: tuple[Value, ...]
    row: RowData | None


@dataclass(frozen=True, slots=True)
class Plan:
    written: tuple[Written, ...]
    parts: tuple[Part, ...]


def planned(rows: Rows, change: Change, *, parts_only: bool = False) -> Plan:
    """Raises MappingError where a function cannot map the row, ChangeUnreadable where the change tells too little.

    `parts_only`: no item is written, so no function is asked for one.
    """
    singles = [] if parts_only else [single for single in rows.singles if single.table == change.table]
    folds = [fold for fold in rows.folds if fold.reads(change.table)]
    if change.tells_too_little and (singles or folds):
        raise ChangeUnreadable(
            f"a change of {change.table} does not tell the row before it: which items it had made cannot be known",
            next_step="let the capture send the row before as well: AWS DMS with BeforeImageSettings, MySQL with"
            " binlog_row_image=FULL",
        )
    written: list[Written] = []
    for single in singles:
        written += of_single(single, rows.target, change)
    return Plan(tuple(written), tuple([part for fold in folds for part in of_fold(fold, change)]))


def of_single(single: Single, target: Table, change: Change) -> list[Written]:
    """The items that the row makes now; those that it made before and makes no more are gone."""
    of = name_of_row(change.table, change.key)
    now = items_made(single, target, change.row)
    written = [Written(key, item, of) for key, item in now]
    if change.before is None:
        return written
    names = {name_of(key) for key, _ in now}
    before = items_made(single, target, change.before)
    return [*(Written(key, None, of) for key, _ in before if name_of(key) not in names), *written]


def items_made(single: Single, target: Table, row: RowData | None) -> list[tuple[Item, Item]]:
    """Return the items that one row makes, each with its key."""
    if row is None:
        return []
    what = f"table {single.table}"
    found: list[tuple[Item, Item]] = []
    for attributes in each(guarded(what, row, lambda: single.make(Row(single.table, row))), what):
        item = item_of(attributes)
        found.append((key_of(item, target, what), item))
    if len(found) > 1:
        refuse_twins(found, what)
    return found


def refuse_twins(made: Iterable[tuple[Item, Item]], what: str) -> None:
    """Raises MappingError where two items have one key."""
    names: set[Name] = set()
    for key, _ in made:
        if name_of(key) in names:
            raise MappingError(f"{what}: one row makes two items with the key {key}")
        names.add(name_of(key))


def of_fold(fold: Fold, change: Change) -> Iterable[Part]:
    """The row as a part of its parent's item; where it has gone over to another parent, the old one loses it."""
    for columns in [None] * (change.table == fold.table) + [
        child.columns for child in fold.children.values() if child.table == change.table
    ]:
        before, now = parent_of(change, change.before, columns), parent_of(change, change.row, columns)
        if before is not None and before != now:
            yield Part(fold, before, change.table, change.key, None)
        if now is not None:
            yield Part(fold, now, change.table, change.key, change.row)


def parent_of(change: Change, row: RowData | None, columns: tuple[str, ...] | None) -> tuple[Value, ...] | None:
    """The parent's primary key; None where there is no row, or one without a parent."""
    if row is None:
        return None
    if columns is None:
        return change.key
    values = tuple(Row(change.table, row)[column] for column in columns)
    return None if None in values else values


def folded(fold: Fold, target: Table, parent: tuple[Value, ...], parts: Iterable[tuple[str, RowData]]) -> Written:
    """The item of these rows, each with its table; without its parent's own row there is none."""
    what = f"item of {fold.table} {parent}"
    given, of = [(table, Row(table, row)) for table, row in parts], name_of_row(fold.table, parent)
    key = key_of(item_of(guarded(what, None, lambda: fold.into(*parent))), target, what)
    own = [row for table, row in given if table == fold.table]
    if not own:
        return Written(key, None, of)
    children = {name: [row for table, row in given if table == child.table] for name, child in fold.children.items()}
    made = guarded(what, own[0], lambda: fold.make(own[0], **children))
    item = None if made is None else {**item_of(made), **key}
    refuse_ours(item or {}, what)
    return Written(key, item, of)


def each(made: object, what: str) -> list[Mapping[str, Any]]:
    """One item, several or none, as a list. Raises MappingError for anything else."""
    if type(made) is dict:  # nearly always
        return [cast("dict[str, Any]", made)]
    if made is None:
        return []
    entries = list(cast("list[object]", made)) if isinstance(made, (list, tuple)) else [made]
    if all(isinstance(entry, Mapping) for entry in entries):
        return cast("list[Mapping[str, Any]]", entries)
    raise MappingError(f"{what}: {made!r} is no item, no list of items and not None")


def key_of(item: Item, target: Table, what: str) -> Item:
    """The item's key. Raises MappingError where a part of it is missing, of another type or empty."""
    refuse_ours(item, what)
    key: Item = {}
    for name, kind in target.key.items():
        value = item.get(name)
        if value is None or kind not in value:
            said = "is missing" if value is None else f"is of type {next(iter(value))}"
            raise MappingError(f"{what}: the key attribute {name!r} {said}; table {target.name} needs type {kind}")
        if value[kind] in ("", b""):
            raise MappingError(f"{what}: the key attribute {name!r} is empty, which DynamoDB takes for no key")
        key[name] = value
    return key


def refuse_ours(item: Item, what: str) -> None:
    """Raises MappingError where the item has the attribute that holds its version: what it says would be lost."""
    if STAMP in item:
        raise MappingError(
            f"{what}: the attribute {STAMP!r} is crossfade's own", next_step="give it another name in the function"
        )


def name_of(key: Item) -> Name:
    """What two keys of one table have in common when they are the same: names and types are the table's."""
    return tuple(held for value in key.values() for held in value.values())


def packed_key(values: tuple[Value, ...]) -> str:
    """A primary key as a text."""
    return orjson.dumps([packed(value) for value in values]).decode()


def unpacked_key(text: str) -> tuple[Value, ...]:
    """The primary key again. Raises ChangeUnreadable."""
    try:
        return tuple(unpacked(value) for value in orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise ChangeUnreadable(f"{text!r} is no primary key: {error}") from None


def name_of_row(table: str, key: tuple[Value, ...]) -> str:
    """A row as a text: its table and its primary key."""
    return f"{table} {packed_key(key)}"


def guarded(what: str, row: RowData | Row | None, call: Callable[[], Any]) -> Any:
    """What a function of the mapping returns; whatever it raises is a MappingError that names the row."""
    try:
        return call()
    except MappingError:
        raise
    except Exception as error:
        shown = "" if row is None else f", row {dict(row)!r}"
        raise MappingError(f"{what}{shown}: {type(error).__name__}: {error}") from error
