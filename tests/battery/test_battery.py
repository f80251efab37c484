"""The battery's own parts: what it plays, what it leaves out, and what it says when it cannot."""

from __future__ import annotations

import time
from random import Random
from typing import Any, get_args

import pytest

from crossfade.core.stages import LADDERS, Stage
from tests.aws.conftest import World
from tests.battery.__main__ import calls, dropped_rule, kinds, main, parser, scene, strategies
from tests.battery.protections import OF_THE_SERVICE, PROTECTIONS
from tests.battery.weather import APPLICATIONS, IF_STOOD, Kind, Weather
from tests.conftest import new_botocore_session
from tests.histories import scenes
from tests.histories.__main__ import NO_VERDICT
from tests.histories.clocks import STOP_SECONDS, Standing
from tests.histories.doors import DOORS, left_out, rule_of
from tests.histories.speakers import KINDS as CLIENTS
from tests.histories.speakers import speaker
from tests.service import FakeService


def test_what_crossfade_does_not_have_cannot_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Then there is no verdict, rather than one that means nothing."""
    for protection in OF_THE_SERVICE:
        if protection.exists:
            continue
        assert main(["--drop", protection.name]) == NO_VERDICT
        said = capsys.readouterr().out
        assert said.startswith(f"NO VERDICT: crossfade has no rule {protection.name!r} yet")


def test_every_protection_has_a_door_or_is_a_rule() -> None:
    """A door is of this process alone; a name without one is that of a rule."""
    for name in ("check-read", "stamp", "barrier", "prepare", "fence"):
        assert PROTECTIONS[name].exists
        assert rule_of(name) == name
    assert dropped_rule(parser().parse_args(["--drop", "clock"])) == rule_of("lease-clock") == "lease-clock"
    for name in DOORS:
        assert PROTECTIONS[name].exists
        assert rule_of(name) == ""


def test_a_rule_is_left_out_in_the_strategies_that_have_it() -> None:
    """One with a door is in all."""
    assert strategies(parser().parse_args([])) == list(LADDERS)
    assert strategies(parser().parse_args(["--drop", "prepare"])) == ["copy-on-write"]
    assert strategies(parser().parse_args(["--drop", "tokens"])) == list(LADDERS)
    assert strategies(parser().parse_args(["--drop", "clock"])) == list(LADDERS)


def test_everything_is_played_that_crossfade_claims_to_stand() -> None:
    """What it has no rule for yet is played where it is asked for."""
    plain = parser().parse_args([])
    assert set(get_args(Kind)) - set(kinds(plain)) <= set(IF_STOOD)
    assert scene(1, "dual-write", plain).clock_stands_still
    asked = parser().parse_args(["--play", *IF_STOOD, "--without", "delays"])
    assert set(kinds(asked)) == set(get_args(Kind)) - {"delays"}
    assert "session" in calls(asked)
    assert scene(1, "dual-write", asked).clock_stands_still
    assert scene(1, "dual-write", plain).clients == CLIENTS
    assert scene(1, "dual-write", parser().parse_args(["--client", "resource"])).clients == ("resource",)


def test_weather_comes_from_the_seed_and_ends(world: World) -> None:
    """The same gusts for the same seed; afterwards everything is as it was."""
    said: list[list[str]] = [[], []]
    for n in range(2):
        with FakeService.start(world.database.endpoint_url, seed=1) as service:
            played: tuple[Kind, ...] = ("throttling", "credentials", "rights")
            weather = Weather(service, world.migration, Random(1), played, said[n].append)
            for blow in (weather._credentials, weather._rights, weather._throttling):  # pyright: ignore[reportPrivateUsage]
                weather._end.set()  # pyright: ignore[reportPrivateUsage]
                blow()
            with weather.lasting():
                pass
            client: Any = new_botocore_session().create_client("dynamodb", **service.client_options(APPLICATIONS))
            client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o"))
            assert service.faults == {}
    assert said[0] == said[1]
    assert len(said[0]) == 3


@pytest.mark.parametrize("kind", CLIENTS)
def test_clients_of_every_kind_are_spoken_to_alike(
    world: World,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests and answers have DynamoDB's form, whatever the client takes and gives."""
    monkeypatch.setattr(scenes, "LEASE_SECONDS", 60.0)
    made = speaker(kind, dict(world.database.client_options()), 1, world.migration, "")
    client, table = made.client, world.migration.source.name
    item = world.key("c", "o1") | {"n": {"N": "1"}, "log": {"L": [{"S": "x"}]}, "m": {"M": {"s": {"S": "y"}}}}
    other = world.key("c", "o2")
    client.put_item(TableName=table, Item=item)
    updated = client.update_item(
        TableName=table, Key=world.key("c", "o1"), UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}}, ReturnValues="ALL_NEW",
    )  # fmt: skip
    item["n"] = {"N": "2"}
    assert updated["Attributes"] == item
    client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": other}}]})
    assert client.get_item(TableName=table, Key=world.key("c", "o1"), ConsistentRead=True)["Item"] == item
    page = client.query(
        TableName=table, KeyConditionExpression="customer = :c", ExpressionAttributeValues={":c": {"S": "c"}},
        ConsistentRead=True, Limit=1,
    )  # fmt: skip
    assert (page["Items"], page["LastEvaluatedKey"]) == ([item], world.key("c", "o1"))
    wanted = {table: {"Keys": [world.key("c", "o2")], "ConsistentRead": True}}
    assert client.batch_get_item(RequestItems=wanted)["Responses"] == {table: [other]}
    get = {"Get": {"TableName": table, "Key": world.key("c", "o2")}}
    assert client.transact_get_items(TransactItems=[get])["Responses"] == [{"Item": other}]
    assert made.detach()


@pytest.mark.parametrize("door", ["", "tokens"])
def test_without_its_door_a_transaction_with_a_token_is_carried_out_once(world: World, door: str) -> None:
    """In a lockstep stage, where crossfade makes the transaction itself."""
    client = world.boto3_client()
    with left_out(door):
        router = world.attach(client)
        world.walk(Stage.DUALWRITE, Stage.SHADOW, Stage.LOCKSTEP_SOURCE)
        update = {
            "TableName": world.migration.source.name, "Key": world.key("c", "o"), "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }  # fmt: skip
        for _ in range(2):
            client.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken="nightly")
        assert router.detach()
    found = world.source_item("c", "o")
    assert found is not None
    assert found["n"] == {"N": "2" if door else "1"}


def test_a_clock_that_stands_still_leaves_out_what_it_did_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap that no pause of the process explains is a stop."""
    times = iter([10.0, 10.1, 10.2, 20.2, 20.3, 20.3 + STOP_SECONDS])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    clock = Standing()
    assert [round(clock.now(), 6) for _ in range(5)] == [10.1, 10.2, 10.2, 10.3, 10.3 + STOP_SECONDS]
