"""A write in lockstep that an index refuses: told by the names that the index has in the caller's table."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Request
from crossfade.core.routing import route
from crossfade.core.stages import Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from crossfade.mapping import rename
from tests.core.conftest import Bench
from tests.migrations import make_anew

ATTRIBUTE: dict[Side, str] = {"source": "note", "target": "remark"}


@pytest.mark.parametrize("view", ["source", "target"])
@pytest.mark.parametrize("stage", [Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET])
def test_an_index_key_is_refused_by_its_own_name(bench: Bench, stage: Stage, view: Side) -> None:
    """Whichever of the two tables refuses the transaction."""
    key: dict[str, Any] = {"pk": "S"}
    tables = {side: Table(bench.make_table(side, **key), key=key) for side in ATTRIBUTE}
    for side, name in ATTRIBUTE.items():
        keys = [{"AttributeName": name, "KeyType": "HASH"}]
        index = {"IndexName": "by_note", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
        make_anew(bench.client, tables[side].name, {name: "S"}, GlobalSecondaryIndexes=[index])
    source, target = tables["source"], tables["target"]
    pair = Pair(source, target, Migration("t", source, target, [rename("note", "remark")]).compiled, view=view)
    request: Request = {"TableName": pair.caller.name, "Item": {"pk": {"S": "a"}, ATTRIBUTE[view]: {"S": ""}}}
    routine = route(pair, stage, 0, "PutItem", request)
    assert routine is not None
    with pytest.raises(ServiceRejected, match=f"IndexName: by_note, IndexKey: {ATTRIBUTE[view]}$"):
        _ = bench.run(routine, Call(view, "PutItem", request))
