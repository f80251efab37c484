"""Writers of one item in one process take turns; those that wait are written together, and each has its own answer."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from crossfade.aws.own_calls import call
from crossfade.core.effects import Call, Queued, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.routing import route
from crossfade.core.stages import Stage
from crossfade.core.tables.pair import Pair
from crossfade.drivers import key_queues
from crossfade.drivers.aio import AioDriver
from crossfade.drivers.key_queues import KeyQueue, KeyQueues
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import CrossfadeError, ServiceRejected, UnknownOutcome
from crossfade.mapping import rename
from crossfade.migration import Migration, Table
from tests.conftest import Database
from tests.migrations import make_table

THREADS: Final = 8
LOCKSTEP: Final = [Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET]
_names = itertools.count()


class Hot:
    """Two tables in lockstep, and a driver for all writers. The first transaction waits until `writers` are under way,
    so that the rest wait for it."""

    def __init__(self, dynamodb: Database, stage: Stage) -> None:
        self.client = dynamodb.client()
        self.stage = stage
        tag = next(_names)
        tables = Table(f"hot-{tag}", {"id": "S"}), Table(f"hot2-{tag}", {"id": "S"})
        for table in tables:
            make_table(self.client, table)
        self.pair = Pair(*tables, Migration("t", *tables, [rename("n", "count")]).compiled)
        self.driver = SyncDriver(self.send, lambda _name, _facts: None)
        self.sent: Counter[str] = Counter()
        self.refused: list[ServiceRejected] = []
        self.hold = threading.Event()
        self.hold.set()
        self.lose_replies = 0
        self.before: Callable[[str], None] = lambda _operation: None

    def send(self, _place: str, operation: str, request: Request) -> Reply:
        self.sent[operation] += 1
        self.before(operation)
        if operation == "TransactWriteItems":
            assert self.hold.wait(20)
        try:
            reply = call(self.client, operation, request)
        except ServiceRejected as error:
            self.refused.append(error)
            raise
        if operation == "TransactWriteItems" and self.lose_replies:
            self.lose_replies -= 1
            raise UnknownOutcome("the reply was lost")
        return reply

    def routine(self, operation: str, **request: Any) -> tuple[Routine[Reply], Scope]:
        if operation in ("PutItem", "UpdateItem", "DeleteItem"):
            request = {"TableName": self.pair.source.name, **request}
        routine = route(self.pair, self.stage, 0, operation, request)
        assert routine is not None
        return routine, Scope(Call("source", operation, request))

    def write(self, operation: str, **request: Any) -> Reply | CrossfadeError:
        try:
            return self.driver.run(*self.routine(operation, **request))
        except CrossfadeError as error:
            return error

    def add(self, key: str = "hot", **more: Any) -> Reply | CrossfadeError:
        given = {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
        return self.write("UpdateItem", Key={"id": {"S": key}}, **given, **more)

    def together(self, works: list[Callable[[], Any]]) -> list[Any]:
        """One write begins, and the others wait for it, in this order."""
        self.hold.clear()
        with ThreadPoolExecutor(len(works)) as pool:
            futures = [pool.submit(works[0])]
            try:
                self.until(lambda: bool(self.sent["TransactWriteItems"]))
                for n, work in enumerate(works[1:], 1):
                    futures.append(pool.submit(work))
                    self.until(lambda n=n: self.waiting == n)  # type: ignore[misc]
            finally:
                self.hold.set()
            return [future.result(30) for future in futures]

    def until(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.001)

    @property
    def waiting(self) -> int:
        queues: dict[Any, KeyQueue] = vars(self.driver.queues)["_queues"]
        return sum(len(queue.waiting) for queue in list(queues.values()))

    def held(self, key: str = "hot") -> tuple[Item | None, Item | None]:
        """What both sides hold, in the source's form."""
        found = [
            self.client.get_item(TableName=table.name, Key={"id": {"S": key}}, ConsistentRead=True).get("Item")
            for table in (self.pair.source, self.pair.target)
        ]
        if found[1] is not None:
            assert found[1].pop(STAMP)
            found[1] = {"n" if name == "count" else name: value for name, value in found[1].items()}
        return found[0], found[1]


@pytest.fixture(params=LOCKSTEP)
def hot(dynamodb: Database, request: pytest.FixtureRequest) -> Hot:
    return Hot(dynamodb, request.param)


def test_writers_that_wait_are_written_together_and_each_is_told_its_own_value(hot: Hot) -> None:
    """Two transactions for nine additions: nothing collides, and every value is told once, in order."""
    told = hot.together([lambda: hot.add(ReturnValues="UPDATED_NEW")] * 9)
    assert [reply["Attributes"]["n"]["N"] for reply in told] == [str(n) for n in range(1, 10)]
    assert (hot.sent["TransactWriteItems"], hot.refused) == (2, [])
    assert hot.held() == ({"id": {"S": "hot"}, "n": {"N": "9"}},) * 2
    assert hot.driver.queues.count == 0


def test_of_those_that_want_to_be_the_first_one_is(hot: Hot) -> None:
    """A condition that does not hold is told to whom it does not, with the item as it was in that order."""
    put = {"ConditionExpression": "attribute_not_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

    def claim(owner: str) -> Any:
        return hot.write("PutItem", Item={"id": {"S": "hot"}, "owner": {"S": owner}}, **put)

    delete = {"Key": {"id": {"S": "hot"}}, "ReturnValues": "ALL_OLD"}
    told = hot.together(
        [
            lambda: hot.add("hot"),
            lambda: hot.write("DeleteItem", **delete),
            lambda: claim("ann"),
            lambda: claim("bob"),
            lambda: hot.write("DeleteItem", **delete),
            lambda: claim("eve"),
        ]
    )
    assert told[1]["Attributes"] == {"id": {"S": "hot"}, "n": {"N": "1"}}
    assert (told[2], told[5]) == ({}, {})
    assert (told[3].code, told[3].response["Item"]["owner"]) == ("ConditionalCheckFailedException", {"S": "ann"})
    assert told[4]["Attributes"]["owner"] == {"S": "ann"}
    assert hot.held() == ({"id": {"S": "hot"}, "owner": {"S": "eve"}},) * 2
    assert hot.sent["TransactWriteItems"] == 2


def test_what_is_wrong_with_one_of_them_is_told_to_that_one(hot: Hot) -> None:
    """A path that the item does not have, and an attribute that stands in the way of a renamed one."""
    wrong = {"UpdateExpression": "SET x = nowhere"}
    clash = {"UpdateExpression": "SET #c = :x", "ExpressionAttributeNames": {"#c": "count"}}
    key = {"id": {"S": "hot"}}
    told = hot.together(
        [
            hot.add,
            hot.add,
            lambda: hot.write("UpdateItem", Key=key, **wrong),
            lambda: hot.write("UpdateItem", Key=key, **clash, ExpressionAttributeValues={":x": {"N": "1"}}),
            hot.add,
        ]
    )
    assert [isinstance(outcome, ServiceRejected) for outcome in told] == [False, False, True, True, False]
    assert {told[2].code, told[3].code} == {"ValidationException"}
    assert hot.held() == ({"id": {"S": "hot"}, "n": {"N": "3"}},) * 2


def test_who_is_shown_an_item_may_change_it(hot: Hot) -> None:
    """What one caller is shown is not what another's answer is made of."""
    key = {"id": {"S": "hot"}}
    deep = {"UpdateExpression": "SET deep = :m", "ExpressionAttributeValues": {":m": {"M": {"a": {"N": "1"}}}}}
    show = {
        "UpdateExpression": "SET x = :x",
        "ExpressionAttributeValues": {":x": {"N": "1"}},
        "ReturnValues": "ALL_NEW",
    }
    told = hot.together(
        [
            lambda: hot.write("UpdateItem", Key=key, **deep),
            lambda: hot.write("UpdateItem", Key=key, **show),
            lambda: hot.write("UpdateItem", Key=key, **show),
        ]
    )
    told[1]["Attributes"]["deep"]["M"]["a"] = {"N": "777"}
    assert told[2]["Attributes"]["deep"] == {"M": {"a": {"N": "1"}}}


def test_a_reply_that_is_lost_counts_nothing_twice(hot: Hot) -> None:
    """The transaction of them all is sent again under its token."""
    hot.lose_replies = 2
    told = hot.together([hot.add] * 5)
    assert told == [{}] * 5
    assert hot.held() == ({"id": {"S": "hot"}, "n": {"N": "5"}},) * 2


def test_a_writer_past_crossfade_is_never_overwritten(dynamodb: Database) -> None:
    """A client in the stage before writes the source without a lock: what was read is refused, and read anew."""
    hot = Hot(dynamodb, Stage.LOCKSTEP_SOURCE)

    def written_meanwhile(operation: str) -> None:
        if operation == "TransactWriteItems" and hot.sent[operation] == 1:
            plain = {"UpdateExpression": "ADD n :ten", "ExpressionAttributeValues": {":ten": {"N": "10"}}}
            hot.client.update_item(TableName=hot.pair.source.name, Key={"id": {"S": "hot"}}, **plain)

    hot.before = written_meanwhile
    assert hot.together([hot.add] * 4) == [{}] * 4
    assert hot.held() == ({"id": {"S": "hot"}, "n": {"N": "14"}},) * 2
    assert hot.refused


def test_who_asks_what_it_has_consumed_is_written_alone(hot: Hot) -> None:
    """Else it would be told what all of them took."""
    told = hot.together([hot.add, hot.add, lambda: hot.add(ReturnConsumedCapacity="TOTAL"), hot.add])
    assert told[2]["ConsumedCapacity"]["CapacityUnits"] > 0
    assert hot.sent["TransactWriteItems"] == 4
    assert hot.held()[0] == {"id": {"S": "hot"}, "n": {"N": "4"}}


def test_transactions_on_several_keys_take_turns_in_one_order(hot: Hot) -> None:
    """Whichever they name first: nobody waits for somebody who waits for it, and single writes come between."""

    def both(*keys: str) -> Any:
        add = {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
        actions = [{"Update": {"TableName": hot.pair.source.name, "Key": {"id": {"S": key}}, **add}} for key in keys]
        return hot.write("TransactWriteItems", TransactItems=actions)

    works = [lambda: both("a", "b"), lambda: both("b", "a"), lambda: hot.add("a"), lambda: hot.add("b")] * 5
    with ThreadPoolExecutor(len(works)) as pool:
        told = [future.result(60) for future in [pool.submit(work) for work in works]]
    assert not [outcome for outcome in told if isinstance(outcome, Exception)]
    assert [hot.held(key)[1] for key in "ab"] == [{"id": {"S": key}, "n": {"N": "15"}} for key in "ab"]
    assert (hot.refused, hot.driver.queues.count) == ([], 0)


def test_too_many_that_wait_are_refused_as_the_service_refuses(hot: Hot, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error that SDKs may retry; those that wait are served."""
    monkeypatch.setattr(key_queues, "WAITING_MAX", 2)
    hot.hold.clear()
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(hot.add)]
        hot.until(lambda: bool(hot.sent["TransactWriteItems"]))
        futures += [pool.submit(hot.add) for _ in range(2)]
        hot.until(lambda: hot.waiting == 2)
        late = hot.add()
        hot.hold.set()
        assert [future.result(30) for future in futures] == [{}] * 3
    assert isinstance(late, ServiceRejected)
    assert late.code == "TransactionConflictException"
    assert hot.held()[0] == {"id": {"S": "hot"}, "n": {"N": "3"}}


def test_who_waits_too_long_is_refused_and_writes_nothing(hot: Hot, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has left the queue: nobody carries it out afterwards."""
    monkeypatch.setattr("crossfade.drivers.sync.WAIT_SECONDS_MAX", 0.05)
    hot.hold.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(hot.add)
        hot.until(lambda: bool(hot.sent["TransactWriteItems"]))
        late = hot.add()
        hot.hold.set()
        assert first.result(30) == {}
    assert isinstance(late, ServiceRejected)
    assert hot.held()[0] == {"id": {"S": "hot"}, "n": {"N": "1"}}


def test_tasks_take_turns_too_and_one_that_is_cancelled_hurts_no_other(hot: Hot) -> None:
    """On asyncio: one that waits is cancelled, and one whose turn it is; the rest have their answers."""

    async def main() -> list[Any]:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def send(place: Any, operation: str, request: Request) -> Reply:
            if operation == "TransactWriteItems":
                begun.set()
                _ = await go_on.wait()
            return await asyncio.to_thread(hot.send, place, operation, request)

        driver = AioDriver(send, lambda _name, _facts: None)
        add = {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}

        async def write() -> Reply:
            routine, scope = hot.routine("UpdateItem", Key={"id": {"S": "hot"}}, **add, ReturnValues="UPDATED_NEW")
            try:
                return await driver.run(routine, scope)
            finally:
                routine.close()  # as the hooks do, who carry it to its end first

        tasks = [asyncio.create_task(write()) for _ in range(6)]
        _ = await begun.wait()
        await asyncio.sleep(0.05)
        _ = tasks[0].cancel(), tasks[3].cancel()
        await asyncio.sleep(0.05)
        go_on.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert driver.queues.count == 0
        return found

    found = asyncio.run(main())
    assert [isinstance(found[n], asyncio.CancelledError) for n in (0, 3)] == [True, True]
    told = [found[n]["Attributes"]["n"]["N"] for n in (1, 2, 4, 5)]
    assert told == ["1", "2", "3", "4"]
    assert hot.held() == ({"id": {"S": "hot"}, "n": {"N": "4"}},) * 2


def test_a_member_without_an_outcome_is_the_next() -> None:
    """Whoever was to be written with one that has failed comes before all that came later, alone or not."""
    queues, woken = KeyQueues(), list[str]()
    names = [Queued(("k",), name, "kind") for name in "abcd"]
    for queued in names:
        _ = queues.enter(queued, lambda name=queued.work: woken.append(name))  # type: ignore[misc]
    first, second, third, fourth = names
    first.share(2)
    assert first.company == [second, third]
    third.outcome = {}
    first.leave()
    assert woken == ["c", "b"]
    second.leave()
    assert woken == ["c", "b", "d"]
    fourth.leave()
    assert queues.count == 0
