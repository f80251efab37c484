"""One process as real applications run it: many threads, forks, several sessions, an endpoint from the environment."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import botocore.session
import pytest

from crossfade import attach
from crossfade.core.stages import Stage
from tests.aws import conftest as aws
from tests.aws.conftest import World, new_session, wait_for

world = aws.world

THREADS = 6
COUNTERS = 4  # fewer than threads, so that they meet
PAUSE_SECONDS = 0.05  # as between two requests of a user: a closed loop on one item is a benchmark of conflicts
ROUNDS = 6
WAY = (Stage.DUALWRITE, Stage.SHADOW, Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET, Stage.LIVE, Stage.LOCKSTEP_TARGET)


def count_up(world: World, client: Any, order: str) -> int:
    """Add one to a counter; what it then is."""
    changed = client.update_item(
        TableName=world.migration.source.name,
        Key=world.key("c", order),
        UpdateExpression="ADD amount :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    return int(changed["Attributes"]["amount"]["N"])


def at_rest(world: World) -> None:
    wait_for(lambda: not any(router.pending for router in world.routers), "the mirrors")
    assert world.agree()


def test_many_threads_share_a_client_while_the_stage_moves(world: World) -> None:
    """Every increment is told its own number, and both tables have the sum."""
    client = world.boto3_client()
    _ = world.attach(client)
    told: dict[str, list[int]] = {f"counter-{n}": [] for n in range(COUNTERS)}
    stop = threading.Event()

    def work(n: int) -> None:
        while not stop.wait(PAUSE_SECONDS):
            n += 1
            order = f"counter-{n % COUNTERS}"
            told[order].append(count_up(world, client, order))

    def total() -> int:
        return sum(map(len, told.values()))

    def more_than(count: int) -> bool:
        return total() > count

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(work, n) for n in range(THREADS)]
        try:
            for stage in WAY:
                world.set_stage(stage)
                wait_for(partial(more_than, total() + THREADS), "increments in this stage")
        finally:
            stop.set()
        for future in futures:
            future.result()
    at_rest(world)
    for order, numbers in told.items():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        item = world.source_item("c", order)
        assert item is not None
        assert item["amount"] == {"N": str(len(numbers))}


def test_several_sessions_of_a_process_are_clients_of_their_own(world: World) -> None:
    """A boto3 client, a resource and a botocore client, each attached: three leases, and each leaves alone."""
    client = world.boto3_client()
    resource = new_session().resource("dynamodb", **world.database.client_options())
    session: Any = botocore.session.Session()
    third = session.create_client("dynamodb", **world.database.client_options())
    routers = [world.attach(thing) for thing in (client, resource, third)]
    assert len({router.client_id for router in routers}) == len(routers)
    world.set_stage(Stage.DUALWRITE)
    name = world.migration.source.name
    client.put_item(TableName=name, Item=world.key("c", "client"))
    resource.Table(name).put_item(Item={"customer": "c", "order": "resource"})
    third.put_item(TableName=name, Item=world.key("c", "third"))
    at_rest(world)
    assert routers[0].detach()
    world.routers.remove(routers[0])
    world.set_stage(Stage.SHADOW)
    resource.Table(name).put_item(Item={"customer": "c", "order": "after"})
    at_rest(world)
    for order in ("client", "resource", "third", "after"):
        assert world.target_item("c", order) is not None


def test_an_endpoint_from_the_environment_is_the_endpoint_of_our_own_calls_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is given to the client or the session: where it goes is in AWS_ENDPOINT_URL_DYNAMODB."""
    options = world.database.client_options()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", options["endpoint_url"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", options["region_name"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["aws_secret_access_key"])
    session = new_session()
    _ = world.attach(session)  # without `own_client=`: a session knows this endpoint
    client, other = session.client("dynamodb"), new_session().client("dynamodb")
    _ = world.attach(other)
    world.set_stage(Stage.LIVE)
    client.put_item(TableName=world.migration.source.name, Item=world.key("c", "session"))
    other.put_item(TableName=world.migration.source.name, Item=world.key("c", "client"))
    at_rest(world)
    assert world.target_item("c", "session") is not None
    assert world.target_item("c", "client") is not None


def in_child(work: Callable[[], bool]) -> int:
    """Fork; the child's process id. It ends with status 0 if `work` says so."""
    child = os.fork()
    if child == 0:  # nothing but os._exit must end it: it is still inside the test runner
        status = 1
        try:
            status = 0 if work() else 2
        except BaseException:  # noqa: BLE001 - the child must not go on as a second test runner
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("stage", [Stage.DUALWRITE, Stage.LOCKSTEP_SOURCE, Stage.LIVE])
def test_children_of_a_fork_work_with_threads_beside_their_parent(world: World, stage: Stage) -> None:
    """As a preloading server forks its workers: the sum of what parent and children have added is on both sides."""
    client = world.boto3_client()
    router = attach(client, world.migration, poll_seconds=0.05, landing_seconds=2.0)
    world.routers.append(router)
    world.set_stage(stage)
    _ = count_up(world, client, "forked")

    def add_with_threads() -> bool:
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(count_up, world, client, "forked") for _ in range(ROUNDS)]:
                _ = future.result()
        return True

    def child() -> bool:
        return add_with_threads() and router.detach(20.0)

    children = [in_child(child) for _ in range(3)]
    assert add_with_threads()
    assert [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children] == [0, 0, 0]
    at_rest(world)
    item = world.source_item("c", "forked")
    assert item is not None
    assert item["amount"] == {"N": str(1 + 4 * ROUNDS)}
    assert world.state().unclean == 0
