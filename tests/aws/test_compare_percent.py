"""How many of the reads are compared."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade import ConfigurationError
from crossfade.core.stages import Stage
from tests.aws.conftest import World, wait_for

READS = 200


def compared(world: World, percent: float, reads: int = READS) -> int:
    """Read one item so often in `shadow`; return how many of the reads were compared."""
    client: Any = world.boto3_client()
    router = world.attach(client, compare_percent=percent)
    world.walk(Stage.DUALWRITE, Stage.SHADOW)
    table, key = world.migration.source.name, world.key("c", "o")
    client.put_item(TableName=table, Item=key)
    wait_for(world.agree, "the mirror, which is no comparison")
    for _ in range(reads):
        _ = client.get_item(TableName=table, Key=key)
    engine: Any = vars(router)["_engine"]
    background: Any = engine.background
    wait_for(lambda: not background._soon and not background._tasks, "what was put has been done")
    counts = router.counts()
    assert counts.get("compare.dropped", 0) == 0
    return counts.get("compare.matching", 0)


@pytest.mark.parametrize(("percent", "least", "most"), [(100, READS, READS), (0, 0, 0), (50, 60, 140)])
def test_a_share_of_the_reads_is_compared(world: World, percent: float, least: int, most: int) -> None:
    """All, none, or about half; the mirror of the write goes on in any case."""
    assert least <= compared(world, percent) <= most


@pytest.mark.parametrize("percent", [-1, 101])
def test_what_is_no_share_is_refused(world: World, percent: float) -> None:
    """Before anything is attached."""
    with pytest.raises(ConfigurationError, match="from 0 to 100"):
        _ = world.attach(world.boto3_client(), compare_percent=percent)
