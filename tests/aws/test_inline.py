"""Everything within the caller's calls, for a process that may be frozen after each of them."""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from crossfade import ConfigurationError, Router, attach
from crossfade.control.records import Lease
from crossfade.control.store import Caller, Control
from crossfade.control.waiting import await_everyone
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.stages import Stage
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from tests.aws.conftest import World
from tests.aws.faults import Sent, refusal

LEASE_SECONDS = 1.5
FROZEN_SECONDS = 1.8


def leases_of(world: World) -> list[Lease]:
    return list(run(world, control_of(world).leases()))


def control_of(world: World) -> Control:
    return Control(world.migration.name, world.migration.control_table)


def run(world: World, routine: Routine[Any]) -> Any:
    """Carry out a routine of the control plane."""

    def call(_place: str, operation: str, request: Request) -> Reply:
        reply: Reply = world.plain._make_api_call(operation, request)
        return reply

    return SyncDriver(call, lambda _name, _facts: None).run(routine, Scope())


def inline(world: World, client: Any, stage: Stage, **options: Any) -> Router:
    """Attach in that stage, with everything inline."""
    world.set_stage(stage, wait=False)
    return world.attach(client, background="inline", **{"lease_seconds": LEASE_SECONDS, **options})


def put(client: Any, world: World, order: str, amount: int = 1) -> None:
    item = world.key("c", order) | {"amount": {"N": str(amount)}}
    client.put_item(TableName=world.migration.source.name, Item=item)


def get(client: Any, world: World, order: str) -> Any:
    return client.get_item(TableName=world.migration.source.name, Key=world.key("c", order), ConsistentRead=True)


def test_when_a_write_is_answered_its_mirror_is_made_and_no_thread_is_there(world: World) -> None:
    """So nothing is lost by whoever is frozen, or killed, then; and the lease says that nothing is open."""
    threads = threading.active_count()
    client = world.boto3_client()
    router = inline(world, client, Stage.DUALWRITE)
    put(client, world, "o1")
    assert router.pending == 0
    assert world.agree()
    assert [lease.at_rest for lease in leases_of(world)] == [True]
    assert threading.active_count() == threads


def test_a_resource_is_attached_likewise(world: World) -> None:
    """Its client takes values of Python, and so it would take ours, from the first request on."""
    table = world.boto3_table()
    router = inline(world, table, Stage.DUALWRITE)
    table.put_item(Item={"customer": "c", "order": "o", "amount": 3})
    assert table.get_item(Key={"customer": "c", "order": "o"})["Item"]["amount"] == 3
    assert router.pending == 0
    assert world.agree()
    assert world.target_item("c", "o") is not None


def test_a_whole_batch_is_mirrored_before_its_answer(world: World) -> None:
    """Several at a time."""
    client = world.boto3_client()
    router = inline(world, client, Stage.DUALWRITE)
    puts = [{"PutRequest": {"Item": world.key("c", f"o{n}")}} for n in range(25)]
    client.batch_write_item(RequestItems={world.migration.source.name: puts})
    assert router.pending == 0
    assert world.agree()
    assert world.target_item("c", "o24") is not None


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE, Stage.LIVE, Stage.LOCKSTEP_SOURCE, Stage.COMPLETE])
def test_the_first_call_after_a_freeze_succeeds_and_so_do_those_after_it(world: World, stage: Stage) -> None:
    """It renews the lease itself, or takes another where it was counted as gone meanwhile."""
    client = world.boto3_client()
    router = inline(world, client, stage)
    for n, is_gone in enumerate((False, True)):
        put(client, world, f"warm{n}")
        time.sleep(FROZEN_SECONDS)
        if is_gone:
            key = control_of(world).key(f"client#{router.client_id}")
            world.plain.delete_item(TableName=world.migration.control_table, Key=key)
        for m in range(3):
            put(client, world, f"o{n}{m}")
            assert get(client, world, f"o{n}{m}")["Item"]["amount"] == {"N": "1"}


def test_an_idle_process_sends_nothing_and_a_busy_one_renews_twice_a_lease(world: World) -> None:
    """Thousands of frozen processes are thousands of records, and not a request a second."""
    client, (own, faults) = world.boto3_client(), world.detoured_client()
    control: list[str] = []

    def count(sent: Sent) -> None:
        if sent.table == world.migration.control_table:
            control.append(sent.operation)

    faults.plan = count
    world.set_stage(Stage.OFF, wait=False)
    _ = world.attach(client, background="inline", lease_seconds=3.0, own_client=own)
    control.clear()
    for n in range(20):
        put(client, world, f"o{n}")
    time.sleep(FROZEN_SECONDS)
    assert control == []
    time.sleep(1.0)
    put(client, world, "later")
    assert sorted(control) == ["GetItem", "UpdateItem"]


def test_in_a_final_stage_a_control_table_that_is_refused_costs_a_call_nothing(world: World) -> None:
    """Nobody needs a lease there: one try in half of its time, and not three for each call."""
    client, (own, detour) = world.boto3_client(), world.detoured_client()
    router = inline(world, client, Stage.COMPLETE, own_client=own)
    put(client, world, "o1")
    detour.plan = lambda sent: refusal(sent, 400, "ResourceNotFoundException")
    time.sleep(FROZEN_SECONDS)
    detour.sent.clear()
    for n in range(20):
        put(client, world, f"o2{n}")
    assert router.agent.stage is Stage.COMPLETE
    assert 0 < len(detour.sent) < 60
    detour.plan = lambda _sent: None


def test_a_stage_move_waits_for_a_frozen_process_as_long_as_its_lease_and_asks_for_no_verify(world: World) -> None:
    """The fleet goes on without it, its mark is not left, and when it wakes it goes by the new stage at once."""
    client = world.boto3_client()
    router = inline(world, client, Stage.DUALWRITE, landing_seconds=30.0)
    put(client, world, "o1")
    world.set_stage(Stage.SHADOW, wait=False)
    caller = Caller("ann", "laptop", lambda: "now")
    began = time.monotonic()
    state = run(world, await_everyone(control_of(world), caller))
    assert time.monotonic() - began < 10 * LEASE_SECONDS
    assert (state.stage, state.unclean) == (Stage.SHADOW, 0)
    put(client, world, "o2")
    assert router.stage is Stage.SHADOW
    assert world.state().unclean == 0
    assert world.agree()


def test_one_that_is_killed_before_its_mirror_has_left_its_mark(world: World) -> None:
    """While a write is under way the lease says so."""
    client = world.boto3_client()
    router = inline(world, client, Stage.DUALWRITE)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    engine: Any = vars(router)["_engine"]
    engine.work.work_off, work_off = killed, engine.work.work_off
    with pytest.raises(KeyboardInterrupt):
        put(client, world, "o1")
    assert [lease.at_rest for lease in leases_of(world)] == [False]
    assert router.pending == 1
    engine.work.work_off = work_off
    put(client, world, "o2")  # the same thread: it does what it had left
    assert router.pending == 0
    assert world.agree()


def test_within_an_invocation_it_is_said_once_that_nothing_is_open(world: World) -> None:
    """Two small requests for all of its writes, instead of two for each."""
    client, (own, faults) = world.boto3_client(), world.detoured_client()
    renewals: list[str] = []

    def count(sent: Sent) -> None:
        if (sent.table, sent.operation) == (world.migration.control_table, "UpdateItem"):
            renewals.append(sent.operation)

    world.set_stage(Stage.DUALWRITE, wait=False)
    router = world.attach(client, background="inline", lease_seconds=30.0, own_client=own)
    faults.plan = count
    with router.invocation():
        for n in range(5):
            put(client, world, f"o{n}")
        assert len(renewals) == 1
        assert router.pending == 0
    assert len(renewals) == 2
    assert [lease.at_rest for lease in leases_of(world)] == [True]
    put(client, world, "without")
    assert len(renewals) == 4


def test_a_mirror_that_the_target_refuses_is_told_as_any_other(world: World) -> None:
    """The caller's write succeeds, and the loss is counted in the control table."""
    client, (own, faults) = world.boto3_client(), world.detoured_client()
    router = inline(world, client, Stage.DUALWRITE, own_client=own)

    def refuse(sent: Sent) -> Any:
        if sent.table == world.migration.target.name and sent.operation == "PutItem":
            return refusal(sent, 400, "ValidationException")
        return None

    faults.plan = refuse
    put(client, world, "o1")
    assert router.counts()["mirror_lost"] == 1
    assert world.state().unclean == 1
    assert router.pending == 0


def test_a_target_that_is_busy_holds_the_answer_back_for_a_moment_alone(world: World) -> None:
    """The mirror is put off to the next call, and is not lost; until it is made, the lease says that it is open."""
    client, (own, faults) = world.boto3_client(), world.detoured_client()
    router = inline(world, client, Stage.DUALWRITE, own_client=own)
    busy = True

    def throttle(sent: Sent) -> Any:
        if busy and sent.table == world.migration.target.name and sent.operation == "PutItem":
            return refusal(sent, 400, "ProvisionedThroughputExceededException")
        return None

    faults.plan = throttle
    put(client, world, "o1")
    assert router.pending == 1
    assert [lease.at_rest for lease in leases_of(world)] == [False]
    busy = False
    _ = get(client, world, "o2")
    assert router.pending == 0
    assert router.counts().get("mirror_lost", 0) == 0
    assert world.agree()
    assert [lease.at_rest for lease in leases_of(world)] == [True]


def test_a_comparison_is_made_before_the_answer(world: World) -> None:
    """Whoever is frozen then has none left."""
    client = world.boto3_client()
    router = inline(world, client, Stage.SHADOW)
    put(client, world, "o1")
    _ = get(client, world, "o1")
    assert router.counts()["compare.matching"] == 1


def test_threads_do_each_what_they_have_left(world: World) -> None:
    """When a call has its answer, its own item is on both sides."""
    client = world.boto3_client()
    router = inline(world, client, Stage.DUALWRITE, lease_seconds=30.0)  # none ends before a mirror is made
    found: list[object] = []

    def calls(who: int) -> None:
        for n in range(10):
            put(client, world, f"o{who}-{n}")
            found.append(world.target_item("c", f"o{who}-{n}"))

    threads = [threading.Thread(target=calls, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60
    assert None not in found
    assert router.pending == 0
    assert [lease.at_rest for lease in leases_of(world)] == [True]


def on_asyncio(world: World, work: Callable[[Any, Router], Any]) -> None:
    async def attached() -> None:
        session: Any = importlib.import_module("aiobotocore.session").get_session()
        async with session.create_client("dynamodb", **world.database.client_options()) as client:
            given: dict[str, Any] = {"lease_seconds": LEASE_SECONDS, "poll_seconds": 0.05, "landing_seconds": 2.0}
            async with attach(client, world.migration, background="inline", **given) as router:
                await work(client, router)

    asyncio.run(attached())


def test_on_asyncio_likewise(world: World) -> None:
    """Mirrors of what several tasks write are made before each has its answer; a freeze is no error."""
    world.set_stage(Stage.DUALWRITE, wait=False)

    async def work(client: Any, router: Router) -> None:
        async def one(order: str) -> None:
            item = world.key("c", order) | {"amount": {"N": "1"}}
            await client.put_item(TableName=world.migration.source.name, Item=item)
            assert world.target_item("c", order) is not None

        tasks = len(asyncio.all_tasks())
        _ = await asyncio.gather(*(one(f"o{n}") for n in range(10)))
        assert router.pending == 0
        assert len(asyncio.all_tasks()) == tasks
        assert [lease.at_rest for lease in leases_of(world)] == [True]
        time.sleep(FROZEN_SECONDS)
        async with router.invocation():
            for n in range(3):
                await one(f"later{n}")
            assert [lease.at_rest for lease in leases_of(world)] == [False]
        assert [lease.at_rest for lease in leases_of(world)] == [True]

    on_asyncio(world, work)
    assert world.agree()
    assert leases_of(world) == []
    assert world.state().unclean == 0


def test_a_task_that_is_cancelled_leaves_the_rest_to_the_next_call(world: World) -> None:
    """Its mirror counts as open until then, or as lost where it was cut off."""
    world.set_stage(Stage.DUALWRITE, wait=False)

    async def work(client: Any, router: Router) -> None:
        for n in range(20):
            item = world.key("c", f"o{n}")
            task = asyncio.create_task(client.put_item(TableName=world.migration.source.name, Item=item))
            await asyncio.sleep(0.001 * n)
            _ = task.cancel()
            _ = await asyncio.gather(task, return_exceptions=True)
        await client.put_item(TableName=world.migration.source.name, Item=world.key("c", "last"))
        for _ in range(100):
            if not router.pending:
                break
            await asyncio.sleep(0.05)
            await client.put_item(TableName=world.migration.source.name, Item=world.key("c", "last"))
        assert router.pending == 0

    on_asyncio(world, work)
    assert world.agree() or world.state().unclean


def test_detaching_waits_for_what_was_put_off_and_gives_the_lease_back(world: World) -> None:
    """As with work beside the application."""
    client = world.boto3_client()
    router = inline(world, client, Stage.DUALWRITE)
    put(client, world, "o1")
    assert router.detach()
    assert leases_of(world) == []
    assert world.state().unclean == 0


def test_there_are_two_places_for_the_background(world: World) -> None:
    """Whatever else is asked for is an error at once."""
    with pytest.raises(ConfigurationError, match="within its calls"):
        _ = world.attach(world.boto3_client(), background="inlined")
