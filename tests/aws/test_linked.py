"""Two migrations on one client, of which one's target is the other's source."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crossfade import Migration, Table, attach
from crossfade.control.record_items import to_item
from crossfade.core.stages import Stage
from crossfade.mapping import rename
from tests.aws.conftest import World, wait_for
from tests.migrations import make_table


def third(world: World) -> Migration:
    """From the world's target to one table more, in stage dualwrite."""
    former = world.migration
    migration = Migration(
        name=f"{former.name}-next",
        source=former.target,
        target=Table(f"{former.target.name}-next", key={"customer": "S", "order": "S"}),
        mapping=[rename("total", "sum")],
        control_table=former.control_table,
    )
    make_table(world.plain, migration.target)
    state = replace(
        world.state(),
        stage=Stage.DUALWRITE,
        source=migration.source.name,
        target=migration.target.name,
        fingerprint=migration.compiled.fingerprint,
    )
    world.plain.put_item(TableName=migration.control_table, Item=to_item(migration.name, state))
    return migration


def items(world: World, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.plain.scan(TableName=table, ConsistentRead=True)["Items"]
    return found


def test_what_one_mirrors_the_next_one_mirrors_on(world: World) -> None:
    """A write to the first table arrives in the second by one migration's mirror, and from there in the third."""
    client = world.boto3_client()
    first = world.attach(client)
    migration = third(world)
    second = attach(client, migration, poll_seconds=0.02, landing_seconds=2.0)
    try:
        world.set_stage(Stage.DUALWRITE)
        client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o1") | {"amount": {"N": "1"}})
        wait_for(lambda: first.pending == 0, "the first mirror")
        wait_for(lambda: len(items(world, migration.target.name)) == 1, "the second mirror")
        assert items(world, migration.target.name)[0]["sum"] == {"N": "1"}
        assert second.counts().get("mirror_lost", 0) == 0
    finally:
        assert second.detach()
        world.plain.delete_table(TableName=migration.target.name)
