"""Clients that are there beside an attached one, and whose requests go past it: attaching says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crossfade.aws import beside
from crossfade.aws.beside import clients_beside
from tests.aws.conftest import World, new_session


@pytest.fixture(autouse=True)
def _nothing_was_told() -> Iterator[None]:
    """What another test has left in this process is none of ours."""
    beside.TOLD.clear()
    yield
    beside.TOLD.clear()


def test_a_second_client_of_the_session_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """As of a library that makes one for its transactions: attaching its Table does not reach that."""
    session = new_session()
    table = session.resource("dynamodb", **world.database.client_options()).Table(world.migration.source.name)
    second = session.client("dynamodb", **world.database.client_options())
    seen: list[tuple[str, Any]] = []

    def see(name: str, facts: dict[str, Any]) -> None:
        seen.append((name, facts.get("table")))

    _ = world.attach(table, observer=see)
    assert second in clients_beside(table.meta.client, world.migration.name)
    assert "other DynamoDB clients of this process" in caplog.text
    assert world.migration.source.name in caplog.text
    assert ("clients_beside", world.migration.source.name) in seen


def test_clients_of_an_attached_session_are_not(world: World) -> None:
    """They have the hooks, each of them."""
    session = new_session()
    own = world.boto3_client()
    _ = world.attach(session, own_client=own)
    made = [session.client("dynamodb", **world.database.client_options()) for _ in range(2)]
    found = clients_beside(own, world.migration.name)
    assert [each for each in made if each in found] == []


def test_a_client_that_was_made_before_its_session_was_attached_is(world: World) -> None:
    """It has none: attach before anything makes its clients."""
    session = new_session()
    early = session.client("dynamodb", **world.database.client_options())
    own = world.boto3_client()
    _ = world.attach(session, own_client=own)
    assert early in clients_beside(own, world.migration.name)


def test_clients_of_other_places_and_services_are_not(world: World) -> None:
    """Their tables are others."""
    client = world.boto3_client()
    _ = world.attach(client)
    elsewhere = {**world.database.client_options(), "region_name": "eu-west-1"}
    others = [
        new_session().client("dynamodb", **elsewhere),
        new_session().client("dynamodb", **{**world.database.client_options(), "endpoint_url": "http://localhost:1"}),
        new_session().client("dynamodbstreams", **world.database.client_options()),
    ]
    found = clients_beside(client, world.migration.name)
    assert [each for each in others if each in found] == []


def test_it_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Of a process that attaches a client a thread there would be no end of it."""
    client, _second = world.boto3_client(), world.boto3_client()
    _ = world.attach(client)
    _ = world.attach(world.boto3_client())
    assert caplog.text.count("other DynamoDB clients") == 1
