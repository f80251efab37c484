"""A key that is written all the time, by attached clients on threads: it must not close the gate, nor hide a loss."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, cast

import pytest

from crossfade.core.stages import Stage
from crossfade.jobs.connecting import job_config
from crossfade.verify.result import VerifyOptions, VerifyResult
from crossfade.verify.run import run_verify
from tests.aws.conftest import World, wait_for, world
from tests.conftest import Database
from tests.service import FakeService

__all__ = ["world"]

THREADS: Final = 8
RECHECK_SECONDS: Final = (0.1, 0.3, 0.5, 0.5)
UP: Final = (Stage.DUALWRITE, Stage.SHADOW, Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET, Stage.LIVE)


@pytest.fixture
def slow(world: World, dynamodb: Database) -> Iterator[World]:
    """The same world, behind a service that takes its time, so that mirrors are behind at every look."""
    with FakeService.start(dynamodb.endpoint_url, seed=7) as service:
        tables = (world.migration.source.name, world.migration.target.name)
        _ = service.delay(0.004, table=tables)
        world.database = Database(cast("Any", service))
        yield world
        for router in world.routers:
            _ = router.detach()
        world.routers.clear()


@contextmanager
def traffic(work: Callable[[], object]) -> Generator[None]:
    """Some threads do this again and again."""
    ends = threading.Event()

    def again() -> None:
        while not ends.is_set():
            _ = work()

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(again) for _ in range(THREADS)]
        try:
            yield
        finally:
            ends.set()
        for future in futures:
            future.result()


def add_one(client: Any, world: World, customer: str = "hot") -> None:
    client.update_item(
        TableName=world.migration.source.name,
        Key=world.key(customer, "hits"),
        UpdateExpression="ADD amount :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def verified(world: World) -> VerifyResult:
    client = world.database.client(job_config(4))
    options = VerifyOptions(segments=1, workers=2, recheck_seconds=RECHECK_SECONDS, lease_seconds=5.0)
    return run_verify(world.migration, {"source": client, "target": client, "control": world.plain}, options)


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.LOCKSTEP_SOURCE, Stage.LIVE])
def test_a_hot_counter_is_no_difference(slow: World, stage: Stage) -> None:
    """Neither for verify, whose result opens the gate, nor for the comparisons behind the application's reads."""
    client = slow.boto3_client()
    router = slow.attach(client)
    slow.walk(*UP[: UP.index(stage) + 1])
    with traffic(lambda: add_one(client, slow)):
        for _ in range(5):
            client.get_item(TableName=slow.migration.source.name, Key=slow.key("hot", "hits"))
        result = verified(slow)
    assert (result.status, result.differences) == ("clean", 0), result
    assert result.in_flight <= 1
    assert result.matching + result.in_flight == result.source_items == 1
    wait_for(lambda: router.pending == 0, "the mirrors")
    assert not {"compare.mismatched", "compare.missing", "compare.extra"} & router.counts().keys()
    assert slow.agree()


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.LIVE])
def test_a_loss_on_a_hot_key_is_found(slow: World, stage: Stage) -> None:
    """What writes past crossfade is never mirrored: one key of two is so, and both are written all the time."""
    client = slow.boto3_client()
    router = slow.attach(client)
    slow.walk(*UP[: UP.index(stage) + 1])
    add_one(client, slow, "stray")
    wait_for(lambda: router.pending == 0, "the mirror, which would follow what is written meanwhile")
    target = stage is Stage.LIVE
    table, name = (slow.migration.target.name, "total") if target else (slow.migration.source.name, "amount")
    key = slow.key("stray", "hits")
    stray: dict[str, Any] = {
        "TableName": table,
        "Key": slow.migration.compiled.forward_key(key) if target else key,
        "UpdateExpression": "ADD #n :one",
        "ExpressionAttributeNames": {"#n": name},
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    slow.plain.update_item(**stray)

    def both() -> None:
        add_one(client, slow)
        slow.plain.update_item(**stray)

    with traffic(both):
        result = verified(slow)
    assert (result.status, result.differences, result.mismatched) == ("differences", 1, 1), result
    assert "stray" in result.samples[0].key
