"""What one entity is: a state to its callers, rows in the source, items in the target.

Three shapes: one row that is one item; one row that is several items, one of which follows from an ordinary column; a
row and its children that are one item together. The functions that map rows are such as an application would write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.cdc.planning import RowData
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child, Rows
from crossfade.cdc.values import item_of
from crossfade.core.items import Item
from crossfade.migration import Table
from crossfade.sim.history import KeyName
from crossfade.sim.model import State

SHAPES: Final = ("single", "several", "fold")
TARGET: Final = "target"
PARTS: Final = "parts"
KEY_NAMES: Final = ("pk", "sk")
CODES: Final = 3  # of an entity: a code comes again, so that what is gone may come back

Made = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """`tables`: the parent's first."""

    name: str
    tables: tuple[str, ...]
    rows: Rows

    @property
    def parent(self) -> str:
        return self.tables[0]


def shape(name: str) -> Shape:
    """The shape of this name, with its mapping."""
    rows = Rows(Table(TARGET, key={"pk": "S", "sk": "S"}))
    match name:
        case "single":
            _ = rows.table("shop.customers")(one)
        case "several":
            _ = rows.table("shop.products")(coded)
        case _:
            _ = rows.fold("shop.orders", into=place, lines=Child("shop.lines", parent="order_id"))(of_lines)
    return Shape(name, rows.tables, rows)


# --- the mapping


def place(entity: str) -> Made:
    """Return the key of an entity's own item."""
    return {"pk": f"entity#{entity}", "sk": "all"}


def made_of_row(row: Row) -> list[Made]:
    return [made(row["id"], (row["n"], tuple(filter(None, row["log"].split(","))), row["status"]))]


def one(row: Row) -> Made:
    return made_of_row(row)[0]


def coded(row: Row) -> list[Made]:
    return [*made_of_row(row), *codes(row["id"], row["status"])]


def of_lines(row: Row, lines: Sequence[Row]) -> Made:
    log = tuple(line["token"] for line in sorted(lines, key=lambda line: line["place"]))
    return made(row["id"], (row["n"], log, row["status"]))


def made(entity: str, state: tuple[int | None, tuple[str, ...], str | None]) -> Made:
    n, log, status = state
    attributes: dict[str, Any] = {**place(entity), "log": list(log)}
    if n is not None:
        attributes["n"] = n
    if status is not None:
        attributes["status"] = status
    return attributes


def codes(entity: str, status: str | None) -> list[Made]:
    """Return the item by which an entity is found by status: one of a few codes, which come again."""
    if status is None:
        return []
    code = sum(status.encode()) % CODES
    return [{"pk": f"code#{entity}#{code}", "sk": "code", "of": entity, "status": status}]


# --- the same for whoever writes items without rows


def items(name: str, key: KeyName, state: State) -> list[Item]:
    """All items of an entity in this state; its own first."""
    if state is None:
        return []
    found = [made(key[1], state), *(codes(key[1], state[2]) if name == "several" else [])]
    return [item_of(each) for each in found]


def state_of(item: Item | None) -> State:
    """The state that an entity's own item shows."""
    if item is None:
        return None
    n = int(item["n"]["N"]) if "n" in item else None
    return n, tuple(each["S"] for each in item["log"]["L"]), item["status"]["S"] if "status" in item else None


def row_of(name: str, key: KeyName, state: tuple[int | None, tuple[str, ...], str | None]) -> RowData:
    """The parent's row."""
    n, log, status = state
    row: dict[str, Any] = {"id": key[1], "n": n, "status": status}
    return row if name == "fold" else row | {"log": ",".join(log)}
