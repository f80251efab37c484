"""Migrations as tests begin and find them: tables, and the record of a stage."""

from __future__ import annotations

from typing import Any

from crossfade import Migration, Table
from crossfade.control.records import State
from crossfade.core.stages import Stage


def make_table(client: Any, table: Table) -> None:
    client.create_table(
        TableName=table.name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in table.key.items()],
        KeySchema=[
            {"AttributeName": name, "KeyType": "HASH" if n == 0 else "RANGE"} for n, name in enumerate(table.key_names)
        ],
    )


def table_names(client: Any) -> list[str]:
    """All of them: a run of the tests makes more than the hundred that a page of ListTables holds."""
    return [name for page in client.get_paginator("list_tables").paginate() for name in page["TableNames"]]


def make_anew(client: Any, table: str, attributes: dict[str, str], **options: Any) -> None:
    """The same table and items, with what CreateTable takes further: `attributes` of its indexes, and `options`.

    UpdateTable would do, but for DynamoDB Local: the next call on each of its threads fails then, and what an SDK waits
    between its attempts adds up to half a minute.
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
