"""DescribeTable of the caller's table: what is told is about the table that serves, under the caller's name and key."""

from __future__ import annotations

from typing import Any, Final

from crossfade.core.effects import Forward, Reply, Request, Routine
from crossfade.core.pair import Pair
from crossfade.core.stages import Row, Side

DESCRIBING: Final = frozenset({"DescribeTable"})
KEY_TYPES: Final = ("HASH", "RANGE")


def describe(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    side: Side = "source" if row.merges else row.authority
    if side == pair.view:
        return (yield from Forward())
    reply = yield from Forward({**request, "TableName": pair.table(side).name})
    return {**reply, "Table": as_callers(pair, reply["Table"], pair.table(side).name)}


def as_callers(pair: Pair, table: Reply, name: str) -> Reply:
    """Indexes keep the names and keys that they have where they are."""
    schema = pair.mapping.source_key if pair.view == "source" else pair.mapping.target_key
    stored = {key["AttributeName"] for key in table["KeySchema"]}
    used = {
        key["AttributeName"]
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        for index in table.get(kind, ())
        for key in index["KeySchema"]
    }
    defined: list[Any] = [
        entry
        for entry in table["AttributeDefinitions"]
        if entry["AttributeName"] not in dict(schema)
        and (entry["AttributeName"] not in stored or entry["AttributeName"] in used)
    ]
    return {
        **table,
        "TableName": pair.caller.name,
        "TableArn": table["TableArn"].removesuffix(name) + pair.caller.name,
        "KeySchema": [
            {"AttributeName": attribute, "KeyType": role}
            for (attribute, _), role in zip(schema, KEY_TYPES, strict=False)
        ],
        "AttributeDefinitions": [
            *({"AttributeName": attribute, "AttributeType": kind} for attribute, kind in schema),
            *defined,
        ],
    }
