"""Documents in a new format: the owner is found by an index, and three values have the types they should have had."""

from crossfade import Migration, Table
from crossfade.mapping import convert, flag_to_number, iso_to_epoch, move, text_to_number

migration = Migration(
    name="documents-v2",
    strategy="copy-on-write",
    source=Table("documents", key={"tenant": "S", "document": "S"}),
    target=Table("documents-v2", key={"tenant": "S", "document": "S"}),
    mapping=[
        move("meta.owner", "owner"),  # out of the map: an index key must be a root attribute
        convert("published", iso_to_epoch),  # "2026-11-22T15:46:03Z" -> 1795362363, which sorts and expires
        convert("bytes", text_to_number),  # "48213" -> 48213
        convert("archived", flag_to_number),  # true -> 1: a BOOL cannot be an index key
    ],
)
