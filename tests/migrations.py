"""Migrations as tests begin and find them: tables, and the record of a stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from crossfade import Migration, Table
from crossfade.control.record_items import to_item
from crossfade.control.records import State
from crossfade.core.stages import Stage
from crossfade.mapping import derive_key

REKEYED: Final = "rekeyed"  # beside the simulator's mappings, for copy-on-write


def rekeyed(unique: str) -> Migration:
    """The sort key becomes an attribute of its own, and what it was is a local index, which can be read strongly
    consistent."""
    return Migration(
        unique,
        Table(f"{unique}-source", key={"pk": "S", "sk": "S"}),
        Table(f"{unique}-target", key={"pk": "S", "guid": "S"}, indexes={"by_old_key": {"pk": "S", "sk": "S"}}),
        derive_key("guid", by=("pk", "sk"), namespace="9d0c6a1c-6f5b-4a50-9f3e-1a7b6a0c2d11"),
        "copy-on-write",
    )


def make_table(client: Any, table: Table) -> None:
    """An empty one, with the local indexes that are declared."""
    kinds = dict(table.key)
    more: dict[str, Any] = {}
    for name in table.indexes:
        index = table.index(name)
        assert index is not None
        kinds |= index.kinds
        indexes: list[Any] = more.setdefault("LocalSecondaryIndexes", [])
        indexes.append({"IndexName": name, "KeySchema": schema(index.kinds), "Projection": {"ProjectionType": "ALL"}})
    client.create_table(
        TableName=table.name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()],
        KeySchema=schema(table.key),
        **more,
    )


def schema(names: Iterable[str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]


def table_names(client: Any) -> list[str]:
    """All of them: a run of the tests makes more than the hundred that a page of ListTables holds."""
    return [name for page in client.get_paginator("list_tables").paginate() for name in page["TableNames"]]


def make_anew(client: Any, table: str, attributes: dict[str, str], **options: Any) -> None:
    """The same table and items, with what CreateTable takes further: `attributes` of its indexes, and `options`.

    UpdateTable would do for the embedded engine; another endpoint may take half a minute for it, and this takes none.
    """
    items = client.scan(TableName=table, ConsistentRead=True)["Items"]
    was = client.describe_table(TableName=table)["Table"]
    kinds = {each["AttributeName"]: each["AttributeType"] for each in was["AttributeDefinitions"]} | attributes
    client.delete_table(TableName=table)
    client.create_table(
        TableName=table,
        KeySchema=was["KeySchema"],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()],
        **{"BillingMode": "PAY_PER_REQUEST", **options},
    )
    for item in items:
        client.put_item(TableName=table, Item=item)


def described(client: Any, table: str) -> dict[str, Any] | None:
    """Its description, or None where there is no such table."""
    return client.describe_table(TableName=table)["Table"] if table in table_names(client) else None


def state_in(migration: Migration, stage: Stage, ramp_percent: int = 0) -> State:
    """A migration that has been started, in its first epoch."""
    return State(
        stage=stage,
        epoch=1,
        ramp_percent=ramp_percent,
        strategy=migration.strategy,
        source=migration.source.name,
        target=migration.target.name,
        fingerprint=migration.compiled.fingerprint,
        unclean=0,
        journal_length=1,
        started_at="2026-01-01T00:00:00Z",
        changed_at="2026-01-01T00:00:00Z",
    )


def put_in_stage(client: Any, migration: Migration, stage: Stage, ramp_percent: int = 0) -> None:
    """The same, in the control table."""
    state = state_in(migration, stage, ramp_percent)
    client.put_item(TableName=migration.control_table, Item=to_item(migration.name, state))
