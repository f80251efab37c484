"""A loop beside an application that blocks, up to the end of the process."""

from __future__ import annotations

import asyncio
import selectors
import socket
import subprocess
import sys
import threading
import time

import pytest

from crossfade.drivers.loop_thread import HELPERS_MAX, LoopThread, Unhurried


def test_it_carries_out_and_raises_what_was_raised() -> None:
    """A value, an error, and on its own thread no deadlock but an error."""
    thread = LoopThread("test")

    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def fail() -> None:
        raise ValueError("no")

    async def wait_for_itself() -> None:
        _ = thread.run(double(1))

    assert thread.run(double(21)) == 42
    with pytest.raises(ValueError, match="no"):
        thread.run(fail())
    with pytest.raises(RuntimeError, match="cannot wait"):
        thread.run(wait_for_itself())
    assert thread.close()


def test_helpers_work_side_by_side_and_one_after_the_other() -> None:
    """As many as there are helpers meet at a barrier; more calls than helpers are all carried out."""
    thread = LoopThread("test")
    barrier = threading.Barrier(HELPERS_MAX)

    async def meet() -> list[int]:
        return sorted(await asyncio.gather(*(asyncio.to_thread(barrier.wait, 10) for _ in range(HELPERS_MAX))))

    async def many() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(abs, -n) for n in range(50)))

    assert thread.run(meet()) == list(range(HELPERS_MAX))
    assert thread.run(many()) == list(range(50))
    assert thread.close()


PROGRAM = """
import asyncio, atexit
from crossfade.drivers.loop_thread import LoopThread

thread = LoopThread("test")

async def look_up():
    return len(await asyncio.get_running_loop().getaddrinfo("localhost", 80)) > 0

assert thread.run(look_up())
atexit.register(lambda: print(thread.run(look_up()), thread.close()))
"""


def test_it_works_while_the_process_ends() -> None:
    """A host name is looked up in `atexit`, where the standard library's executors take nothing any more."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\n", "")


def test_events_that_come_soon_after_the_first_are_seen_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that arrive one by one are dealt with together."""
    pairs = [socket.socketpair() for _ in range(2)]

    def meanwhile(_seconds: float) -> None:
        _ = pairs[1][1].send(b"second")

    monkeypatch.setattr(time, "sleep", meanwhile)
    with Unhurried() as selector:
        for ours, _ in pairs:
            _ = selector.register(ours, selectors.EVENT_READ)
        _ = pairs[0][1].send(b"first")
        assert {key.fileobj for key, _ in selector.select(None)} == {ours for ours, _ in pairs}
    for pair in pairs:
        for each in pair:
            each.close()
