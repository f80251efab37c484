"""Inline callers that are gone in the middle of a call: nobody waits for ever for what they were about."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from crossfade import Router, attach, before_snapshot
from crossfade.core.effects import Later, Now, Routine
from crossfade.core.stages import Stage
from tests.aws.conftest import World, new_session, wait_for
from tests.aws.faults import Detour, Sent
from tests.aws.test_inline import get, leases_of, put

PATIENCE_SECONDS = 20.0  # only a failing test waits so long; a turn is waited for a minute
INLINE: dict[str, Any] = {"background": "inline", "landing_seconds": 2.0}


class Held:
    """Requests of one operation wait at the door, so many at a time as are let through."""

    def __init__(self, world: World, detour: Detour, operation: str) -> None:
        self.arrived = 0
        self.through = threading.Semaphore(0)
        self._operation = operation
        self._control = world.migration.control_table
        detour.plan = self._plan

    def _plan(self, sent: Sent) -> None:
        if sent.operation == self._operation and sent.table != self._control:
            self.arrived += 1
            assert self.through.acquire(timeout=PATIENCE_SECONDS)

    async def until(self, arrived: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.arrived < arrived:
                await asyncio.sleep(0.005)


def on_asyncio(world: World, stage: Stage, work: Callable[[Any, Router, Detour], Any]) -> None:
    """With a client whose requests pass a detour."""
    world.set_stage(stage, wait=False)
    detour = world.detour()

    async def attached() -> None:
        session: Any = importlib.import_module("aiobotocore.session").get_session()
        options = {**world.database.client_options(), "endpoint_url": detour.url}
        async with (
            session.create_client("dynamodb", **options) as client,
            attach(client, world.migration, **INLINE) as router,
        ):
            await work(client, router, detour)

    asyncio.run(attached())


def add(world: World, client: Any) -> Any:
    return client.update_item(
        TableName=world.migration.source.name,
        Key=world.key("c", "hot"),
        UpdateExpression="ADD amount :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )


def told(answers: list[Any]) -> list[str]:
    return [answer["Attributes"]["amount"]["N"] for answer in answers]


@pytest.mark.parametrize("stage", [Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET])
def test_a_write_after_one_that_was_cancelled_in_its_turn_is_not_kept_waiting(world: World, stage: Stage) -> None:
    """The turn ends although no call comes that would do what the cancelled one has left."""

    async def work(client: Any, _router: Router, detour: Detour) -> None:
        held = Held(world, detour, "TransactWriteItems")
        gone = asyncio.create_task(add(world, client))
        await held.until(1)
        _ = gone.cancel()
        _ = await asyncio.gather(gone, return_exceptions=True)
        held.through.release(100)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert told([await add(world, client)]) == ["2"]

    on_asyncio(world, stage, work)
    assert world.agree()
    assert world.state().unclean == 0


def test_those_who_are_written_with_one_that_is_cancelled_have_their_answers(world: World) -> None:
    """They wait for its transaction, and no other call does."""

    async def work(client: Any, _router: Router, detour: Detour) -> None:
        held = Held(world, detour, "TransactWriteItems")
        tasks = [asyncio.create_task(add(world, client)) for _ in range(5)]
        await held.until(1)
        await asyncio.sleep(0.2)  # the others wait for their turn
        held.through.release(1)
        await held.until(2)  # the second's, with the rest in it
        first = (await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))[0]
        waiting = [task for task in tasks if task not in first]
        _ = waiting[0].cancel()
        held.through.release(100)
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await asyncio.gather(*waiting, return_exceptions=True)
        assert told(found[1:]) == ["3", "4", "5"]

    on_asyncio(world, Stage.LOCKSTEP_SOURCE, work)
    assert world.agree()
    assert world.state().unclean == 0


def test_a_task_that_is_cancelled_while_its_mirror_is_made_loses_nothing(world: World) -> None:
    """The next call makes it, and no gate is closed."""

    async def work(client: Any, router: Router, detour: Detour) -> None:
        await put_item(world, client, "warm")
        held = Held(world, detour, "GetItem")
        gone = asyncio.create_task(put_item(world, client, "o1"))
        await held.until(1)
        _ = gone.cancel()
        _ = await asyncio.gather(gone, return_exceptions=True)
        assert router.pending == 1
        held.through.release(100)
        await put_item(world, client, "o2")
        assert router.pending == 0

    on_asyncio(world, Stage.DUALWRITE, work)
    assert world.agree()
    assert world.target_item("c", "o1") is not None
    assert world.state().unclean == 0


async def put_item(world: World, client: Any, order: str) -> None:
    await client.put_item(TableName=world.migration.source.name, Item=world.key("c", order))


def test_a_thread_that_is_interrupted_while_its_mirrors_are_made_loses_none(world: World) -> None:
    """Of a whole batch: those that have not begun are the next call's."""
    detour = world.detour()
    client = new_session().client("dynamodb", **{**world.database.client_options(), "endpoint_url": detour.url})
    world.set_stage(Stage.DUALWRITE, wait=False)
    router = world.attach(client, **INLINE)
    put(client, world, "warm")
    held = Held(world, detour, "GetItem")

    def interrupt() -> None:
        wait_for(lambda: held.arrived >= 10, "the first mirrors")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        held.through.release(1000)

    threading.Thread(target=interrupt).start()
    puts = [{"PutRequest": {"Item": world.key("c", f"o{n}")}} for n in range(25)]
    with pytest.raises(KeyboardInterrupt):
        client.batch_write_item(RequestItems={world.migration.source.name: puts})
    wait_for(lambda: held.arrived >= 16, "the mirrors that had begun")
    put(client, world, "next")
    wait_for(lambda: router.pending == 0, "every mirror")
    put(client, world, "last")
    assert world.agree()
    assert world.target_item("c", "o24") is not None
    assert [lease.at_rest for lease in leases_of(world)] == [True]
    assert get(client, world, "o24")["Item"]


def test_a_mirror_that_cannot_go_on_is_told_as_lost(world: World) -> None:
    """An interrupt may come in the middle of its own code; then nobody takes it for done."""
    world.set_stage(Stage.DUALWRITE, wait=False)
    router = world.attach(world.boto3_client(), **INLINE)
    engine: Any = vars(router)["_engine"]

    def mirror() -> Routine[None]:
        yield from Now()
        raise KeyboardInterrupt

    ticket = router.agent.begin(strict=False)
    engine.work.adopt(Later("mirror", "k", mirror()), ticket)
    router.agent.release(ticket)
    with pytest.raises(KeyboardInterrupt):
        engine.closes()
    assert router.agent.lost_mirrors == 1
    assert router.pending == 0


def test_a_call_under_way_when_a_snapshot_is_made_is_brought_to_its_end_first(world: World) -> None:
    """With its mirror, and without a new lease that would be in the snapshot."""
    detour = world.detour()
    client = new_session().client("dynamodb", **{**world.database.client_options(), "endpoint_url": detour.url})
    world.set_stage(Stage.DUALWRITE, wait=False)
    _ = world.attach(client, **INLINE)
    put(client, world, "warm")
    held = Held(world, detour, "PutItem")
    thread = threading.Thread(target=put, args=(client, world, "o1"))
    thread.start()
    wait_for(lambda: held.arrived == 1, "the write")
    threading.Timer(0.1, held.through.release, [100]).start()
    before_snapshot()
    thread.join()
    assert world.agree()
    assert leases_of(world) == []
    assert world.state().unclean == 0
