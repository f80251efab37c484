"""The switch on asyncio: the same routines, with tasks that are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
import time
import warnings
from typing import Any

import pytest

from crossfade.control.freezing import HOLD_SECONDS
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError, Held, NotStarted
from crossfade.sim.model import Answer
from crossfade.switch import Switch
from crossfade.switch.membership import Timing
from tests.switch.moving import Operator, Recorder, action
from tests.switch.stores import OPERATIONS, MemoryShop, TaskShop

KEYS = ("a", "b")


def switch_of(operator: Operator, old: Any, new: Any, **more: Any) -> Switch:
    timing = Timing(0.2, repair_seconds=0.5)
    return Switch(operator.name, old, new, OPERATIONS, **operator.options(**({"timing": timing} | more)))


async def quiet(operator: Operator) -> None:
    """Wait until nothing waits."""
    end = time.monotonic() + 15
    while await asyncio.to_thread(operator.repairs):
        assert time.monotonic() < end, "the repair queue does not become empty"
        await asyncio.sleep(0.05)


async def work(switch: Switch, recorder: Recorder, stop: asyncio.Event, seed: int, *, cancels: float) -> None:
    """Calls of one task; some writes are cancelled in the middle, and then nobody knows what came of them."""
    chance = random.Random(seed)
    number = 0
    while not stop.is_set():
        key = chance.choice(KEYS)
        number += 1
        name = chance.choices(("get", "append", "delete"), (5, 4, 1))[0]
        token = f"{seed}.{number}" if name == "append" else ""
        called, began = recorder.place(), time.monotonic()
        calls = {"get": switch.find, "append": switch.append, "delete": switch.remove}
        task = asyncio.ensure_future(calls[name](*((key, token) if token else (key,))))
        if name == "append" and chance.random() < cancels:  # its token shows whether it was carried out
            _ = asyncio.get_running_loop().call_later(chance.random() * 0.01, task.cancel)
        answer: Answer | None = None
        try:
            answer = ("ok", await task)
        except asyncio.CancelledError:
            pass
        except Held as error:
            recorder.errors.append(error)
            continue
        recorder.took(began, name != "get")
        recorder.record(key, called, action(name, token), answer)
        await asyncio.sleep(chance.random() * 0.01)


@pytest.mark.parametrize("cancels", [0.0, 0.1])
def test_up_back_and_up_with_tasks_of_which_some_are_cancelled(operator: Operator, cancels: float) -> None:
    """Every history is that of one store, both are equal at rest, and nothing waits in the queue."""
    old, new = TaskShop(), TaskShop()
    one, two = switch_of(operator, old, new), switch_of(operator, old, new)
    operator.start(one)
    recorder = Recorder()

    async def walk() -> None:
        stop = asyncio.Event()
        async with one, two:
            workers = [
                asyncio.create_task(work(switch, recorder, stop, seed, cancels=cancels))
                for seed, switch in enumerate((one, one, two, two))
            ]
            for stage in (Stage.SHADOW, Stage.LIVE, Stage.SHADOW, Stage.LIVE):
                assert (await asyncio.to_thread(operator.walk, stage)).stage is stage
                await asyncio.sleep(0.2)
            stop.set()
            _ = await asyncio.gather(*workers)
            await quiet(operator)

    asyncio.run(walk())
    assert recorder.faults() == []
    assert old.memory.rows == new.memory.rows
    assert recorder.longest_write < HOLD_SECONDS
    assert recorder.errors == []


def test_a_cancelled_write_is_mirrored_all_the_same(operator: Operator) -> None:
    """The caller gives up after the store has written: the other side gets it, without anybody's asking."""
    old, new = TaskShop(0.2), TaskShop(0.0)
    switch = switch_of(operator, old, new)
    operator.start(switch, Stage.SHADOW)

    async def cancelled() -> None:
        async with switch:
            while old.memory.find("a") is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(random.random() * 0.4):
                        await switch.append("a", "x")
            await quiet(operator)

    asyncio.run(cancelled())
    assert new.memory.find("a") == old.memory.find("a")


def test_a_save_that_is_cancelled_within_its_store_has_failed_like_any_other(operator: Operator) -> None:
    """Something that it waits for is cancelled by the store itself (a pool that is closed): it may land all the same,
    so the key stays, and is mirrored again."""
    old, new = TaskShop(0.0), TaskShop(0.0)
    switch = switch_of(operator, old, new)
    operator.start(switch, Stage.SHADOW)
    whole, saves = new.store, itertools.count()

    async def cancelled_once(key: str, image: Any) -> None:
        if next(saves) == 0:
            waited_for = asyncio.get_running_loop().create_future()
            _ = waited_for.cancel()
            await waited_for
        await whole(key, image)

    new.store = cancelled_once  # type: ignore[method-assign]

    async def write() -> None:
        async with switch:
            await switch.append("a", "x")
            await quiet(operator)

    asyncio.run(write())
    assert new.memory.find("a") == old.memory.find("a")
    assert switch.counts()["mirror_failed"] == 1
    assert "mirror_lost" not in switch.counts()


def test_one_repository_may_block_and_the_other_not(operator: Operator) -> None:
    """Methods that block are called on threads, so that the loop goes on; the switch is awaited."""
    old, new = MemoryShop(), TaskShop()
    old.before_write = lambda _: time.sleep(0.3)
    switch = switch_of(operator, old, new)
    operator.start(switch, Stage.SHADOW)

    async def mixed() -> int:
        ticks = 0
        async with switch:
            writing = asyncio.ensure_future(switch.append("a", "x"))
            while not writing.done():
                ticks += 1
                await asyncio.sleep(0.01)
            await quiet(operator)
        return ticks

    assert asyncio.run(mixed()) >= 10
    assert new.memory.find("a") == (1, ("x",), None)


def test_a_switch_with_coroutines_is_started_by_waiting(operator: Operator) -> None:
    """`with` would block the loop: it is refused with the way to do it."""
    switch = switch_of(operator, TaskShop(), TaskShop())
    with pytest.raises(ConfigurationError, match="await ready"):
        switch.start()


def test_one_that_could_not_join_leaves_nothing_open(operator: Operator) -> None:
    """There is no such migration: told each time, and `async with` closes what it has opened."""

    async def begin() -> Switch:
        switch = switch_of(operator, TaskShop(), TaskShop())
        for _ in range(2):
            with pytest.raises(NotStarted):
                await switch.ready()
        with pytest.raises(NotStarted):
            async with switch:
                raise AssertionError("it has begun")
        return switch

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        switch = asyncio.run(begin())
        with pytest.raises(ConfigurationError, match="was closed"):
            asyncio.run(switch.ready())
        del switch
        _ = gc.collect()
