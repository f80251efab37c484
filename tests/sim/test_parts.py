"""Batches and pages that are carried out at two moments, in part, or not to their end."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from crossfade.core.effects import Reply, Request
from crossfade.sim.parts import parts_of
from crossfade.sim.tables import Database

NAMES = ["a1", "a2", "a3", "b1"]


def where(key: str) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1:]}}


def database() -> Database:
    made = Database({"orders": ("pk", "sk")})
    for key in NAMES:
        _ = made.perform("PutItem", {"TableName": "orders", "Item": where(key)}, 0.0)
    return made


def perform(tables: Database, operation: str, request: Request, seed: int, *, partly: bool = False) -> Reply:
    parts = parts_of(operation, request, Random(seed), partly=partly)
    replies: list[Reply] = []
    if parts.first is not None:
        replies.append(tables.perform(operation, parts.first, 1.0))
    rest = parts.second(replies)
    if rest is not None:
        replies.append(tables.perform(operation, rest, 1.0))
    return parts.whole(replies)


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["pk"]["S"] + item["sk"]["S"] for item in items]


@pytest.mark.parametrize("seed", range(20))
def test_a_batch_in_two_parts_is_the_whole_batch(seed: int) -> None:
    """Each key is read once, whichever part it is in."""
    request = {"RequestItems": {"orders": {"Keys": [where(key) for key in NAMES], "ConsistentRead": True}}}
    reply = perform(database(), "BatchGetItem", request, seed)
    assert sorted(names(reply["Responses"]["orders"])) == NAMES
    assert not reply["UnprocessedKeys"]


@pytest.mark.parametrize("seed", range(20))
def test_a_throttled_batch_names_what_it_has_left_undone(seed: int) -> None:
    """What was written and what is unprocessed is together what was asked for; something is written."""
    tables = Database({"orders": ("pk", "sk")})
    request = {"RequestItems": {"orders": [{"PutRequest": {"Item": where(key)}} for key in NAMES]}}
    reply = perform(tables, "BatchWriteItem", request, seed, partly=True)
    left = names([entry["PutRequest"]["Item"] for entry in reply["UnprocessedItems"]["orders"]])
    written = names(list(tables.tables["orders"].items.values()))
    assert sorted(left + written) == NAMES
    assert left
    assert written


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("limit", [None, 1, 2, 3])
def test_pages_in_two_parts_show_each_item_once(seed: int, limit: int | None) -> None:
    """Whether they end early or not, and never more than asked for."""
    tables, seen = database(), list[str]()
    request: Request = {"TableName": "orders", **({} if limit is None else {"Limit": limit})}
    for step in range(20):
        reply = perform(tables, "Scan", request, 100 * seed + step)
        assert reply["Count"] == len(reply["Items"]) <= (limit or len(NAMES))
        seen += names(reply["Items"])
        if "LastEvaluatedKey" not in reply:
            break
        request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
    assert sorted(seen) == NAMES
