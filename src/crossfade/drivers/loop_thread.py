"""An event loop on a daemon thread, for what goes on beside an application that blocks.

It works to the very end of the process, in `atexit` too. There the executors of the standard library take no calls any
more and newer Pythons start no threads, so the loop's own helpers (which look up host names) are threads that began
with the first call and wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, ParamSpec, TypeVar

from crossfade.drivers.process_end import BESIDE

T = TypeVar("T")
P = ParamSpec("P")

LOOK_SECONDS: Final = 0.01  # several calls of one thread; a mirror takes about as long anyway
LOOKS: Final = 20  # without finding anything, before it rests; until then looking costs 0.2 % of a core
GATHER_SECONDS: Final = 0.005  # about as long as an answer is on its way
HELPERS_MAX: Final = 4  # a handful of host names, each asked once for a connection
STOP_SECONDS_MAX: Final = 5.0  # how long a step of the loop may take before it is left behind


class LoopThread:
    def __init__(self, name: str = BESIDE) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop(Unhurried())
        self.loop.set_default_executor(Helpers(name))
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        self._calls: deque[Callable[[], None]] = deque()
        self._rise = threading.Semaphore(0)
        self._resting = True
        self._closing = False
        threading.Thread(target=self._pass_on, name=f"{name}-waker", daemon=True).start()

    def call_soon(self, function: Callable[[], None]) -> None:
        """Have the loop call it a few milliseconds later, and go on at once.

        Waking a loop is a write to its pipe, in which a thread gives the interpreter up; the loop would take it, and
        whoever called would wait for what the loop has to do. Here, while there are calls, nobody is woken at all:
        another thread looks every few milliseconds. So the work of several calls is done together, too: threads that
        take turns at every step of it cost more than the work.
        """
        self._calls.append(function)
        if self._resting:
            self._resting = False
            self._rise.release()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Have the loop carry it out, and wait. An interrupt cancels it."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("this thread carries the work out: it cannot wait for it")
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result()
        finally:
            _ = future.cancel()

    def close(self) -> bool:
        """Whether the loop has ended. What it still had to do is not done."""
        self._closing = True
        self._rise.release()
        _ = self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(STOP_SECONDS_MAX)
        if self._thread.is_alive():
            return False
        self.loop.close()
        return True

    def _work(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _pass_on(self) -> None:
        while True:
            _ = self._rise.acquire()
            looks = 0
            while looks < LOOKS and not self._closing:
                time.sleep(LOOK_SECONDS)
                looks = 0 if self._passed_on() else looks + 1
            self._resting = True
            _ = self._passed_on()  # what came before that was seen, and after it somebody rises again
            if self._closing:
                return

    def _passed_on(self) -> bool:
        """Whether there was anything."""
        found = False
        while self._calls:
            found = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all that was on it
                _ = self.loop.call_soon_threadsafe(self._calls.popleft())
        return found


class Unhurried(selectors.DefaultSelector):
    """Waits a moment after the first event, so that answers which come one by one are dealt with together.

    Each time the loop wakes it takes the interpreter from the application's threads, and gives it back.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout)
        if not found or (timeout is not None and timeout < GATHER_SECONDS):
            return found
        time.sleep(GATHER_SECONDS)
        return super().select(0)


class Helpers(ThreadPoolExecutor):
    """Threads that nobody waits for. An event loop takes no other kind of executor as its own."""

    def __init__(self, name: str) -> None:
        super().__init__(HELPERS_MAX)
        self._name = name
        self._guard = threading.Lock()
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._under_way = 0
        self._helpers = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._guard:
            self._under_way += 1
            if self._under_way > self._helpers and self._helpers < HELPERS_MAX:
                self._start_one()
        self._calls.put(partial(self._carry_out, future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """They end when they have done what was asked of them before."""
        with self._guard:
            for _ in range(self._helpers):
                self._calls.put(None)
            self._helpers = 0

    def _start_one(self) -> None:
        """Under the guard. At the end of the process those that are there must do."""
        try:
            threading.Thread(target=self._help, name=f"{self._name}-helper", daemon=True).start()
        except RuntimeError:
            if not self._helpers:
                raise
        else:
            self._helpers += 1

    def _help(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def _carry_out(self, future: Future[T], call: Callable[[], T]) -> None:
        try:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                    future.set_exception(error)
        finally:
            with self._guard:
                self._under_way -= 1
