"""A call that `complete` refuses: seen by the client that makes it, told by `status`, a closed gate of `complete`."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import pytest

from crossfade import attach
from crossfade.core.stages import LADDERS, Stage
from crossfade.migration import load
from tests.cli.conftest import Shell, order
from tests.conftest import Database
from tests.migrations import make_anew

CONDITION: dict[str, Any] = {
    "KeyConditionExpression": "customer = :c",
    "ExpressionAttributeValues": {":c": {"S": "customer-0"}},
}
INDEX: dict[str, Any] = {
    "IndexName": "by_customer",
    "KeySchema": [{"AttributeName": "customer", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}


@pytest.fixture(params=list(LADDERS))
def indexed(shell: Shell, request: pytest.FixtureRequest) -> Shell:
    """In the stage before the first one that refuses: the index is by the attribute whose partitions are spread."""
    shell.write(strategy=request.param)
    for side in ("source", "target"):
        make_anew(shell.client, shell.tables[side], {}, GlobalSecondaryIndexes=[INDEX])
    _ = shell("start", "--execute")
    return shell


def queried(shell: Shell, database: Database, times: int) -> list[dict[str, Any]]:
    """By a process that ends: what its observer heard."""
    events = list[dict[str, Any]]()

    def observe(name: str, facts: dict[str, Any]) -> None:
        if name == "refused_later":
            events.append(facts)

    client = database.client()
    router = attach(client, load(shell.file), poll_seconds=0.05, landing_seconds=1.0, observer=observe)
    source = shell.tables["source"]
    for _ in range(times):
        assert client.query(TableName=source, IndexName="by_customer", **CONDITION)["Count"] == 20
    assert client.query(TableName=source, **CONDITION)["Count"] == 20
    _ = client.put_item(TableName=source, Item=order(0))
    assert router.detach(10.0)
    return events


def test_it_is_known_and_shown_while_there_is_a_way_back(
    indexed: Shell, dynamodb: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """In `off` already: a warning, an event, the kind with its count and time, what to do; one line each."""
    assert indexed.json("status")["refusals"] == []
    with caplog.at_level(logging.WARNING, "crossfade"):
        (heard,) = queried(indexed, dynamodb, 3)
    assert heard["index"] == "by_customer"
    assert Stage.COMPLETE in heard["stages"]
    line = (
        f"migration {indexed.mark}: a call is served now and refused in a later stage of the migration: Query: a Query"
    )
    assert f"{line} of index by_customer of {indexed.tables['source']} cannot be answered from" in caplog.text
    (shown,) = indexed.json("status")["refusals"]
    assert (shown["operation"], shown["table"], shown["index"]) == ("Query", indexed.tables["source"], "by_customer")
    assert (shown["count"], shown["host"], shown["pid"]) == (3, socket.gethostname(), os.getpid())
    assert shown["stages"][-1] == "complete"
    screen = " ".join(indexed("status").output.split())
    assert "Calls that are refused later" in screen
    assert f"Query of {indexed.tables['source']}, index by_customer: refused in" in screen
    assert "3 calls of this kind seen, the last" in screen
    assert "declare the index in the migration file" in screen
    assert 'indexes={"by_customer": {"customer": ...}}' in screen
    assert "customer-0" not in screen  # no value of an item


def test_complete_does_not_open_while_it_is_called(indexed: Shell, dynamodb: Database) -> None:
    """But where the operator asks for fewer days; the journal says so."""
    _ = queried(indexed, dynamodb, 1)
    is_copying = indexed.json("status")["state"]["strategy"] == "copy-on-write"
    _ = indexed("advance", "--to", "drain" if is_copying else "shadow", "--execute")
    _ = indexed("backfill", "--segments", "1", "--workers", "1", "--execute")
    _ = indexed("verify", "--segments", "1", "--workers", "1")
    _ = indexed("advance", "--to", "rampdown", "--execute")
    quiet = ("--quiet-days", "0") if is_copying else ()
    words = ("complete", "--execute", "--confirm", indexed.mark, *quiet)
    refused = indexed(*words, status=1)
    assert "answered  CLOSED" in refused.output
    assert "1 call was seen that complete refuses" in refused.output
    assert "it opens at 2" in refused.output
    assert indexed.json("status")["state"]["stage"] == "rampdown"
    _ = indexed(*words, "--refused-days", "0")
    entry = indexed.json("status")["journal"][-1]
    assert (entry["what"], entry["forced"]) == ("rampdown -> complete", False)
    assert "--refused-days 0: 1 call was seen that complete refuses" in entry["why"]


def test_a_parallel_scan_is_told_before_the_move_that_changes_the_order(
    indexed: Shell, dynamodb: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted and warned of; `complete` does not wait for that."""
    client = dynamodb.client()
    router = attach(client, load(indexed.file), poll_seconds=0.05, landing_seconds=1.0)
    with caplog.at_level(logging.WARNING, "crossfade"):
        for segment in range(3):
            _ = client.scan(TableName=indexed.tables["source"], Segment=segment, TotalSegments=3)
    assert router.detach(10.0)
    assert "a parallel Scan that should not span the move to a later stage" in caplog.text
    (kind,) = indexed.json("status")["refusals"]
    assert (kind["operation"], kind["stages"], kind["count"], kind["is_served"]) == ("Scan", ["rampdown"], 3, True)
    assert f"Scan of {indexed.tables['source']}: should not span the move to rampdown" in " ".join(
        indexed("status").output.split()
    )
