"""What must be true at rest: the target is what the source's rows make, in both directions, and so are the parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from crossfade.cdc.wire import unpacked_row
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.sim.checkers import Violation, label
from crossfade.sim.freeze.shapes import PARTS, TARGET, items
from crossfade.sim.freeze.stores import Stores, belongs, is_gone
from crossfade.sim.history import KeyName
from crossfade.sim.trace import short


def unequal(stores: Stores, keys: Iterable[KeyName]) -> Iterator[Violation]:
    """Each key under which the target is not what the source's state makes."""
    target = stores.tables[TARGET]
    shape = stores.sql.shape.name
    for key in keys:
        held = {at: plain(item) for at, item in target.items.items() if belongs(item, key) and not is_gone(item)}
        wanted = {target.key(item): item for item in items(shape, key, stores.sql.state(key))}
        if held != wanted:
            wrong = sorted(at for at in held.keys() | wanted.keys() if held.get(at) != wanted.get(at))
            details = [f"{at}: {short(held.get(at))}, and not {short(wanted.get(at))}" for at in wrong]
            what = f"{len(wrong)} items of {label(key)} are not what its rows make"
            yield Violation("at rest, target == mapping(source)", what, (label(key),), tuple(details))


def plain(item: Item) -> Item:
    return {name: value for name, value in item.items() if name != STAMP}


def other_parts(stores: Stores) -> Iterator[Violation]:
    """Parts that are not the rows."""
    rows: dict[tuple[str, Any], Any] = {}
    if stores.sql.shape.rows.folds:
        rows = {(table, key): dict(row) for table, held in stores.sql.tables.items() for key, row in held.items()}
    parts: dict[tuple[str, Any], Any] = {}
    for part in stores.tables[PARTS].items.values():
        if "row" in part:
            row = unpacked_row(orjson.loads(part["row"]["S"]))
            assert row is not None  # noqa: S101 - a part without one has none
            parts[part["table"]["S"], row["id"]] = row
    if parts != rows:
        wrong = sorted(str(at) for at in parts.keys() | rows.keys() if parts.get(at) != rows.get(at))
        yield Violation("at rest, the parts are the rows", f"{len(wrong)} parts differ: {', '.join(wrong)}")
