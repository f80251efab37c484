"""Items of several rows are made again once for many of their parts, and never without one of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any, Final, cast

import pytest

from crossfade.cdc.applying import Destination, part_key
from crossfade.cdc.changes import Change, Version
from crossfade.cdc.etl.applier import Applier, Counts, PutAside, through
from crossfade.cdc.etl.rebuilding import Rebuilding
from crossfade.cdc.planning import Part
from crossfade.cdc.row import Row
from crossfade.cdc.rows import Child, Rows
from crossfade.core.effects import Reply, Request
from crossfade.errors import CrossfadeError
from crossfade.migration import Table
from crossfade.sim import tables as sim
from tests.cdc.shop import KEY, order_key, shop

LINES: Final = 60
TARGET, PARTS = "shop", "parts"


class Client:
    """Tables in memory, whose answers come in an order that a seed draws."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._tables = sim.Database({TARGET: ("pk", "sk"), PARTS: ("item", "part")})
        self.calls: Counter[str] = Counter()

    async def call(self, operation: str, request: Request) -> Reply:
        self.calls[operation] += 1
        await self._moment()
        try:
            return self._tables.perform(operation, request, 0.0)
        finally:
            await self._moment()

    async def _moment(self) -> None:
        for _ in range(self._random.randrange(8)):
            await asyncio.sleep(0)

    def order(self) -> set[int]:
        """The numbers of the lines in its item."""
        request: Request = {"TableName": TARGET, "Key": {"pk": {"S": "order#1"}, "sk": {"S": "order"}}}
        found = self._tables.perform("GetItem", request, 0.0).get("Item", {})
        return {int(line["L"][0]["N"]) for line in found.get("lines", {"L": []})["L"]}


def changes() -> list[Change]:
    """An order and its lines."""
    order = Change("shop.orders", (1,), {"id": 1, "total": 5}, Version(0, 1))
    lines = [
        Change("shop.lines", (number,), {"id": number, "order_id": 1, "count": 1}, Version(0, 1, number))
        for number in range(2, LINES + 1)
    ]
    return [order, *lines]


async def applied(client: Client, rows: Rows, done: Callable[[Change], None], put_aside: PutAside | None) -> Counts:
    applier = Applier(Destination(rows, PARTS), through(client))
    order, *lines = changes()
    for at_once in ([order], lines):
        for change in at_once:
            applier.put(change.key, [change], done=partial(done, change), put_aside=put_aside)
        await applier.lanes.settled()
    return applier.counts


@pytest.mark.parametrize("seed", range(20))
def test_many_parts_of_one_item_are_few_rebuilds(seed: int) -> None:
    """A change is done once a rebuild that began behind its part has ended: so what is done is in the item."""
    client = Client(seed)
    ended: list[int] = []

    def done(change: Change) -> None:
        if change.table == "shop.lines":
            ended.append(cast("int", change.key[0]))
        assert set(ended) <= client.order()

    assert asyncio.run(applied(client, shop(TARGET), done, None)).written == LINES
    assert client.order() == set(range(2, LINES + 1))
    assert client.calls["Query"] < LINES / 2


def test_a_rebuild_that_began_before_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one that is under way is waited for, some order loses a part: so the test above would find it."""
    rebuilt = Rebuilding.rebuilt
    under_way: dict[tuple[int, str], asyncio.Task[None]] = {}

    async def joining(self: Rebuilding, destination: Destination, part: Part) -> None:
        item = id(self), part_key(part)["item"]["S"]
        if item not in under_way:
            under_way[item] = asyncio.create_task(rebuilt(self, destination, part))
            under_way[item].add_done_callback(lambda _task: under_way.pop(item))
        await under_way[item]

    monkeypatch.setattr(Rebuilding, "rebuilt", joining)

    def done(_change: Change) -> None:
        """The end is looked at."""

    clients = [Client(seed) for seed in range(20)]
    for client in clients:
        _ = asyncio.run(applied(client, shop(TARGET), done, None))
    assert any(client.order() != set(range(2, LINES + 1)) for client in clients)


def test_each_part_of_an_item_that_cannot_be_made_is_set_aside() -> None:
    """Whoever waits for another one's rebuild is told of its failure, so that no change counts as applied."""

    def fails(row: Row, lines: Sequence[Row]) -> Any:
        raise ValueError(f"no such order as {row}, of {len(lines)} lines")

    rows = Rows(Table(TARGET, key=KEY))
    _ = rows.fold("shop.orders", into=order_key, lines=Child("shop.lines", "order_id"))(fails)
    reasons: list[str] = []

    async def put_aside(error: CrossfadeError) -> None:
        reasons.append(error.message)

    counts = asyncio.run(applied(Client(1), rows, lambda _change: None, put_aside))
    assert counts.changes == 0
    assert counts.set_aside == len(reasons) == LINES
    assert all("no such order" in reason for reason in reasons)
