"""A source and a target for a check, and what it found."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from crossfade.check import CheckReport, Finding, run_check
from crossfade.core.items import Item
from crossfade.core.mapping import Kind, Piece
from crossfade.migration import Migration, Strategy, Table

KEY: dict[str, Kind] = {"customer": "S", "order": "S"}


class Bench:
    """A source and a target of its own, and a check of one mapping between them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        mark = uuid4().hex[:10]
        self.source, self.target = f"source-{mark}", f"target-{mark}"

    def create(self, name: str, key: dict[str, Kind] | None = None, **more: Any) -> None:
        key = key or KEY
        schema = [{"AttributeName": part, "KeyType": role} for part, role in zip(key, ("HASH", "RANGE"), strict=False)]
        kinds = {**key, **more.pop("kinds", {})}
        definitions = [{"AttributeName": part, "AttributeType": kind} for part, kind in kinds.items()]
        _ = self.client.create_table(
            TableName=name, KeySchema=schema, AttributeDefinitions=definitions, BillingMode="PAY_PER_REQUEST", **more
        )

    def put(self, *items: Item, table: str | None = None) -> None:
        for number, item in enumerate(items):
            whole = {"customer": {"S": "acme"}, "order": {"S": f"{number:04}"}, **item}
            _ = self.client.put_item(TableName=table or self.source, Item=whole)

    def check(
        self,
        *pieces: Piece,
        target_key: dict[str, Kind] | None = None,
        sample_items: int = 1_000,
        strategy: Strategy = "dual-write",
    ) -> CheckReport:
        source, target = Table(self.source, KEY), Table(self.target, target_key or KEY)
        migration = Migration("test", source, target, list(pieces), strategy)
        return run_check(self.client, self.client, migration, sample_items=sample_items)


def finding(report: CheckReport, code: str) -> Finding:
    """The one finding with a code."""
    found = [each for each in report.findings if each.code == code]
    assert len(found) == 1, [f"{each.code}: {each.what}" for each in report.findings]
    return found[0]


def codes(report: CheckReport) -> set[str]:
    return {each.code for each in report.findings if each.severity != "info"}


def global_index(name: str, **key: str) -> dict[str, Any]:
    schema = [{"AttributeName": part, "KeyType": role} for part, role in zip(key, ("HASH", "RANGE"), strict=False)]
    return {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
