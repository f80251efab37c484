"""Nothing of the log is applied once the target decides: not what comes back, comes twice, or is late."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest

from crossfade.cdc.applying import Applied, Destination
from crossfade.cdc.changes import Change, Version
from crossfade.cdc.etl.applier import Applier
from crossfade.cdc.etl.standing import Resting
from crossfade.cdc.migration import MySQL, RowMigration
from crossfade.cdc.rows import Child
from crossfade.cdc.running.leased import Leased
from crossfade.control.capturing import Captures
from crossfade.control.records import Role
from crossfade.control.starting import StartPlan
from crossfade.control.store import Caller
from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.errors import NotPossibleInStage, StageUncertain, TurnedBack
from crossfade.migration import Table
from tests.cdc.shop import KEY, order, order_key
from tests.cdc.shop import customer as customer_item
from tests.conftest import Database
from tests.switch.moving import TABLE, Operator

LEASE_SECONDS: Final = 2.0
HERE: Final = Caller("ann", "laptop", lambda: "now")


class World:
    """A migration of customers, and of orders with their lines, in a control table of its own."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.operator = Operator(client, f"leased-{uuid.uuid4().hex[:8]}")
        name = self.operator.name
        self.migration = RowMigration(name, MySQL(1), Table(name, key=KEY), control_table=TABLE)
        _ = self.migration.table("shop.customers")(customer_item)
        rows = self.migration.rows

        _ = rows.fold("shop.orders", into=order_key, lines=Child("shop.lines", parent="order_id"))(order)
        self.destination = Destination(rows, self.migration.parts_table)
        for table, key in ((name, ("pk", "sk")), (self.migration.parts_table, ("item", "part"))):
            client.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in key],
                KeySchema=[{"AttributeName": key[0], "KeyType": "HASH"}, {"AttributeName": key[1], "KeyType": "RANGE"}],
                BillingMode="PAY_PER_REQUEST",
            )
        plan = StartPlan("freeze", self.migration.source_name, name, self.migration.fingerprint)
        _ = self.operator.run(self.operator.coordinator().start(plan))
        _ = self.operator.walk(Stage.SHADOW)

    def leased(self, **how: Any) -> Leased:
        how = {"lease_seconds": LEASE_SECONDS, "landing_seconds": 0.5, "calls_max": 4, **how}
        return Leased(self.migration, self.client, Role.ETL, HERE, lambda _name, _facts: None, **how)

    def item(self, key: str) -> Item:
        """Without the stamp."""
        sort = "profile" if key.startswith("customer") else "order"
        found: Item = self.client.get_item(
            TableName=self.migration.target.name, Key={"pk": {"S": key}, "sk": {"S": sort}}, ConsistentRead=True
        ).get("Item", {})
        return {name: value for name, value in found.items() if name not in {STAMP, "pk", "sk"}}


@pytest.fixture
def world(dynamodb: Database) -> Iterator[World]:
    made = World(dynamodb.client())
    yield made
    made.operator.close()


def never() -> bool:
    return False


def forgotten() -> Routine[None]:
    """In place of a poll."""
    yield from ()


def customer(name: str, position: int) -> Change:
    return Change("shop.customers", (1,), {"id": 1, "name": name}, Version(0, position))


def line(number: int, count: int, position: int) -> Change:
    row = {"id": number, "order_id": 7, "count": count}
    return Change("shop.lines", (number,), row, Version(0, position), row if count > 1 else None)


def test_hazard_7_what_comes_back_is_not_put_over_what_applications_wrote(world: World) -> None:
    """In live neither an echo, nor what came before the fence and comes once more, is written to the target."""

    async def play() -> None:
        async with world.leased() as leased:
            carry = await leased.begun(never)
            assert await carry(world.destination, customer("Ann", 1)) == Applied(written=1)
            assert world.item("customer#1") == {"name": {"S": "Ann"}}
            _ = await asyncio.to_thread(world.operator.walk, Stage.LIVE)
            item = {"pk": {"S": "customer#1"}, "sk": {"S": "profile"}, "name": {"S": "of the application"}}
            world.client.put_item(TableName=world.migration.target.name, Item=item)
            for change in (customer("Ann", 1), customer("an echo", 2)):
                assert await carry(world.destination, change) == Applied(passed=1)
            assert world.item("customer#1") == {"name": {"S": "of the application"}}

    asyncio.run(play())


def test_the_way_back_finds_every_row_of_an_item(world: World) -> None:
    """What was passed over in live is kept as a part, so that the item is made of it when the source decides again."""

    async def play() -> None:
        async with world.leased() as leased:
            carry = await leased.begun(never)
            order_row = Change("shop.orders", (7,), {"id": 7, "total": 5}, Version(0, 1))
            for change in (order_row, line(1, 1, 2), line(2, 1, 3)):
                _ = await carry(world.destination, change)
            _ = await asyncio.to_thread(world.operator.walk, Stage.LIVE)
            before = world.item("order#7")
            assert await carry(world.destination, line(1, 10, 4)) == Applied(passed=1)
            assert world.item("order#7") == before
            _ = await asyncio.to_thread(world.operator.walk, Stage.SHADOW)
            with pytest.raises(Resting):  # it was read while the target decided, or before
                _ = await carry(world.destination, line(2, 20, 5))
            _ = await (await leased.begun(never))(world.destination, line(2, 20, 5))
        lines = world.item("order#7")["lines"]["L"]
        assert [entry["L"] for entry in lines] == [[{"N": "1"}, {"N": "10"}], [{"N": "2"}, {"N": "20"}]]

    asyncio.run(play())


def test_the_authority_waits_for_a_change_that_is_under_way(world: World) -> None:
    """One that has begun in shadow is over before live; where it is not, the freeze turns back."""

    async def play() -> None:
        async with world.leased(lease_seconds=20.0) as leased:
            ticket = leased.agent.begin(True)
            with pytest.raises(TurnedBack, match="writes were held"):
                _ = await asyncio.to_thread(world.operator.walk, Stage.LIVE, hold_seconds=1.0)
            leased.agent.release(ticket)
            _ = await asyncio.to_thread(world.operator.walk, Stage.LIVE)
            assert leased.stage is Stage.LIVE

    asyncio.run(play())


def test_without_a_lease_nothing_is_sent(world: World) -> None:
    """One that stood still for longer than its lease does not know the stage."""

    async def play() -> None:
        async with world.leased() as leased:
            carry = await leased.begun(never)
            leased.agent.poll = forgotten  # type: ignore[method-assign, assignment]
            while asyncio.get_running_loop().time() < leased.agent.deadline:
                await asyncio.sleep(0.05)
            with pytest.raises(StageUncertain):
                _ = await carry(world.destination, customer("late", 1))
        assert world.item("customer#1") == {}

    asyncio.run(play())


def test_a_migration_that_was_cancelled_ends_it(world: World) -> None:
    """What carries its log is told so, and does not go on for a migration that there is no more."""

    captures = Captures(world.operator.control, "log", lambda: "now")
    _ = world.operator.run(captures.take())

    async def play() -> None:
        async with world.leased() as leased:
            carry = await leased.begun(never)
            _ = await asyncio.to_thread(lambda: world.operator.run(world.operator.coordinator().cancel()))
            assert await asyncio.to_thread(lambda: world.operator.run(captures.found())) is None
            async with asyncio.timeout(30):
                while leased.failure is None:
                    await asyncio.sleep(0.05)
            with pytest.raises(NotPossibleInStage, match="was cancelled"):
                _ = await carry(world.destination, customer("late", 1))

    asyncio.run(play())


def test_what_was_read_under_a_lease_that_has_ended_is_not_applied(world: World) -> None:
    """It may be older than what applications have written since: whoever has read it reads again from what was kept."""

    async def play() -> None:
        async with world.leased() as leased:
            carry = await leased.begun(never)
            poll, leased.agent.poll = leased.agent.poll, forgotten  # type: ignore[method-assign, assignment]
            while asyncio.get_running_loop().time() < leased.agent.deadline:
                await asyncio.sleep(0.05)
            _ = await asyncio.to_thread(world.operator.walk, Stage.LIVE)  # without it
            _ = await asyncio.to_thread(world.operator.walk, Stage.SHADOW)
            leased.agent.poll = poll  # type: ignore[method-assign]
            anew = await leased.begun(never)
            with pytest.raises(Resting, match="lost its lease"):
                _ = await carry(world.destination, customer("of before", 1))
            assert world.item("customer#1") == {}
            assert await anew(world.destination, customer("Ann", 2)) == Applied(written=1)

    asyncio.run(play())


def test_nobody_begins_while_writes_are_held(world: World) -> None:
    """On the way back somebody may still read from the target then: it is waited for the stage behind."""

    async def play() -> None:
        async with world.leased(lease_seconds=20.0) as leased:
            _ = await asyncio.to_thread(world.operator.walk, Stage.LIVE)
            stages: list[Stage] = []
            walking = asyncio.create_task(asyncio.to_thread(world.operator.walk, Stage.SHADOW))
            while not walking.done():
                _ = await leased.begun(never)
                stages.append(leased.stage)
                await asyncio.sleep(0.01)
            await walking
            assert Stage.FREEZE_SOURCE not in stages
            carry = await leased.begun(never)
            assert await carry(world.destination, customer("Ann", 1)) == Applied(written=1)

    asyncio.run(play())


def test_one_that_died_asks_for_no_verify(world: World) -> None:
    """What it had begun is in the log, at which the next one goes on; what stood still says so itself."""

    async def join() -> None:
        leased = world.leased()
        await leased.run(leased.agent.join())
        await leased.close()

    asyncio.run(join())
    state = world.operator.walk(Stage.DUALWRITE)
    assert (state.stage, state.unclean) == (Stage.DUALWRITE, 0)
    assert any(name == "client_gone" for name, _ in world.operator.notes)


def test_a_change_waits_for_a_lease(world: World) -> None:
    """And is then applied from its beginning: the lanes do not end for it."""
    answers: list[Exception | Applied] = [StageUncertain("not now"), Applied(written=1)]
    given: list[Change] = []

    async def run(_destination: Destination, change: Change) -> Applied:
        given.append(change)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def play() -> int:
        applier, done = Applier(world.destination, run), list[int]()
        applier.put("lane", [customer("Ann", 1)], done=lambda: done.append(1), put_aside=None)
        await applier.lanes.settled()
        assert done == [1]
        return applier.counts.written

    assert asyncio.run(play()) == 1
    assert given == [customer("Ann", 1)] * 2
