"""More entries than one request may have: refused in the service's own words wherever it can be asked."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World

UP = list(DUAL_WRITE)


def refusal(client: Any, world: World) -> str:
    puts = [{"PutRequest": {"Item": world.key("c", str(n))}} for n in range(26)]
    with pytest.raises(ClientError) as refused:
        client.batch_write_item(RequestItems={world.migration.source.name: puts})
    error: Any = vars(refused.value)["response"]["Error"]
    return str(error["Message"])


@pytest.mark.parametrize("stage", [Stage.DUALWRITE, Stage.SHADOW])
def test_a_batch_that_goes_to_the_callers_table_is_refused_in_its_words(world: World, stage: Stage) -> None:
    """Letter by letter; the engine quotes attributes in any order."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.walk(*UP[1 : UP.index(stage) + 1])
    assert sorted(refusal(client, world)) == sorted(refusal(world.plain, world))


@pytest.mark.parametrize("stage", [Stage.LOCKSTEP_SOURCE, Stage.LIVE])
def test_a_batch_that_goes_elsewhere_names_nothing_of_ours(world: World, stage: Stage) -> None:
    """Neither the other table, nor its attributes, nor the stamp."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.walk(*UP[1 : UP.index(stage) + 1])
    said = refusal(client, world)
    assert not [word for word in (world.migration.target.name, "_crossfade", "total", "#") if word in said]
