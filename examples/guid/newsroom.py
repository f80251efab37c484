"""The application: a newsroom, written for the new table, which still passes both keys. It knows of no migration.

It was written long ago: changes go by AttributeUpdates, conditions by Expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Article = dict[str, Any]


@dataclass(frozen=True)
class Newsroom:
    """`table` is boto3's `Table("articles-by-guid")`. An article is named by all of its names."""

    table: Any

    def find(self, names: Article) -> Article | None:
        found: Article | None = self.table.get_item(Key=key_of(names), ConsistentRead=True).get("Item")
        return found

    def publish(self, article: Article) -> None:
        self.table.put_item(Item=article, Expected={"guid": {"Exists": False}})

    def correct(self, names: Article, text: str, seen_revision: int) -> Article:
        """The article as it then is. Only by who has seen the revision before."""
        corrected: Article = self.table.update_item(
            Key=key_of(names),
            AttributeUpdates={
                "text": {"Action": "PUT", "Value": text},
                "revision": {"Action": "ADD", "Value": 1},
                "proof": {"Action": "DELETE"},
            },
            Expected={"revision": {"Value": seen_revision}},
            ReturnValues="ALL_NEW",
        )["Attributes"]
        return corrected

    def tag(self, names: Article, tag: str) -> Article:
        """The article as it then is. One that nobody has published becomes a stub."""
        tagged: Article = self.table.update_item(
            Key=key_of(names), AttributeUpdates={"tags": {"Action": "ADD", "Value": {tag}}}, ReturnValues="ALL_NEW"
        )["Attributes"]
        return tagged

    def retract(self, names: Article) -> None:
        self.table.delete_item(Key=key_of(names))


def key_of(names: Article) -> Article:
    return {name: names[name] for name in ("guid", "publication", "external_id")}
