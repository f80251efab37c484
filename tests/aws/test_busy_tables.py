"""Tables without capacity: an application meets what it would meet with one plain table."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from crossfade.core.request.cancellation import cancellation
from crossfade.core.stages import DUAL_WRITE, Stage
from crossfade.core.write.sending import raise_unless_raced
from crossfade.errors import ServiceRejected
from tests.aws.conftest import World, new_session, wait_for
from tests.aws.test_attach_aio import attach, enter
from tests.service import FakeService
from tests.service.answers import TABLE_EXCEEDED

STAGES: Final = list(DUAL_WRITE)
ROUNDS: Final = 12
LEGACY: Final = Config(retries={"mode": "legacy"})


@pytest.fixture
def service(world: World) -> Iterator[FakeService]:
    with FakeService.start(world.database.endpoint_url, measured=False) as service:
        yield service


def client_of(service: FakeService, config: Config = LEGACY) -> Any:
    return new_session().client("dynamodb", config=config, **service.client_options("app"))


def up_to(world: World, stage: Stage) -> None:
    world.walk(*STAGES[1 : STAGES.index(stage) + 1])


def calls(world: World, n: int) -> list[tuple[str, dict[str, Any]]]:
    """Return one of each kind of call that is routine."""
    table, key = world.migration.source.name, world.key(f"c{n % 3}", f"o{n}")
    update = {"UpdateExpression": "ADD amount :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
    query = {"KeyConditionExpression": "customer = :c", "ExpressionAttributeValues": {":c": key["customer"]}}
    return [
        ("put_item", {"TableName": table, "Item": key | {"amount": {"N": "1"}}}),
        ("update_item", {"TableName": table, "Key": key, "ReturnValues": "ALL_NEW", **update}),
        ("get_item", {"TableName": table, "Key": key, "ConsistentRead": True}),
        ("query", {"TableName": table, "ConsistentRead": True, **query}),
        ("delete_item", {"TableName": table, "Key": key}),
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_a_tenth_of_the_requests_throttled_is_no_error(world: World, service: FakeService, stage: Stage) -> None:
    """botocore waits for a plain table, and no caller sees it; likewise in every stage."""
    client = client_of(service)
    _ = world.attach(client, own_client=client_of(service))
    up_to(world, stage)
    tables = [world.migration.source.name, world.migration.target.name]
    rule = service.throttle(table=tables, share=0.1)
    for n in range(ROUNDS):
        for name, request in calls(world, n):
            assert getattr(client, name)(**request)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert rule.played > 3
    service.calm()


@pytest.mark.parametrize("stage", [Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET])
@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_what_stays_throttled_is_told_as_of_a_plain_table(
    world: World, service: FakeService, stage: Stage, mode: str
) -> None:
    """After as many attempts as the client is configured for: the code and the text of the single operation."""
    config = Config(retries={"mode": mode, "total_max_attempts": 3})
    client = client_of(service, config)
    _ = world.attach(client)
    up_to(world, stage)
    rule = service.throttle(operation="TransactWriteItems", table=world.migration.target.name)
    name, request = calls(world, 1)[0]
    with pytest.raises(client.exceptions.ProvisionedThroughputExceededException) as refused:
        getattr(client, name)(**request)
    assert refused.value.response["Error"] == {
        "Code": "ProvisionedThroughputExceededException",
        "Message": TABLE_EXCEEDED,
    }
    attempts = [entry for entry in service.log if entry.operation == "TransactWriteItems"]
    assert len(attempts) == 3
    rule.stop()
    assert world.source_item("c1", "o1") is None


def test_a_transaction_of_the_callers_own_is_told_as_it_is(world: World, service: FakeService) -> None:
    """botocore does not send a cancelled transaction again, and what it is told has its own code and reasons."""
    client = client_of(service)
    _ = world.attach(client)
    world.set_stage(Stage.DUALWRITE)
    rule = service.throttle(operation="TransactWriteItems", table=world.migration.source.name)
    put = {"Put": {"TableName": world.migration.source.name, "Item": world.key("c", "o")}}
    with pytest.raises(ClientError) as refused:
        client.transact_write_items(TransactItems=[put])
    error: Any = refused.value
    response: dict[str, Any] = error.response
    assert response["Error"]["Code"] == "TransactionCanceledException"
    assert response["CancellationReasons"][0]["Code"] == "ProvisionedThroughputExceeded"
    assert rule.played == 1


@pytest.mark.parametrize(("codes", "told"), [
    (["ConditionalCheckFailed", "ProvisionedThroughputExceeded"], None),
    (["ThrottlingError", "ConditionalCheckFailed"], None),
    (["TransactionConflict", "None"], None),
    (["None", "ProvisionedThroughputExceeded"], "ProvisionedThroughputExceededException"),
    (["ConditionalCheckFailed", "ValidationError"], "ValidationException"),
])  # fmt: skip
def test_a_throttle_beside_an_action_that_came_too_late_is_not_told(codes: list[str], told: str | None) -> None:
    """What was read is old: it is read again in any case, and the throttle need not be told."""
    error = cancellation([{"Code": code} for code in codes])
    if told is None:
        raise_unless_raced(error)
        return
    with pytest.raises(ServiceRejected) as refused:
        raise_unless_raced(error)
    assert refused.value.code == told


def test_mirrors_of_a_throttled_table_ask_no_more_often_than_it_can_bear(world: World, service: FakeService) -> None:
    """Twenty mirrors read in batches; one that is refused is a batch again, after a pause, and not twenty reads."""
    own = new_session().client("dynamodb", **service.client_options("crossfade"))
    client = client_of(service)
    _ = world.attach(client, own_client=own)
    world.set_stage(Stage.DUALWRITE)
    rule = service.throttle(operation=["BatchGetItem", "GetItem"], table=world.migration.target.name)
    puts = [{"PutRequest": {"Item": world.key("c", f"o{n}")}} for n in range(20)]
    client.batch_write_item(RequestItems={world.migration.source.name: puts})
    time.sleep(1.0)
    reads = [each.operation for each in service.log if each.caller == "crossfade" and "GetItem" in each.operation]
    assert reads.count("BatchGetItem") > 1
    assert len([each for each in service.log if each.fault and each.caller == "crossfade"]) < 20
    rule.stop()
    wait_for(world.agree, "both tables agree")


def test_asyncio_waits_as_well(world: World, service: FakeService) -> None:
    """The same with a client of aiobotocore, in a lockstep stage."""
    session: Any = importlib.import_module("aiobotocore.session").get_session()

    async def run() -> None:
        async with session.create_client("dynamodb", config=LEGACY, **service.client_options("app")) as client:
            router = attach(world, client)
            await router.ready()
            await enter(world, router, *STAGES[1 : STAGES.index(Stage.LOCKSTEP_SOURCE) + 1])
            rule = service.throttle(operation="TransactWriteItems", table=world.migration.target.name, times=3)
            for name, request in calls(world, 1):
                _ = await getattr(client, name)(**request)
            assert rule.played == 3
            assert await router.aclose(5.0)

    asyncio.run(run())
