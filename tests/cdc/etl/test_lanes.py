"""Lanes: in order within each, beside each other, bounded, and ended by the first failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from crossfade.cdc.etl.lanes import Lanes


def test_one_lane_keeps_its_order_and_others_pass_it() -> None:
    """The first of a lane is slow: the second of it waits, and another lane's does not."""
    done: list[str] = []

    def work(name: str, seconds: float) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await asyncio.sleep(seconds)
            done.append(name)

        return run

    async def play() -> None:
        lanes = Lanes()
        lanes.put("a", work("a1", 0.05))
        lanes.put("a", work("a2", 0.0))
        lanes.put("b", work("b1", 0.0))
        await lanes.settled()
        lanes.put("a", work("a3", 0.0))
        await lanes.settled()
        assert lanes.in_flight == 0

    asyncio.run(play())
    assert done == ["b1", "a1", "a2", "a3"]


def test_room_is_waited_for() -> None:
    """Full lanes have no room until something has ended."""

    async def play() -> None:
        lanes, gate = Lanes(2), asyncio.Event()

        async def wait() -> None:
            _ = await gate.wait()

        for lane in "ab":
            lanes.put(lane, wait)
        assert not await lanes.room(0.01)
        gate.set()
        assert await lanes.room(5.0)
        await lanes.settled()

    asyncio.run(play())


def test_so_many_lanes_go_on_at_once() -> None:
    """A lane beyond them is begun when another one is done, and none is forgotten."""
    at_once: list[int] = []

    async def play() -> None:
        lanes, under_way = Lanes(at_once_max=3), 0

        async def work() -> None:
            nonlocal under_way
            under_way += 1
            at_once.append(under_way)
            await asyncio.sleep(0)
            under_way -= 1

        for lane in range(20):
            lanes.put(lane, work)
        await lanes.settled()
        assert lanes.in_flight == 0

    asyncio.run(play())
    assert len(at_once) == 20
    assert max(at_once) == 3


def test_work_that_comes_as_the_last_task_ends_is_done() -> None:
    """The task has looked for more and found none, and the loop does not know yet that it has ended."""
    done: list[str] = []

    async def play() -> None:
        lanes = Lanes(at_once_max=1)

        async def second() -> None:
            done.append("second")

        async def first() -> None:
            done.append("first")
            _ = asyncio.get_running_loop().call_soon(lanes.put, "b", second)

        lanes.put("a", first)
        async with asyncio.timeout(30):
            while lanes.in_flight or len(done) < 2:
                await asyncio.sleep(0)

    asyncio.run(play())
    assert done == ["first", "second"]


def test_a_failure_ends_them_all() -> None:
    """Nothing that waits is begun behind a failure, what is under way ends, and whoever waits is told."""
    done: list[str] = []

    async def play() -> None:
        lanes = Lanes(2)

        async def fail() -> None:
            raise ValueError("no")

        async def slow() -> None:
            await asyncio.sleep(0.02)
            done.append("slow")

        async def never() -> None:
            done.append("never")

        lanes.put("b", slow)
        lanes.put("b", never)
        lanes.put("a", fail)
        lanes.put("a", never)
        with pytest.raises(ValueError, match="no"):
            _ = await lanes.room(5.0)
        with pytest.raises(ValueError, match="no"):
            await lanes.settled()

    asyncio.run(play())
    assert done == ["slow"]
