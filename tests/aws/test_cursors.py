"""Cursors of which an application keeps no more than the key attributes, through an attached client in every stage."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World, wait_for

ITEMS = 12


def pages(table: Any, **asked: Any) -> list[str]:
    """The orders, page by page, as `customer|order` cursors have it."""
    found: list[str] = []
    for _ in range(2 * ITEMS):
        page = table.scan(**asked)
        found += [item["order"] for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        asked["ExclusiveStartKey"] = {name: page["LastEvaluatedKey"][name] for name in ("customer", "order")}
    return sorted(found)


@pytest.mark.parametrize("consistent", [False, True])
def test_pages_by_key_attributes_alone_are_exact_within_each_stage(world: World, consistent: bool) -> None:
    """Whichever table's order the stage goes by."""
    table = world.boto3_table()
    _ = world.attach(table)
    wanted = [f"o{n:02}" for n in range(ITEMS)]
    world.walk(Stage.DUALWRITE)
    for n, order in enumerate(wanted):
        table.put_item(Item={"customer": f"c{n % 3}", "order": order})
    wait_for(world.agree, "mirrored")
    for stage in list(DUAL_WRITE)[2:]:
        world.set_stage(stage)
        for limit in (1, 5):
            assert pages(table, Limit=limit, ConsistentRead=consistent) == wanted, stage
