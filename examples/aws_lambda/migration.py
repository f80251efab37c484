"""Carts in a new table: the customers are spread over eight partitions, and the count gets another name."""

from crossfade import Migration, Table
from crossfade.mapping import rename, suffix

migration = Migration(
    name="carts-v2",
    source=Table("carts", key={"customer": "S", "cart": "S"}),
    target=Table("carts-v2", key={"customer": "S", "cart": "S"}),
    mapping=[rename("count", "items"), suffix("customer", count=8, by="cart")],
)
