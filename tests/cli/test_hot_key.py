"""An item that is written more often than the stages in lockstep allow: told by the process before they are entered."""

from __future__ import annotations

import pytest

from crossfade import attach
from crossfade.control import hot_keys
from crossfade.control.hot_keys import HotKeys
from crossfade.core.stages import Stage
from crossfade.migration import load
from tests.cli.conftest import Shell, order
from tests.conftest import Database


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many count as hot."""
    monkeypatch.setattr(hot_keys, "HOT_WRITES", 20)
    monkeypatch.setattr(hot_keys, "WINDOW_SECONDS", 60.0)
    return 20


def write(shell: Shell, database: Database, times: int) -> list[str]:
    """By a process that ends: what its observer heard of."""
    events: list[str] = []
    client = database.client()
    router = attach(
        client, load(shell.file), poll_seconds=0.05, landing_seconds=1.0, observer=lambda name, _: events.append(name)
    )
    for number in (*[0] * times, 1, 2, 3):
        _ = client.put_item(TableName=shell.tables["source"], Item=order(number))
    assert router.detach(10.0)
    return events


def test_check_and_status_warn_of_a_hot_key(shell: Shell, dynamodb: Database, few: int) -> None:
    """Which item it is, and what to do; no gate asks for it."""
    shell.write(strategy="dual-write")
    _ = shell("start", "--execute")
    _ = shell("advance", "--to", "shadow", "--execute")
    assert "hot_key" not in write(shell, dynamodb, few - 1)
    assert not [finding for finding in shell.json("check")["findings"] if finding["code"] == "hot-key"]
    assert write(shell, dynamodb, 2 * few).count("hot_key") == 1
    (found,) = [finding for finding in shell.json("check")["findings"] if finding["code"] == "hot-key"]
    assert (found["severity"], "customer-0" in found["what"]) == ("warning", True)
    assert "limited in lockstep_source, lockstep_target" in shell("status").output
    (told,) = shell.json("status")["refusals"]
    assert (told["is_served"], told["is_slow"]) == (True, True)


def test_only_what_comes_within_some_seconds_counts(few: int) -> None:
    """And only on the way up; each time that they become too many, once."""
    keys = HotKeys("orders")
    told = [keys.written("a", Stage.SHADOW, now * 10.0) for now in range(few)]
    assert [each is not None for each in told].count(True) == 0
    told = [keys.written("a", Stage.SHADOW, 1_000.0) for _ in range(3 * few)]
    assert [each is not None for each in told].count(True) == 1
    for stage in (Stage.LIVE, Stage.DRAIN):
        assert not any(keys.written("b", stage, 1_000.0) for _ in range(3 * few))


def test_however_many_keys_there_are_some_are_counted(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """Memory is bounded; what comes later is counted in the next window."""
    monkeypatch.setattr(hot_keys, "KEYS_MAX", 2)
    keys = HotKeys("orders")
    assert not any(keys.written(str(n % 50), Stage.SHADOW, 1_000.0) for n in range(50 * (few - 1)))
    assert keys.written("0", Stage.SHADOW, 1_000.0) is not None
    assert not any(keys.written("49", Stage.SHADOW, 1_000.0) for _ in range(few))
