"""The events of routed calls: one each, whoever the client is and wherever the work is done."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade import ConfigurationError, NotPossibleInStage
from crossfade.aws.sync_hooks import SyncHooks
from crossfade.core.stages import DUAL_WRITE, Stage
from crossfade.observe.calls import Pulse
from crossfade.observe.events import Compared, Event, StageEntered
from tests.aws.conftest import World, wait_for
from tests.observe.conftest import Kept

BACKGROUNDS = ("beside", "inline")
UP = list(DUAL_WRITE)


def play(client: Any, world: World) -> None:
    """A put, a get of it and a put that is refused."""
    name, key = world.migration.source.name, world.key("c", "o")
    client.put_item(TableName=name, Item={**key, "amount": {"N": "7"}})
    assert client.get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]["amount"] == {"N": "7"}
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        client.put_item(TableName=name, Item=key, ConditionExpression="attribute_not_exists(customer)")


def told(kept: Kept) -> list[tuple[str, str]]:
    return [(each.call.operation, each.error) for each in kept.calls]


PLAYED = [("PutItem", ""), ("GetItem", ""), ("PutItem", "ConditionalCheckFailedException")]


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("stage", UP)
def test_a_call_is_told_once_in_every_stage(world: World, kept: Kept, stage: Stage, background: Any) -> None:
    """With its stage and the side that decides in it; what is added is part of what it took."""
    world.set_stage(stage)
    client = world.boto3_client()
    _ = world.attach(client, background=background, observer=kept)
    play(client, world)
    assert told(kept) == PLAYED
    assert len({event.call for event in kept.calls}) == len(PLAYED)
    for call in kept.calls:
        assert (call.stage, call.side) == (stage, DUAL_WRITE[stage].authority)
        assert call.call.table == world.migration.source.name
        assert 0 < call.seconds_added <= call.seconds < 60


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE, Stage.LOCKSTEP_TARGET, Stage.COMPLETE])
def test_likewise_on_asyncio(world: World, kept: Kept, stage: Stage, background: Any) -> None:
    """The same calls by aiobotocore have the same events."""
    session: Any = importlib.import_module("aiobotocore.session").get_session()
    world.set_stage(stage)

    async def run() -> None:
        async with session.create_client("dynamodb", **world.database.client_options()) as client:
            router = world.attach(client, background=background, observer=kept)
            world.routers.remove(router)
            name, key = world.migration.source.name, world.key("c", "o")
            async with router:
                await client.put_item(TableName=name, Item=key)
                _ = await client.get_item(TableName=name, Key=key, ConsistentRead=True)
                with pytest.raises(ClientError):
                    await client.put_item(
                        TableName=name, Item=key, ConditionExpression="attribute_not_exists(customer)"
                    )

    asyncio.run(run())
    assert told(kept) == PLAYED
    assert {each.stage for each in kept.calls} == {stage}


def test_a_call_that_is_refused_before_it_is_sent_ends_with_the_reason(world: World, kept: Kept) -> None:
    """What the stage cannot do raises, and is told by that error's name."""
    client = world.boto3_client()
    _ = world.attach(client, observer=kept)
    world.walk(Stage.DUALWRITE, Stage.SHADOW, Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET, Stage.LIVE)
    statement = "UPDATE \"{}\" SET amount = 1 WHERE customer = 'c' AND \"order\" = 'o'"
    with pytest.raises((NotPossibleInStage, ClientError)):
        client.execute_statement(Statement=statement.format(world.migration.source.name))
    assert [(each.call.operation, bool(each.error)) for each in kept.calls] == [("ExecuteStatement", True)]


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_what_a_call_leaves_for_later_names_the_call(world: World, kept: Kept, background: Any) -> None:
    """The mirror of the put and the comparison of the get: each says of which call it is."""
    world.set_stage(Stage.SHADOW)
    client = world.boto3_client()
    router = world.attach(client, background=background, observer=kept)
    name, key = world.migration.source.name, world.key("c", "o")
    client.put_item(TableName=name, Item=key)
    wait_for(lambda: router.pending == 0, "the mirror")
    _ = client.get_item(TableName=name, Key=key)
    wait_for(lambda: bool(kept.work("compare")), "the comparison")
    put, got = kept.calls
    assert [(each.call, each.outcome) for each in kept.work("mirror")] == [(put.call, "done")]
    assert [(each.call, each.outcome) for each in kept.work("compare")] == [(got.call, "done")]
    assert [each.outcome for each in kept.of(Compared)] == ["matching"]


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_own_requests_tell_what_they_consume_and_answers_do_not(world: World, kept: Kept, background: Any) -> None:
    """A mirror consumes on both sides, the lease in the control table; a caller who did not ask is not told."""
    world.set_stage(Stage.DUALWRITE)
    client = world.boto3_client()
    router = world.attach(client, background=background, observer=kept)
    answer = client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o"))
    wait_for(lambda: router.pending == 0, "the mirror")
    assert "ConsumedCapacity" not in answer
    for side in ("source", "target", "control"):
        assert sum(units for each in kept.requests(side) for _, units in each.units) > 0
        assert {place for each in kept.requests(side) for place, _ in each.units} == {side}


def test_a_caller_who_asks_what_a_call_consumed_is_told_as_ever(world: World, kept: Kept) -> None:
    """In the stage where crossfade makes the requests."""
    world.set_stage(Stage.LOCKSTEP_SOURCE)
    client = world.boto3_client()
    _ = world.attach(client, observer=kept)
    item = world.key("c", "o")
    answer = client.put_item(TableName=world.migration.source.name, Item=item, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"]["CapacityUnits"] > 0


def test_the_process_tells_how_it_stands(world: World, kept: Kept) -> None:
    """A pulse with each renewal of the lease, and the stage that was entered."""
    client = world.boto3_client()
    router = world.attach(client, observer=kept)
    world.set_stage(Stage.DUALWRITE)
    wait_for(lambda: any(each.stage == "dualwrite" for each in kept.of(Pulse)), "a pulse")
    pulse = kept.of(Pulse)[-1]
    assert (pulse.client, pulse.holds_lease, pulse.mirrors_waiting) == (router.client_id, True, 0)
    assert [each.stage for each in kept.of(StageEntered)] == ["off", "dualwrite"]


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_an_observer_that_fails_harms_no_call(world: World, background: Any) -> None:
    """Each event raises: every answer, mirror and comparison is what it would have been, and it is counted."""

    class Failing:
        def on_event(self, event: Event) -> None:
            raise RuntimeError(event.name)

    client = world.boto3_client()
    router = world.attach(client, background=background, observer=Failing())
    if background == "beside":
        world.walk(Stage.DUALWRITE, Stage.SHADOW)
    play(client, world)
    wait_for(lambda: router.pending == 0, "the mirrors")
    assert router.counts()["observer_error"] >= 6
    if background == "beside":
        assert world.agree()
        assert router.counts().get("mirror_lost", 0) == 0


def test_where_nobody_asks_for_calls_nothing_is_done_for_them(world: World) -> None:
    """A function, or nobody: the hooks are the plain ones, and the function is not called for a call."""
    names = list[str]()

    def listen(name: str, _: object) -> None:
        names.append(name)

    for observer in (None, listen):
        client = world.boto3_client()
        router: Any = world.attach(client, observer=observer)
        play(client, world)
        assert type(router._hooks) is SyncHooks
        assert router._engine.requests is None
        assert router.detach()
    assert set(names) == {"joined", "stage_entered", "left"}


def test_several_may_watch(world: World, kept: Kept) -> None:
    """A list of observers and functions: each is told."""
    names = list[str]()

    def listen(name: str, _: object) -> None:
        names.append(name)

    client = world.boto3_client()
    _ = world.attach(client, observer=[kept, listen])
    play(client, world)
    assert set(names) == {"joined", "stage_entered"} <= {each.name for each in kept.events}
    assert told(kept) == PLAYED


def test_what_cannot_observe_is_refused(world: World) -> None:
    """At once, with what would do."""
    with pytest.raises(ConfigurationError, match="on_event"):
        _ = world.attach(world.boto3_client(), observer=[7])
