"""Reads that go together are answered as each by itself would be."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from crossfade.aws.lean.client import BulkClient
from crossfade.aws.lean.gathering import KEYS_MAX, GatheredReads
from crossfade.core.effects import Reply, Request
from crossfade.errors import ServiceRejected, UnknownOutcome
from tests.conftest import Database


class Service:
    """Answers from `items`, by table and number; notes what it was asked for."""

    def __init__(self, items: dict[tuple[str, str], Reply]) -> None:
        self.items = items
        self.asked: list[str] = []
        self.throttled = 0  # batches that are refused first
        self.most: int | None = None  # keys of which a batch answers, the rest being left unprocessed
        self.slept: list[float] = []
        self.batch: Reply | Exception | None = None  # what a batch is answered with, in place of the right answer

    async def call(self, operation: str, request: Request) -> Reply:
        self.asked.append(operation)
        await asyncio.sleep(0)
        if operation == "GetItem":
            item = self.items.get((request["TableName"], request["Key"]["n"]["N"]))
            return {} if item is None else {"Item": item}
        if self.throttled:
            self.throttled -= 1
            raise ServiceRejected("ProvisionedThroughputExceededException", "too much")
        if isinstance(self.batch, Exception):
            raise self.batch
        if self.batch is not None:
            return self.batch
        if self.most is not None:
            ((table, asked),) = request["RequestItems"].items()
            done, left = asked["Keys"][: self.most], asked["Keys"][self.most :]
            there = [self.items[table, key["n"]["N"]] for key in done]
            return {"Responses": {table: there}, "UnprocessedKeys": {table: {"Keys": left}} if left else {}}
        return {
            "Responses": {
                table: [
                    self.items[table, key["n"]["N"]]
                    for key in reversed(asked["Keys"])
                    if (table, key["n"]["N"]) in self.items
                ]
                for table, asked in request["RequestItems"].items()
            }
        }


def read(table: str, number: str, **more: Any) -> Request:
    return {"TableName": table, "Key": {"n": {"N": number}}, "ConsistentRead": True, **more}


def item(number: str) -> Reply:
    return {"n": {"N": number}, "text": {"S": f"of {number}"}}


def answers(service: Service, *requests: Request) -> list[Any]:
    """What each is answered with, asked for in one moment."""

    async def sleep(seconds: float) -> None:
        service.slept.append(seconds)

    async def ask() -> list[Any]:
        reads = GatheredReads(service.call, sleep)
        return await asyncio.gather(*(reads.get(request) for request in requests), return_exceptions=True)

    return asyncio.run(ask())


def test_reads_of_one_moment_are_one_request() -> None:
    """Of both tables, there or not, in whatever order they are answered."""
    service = Service({("a", "1"): item("1"), ("b", "2"): item("2")})
    found = answers(service, read("a", "1"), read("a", "2"), read("b", "2"))
    assert found == [{"Item": item("1")}, {}, {"Item": item("2")}]
    assert service.asked == ["BatchGetItem"]


def test_an_item_is_found_however_its_number_is_written() -> None:
    """The service answers with the shortest form."""
    service = Service({})
    service.batch = {"Responses": {"a": [item("1")]}}
    assert answers(service, read("a", "1.0"), read("a", "20")) == [{"Item": item("1")}, {}]
    assert service.asked == ["BatchGetItem"]


def test_what_no_batch_can_say_goes_by_itself() -> None:
    """One read alone; a key asked for twice; a projection; the other kind of consistency."""
    service = Service({("a", "1"): item("1")})
    assert answers(service, read("a", "1")) == [{"Item": item("1")}]
    assert answers(service, read("a", "1"), read("a", "1")) == [{"Item": item("1")}] * 2
    assert answers(service, read("a", "1"), read("a", "1", ProjectionExpression="n")) == [{"Item": item("1")}] * 2
    assert answers(service, read("a", "1"), read("a", "1") | {"ConsistentRead": False}) == [{"Item": item("1")}] * 2
    assert set(service.asked) == {"GetItem"}


def test_a_batch_holds_no_more_than_the_service_takes() -> None:
    """What is beyond that is answered all the same."""
    items = {("a", str(n)): item(str(n)) for n in range(KEYS_MAX + 3)}
    service = Service(items)
    found = answers(service, *(read("a", str(n)) for n in range(KEYS_MAX + 3)))
    assert found == [{"Item": item(str(n))} for n in range(KEYS_MAX + 3)]
    assert sorted(service.asked) == ["BatchGetItem", "GetItem", "GetItem", "GetItem"]


@pytest.mark.parametrize(
    "batch",
    [
        {"Responses": {"a": [item("1")]}, "UnprocessedKeys": {"a": {"Keys": [{"n": {"N": "2"}}]}}},
        {"Responses": {"arn:aws:dynamodb:eu-west-1:123456789012:table/a": [item("1")]}},
        {"Responses": {"a": [item("3")]}},
        {"Responses": {}, "UnprocessedKeys": {"a": {"Keys": [{"n": {"N": "3"}}]}}},
        ServiceRejected("ValidationException", "one of them"),
    ],
)
def test_what_a_batch_leaves_open_is_asked_for_again(batch: Reply | Exception) -> None:
    """An item is absent only where the answer leaves no doubt."""
    service = Service({("a", "1"): item("1"), ("a", "2"): item("2")})
    service.batch = batch
    assert answers(service, read("a", "1"), read("a", "2")) == [{"Item": item("1")}, {"Item": item("2")}]
    assert service.asked[0] == "BatchGetItem"
    assert "GetItem" in service.asked


def test_a_throttled_batch_is_a_batch_again() -> None:
    """As often as it is refused, and later each time; not as many single reads at once."""
    items = {("a", str(n)): item(str(n)) for n in range(20)}
    service = Service(items)
    service.throttled = 4
    found = answers(service, *(read("a", str(n)) for n in range(20)))
    assert found == [{"Item": item(str(n))} for n in range(20)]
    assert service.asked == ["BatchGetItem"] * 5
    assert len(service.slept) == 4
    assert service.slept == sorted(service.slept)
    assert service.slept[0] >= 0.05


def test_what_a_batch_left_unprocessed_is_a_batch_again() -> None:
    """The last one of all goes by itself; a pause comes before each, the shortest again where there was some room."""
    items = {("a", str(n)): item(str(n)) for n in range(7)}
    service = Service(items)
    service.most = 2
    found = answers(service, *(read("a", str(n)) for n in range(7)))
    assert found == [{"Item": item(str(n))} for n in range(7)]
    assert service.asked == ["BatchGetItem"] * 3 + ["GetItem"]
    assert len(service.slept) == 3
    assert max(service.slept) < 0.1


def test_nobody_asks_for_what_nobody_waits_for() -> None:
    """Reads that were given up meanwhile are in no further batch."""
    service = Service({})
    service.throttled = 1

    async def ask() -> None:
        waiting: list[asyncio.Task[Reply]] = []

        async def sleep(_seconds: float) -> None:
            for task in waiting:
                _ = task.cancel()
            await asyncio.sleep(0)

        reads = GatheredReads(service.call, sleep)
        waiting += [asyncio.create_task(reads.get(read("a", str(n)))) for n in range(3)]
        _ = await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0)

    asyncio.run(ask())
    assert service.asked == ["BatchGetItem"]


def test_credentials_that_ran_out_are_told_to_each() -> None:
    """One by one they would be refused as well."""
    service = Service({})
    service.batch = ServiceRejected("ExpiredTokenException", "expired")
    found = answers(service, read("a", "1"), read("a", "2"))
    assert found == [service.batch, service.batch]
    assert service.asked == ["BatchGetItem"]


def test_who_may_not_read_batches_is_not_asked_to_again() -> None:
    """A role may have been granted GetItem alone."""
    service = Service({("a", "1"): item("1")})
    service.batch = ServiceRejected("AccessDeniedException", "no")

    async def ask() -> None:
        reads = GatheredReads(service.call)
        for _ in range(2):
            found = await asyncio.gather(reads.get(read("a", "1")), reads.get(read("a", "2")))
            assert list(found) == [{"Item": item("1")}, {}]

    asyncio.run(ask())
    assert service.asked == ["BatchGetItem", *["GetItem"] * 4]


def test_no_answer_is_no_answer_to_each() -> None:
    """Whoever asked knows how to go on."""
    service = Service({})
    service.batch = UnknownOutcome("no answer in 5 seconds")
    found = answers(service, read("a", "1"), read("a", "2"))
    assert [type(each) for each in found] == [UnknownOutcome] * 2
    assert service.asked == ["BatchGetItem"]


def test_one_that_gives_up_leaves_the_others_their_answer() -> None:
    """As a comparison does when its process ends."""
    service = Service({("a", "1"): item("1")})

    async def ask() -> Any:
        reads = GatheredReads(service.call)
        first, second = (asyncio.create_task(reads.get(read("a", number))) for number in ("1", "2"))
        await asyncio.sleep(0)
        _ = second.cancel()
        return await first

    assert asyncio.run(ask()) == {"Item": item("1")}


def test_against_the_engine(dynamodb: Database) -> None:
    """Binary, number and text keys, of two tables in one batch: as GetItem gives them."""
    names = [f"gather-{kind}-{uuid.uuid4().hex[:6]}" for kind in "NB"]
    plain = dynamodb.client()
    keys: dict[str, list[Any]] = {
        names[0]: [{"N": "1.50"}, {"N": "-2E+3"}, {"N": "7"}],
        names[1]: [{"B": b"\x00"}, {"B": b"\xff\xfe"}, {"B": b"absent"}],
    }
    for name in names:
        plain.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": name.split("-")[1]}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        )
        for n, key in enumerate(keys[name][:2]):
            plain.put_item(TableName=name, Item={"k": key, "n": {"N": str(n)}, "b": {"B": b"\x01"}})
    requests = [{"TableName": name, "Key": {"k": key}, "ConsistentRead": True} for name in names for key in keys[name]]
    asked: list[str] = []

    async def ask() -> list[Reply]:
        async with BulkClient.like(plain) as bulk:

            async def call(operation: str, request: Request) -> Reply:
                asked.append(operation)
                return await bulk.call(operation, request)

            reads = GatheredReads(call)
            return await asyncio.gather(*(reads.get(request) for request in requests))

    found = asyncio.run(ask())
    assert [reply.get("Item") for reply in found] == [plain.get_item(**request).get("Item") for request in requests]
    assert asked == ["BatchGetItem"]
    for name in names:
        plain.delete_table(TableName=name)
