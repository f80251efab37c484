"""Attempts that DynamoDB refuses for the moment: an answer to each, so nothing of them can land later."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from crossfade.core.stages import Stage
from tests.aws.conftest import World, new_session, wait_for
from tests.aws.test_attach_aio import attach
from tests.service import FakeService

RETRIES = Config(retries={"total_max_attempts": 3, "mode": "legacy"}, read_timeout=2.0)
LANDING_SECONDS = 2.0
WRITES = 8


@pytest.fixture
def service(world: World) -> Iterator[FakeService]:
    """A service before the engine; "app" is the application's role, "crossfade" that of crossfade's own requests."""
    with FakeService.start(world.database.endpoint_url, measured=False) as service:
        yield service


def client_of(service: FakeService, role: str = "app") -> Any:
    return new_session().client("dynamodb", config=RETRIES, **service.client_options(role))


def attached(world: World, service: FakeService) -> tuple[Any, Any]:
    client = client_of(service)
    own = client_of(service, "crossfade")
    return client, world.attach(client, own_client=own, landing_seconds=LANDING_SECONDS)


def put(client: Any, world: World, n: int) -> Any:
    item = world.key("c", f"o{n}") | {"amount": {"N": str(n)}}
    return client.put_item(TableName=world.migration.source.name, Item=item)


def update(client: Any, world: World, n: int) -> Any:
    """A write whose answer a routine waits for."""
    return client.update_item(
        TableName=world.migration.source.name,
        Key=world.key("c", f"o{n}"),
        UpdateExpression="SET amount = :n",
        ExpressionAttributeValues={":n": {"N": str(n)}},
        ReturnValues="ALL_NEW",
    )


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE, Stage.SHADOW])
def test_a_throttled_write_leaves_nothing_open(world: World, service: FakeService, stage: Stage) -> None:
    """Every write is throttled twice: the next stage is entered at once, and the end is a clean one."""
    client, router = attached(world, service)
    if stage is not Stage.OFF:
        world.set_stage(stage)
    _ = service.throttle(caller="app", when=lambda received: received.attempt < 3)
    for n in range(WRITES):
        for write in (put, update):
            assert write(client, world, n)["ResponseMetadata"]["RetryAttempts"] == 2
    began = monotonic()
    world.set_stage(Stage.DUALWRITE)  # waits for the acknowledgement
    assert router.detach(1.0)
    assert monotonic() - began < LANDING_SECONDS / 2
    assert not world.state().unclean
    assert router.counts().get("mirror_lost", 0) == 0
    if stage is not Stage.OFF:
        assert world.agree()


def test_a_write_that_is_throttled_to_the_end_leaves_nothing_open(world: World, service: FakeService) -> None:
    """The caller gets the service's refusal, and nobody waits for what was never taken."""
    client, router = attached(world, service)
    world.set_stage(Stage.DUALWRITE)
    _ = service.throttle(caller="app")
    with pytest.raises(client.exceptions.ProvisionedThroughputExceededException):
        put(client, world, 1)
    assert router.pending == 0
    assert router.detach(1.0)


def test_mirrors_are_kept_where_many_writes_are_throttled(world: World, service: FakeService) -> None:
    """A queue that has room for few mirrors has room for those of throttled writes, which are due at once."""
    client, router = attached(world, service)
    world.set_stage(Stage.DUALWRITE)
    background: Any = router._engine.background  # pyright: ignore[reportPrivateUsage]
    background._backlog._mirror_keys_max = WRITES
    _ = service.throttle(caller="app", attempt=1)
    for n in range(3 * WRITES):
        put(client, world, n)
        update(client, world, n)
    assert router.counts().get("mirror_lost", 0) == 0
    wait_for(world.agree, "both tables agree")


@pytest.mark.parametrize("write", [put, update])
@pytest.mark.parametrize("fault", ["500", "silence", "reset"])
def test_a_write_with_an_attempt_without_answer_stays_open(
    world: World, service: FakeService, fault: str, write: Any
) -> None:
    """It succeeded at the second attempt; the first may land until its time is over."""
    client, router = attached(world, service)
    world.set_stage(Stage.DUALWRITE)
    match fault:
        case "500":
            _ = service.fail(500, caller="app", times=1)
        case "silence":
            _ = service.lose(carried_out=False, silent=True, caller="app", times=1)
        case _:
            _ = service.lose(carried_out=False, caller="app", times=1)
    assert write(client, world, 1)["ResponseMetadata"]["RetryAttempts"] == 1
    wait_for(lambda: world.target_item("c", "o1") is not None, "the first mirror")
    wait_for(lambda: router.pending == 2, "the ticket is left, and the mirror that is due when it can land no more")
    assert router.detach(0.2) is False


def test_a_throttled_attempt_after_one_without_answer_changes_nothing(world: World, service: FakeService) -> None:
    """A 500 and then a refusal: the caller hears of the refusal, and the write stays open."""
    client, router = attached(world, service)
    world.set_stage(Stage.DUALWRITE)
    _ = service.fail(500, carried_out=True, caller="app", times=1)
    _ = service.throttle(caller="app", when=lambda received: received.attempt > 1)
    with pytest.raises(ClientError):
        put(client, world, 1)
    wait_for(lambda: world.target_item("c", "o1") is not None, "the mirror")
    wait_for(lambda: router.pending == 2, "the ticket, and the mirror that is due when it can land no more")


def test_a_throttled_write_of_asyncio_leaves_nothing_open(world: World, service: FakeService) -> None:
    """The same with a client of aiobotocore."""

    session: Any = importlib.import_module("aiobotocore.session").get_session()

    async def run() -> None:
        async with session.create_client("dynamodb", config=RETRIES, **service.client_options("app")) as client:
            router = attach(world, client, landing_seconds=LANDING_SECONDS)
            await router.ready()
            rule = service.throttle(table=world.migration.source.name, attempt=1)
            for n in range(WRITES):
                _ = await update(client, world, n)
            assert rule.played == WRITES
            assert router.pending == 0
            assert await router.aclose(1.0)

    asyncio.run(run())
