"""What is attached once, and what cannot be attached: told at once, before anything is hooked."""

from __future__ import annotations

import asyncio
import importlib
import traceback
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from crossfade import ConfigurationError, NotStarted, Table, attach
from crossfade.control.record_items import to_item
from crossfade.control.records import PARTITION_KEY, SORT_KEY, STATE
from crossfade.core.rules import ALL_RULES, Rules
from crossfade.core.stages import Stage
from crossfade.demo.dropping import attach_without
from crossfade.mapping import identity
from tests.aws.conftest import World, new_session, wait_for


def test_a_client_is_attached_to_a_migration_once(world: World) -> None:
    """A second time a request would go through the same hooks twice; after detach() it may be attached anew."""
    table = world.boto3_table()
    router = world.attach(table)
    for thing, view in ((table, "source"), (table.meta.client, "target")):
        with pytest.raises(ConfigurationError, match="attached to this client already"):
            _ = world.attach(thing, view=view)
    table.put_item(Item={"customer": "c", "order": "o"})
    assert router.detach()
    _ = world.attach(table)
    assert table.get_item(Key={"customer": "c", "order": "o"})["Item"] == {"customer": "c", "order": "o"}


def test_a_client_on_asyncio_is_attached_once_too(world: World) -> None:
    """Whatever came of joining: after aclose() it may be attached anew."""

    async def attached_twice() -> None:
        session: Any = importlib.import_module("aiobotocore.session").get_session()
        async with session.create_client("dynamodb", **world.database.client_options()) as client:
            router = attach(client, world.migration, poll_seconds=0.05)
            with pytest.raises(ConfigurationError, match="attached to this client already"):
                _ = attach(client, world.migration)
            assert await router.aclose()
            async with attach(client, world.migration, poll_seconds=0.05) as again:
                assert again.stage is Stage.OFF

    asyncio.run(attached_twice())


def test_what_could_not_be_attached_may_be_attached_later(world: World) -> None:
    """A migration that was not started yet is no reason to refuse the client for ever."""
    client, state = world.boto3_client(), world.state()
    control = Table(world.migration.control_table, key={PARTITION_KEY: "S", SORT_KEY: "S"})
    key = {PARTITION_KEY: {"S": world.migration.name}, SORT_KEY: {"S": STATE}}
    world.plain.delete_item(TableName=control.name, Key=key)
    with pytest.raises(NotStarted):
        _ = world.attach(client)
    world.plain.put_item(TableName=control.name, Item=to_item(world.migration.name, state))
    assert world.attach(client).stage is Stage.OFF


def test_without_a_control_table_one_error_says_where_it_was_looked_for(world: World) -> None:
    """Not the service's refusal and ours, one after the other; another endpoint or Region has tables of its own."""
    client = world.boto3_client()
    elsewhere = replace(world.migration, control_table=f"{world.migration.control_table}-elsewhere")
    with pytest.raises(NotStarted, match="next: crossfade start --execute") as caught:
        _ = attach(client, elsewhere)
    assert caught.value.message.endswith(f"-elsewhere at {client.meta.endpoint_url} ({client.meta.region_name})")
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


def test_an_engine_that_cannot_be_made_leaves_the_client_free(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is claimed for a migration whose router was never there."""
    client = world.boto3_client()

    def failing(*_: Any) -> None:
        raise ConfigurationError("no engine")

    with monkeypatch.context() as patched:
        patched.setattr("crossfade.aws.thread_engine.ThreadEngine", failing)
        with pytest.raises(ConfigurationError, match="no engine"):
            _ = world.attach(client)
    assert world.attach(client).stage is Stage.OFF


def test_a_client_of_an_attached_session_is_not_attached_itself(world: World) -> None:
    """It has the session's hooks. Once the session is detached, its own are the only ones."""
    session = new_session()
    router = world.attach(session, own_client=world.boto3_client())
    client = session.client("dynamodb", **world.database.client_options())
    with pytest.raises(ConfigurationError, match="the session that this client was made from is attached"):
        _ = world.attach(client)
    with pytest.raises(ConfigurationError, match="attached to this session already"):
        _ = world.attach(session, own_client=world.boto3_client())
    assert router.detach()
    world.routers.remove(router)
    _ = world.attach(client)
    world.walk(Stage.DUALWRITE)
    client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o"))
    wait_for(lambda: world.target_item("c", "o") is not None, "the mirror of a client whose session was attached once")


def test_a_session_is_not_attached_to_migrations_that_share_a_table(world: World) -> None:
    """What one of them mirrors would not be seen by the other; a client of its own sees it."""
    session, target = new_session(), Table("orders-v3", key=world.migration.target.key)
    later = replace(world.migration, name="later", source=world.migration.target, target=target, mapping=identity())
    _ = world.attach(session, own_client=world.boto3_client())
    with pytest.raises(ConfigurationError, match="share the table orders-v2"):
        _ = attach(session, later, own_client=world.boto3_client())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"view": "new"}, "view='new'"),
        ({"poll_seconds": 11.0, "lease_seconds": 10.0}, "lease_seconds=10, poll_seconds=11"),
        ({"poll_seconds": 0.0}, "poll_seconds=0"),
    ],
)
def test_what_attach_cannot_mean_is_refused(world: World, given: dict[str, Any], said: str) -> None:
    """A misspelt view would pass every read by."""
    with pytest.raises(ConfigurationError, match=said):
        _ = world.attach(world.boto3_client(), **given)


def test_a_migration_file_is_no_migration(world: World) -> None:
    """The error says how the one becomes the other."""
    path: Any = "migration.py"
    with pytest.raises(ConfigurationError, match=r"crossfade\.migration\.load"):
        _ = attach(world.boto3_client(), path)


def test_an_application_cannot_switch_a_rule_off(world: World) -> None:
    """What switches the protection off is no argument of what an application calls."""
    with pytest.raises(TypeError, match="rules"):
        _ = world.attach(world.boto3_client(), rules=Rules.without("barrier"))


def test_the_proofs_drop_one_rule_by_a_door_of_their_own(world: World) -> None:
    """The others are in force, and without a name all of them are."""
    attaching = partial(attach_without, lease_seconds=10.0, poll_seconds=0.02)
    with attaching("check-read", world.boto3_client(), world.migration) as router:
        assert router.agent.rules == Rules.without("check-read")
        assert not router.agent.rules.check_read
    with attaching(None, world.boto3_client(), world.migration) as router:
        assert router.agent.rules == ALL_RULES
    with pytest.raises(ValueError, match="no rule is called 'nonsense'"):
        _ = attaching("nonsense", world.boto3_client(), world.migration)
