"""Articles by their guid: one publication had outgrown the 10 GB that the items of one partition key may take."""

from crossfade import Migration, Table
from crossfade.mapping import use_as_key

migration = Migration(
    name="articles-by-guid",
    strategy="copy-on-write",
    source=Table("articles", key={"publication": "S", "external_id": "S"}),
    target=Table("articles-by-guid", key={"guid": "S"}),
    mapping=use_as_key("guid"),  # every article has had one since it came in
)
