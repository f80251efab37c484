"""Tables of the forms that `shapes` knows: made, filled, read and emptied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from crossfade.core.items import Item
from tests.contract.shapes import Form

BATCH: Final = 25  # BatchWriteItem's limit


def create(client: Any, name: str, form: Form | None) -> None:
    """A table of that form with its three indexes; with None, the other table."""
    if form is None:
        attributes, keys = {"id": "S"}, [("id", "HASH")]
        more: dict[str, Any] = {}
    else:
        of_indexes = {"grp": "S", "score": "N", form.note: "S", "year": "N", "part": "S", "team": "S", "rank": "N"}
        attributes = {**form.key(), **form.old_key(), **of_indexes}
        keys = list(zip(form.key(), ("HASH", "RANGE"), strict=False))
        of_all = [
            index(form.group_index, [("grp", "HASH"), ("score", "RANGE")], "ALL"),
            index(form.note_index, [(form.note, "HASH")], "KEYS_ONLY"),
            index(
                form.parts_index, [("grp", "HASH"), (form.note, "HASH"), ("year", "RANGE"), ("part", "RANGE")], "ALL"
            ),
            *projecting(form, "global", "team"),
        ]
        of_partitions = [
            index(form.score_index, [(form.partition, "HASH"), ("score", "RANGE")], "ALL"),
            *projecting(form, "local", form.partition),
        ]
        if form.own_key:
            by_old_key = index(form.old_key_index, [(form.partition, "HASH"), (form.sort, "RANGE")], "ALL")
            more = {"GlobalSecondaryIndexes": [*of_all, *of_partitions, by_old_key]}
        else:
            more = {"GlobalSecondaryIndexes": of_all, "LocalSecondaryIndexes": of_partitions}
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": kind} for each, kind in attributes.items()],
        KeySchema=key_schema(keys),
        **more,
    )


def key_schema(keys: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in keys]


def projecting(form: Form, scope: str, partition: str) -> list[dict[str, Any]]:
    """Indexes that hold all of an item, a part of it, or its keys, as their names tell."""
    made = [
        index(name, [(partition, "HASH"), ("rank", "RANGE")], PROJECTIONS[name.rpartition("_")[2]])
        for name in form.projected(scope)
    ]
    for each in made:
        if each["Projection"]["ProjectionType"] == "INCLUDE":
            each["Projection"]["NonKeyAttributes"] = ["t", "amount", form.note]
    return made


PROJECTIONS: Final = {"keys": "KEYS_ONLY", "some": "INCLUDE", "all": "ALL"}


def index(name: str, keys: list[tuple[str, str]], projection: str) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": key_schema(keys), "Projection": {"ProjectionType": projection}}


def write_all(client: Any, requests: dict[str, list[dict[str, Any]]]) -> None:
    """Any number of puts and deletes a table."""
    flat = [(table, request) for table, each in requests.items() for request in each]
    for start in range(0, len(flat), BATCH):
        batch: dict[str, list[Any]] = {}
        for table, request in flat[start : start + BATCH]:
            batch.setdefault(table, []).append(request)
        client.batch_write_item(RequestItems=batch)


def puts(items: list[Item]) -> list[dict[str, Any]]:
    return [{"PutRequest": {"Item": item}} for item in items]


def everything(client: Any, table: str) -> list[Item]:
    return [item for page in client.get_paginator("scan").paginate(TableName=table) for item in page["Items"]]


def empty(client: Any, table: str, key_names: tuple[str, ...]) -> None:
    keys = [{name: item[name] for name in key_names} for item in everything(client, table)]
    write_all(client, {table: [{"DeleteRequest": {"Key": key}} for key in keys]})
