"""The same through aiobotocore, on one loop."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from crossfade import ConfigurationError, NotPossibleInStage, NotStarted, Router
from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World
from tests.aws.faults import WAIT_SECONDS_MAX, Detour, Faults, Gate, Sent, once, timed_out

UP = list(DUAL_WRITE)
Scenario = Callable[[Any], Awaitable[None]]


def with_client(world: World, scenario: Scenario, **options: Any) -> None:
    """Run a scenario with a client of aiobotocore on a loop of its own."""
    session: Any = importlib.import_module("aiobotocore.session").get_session()

    async def run() -> None:
        async with session.create_client("dynamodb", **world.database.client_options(), **options) as client:
            await scenario(client)

    asyncio.run(run())


@asynccontextmanager
async def another_client(world: World) -> AsyncGenerator[tuple[Any, Detour]]:
    """Another client, for `own_client=`, and what its requests meet."""
    detour = world.detour()
    session: Any = importlib.import_module("aiobotocore.session").get_session()
    options: dict[str, Any] = {**world.database.client_options(), "endpoint_url": detour.url}
    async with session.create_client("dynamodb", **options) as client:
        yield client, detour


def attach(world: World, client_or_session: Any, **options: Any) -> Router:
    router = world.attach(client_or_session, **options)
    world.routers.remove(router)  # closed by the test, on its loop
    return router


async def until(condition: Callable[[], bool], what: str) -> None:
    """Look every few milliseconds until it is so, letting the loop go on."""
    loop = asyncio.get_running_loop()
    end = loop.time() + WAIT_SECONDS_MAX
    while not condition():
        assert loop.time() < end, f"in vain: {what}"
        await asyncio.sleep(0.005)


async def enter(world: World, router: Router, *stages: Stage) -> None:
    for stage in stages:
        world.set_stage(stage)
        epoch = world.state().epoch
        await until(lambda epoch=epoch: router.agent.acknowledged == epoch, f"{stage}")  # type: ignore[misc]


async def exercise(client: Any, table: str, customer: str) -> list[Any]:
    """What an application does, and every answer that it gets, metadata aside."""
    seen: list[Any] = []
    keys = [{"customer": {"S": customer}, "order": {"S": f"o{n}"}} for n in range(4)]
    for n, key in enumerate(keys):
        await client.put_item(TableName=table, Item=key | {"amount": {"N": str(n)}})
    update = await client.update_item(
        TableName=table,
        Key=keys[1],
        UpdateExpression="ADD amount :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    seen.append(update["Attributes"])
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as refused:
        await client.put_item(TableName=table, Item=keys[2], ConditionExpression="attribute_not_exists(customer)")
    seen.append(refused.value.response["Error"])
    await client.delete_item(TableName=table, Key=keys[3])
    for key in keys:
        found = await client.get_item(TableName=table, Key=key, ConsistentRead=True)
        seen.append({name: value for name, value in found.get("Item", {}).items() if name != "customer"})
    request = {
        "TableName": table,
        "KeyConditionExpression": "customer = :c",
        "ExpressionAttributeValues": {":c": {"S": customer}},
        "ConsistentRead": True,
        "PaginationConfig": {"PageSize": 2},
    }
    async for page in client.get_paginator("query").paginate(**request):
        seen += [item["amount"] for item in page["Items"]]
    return seen


def test_an_aiobotocore_client_answers_the_same_in_every_stage(world: World) -> None:
    """Joined lazily at the first call; puts, updates, conditions, deletes, reads and pages in all eight stages."""

    async def scenario(client: Any) -> None:
        table = world.migration.source.name
        expected = await exercise(client, table, "plain")
        world.plain.batch_write_item(  # so that both sides are equal from the start
            RequestItems={
                world.migration.target.name: [
                    {"PutRequest": {"Item": world.migration.compiled.forward(item)}}
                    for item in world.plain.scan(TableName=table)["Items"]
                ]
            }
        )
        router = attach(world, client)
        for n, stage in enumerate(DUAL_WRITE):
            if n:
                await enter(world, router, stage)
            assert await exercise(client, table, f"c{n}") == expected, stage
            if n:
                await until(lambda: router.pending == 0, "the mirrors")
                missing = [item for item in world.plain.scan(TableName=table)["Items"] if item["customer"]["S"] == "c0"]
                for item in missing:  # written in off, before there were mirrors
                    moved = world.migration.compiled.forward(item)
                    world.plain.put_item(TableName=world.migration.target.name, Item=moved)
                assert stage is Stage.COMPLETE or world.agree(), stage
        assert await router.aclose()

    with_client(world, scenario)
    assert world.state().unclean == 0


def test_ready_says_what_is_wrong_and_calls_do_too(world: World) -> None:
    """Without a control record `ready` and the first call raise NotStarted; `detach` says what to await instead."""

    async def scenario(client: Any) -> None:
        key = {"migration": {"S": world.migration.name}, "record": {"S": "state"}}
        world.plain.delete_item(TableName=world.migration.control_table, Key=key)
        router = attach(world, client)
        with pytest.raises(NotStarted):
            await router.ready()
        with pytest.raises(NotStarted):
            await client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o1"))
        with pytest.raises(ConfigurationError, match="aclose"):
            _ = router.detach()
        assert await router.aclose()
        await client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o1"))
        assert world.source_item("c", "o1") is not None

    with_client(world, scenario)


def test_what_a_stage_cannot_do_right_is_refused(world: World) -> None:
    """PartiQL in live raises NotPossibleInStage out of the awaited call, and nothing stays open."""

    async def scenario(client: Any) -> None:
        async with attach(world, client) as router:
            await enter(world, router, *UP[1 : UP.index(Stage.LIVE) + 1])
            with pytest.raises(NotPossibleInStage, match="PartiQL on"):
                await client.execute_statement(Statement=f'SELECT * FROM "{world.migration.source.name}"')  # noqa: S608
            assert router.pending == 0

    with_client(world, scenario)


def lost_reply(sent: Sent) -> None:
    _ = sent.carry_out()
    raise timed_out(sent)


@pytest.mark.parametrize(("stage", "written"), [(Stage.DUALWRITE, "source"), (Stage.LIVE, "target")])
def test_hazard_10_a_write_with_a_lost_reply_is_mirrored(world: World, stage: Stage, written: str) -> None:
    """Forwarded or routed: the caller gets the timeout, or the answer found by the stamp, and both sides agree."""

    async def scenario(client: Any) -> None:
        faults = Faults(client)
        async with attach(world, client) as router:
            await enter(world, router, *UP[1 : UP.index(stage) + 1])
            faults.plan = once(lost_reply, is_put_to(world, written))
            request = {"TableName": world.migration.source.name, "Item": world.key("c", "o1")}
            if written == "source":
                with pytest.raises(ReadTimeoutError):
                    await client.put_item(**request)
            else:
                await client.put_item(**request, ConditionExpression="attribute_not_exists(detail)")
            await until(world.agree, "the mirror")
            assert world.source_item("c", "o1") is not None

    with_client(world, scenario, config=Config(retries={"total_max_attempts": 1}))


@pytest.mark.parametrize(("stage", "written"), [(Stage.DUALWRITE, "source"), (Stage.LIVE, "target")])
def test_hazard_10_a_cancelled_call_is_remembered(world: World, stage: Stage, written: str) -> None:
    """The calling task is cancelled when its request has just been carried out; the other side follows all the same."""

    async def scenario(client: Any) -> None:
        faults = Faults(client)
        async with attach(world, client, landing_seconds=0.5) as router:
            await enter(world, router, *UP[1 : UP.index(stage) + 1])

            def cancel(sent: Sent) -> None:
                _ = sent.carry_out()
                task = asyncio.current_task()
                assert task is not None
                _ = task.cancel()

            faults.plan = once(cancel, is_put_to(world, written))
            request = client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o1"))
            task = asyncio.create_task(request)
            _ = await asyncio.wait([task])
            assert task.cancelled()
            del task, request
            await until(world.agree, "the mirror")
            assert world.source_item("c", "o1") is not None
            await until(lambda: router.pending == 0, "nothing is left open")
        assert world.state().unclean == 0

    with_client(world, scenario)


def is_put_to(world: World, side: str) -> Callable[[Sent], bool]:
    table = world.migration.source.name if side == "source" else world.migration.target.name
    return lambda sent: sent.operation == "PutItem" and sent.table == table


def test_hazard_20_a_caller_never_waits_for_the_other_side(world: World) -> None:
    """Requests to the target never end until the test lets them; twenty writes and reads of the source are answered."""

    async def scenario(client: Any) -> None:
        gate = Gate(world.migration.target.name)
        async with another_client(world) as (other, detour), attach(world, client, own_client=other) as router:
            await enter(world, router, Stage.DUALWRITE, Stage.SHADOW)
            detour.plan = gate
            for n in range(20):
                key = world.key("c", f"o{n}")
                await client.put_item(TableName=world.migration.source.name, Item=key)
                assert (await client.get_item(TableName=world.migration.source.name, Key=key))["Item"] == key
            assert not gate.opened.is_set()
            assert router.pending >= 20
            assert world.target_item("c", "o0") is None
            gate.opened.set()
            await until(lambda: router.pending == 0, "the mirrors")
            assert world.agree()

    with_client(world, scenario)


def test_a_client_that_ends_in_the_middle_asks_for_a_verify(world: World) -> None:
    """`aclose` without time for a mirror that is held up says so, and the control table counts it."""

    async def scenario(client: Any) -> None:
        async with another_client(world) as (other, detour):
            router = attach(world, client, own_client=other)
            await router.ready()
            await enter(world, router, Stage.DUALWRITE)
            gate = detour.plan = Gate(world.migration.target.name)
            await client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o1"))
            assert not await router.aclose(0.05)
            assert world.state() == replace(world.state(), unclean=1)
            gate.opened.set()

    with_client(world, scenario)
