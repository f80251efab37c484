"""The same where articles have no guid: it is computed from the old key, by everybody in the same way."""

from crossfade import Migration, Table
from crossfade.mapping import derive_key

NAMESPACE = "5f3f9d5e-1c0b-4d56-9c0f-3a0a6c1f2b77"  # made once: python -c "import uuid; print(uuid.uuid4())"

migration = Migration(
    name="articles-by-guid",
    strategy="copy-on-write",
    source=Table("articles", key={"publication": "S", "external_id": "S"}),
    target=Table("articles-by-guid", key={"guid": "S"}),
    mapping=derive_key("guid", by=("publication", "external_id"), namespace=NAMESPACE),
)
