"""Spread every customer over eight partitions, and tidy two attributes up on the way."""

from crossfade import Migration, Table
from crossfade.mapping import convert, move, suffix, text_to_number

migration = Migration(
    name="shop-v2",
    source=Table("shop", key={"customer": "S", "document": "S"}),
    target=Table("shop-v2", key={"customer": "S", "document": "S"}),
    mapping=[
        suffix("customer", count=8, by="document"),  # "acme" becomes "acme#0" to "acme#7"
        move("detail.status", "status"),  # out of a nested map
        convert("amount", text_to_number),
    ],
)
