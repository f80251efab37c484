"""Which shards there are: all now and then, and in between the children of what has ended, at a measured pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import pytest

from crossfade.core.effects import Call, Request, Routine
from crossfade.errors import ServiceRejected
from crossfade.streams.asking import Described, Stream
from crossfade.streams.lineage import Shard
from crossfade.streams.listing import DESCRIBE_SECONDS, LIST_ALL_SECONDS, Listing, Turns

STREAM: Final = Stream("source", "orders", "arn:aws:dynamodb:us-east-1:0:table/orders/stream/x", "look")
ROOT: Final = Shard("root", "")
Answer = Callable[[Request], list[Shard]]


class Told:
    """A description of one page, and a clock of its own. `asked`: when, and for the children of which shard."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.time = 0.0
        self.asked: list[tuple[float, str]] = []
        self.listing = Listing(STREAM, self, Turns(self.now, self.pause))

    def now(self) -> float:
        return self.time

    async def pause(self, seconds: float) -> None:
        self.time += seconds

    async def run(self, routine: Routine[Described]) -> Described:
        call: Any = next(routine)
        assert isinstance(call, Call)
        self.asked.append((self.time, call.request.get("ShardFilter", {}).get("ShardId", "")))
        try:
            shards = self.answer(call.request)
        except ServiceRejected as error:
            _ = routine.throw(error)
            raise AssertionError("it asks again") from error
        listed = [{"ShardId": each.id, "ParentShardId": each.parent} for each in shards]
        try:
            _ = routine.send({"StreamDescription": {"StreamStatus": "ENABLED", "Shards": listed}})
        except StopIteration as stopped:
            described: Described = stopped.value
            return described
        raise AssertionError("it asks for more")

    def knows_all(self) -> bool:
        return self.listing.is_complete

    def look(self) -> list[str]:
        """Look, if that is due; what was found."""
        if not self.listing.due():
            return []
        return [shard.id for shard in asyncio.run(self.listing.look()).shards]


def filtering(shards: list[Shard]) -> Answer:
    def answer(request: Request) -> list[Shard]:
        wanted = request.get("ShardFilter")
        return [each for each in shards if wanted is None or each.parent == wanted["ShardId"]]

    return answer


def test_children_are_asked_for_when_their_parent_has_ended() -> None:
    """Not before, and not again; all are listed once more after some minutes."""
    shards = [ROOT]
    told = Told(filtering(shards))
    assert told.look() == ["root"]
    told.time += 60
    assert told.look() == []
    shards += [Shard("left", "root"), Shard("right", "root"), Shard("other", "another")]
    told.listing.ended("root")
    assert not told.knows_all()
    assert told.look() == ["left", "right"]
    assert told.knows_all()
    assert told.look() == []
    told.time = LIST_ALL_SECONDS + 1
    assert told.look() == ["root", "left", "right", "other"]
    assert [shard for _, shard in told.asked] == ["", "root", ""]


def test_children_that_are_not_there_yet_are_asked_for_again() -> None:
    """Less and less often: a stream that is being switched off has none."""
    shards = [ROOT]
    told = Told(filtering(shards))
    _ = told.look()
    told.listing.ended("root")
    for _ in range(400):
        _ = told.look()
        told.time += 0.25
    assert 6 <= len(told.asked) <= 10
    shards.append(Shard("child", "root"))
    told.time += 60
    assert told.look() == ["child"]


def ignoring(shards: list[Shard]) -> Answer:
    return lambda _: shards


def refusing(shards: list[Shard]) -> Answer:
    def answer(request: Request) -> list[Shard]:
        if "ShardFilter" in request:
            raise ServiceRejected("ValidationException", "unknown member ShardFilter")
        return shards

    return answer


@pytest.mark.parametrize("kind", [ignoring, refusing])
def test_a_service_without_the_filter_lists_all_when_a_shard_has_ended(kind: Callable[[list[Shard]], Answer]) -> None:
    """Whether it ignores what it does not know, or refuses it; it is asked but once."""
    shards = [ROOT]
    told = Told(kind(shards))
    _ = told.look()
    for n in range(2):
        shards.append(Shard(f"child-{n}", shards[-1].id))
        told.listing.ended(shards[-2].id)
        assert told.look() == [each.id for each in shards]
    assert [shard for _, shard in told.asked] == ["", "root", "", ""]


def test_many_that_end_at_once_are_looked_for_together() -> None:
    """A page of all costs one request; the children of each would cost as many as there are."""
    shards = [Shard(f"s{n}", "") for n in range(30)]
    told = Told(filtering(shards))
    _ = told.look()
    for shard in list(shards):
        shards.append(Shard(f"{shard.id}-child", shard.id))
        told.listing.ended(shard.id)
    assert len(told.look()) == 60
    assert len(told.asked) == 2
    assert told.knows_all()


def test_requests_are_some_time_apart() -> None:
    """Whatever there is to ask, also for two streams of one account."""
    told = Told(filtering([ROOT]))
    other = Listing(STREAM, told, told.listing._turns)  # pyright: ignore[reportPrivateUsage]
    for _ in range(5):
        told.time += LIST_ALL_SECONDS
        for listing in (told.listing, other):
            _ = asyncio.run(listing.look())
    times = [at for at, _ in told.asked]
    assert all(later - sooner >= DESCRIBE_SECONDS for sooner, later in pairwise(times))
