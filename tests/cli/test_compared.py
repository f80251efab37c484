"""What comparisons and a watch see after a clean verify holds its gate; and a verify has an age."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossfade import attach
from crossfade.control.store import Control
from crossfade.control.telling import VARIABLE
from crossfade.core.items import Item
from crossfade.migration import load
from tests.aws.conftest import wait_for
from tests.cli.conftest import Shell, order
from tests.conftest import Database

KEY = ("customer", "order_id")
HOT_SECONDS = 6.0


@pytest.fixture
def verified(at_stage: Callable[[str], Shell]) -> Shell:
    """Below the change of authority, with a verify that found nothing."""
    return at_stage("lockstep_source")


@contextmanager
def application(shell: Shell, database: Database) -> Generator[Any]:
    """A process with crossfade attached."""
    client = database.client()
    router = attach(client, load(shell.file), poll_seconds=0.1, landing_seconds=0.5)
    try:
        yield client
    finally:
        _ = router.detach(5.0)


def key(number: int) -> Item:
    return {name: order(number)[name] for name in KEY}


def stray(shell: Shell, number: int) -> None:
    """By a process without crossfade."""
    item = {**order(number), "total": {"S": "1"}}
    _ = shell.client.put_item(TableName=shell.tables["source"], Item=item)


def differences(shell: Shell) -> list[Any]:
    found: list[Any] = shell.json("status")["differences"]
    return found


def test_a_stray_write_that_a_read_has_met_holds_the_gate_until_a_verify(
    verified: Shell, dynamodb: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is named by a digest, with who has seen it; `advance` is refused; a repair and another verify open it."""
    monkeypatch.delenv(VARIABLE, raising=False)
    with application(verified, dynamodb) as client:
        stray(verified, 7)
        _ = client.get_item(TableName=verified.tables["source"], Key=key(7), ConsistentRead=True)
        wait_for(lambda: bool(differences(verified)), "it is told")
        (seen,) = differences(verified)
        assert (seen["kind"], seen["seen_by"]) == ("mismatched", "a comparison")
        assert seen["key"].startswith("key:")
        wait_for(lambda: verified.json("status")["clients"][0]["compared"].get("mismatched") == 1, "it is counted")
        said = verified("status").output
        assert "Seen to be different since the last verify began" in said
        assert "reads compared with the other table, by these processes: mismatched 1" in said
        assert "verified: since the last verify began, 1 key was seen to be different" in said
        refused = verified("advance", "--execute", status=1).output
        assert "verified  CLOSED" in refused
        assert "-> crossfade verify --repair --execute, then crossfade verify" in refused
        _ = verified("verify", "--segments", "1", "--workers", "1", "--repair", "--execute")
        _ = verified("verify", "--segments", "1", "--workers", "1")
        assert differences(verified) == []
        assert "lockstep_target" in verified("advance", "--execute").output


def test_what_is_made_equal_again_holds_no_gate(verified: Shell, dynamodb: Database) -> None:
    """Whoever told it looks again, and takes it back."""
    with application(verified, dynamodb) as client:
        stray(verified, 7)
        _ = client.get_item(TableName=verified.tables["source"], Key=key(7), ConsistentRead=True)
        wait_for(lambda: bool(differences(verified)), "it is told")
        _ = verified.client.put_item(TableName=verified.tables["source"], Item=order(7))
        wait_for(lambda: not differences(verified), "it is taken back")


def test_a_counter_that_is_always_written_closes_nothing(verified: Shell, dynamodb: Database) -> None:
    """By clients that are attached and read all the while, so that comparisons find it between write and mirror."""
    _ = verified("rollback", "--to", "shadow", "--execute")
    with application(verified, dynamodb) as client:
        ends = time.monotonic() + HOT_SECONDS
        counted: list[int] = []

        def count() -> None:
            while time.monotonic() < ends:
                _ = client.update_item(
                    TableName=verified.tables["source"],
                    Key=key(7),
                    UpdateExpression="ADD seen :one",
                    ExpressionAttributeValues={":one": {"N": "1"}},
                )
                counted.append(1)

        threads = [threading.Thread(target=count) for _ in range(2)]
        for thread in threads:
            thread.start()
        while time.monotonic() < ends:
            _ = client.get_item(TableName=verified.tables["source"], Key=key(7), ConsistentRead=True)
            time.sleep(0.02)
        assert differences(verified) == []
        for thread in threads:
            thread.join()
        assert len(counted) > 100
        assert differences(verified) == []


def test_a_stray_write_that_watch_has_named_holds_the_gate(verified: Shell) -> None:
    """Though it is not seen any more: until it is repaired by a watch, or a verify has begun since."""
    _ = verified("watch", "--once", "--enable-stream", "--execute")
    stray(verified, 7)
    _ = verified.lines("watch", "--once", status=1)
    (seen,) = differences(verified)
    assert (seen["kind"], seen["seen_by"]) == ("mismatched", "a watch")
    _ = verified("advance", "--execute", status=1)
    _ = verified("watch", "--once", status=0)
    assert "1 key was seen to be different" in " ".join(verified("advance", "--execute", status=1).output.split())
    _ = verified("watch", "--once", "--afresh", "--repair", "--execute", status=1)
    assert differences(verified) == []
    assert "lockstep_target" in verified("advance", "--execute").output


def test_a_verify_grows_old(verified: Shell) -> None:
    """`status` says how old it is; `advance` refuses one of before last week, unless more days are given, which the
    journal keeps; a way back is open all the same."""
    assert "recent  open  the last verify began less than an hour ago" in verified("status").output
    age(verified, timedelta(days=9, hours=1))
    assert "recent  CLOSED  the last verify began 9 days ago; at most 7 days are asked for" in verified("status").output
    refused = verified("advance", "--execute", status=1).output
    assert "crossfade verify (or --verified-within N, with more days)" in refused
    assert verified.json("status")["down"]["possible"]
    moved = verified("advance", "--verified-within", "10", "--execute").output
    assert "with --verified-within 10" in moved
    assert "--verified-within 10: the last verify began 9 days ago" in verified("status").output
    assert "lockstep_source" in verified("rollback", "--execute").output


def age(shell: Shell, by: timedelta) -> None:
    """Let the verify be so old."""
    found = shell.json("status")
    control = Control(found["migration"], shell.tables["control"])
    at = (datetime.now(UTC) - by).isoformat(timespec="seconds")
    _ = shell.client.update_item(
        TableName=control.table,
        Key=control.key("job#verify"),
        UpdateExpression="SET started_at = :at",
        ExpressionAttributeValues={":at": {"S": at}},
    )
