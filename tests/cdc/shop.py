"""A shop in rows: customers by themselves, orders with their lines, and a product that makes several items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child, Rows
from crossfade.core.mapping import Kind
from crossfade.migration import Table

KEY: Final[Mapping[str, Kind]] = {"pk": "S", "sk": "S"}


def shop(table: str) -> Rows:
    """The mapping, into a table of this name."""
    rows = Rows(Table(table, key=KEY))
    _ = rows.table("shop.customers")(customer)
    _ = rows.table("shop.products")(product)
    _ = rows.fold("shop.orders", into=order_key, lines=Child("shop.lines", parent="order_id"))(order)
    return rows


def customer(row: Row) -> Mapping[str, Any]:
    return {"pk": f"customer#{row['id']}", "sk": "profile", "name": row["name"]}


def product(row: Row) -> Sequence[Mapping[str, Any]]:
    """Found by its number, and by each of its codes: what it makes depends on an ordinary column."""
    named = [{"pk": f"code#{code}", "sk": "product", "id": row["id"]} for code in row["codes"]]
    return [{"pk": f"product#{row['id']}", "sk": "product", "codes": row["codes"]}, *named]


def order(row: Row, lines: Sequence[Row]) -> Mapping[str, Any]:
    return {"total": row["total"], "lines": [[line["id"], line["count"]] for line in lines]}


def order_key(order_id: int) -> Mapping[str, Any]:
    """Where an order's item is."""
    return {"pk": f"order#{order_id}", "sk": "order"}
