"""Pages asked for by two clients in turn, who are in neighbouring stages: no item is skipped, and none comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice, pairwise, product
from typing import Any, Final

import pytest

from crossfade import attach
from crossfade.core.items import Item
from crossfade.core.stages import LADDERS, Stage
from crossfade.core.tables.pair import key_name
from crossfade.migration import Strategy
from tests.conftest import Database
from tests.contract.shapes import KINDS, Shape, number
from tests.contract.worlds import Combination, Sides, low_level_client, new_token
from tests.migrations import put_in_stage
from tests.sampling import one_in

# The stage that says where items are, so that they may be there in both: from there on nothing is copied any more.
PLACED_BY: Final = {
    (Stage.OFF, Stage.STAMP): Stage.STAMP,
    (Stage.STAMP, Stage.PREPARE): Stage.STAMP,
    (Stage.PREPARE, Stage.DRAIN): Stage.DRAIN,
    (Stage.DRAIN, Stage.RAMPDOWN): Stage.RAMPDOWN,
    (Stage.RAMPDOWN, Stage.COMPLETE): Stage.RAMPDOWN,
}
PAGES_MAX: Final = 60
FOREVER_SECONDS: Final = 3600.0  # none of the two looks for another stage


CELLS: Final[list[tuple[str, Strategy, Stage, Stage]]] = [
    (mapping, strategy, one, two)
    for mapping, kind in KINDS.items()
    if mapping != "identity"
    for strategy in kind.strategies
    for one, two in pairwise(LADDERS[strategy])
]


def walks(shape: Shape, items: list[Item]) -> Iterator[tuple[str, dict[str, Any], list[Item]]]:
    """What is asked for, and what is there."""
    form = shape.form
    for index in (None, form.group_index, form.note_index, form.score_index):
        more = {} if index is None else {"IndexName": index}
        yield "scan", more, items
        if index in (None, form.score_index):
            name, values = form.partition, [shape.partition(0), shape.partition(1)]
        elif index == form.group_index:
            name, values = "grp", [shape.group(0), shape.group(1)]
        else:
            name, values = form.note, [shape.noted(1)]
        for value, forward in product(values, (True, False)):
            condition = {
                "KeyConditionExpression": "#name = :value",
                "ExpressionAttributeNames": {"#name": name},
                "ExpressionAttributeValues": {":value": value},
            }
            yield "query", {**more, **condition, "ScanIndexForward": forward}, [i for i in items if i[name] == value]


@pytest.mark.parametrize(("mapping", "strategy", "one", "two"), CELLS)
def test_pages_by_two_clients_in_turn(
    dynamodb: Database, mapping: str, strategy: Strategy, one: Stage, two: Stage
) -> None:
    """Of Scans and Queries of the table and of each index, begun by either client. Items share sort values.

    Each two stages try another fifth of the walks.
    """
    options: dict[str, Any] = dict(dynamodb.client_options())
    placed_by = PLACED_BY[one, two] if strategy == "copy-on-write" else Stage.SHADOW
    sides = Sides(low_level_client(options), Combination(mapping, "source", placed_by, "boto3", strategy), new_token())
    shape = Shape(KINDS[mapping].form("source"), sides.token, "case")
    items = [{**shape.rich(n, p), "score": number(n % 2)} for p in range(2) for n in range(6)]
    sides.given(items)
    clients, routers = list[Any](), list[Any]()
    for stage in (one, two):
        put_in_stage(sides.client, sides.migration, stage)
        clients.append(low_level_client(options))
        for each in sides.migrations:
            routers.append(attach(clients[-1], each, poll_seconds=FOREVER_SECONDS, lease_seconds=FOREVER_SECONDS))

    def names(found: list[Item]) -> list[str]:
        return sorted(key_name({name: item[name] for name in shape.form.key()}) for item in found)

    every = product(((0, 1), (1, 2)), walks(shape, items))
    for (begins, limit), (operation, asked, there) in one_in(5, every, CELLS.index((mapping, strategy, one, two))):
        request = {"TableName": shape.name, "Limit": limit, **asked}
        found: list[Item] = []
        for client in islice(cycle(clients), begins, begins + PAGES_MAX):
            page = getattr(client, operation)(**request)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        assert names(found) == names(there), (operation, asked, limit)
    for router in routers:
        assert router.detach(10.0)
    sides.close()
