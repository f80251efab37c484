"""What rampdown finds in the source alone: alerted where it happens, kept when the process ends, shown, and a gate."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import pytest

from crossfade import Router, attach
from crossfade.migration import load
from tests.cli.conftest import ITEMS, Shell, order
from tests.conftest import Database
from tests.migrations import described

PARTS = ("customer", "order_id")


@pytest.fixture
def ramped(draining: Shell) -> Shell:
    """In rampdown; then a process without the router has put two orders into the old table."""
    _ = draining("advance", "--to", "drain", "--execute")
    _ = draining("backfill", "--segments", "1", "--workers", "1", "--execute")
    _ = draining("verify", "--segments", "1", "--workers", "1")
    _ = draining("advance", "--to", "rampdown", "--execute")
    for number in (ITEMS, ITEMS + 1):
        _ = draining.client.put_item(TableName=draining.tables["source"], Item=order(number))
    return draining


def attached(shell: Shell, database: Database, **options: Any) -> tuple[Any, Router]:
    client = database.client()
    return client, attach(client, load(shell.file), poll_seconds=0.05, landing_seconds=1.0, **options)


def key(number: int) -> dict[str, Any]:
    return {part: order(number)[part] for part in PARTS}


def test_a_hit_is_alerted_kept_shown_and_waited_for(
    ramped: Shell, dynamodb: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """By a process that asks once and ends: callback, count, log, `status`, and a closed gate that says until when."""
    source, events = ramped.tables["source"], list[tuple[str, dict[str, Any]]]()
    assert "nothing, since rampdown was entered" in ramped("status").output

    def observe(name: str, facts: dict[str, Any]) -> None:
        events.append((name, facts))

    client, router = attached(ramped, dynamodb, observer=observe)
    with caplog.at_level(logging.WARNING, "crossfade"):
        assert "Item" not in client.get_item(TableName=source, Key=key(ITEMS))
        change = {"UpdateExpression": "SET paid = :p", "ExpressionAttributeValues": {":p": {"S": "secret"}}}
        _ = client.update_item(TableName=source, Key=key(ITEMS + 1), **change)
        assert router.detach(10.0)
    hits = [facts for name, facts in events if name == "fallback"]
    outcomes = {facts["key"]["order_id"]["S"]: facts["outcome"] for facts in hits}
    assert outcomes["0060"] == "copied"
    assert outcomes["0061"] in ("there", "copied")  # the update and the look beside it: whichever was quicker
    assert sum(count for name, count in router.counts().items() if name.startswith("fallback.")) == 2
    assert "the source alone had an item, which was copied to the target: customer=" in caplog.text
    held = dynamodb.client().scan(TableName=ramped.tables["target"], ConsistentRead=True)["Items"]
    assert len(held) == ITEMS + 2

    shown = ramped.json("status")["fallbacks"]
    assert (shown["count"], len(shown["samples"])) == (2, 2)
    sample = next(each for each in shown["samples"] if "0060" in each["key"])
    assert sample["key"] == "customer='customer-0' order_id='0060'"
    assert (sample["host"], sample["pid"], sample["outcome"]) == (socket.gethostname(), os.getpid(), "copied")
    assert shown["last_at"] == max(each["at"] for each in shown["samples"])
    screen = ramped("status").output
    assert "Found in the source alone" in screen
    assert "2 hits since rampdown was entered" in screen
    assert "secret" not in screen  # no value of an item

    _ = ramped("verify", "--segments", "1")
    refused = ramped("complete", "--execute", "--confirm", ramped.mark, status=1)
    assert "quiet  CLOSED" in refused.output
    assert "14 quiet days are asked for" in refused.output
    assert "it opens at 2" in refused.output
    assert ramped.json("complete", "--quiet-days", "0")["executed"] is False
    said = ramped("complete", "--execute", "--confirm", ramped.mark, "--quiet-days", "0").output
    assert "rampdown -> complete (epoch 6, with --quiet-days 0)" in said
    entry = ramped.json("status")["journal"][-1]
    assert (entry["what"], entry["forced"]) == ("rampdown -> complete", False)
    assert entry["why"].startswith("--quiet-days 0: an item was found in the source alone 2 times")
    assert described(ramped.client, source) is not None


def test_quiet_days_mean_nothing_where_nothing_is_looked_up(shell: Shell) -> None:
    """In dual-write the option is a mistake."""
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "rampdown", "--force", "--why", "a test", "--execute")
    assert "says nothing in dual-write" in shell("complete", "--quiet-days", "3", status=2).output
