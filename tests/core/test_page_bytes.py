"""A page of a Scan while items are copied ends where a plain table's would: at 1 MB, wherever the items are by now."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Request
from crossfade.core.items import Item, size_bytes
from crossfade.core.routing import route
from crossfade.core.stages import Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.mapping import suffix
from tests.core.conftest import Bench
from tests.migrations import make_anew

KEY: dict[str, Any] = {"pk": "S", "sk": "S"}
INDEX: dict[str, Any] = {
    "IndexName": "by_mood",
    "KeySchema": [{"AttributeName": "mood", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
KB = 1_024


@pytest.mark.parametrize("index", ["", "by_mood"])
@pytest.mark.parametrize("view", ["source", "target"])
@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN])
def test_a_page_has_no_more_than_a_plain_one_and_the_pages_have_every_item(
    bench: Bench, stage: Stage, view: Side, index: str
) -> None:
    """Items that were small in the source and are large in the target; and some that only the target has."""
    tables = {side: Table(bench.make_table(side, **KEY), key=KEY) for side in ("source", "target")}
    for table in tables.values():
        make_anew(bench.client, table.name, {"mood": "S"}, GlobalSecondaryIndexes=[INDEX])
    migration = Migration("t", tables["source"], tables["target"], suffix("pk", count=2, by="sk"), "copy-on-write")
    pair = Pair(migration.source, migration.target, migration.compiled, view=view)
    wanted: set[str] = set()
    for number in range(16):
        item: Item = {"pk": {"S": "p"}, "sk": {"S": f"{number:02}"}, "mood": {"S": "good"}}
        wanted.add(item["sk"]["S"])
        large = {**item, "text": {"S": "x" * 200 * KB}}
        if number < 12:
            bench.client.put_item(TableName=migration.source.name, Item=item)
        if number % 4 or number >= 12:
            bench.client.put_item(TableName=migration.target.name, Item=migration.compiled.forward(large))
    request: Request = {"TableName": pair.caller.name, **({"IndexName": index} if index else {})}
    found: list[str] = []
    for _ in range(30):
        routine = route(pair, stage, 0, "Scan", request, strategy="copy-on-write")
        assert routine is not None
        page = bench.run(routine, Call(view, "Scan", request))
        assert sum(size_bytes(item) for item in page["Items"]) < 1_024 * KB + 201 * KB
        found += [item["sk"]["S"] for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    assert sorted(found) == sorted(wanted)
