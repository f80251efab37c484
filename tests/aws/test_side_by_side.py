"""Two migrations on one client, each in a stage of its own: a request about tables of both is answered as ever.

The first is of keys alone, so that the server mostly evaluates what is asked of it; what is asked of the second is
evaluated here. Both orders of attaching are tried.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import product
from typing import Any, Final

import pytest
from aiobotocore.session import AioSession

from crossfade import Migration, NotPossibleInStage, Router, StageUncertain, Table, attach
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.items import Item
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.mapping import rename, suffix
from crossfade.migration import Strategy
from tests.aws.conftest import new_session, wait_for
from tests.clients.answers import told
from tests.conftest import Database
from tests.migrations import make_table, put_in_stage
from tests.sampling import one_in

KEY: Final[dict[str, Any]] = {"customer": "S", "order": "S"}
# One for each way in which a stage writes.
STAGES: Final[tuple[tuple[Strategy, Stage], ...]] = (
    ("dual-write", Stage.OFF),
    ("dual-write", Stage.SHADOW),
    ("dual-write", Stage.LOCKSTEP_TARGET),
    ("dual-write", Stage.LIVE),
    ("dual-write", Stage.COMPLETE),
    ("copy-on-write", Stage.STAMP),
    ("copy-on-write", Stage.PREPARE),
    ("copy-on-write", Stage.DRAIN),
    ("copy-on-write", Stage.RAMPDOWN),
)
PAIRS: Final[list[tuple[tuple[Strategy, Stage], tuple[Strategy, Stage]]]] = one_in(2, product(STAGES, STAGES))


def key(order: str) -> Item:
    return {"customer": {"S": "c"}, "order": {"S": order}}


def item(order: str, amount: int) -> Item:
    return {**key(order), "amount": {"N": str(amount)}}


def order_of(item: Item) -> str:
    return str(item["order"]["S"])


def requests(one: str, two: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an application does with both tables at once; `two` has what is evaluated."""
    is_new = {"ConditionExpression": "attribute_not_exists(customer)"}
    more: dict[str, Any] = {"UpdateExpression": "ADD amount :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    counted = {"ConditionExpression": "attribute_exists(amount)"}
    for table, order in ((one, "1"), (one, "2"), (two, "1"), (two, "2")):
        yield "put_item", {"TableName": table, "Item": item(order, int(order))}
    for first, second in ((one, two), (two, one)):
        transactions: list[list[dict[str, Any]]] = [
            [
                {"Put": {"TableName": first, "Item": item("3", 3), **is_new}},
                {"Update": {"TableName": second, "Key": key("1"), **more}},
                {"Delete": {"TableName": first, "Key": key("1")}},
                {"ConditionCheck": {"TableName": second, "Key": key("2"), **counted}},
            ],
            [
                {"Update": {"TableName": second, "Key": key("1"), **more}},
                {"Put": {"TableName": first, "Item": item("2", 9), **is_new, **shown}},
            ],
            [
                {"Delete": {"TableName": second, "Key": key("2")}},
                {"Update": {"TableName": first, "Key": key("2"), **more}},
                {"Put": {"TableName": second, "Item": item("4", 4)}},
            ],
            [
                {"Update": {"TableName": first, "Key": key("2"), **more}},
                {"ConditionCheck": {"TableName": first, "Key": key("2"), **counted}},
                {"Put": {"TableName": second, "Item": item("5", 5)}},
            ],
        ]
        for actions in transactions:
            yield "transact_write_items", {"TransactItems": actions}
        yield (
            "batch_write_item",
            {
                "RequestItems": {
                    first: [{"PutRequest": {"Item": item("6", 6)}}, {"DeleteRequest": {"Key": key("2")}}],
                    second: [{"PutRequest": {"Item": item("2", 2)}}, {"PutRequest": {"Item": item("1", 1)}}],
                }
            },
        )
        yield (
            "transact_get_items",
            {
                "TransactItems": [
                    {"Get": {"TableName": table, "Key": key(order)}}
                    for table in (first, second)
                    for order in ("1", "2", "3", "6")
                ]
            },
        )
        wanted = {"Keys": [key(order) for order in "12345"], "ConsistentRead": True}
        yield "batch_get_item", {"RequestItems": {first: wanted, second: wanted}}
    for table in (one, two):
        yield (
            "query",
            {
                "TableName": table,
                "ConsistentRead": True,
                "KeyConditionExpression": "customer = :c",
                "ExpressionAttributeValues": {":c": {"S": "c"}},
            },
        )


Ask = Callable[[str, dict[str, Any]], Any]


def answers(ask: Ask, one: str, two: str) -> list[Any]:
    """To each request, the tables under the same names."""
    found: list[Any] = []
    for operation, request in requests(one, two):
        answer = ask(operation, request)
        if operation == "batch_get_item" and "Responses" in answer:
            answer["Responses"] = {
                {one: "one", two: "two"}[table]: sorted(items, key=order_of)
                for table, items in answer["Responses"].items()
            }
        found.append((operation, answer))
    return found


def plainly(client: Any) -> Ask:
    def ask(operation: str, request: dict[str, Any]) -> Any:
        return told(getattr(client, operation), **request)

    return ask


@contextmanager
def by_boto3(database: Database, *migrations: Migration, view: Side = "source") -> Generator[Ask]:
    """A client that is attached to these, in this order; each answer with its mirrors done."""
    client = new_session().client("dynamodb", **database.client_options())
    routers = [attach(client, each, landing_seconds=2.0, view=view) for each in migrations]

    def ask(operation: str, request: dict[str, Any]) -> Any:
        answer = told(getattr(client, operation), **request)
        wait_for(lambda: not any(router.pending for router in routers), "every mirror")
        return answer

    try:
        yield ask
    finally:
        ended = [router.detach(10.0) for router in routers]
    assert all(ended)


@contextmanager
def by_aiobotocore(database: Database, *migrations: Migration, view: Side = "source") -> Generator[Ask]:
    """Likewise, on a loop that runs while something is asked of it."""
    runner, stack = asyncio.Runner(), AsyncExitStack()
    session: Any = AioSession()
    routers: list[Router] = []

    async def opened() -> Any:
        client = await stack.enter_async_context(session.create_client("dynamodb", **database.client_options()))
        for each in migrations:
            routers.append(attach(client, each, landing_seconds=2.0, view=view))
            await routers[-1].ready()
        return client

    async def until_mirrored() -> None:
        async with asyncio.timeout(20.0):
            while any(router.pending for router in routers):
                await asyncio.sleep(0.001)

    client = runner.run(opened())

    def ask(operation: str, request: dict[str, Any]) -> Any:
        answer = told(lambda: runner.run(getattr(client, operation)(**request)))
        runner.run(until_mirrored())
        return answer

    try:
        yield ask
    finally:
        ended = [runner.run(router.aclose(10.0)) for router in routers]
        runner.run(stack.aclose())
        runner.close()
    assert all(ended)


def migration(unique: str, name: str, strategy: Strategy) -> Migration:
    pieces = [suffix("customer", count=3, by="order")]
    return Migration(
        f"{name}-{unique}",
        Table(f"{name}-{unique}", key=KEY),
        Table(f"{name}-v2-{unique}", key=KEY),
        pieces if name == "one" else [*pieces, rename("amount", "total")],
        strategy,
        control_table=f"control-{unique}",
    )


@contextmanager
def tables(client: Any, *made: Table) -> Generator[None]:
    for table in made:
        make_table(client, table)
    yield
    for table in made:
        client.delete_table(TableName=table.name)


@pytest.fixture(scope="module")
def expected(dynamodb: Database) -> list[Any]:
    """On two plain tables."""
    unique, client = uuid.uuid4().hex[:8], dynamodb.client()
    one, two = (Table(f"{name}-{unique}", key=KEY) for name in ("one", "two"))
    with tables(client, one, two):
        return answers(plainly(client), one.name, two.name)


@pytest.mark.parametrize(("stage_of_one", "stage_of_two"), PAIRS, ids="-".join)
def test_two_migrations_side_by_side(
    dynamodb: Database,
    expected: list[Any],
    stage_of_one: tuple[Strategy, Stage],
    stage_of_two: tuple[Strategy, Stage],
) -> None:
    """Every answer is that of two plain tables: by either kind of client, attached in either order, as it happens."""
    plain, unique = dynamodb.client(), uuid.uuid4().hex[:8]
    lot = PAIRS.index((stage_of_one, stage_of_two))
    attached, order = (by_boto3, by_aiobotocore)[lot % 2], (1, -1)[lot // 2 % 2]
    one, two = migration(unique, "one", stage_of_one[0]), migration(unique, "two", stage_of_two[0])
    control = Table(one.control_table, key={PARTITION_KEY: "S", SORT_KEY: "S"})
    with tables(plain, one.source, one.target, two.source, two.target, control):
        for each, (_, stage) in ((one, stage_of_one), (two, stage_of_two)):
            put_in_stage(plain, each, stage)
        with attached(dynamodb, *(one, two)[::order]) as ask:
            found = answers(ask, one.source.name, two.source.name)
        for (operation, answer), (_, wanted) in zip(found, expected, strict=True):
            assert answer == wanted, operation
        for each, (strategy, stage) in ((one, stage_of_one), (two, stage_of_two)):
            if LADDERS[strategy][stage].keeps_equal:
                assert len(items_of(plain, each.source)) == len(items_of(plain, each.target))


def items_of(client: Any, table: Table) -> list[Item]:
    found: list[Item] = client.scan(TableName=table.name, ConsistentRead=True)["Items"]
    return found


# --- what goes wrong in the second, when the first has had its turn


@pytest.fixture
def forwarding(dynamodb: Database) -> Iterator[tuple[Any, Any, list[Migration], list[Router]]]:
    """The first turns its part of a transaction to its target; the second, in lockstep, sends the whole of it."""
    plain, unique = dynamodb.client(), uuid.uuid4().hex[:8]
    both = [migration(unique, name, "dual-write") for name in ("one", "two")]
    control = Table(both[0].control_table, key={PARTITION_KEY: "S", SORT_KEY: "S"})
    client = new_session().client("dynamodb", **dynamodb.client_options())
    with tables(plain, *(table for each in both for table in (each.source, each.target)), control):
        for each, stage in zip(both, (Stage.RAMPDOWN, Stage.LOCKSTEP_SOURCE), strict=True):
            put_in_stage(plain, each, stage)
        routers = [attach(client, each, landing_seconds=2.0) for each in both]
        yield client, plain, both, routers
        ended = [router.detach(10.0) for router in routers]
        assert all(ended)


def puts(migration: Migration, count: int) -> list[dict[str, Any]]:
    return [{"Put": {"TableName": migration.source.name, "Item": item(str(n), n)}} for n in range(count)]


def test_nothing_of_the_first_is_sent_by_the_second_once_its_lease_has_ended(
    forwarding: tuple[Any, Any, list[Migration], list[Router]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is a client in good order; what it sends holds the first one's part."""
    client, plain, (one, two), routers = forwarding

    def ended(*_: Any, writes: bool) -> None:
        assert writes
        raise StageUncertain("the lease has ended")

    monkeypatch.setattr(routers[0].agent, "may_send", ended)
    with pytest.raises(client.exceptions.ClientError, match="the lease has ended"):
        client.transact_write_items(TransactItems=[*puts(one, 1), *puts(two, 1)])
    for table in (one.source, one.target, two.source, two.target):
        assert items_of(plain, table) == []


def test_a_refusal_of_the_second_ends_the_call_for_the_first(
    forwarding: tuple[Any, Any, list[Migration], list[Router]],
) -> None:
    """At once, and not when the call's context happens to be collected."""
    client, plain, (one, two), routers = forwarding
    with pytest.raises(NotPossibleInStage, match="nothing was written") as refused:
        client.transact_write_items(TransactItems=[*puts(one, 1), *puts(two, 99)])
    assert [router.pending for router in routers] == [0, 0], refused
    assert items_of(plain, one.target) == []
