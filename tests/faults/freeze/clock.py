"""Virtual time: it passes when everybody waits for it, and then at once."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from heapq import heappop, heappush
from types import SimpleNamespace
from typing import Any, Final, TypeVar
from unittest.mock import patch

from crossfade.cdc.etl.worker import Worker
from crossfade.core.rules import Rules
from crossfade.drivers.aio import AioDriver
from crossfade.drivers.sync import SyncDriver
from crossfade.jobs import session
from crossfade.switch import membership, switch

T = TypeVar("T")

BEGIN_SECONDS: Final = 1_000.0
BURIALS_MAX: Final = 50  # what is cancelled may begin something else


class Killed(BaseException):
    """The process has ended here."""


class Clock:
    """One for all processes of a world, and for what is still on its way."""

    def __init__(self) -> None:
        self.now = BEGIN_SECONDS
        self.process: Process | None = None  # that a sleeping caller belongs to
        self._landings: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Something happens then, whoever is alive."""
        heappush(self._landings, (when, next(self._numbers), action))

    @property
    def something_lands(self) -> bool:
        return bool(self._landings)

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while self._landings and self._landings[0][0] <= until:
            when, _, action = heappop(self._landings)
            self.now = max(self.now, when)
            action()
        self.now = max(self.now, until)

    def sleep(self, seconds: float) -> None:
        """As a caller sleeps that blocks: meanwhile the loop of its process goes on."""
        if self.process is None:
            self.advance(seconds)
        else:
            self.process.advance(seconds)


class Waiting(selectors.DefaultSelector):
    """Where a loop would wait for the next moment, the moment comes; for threads that are at work it waits."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.busy = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.busy:
            return super().select(None if timeout is None or timeout > 0 else 0)
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        assert timeout is not None, "nothing is left that could happen"
        self._clock.advance(timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        self.waiting = Waiting(clock)
        self._clock = clock
        super().__init__(self.waiting)
        self.set_exception_handler(lambda _loop, _context: None)  # of a process that was killed

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Time stands still while a thread is at work."""
        self.waiting.busy += 1
        found = super().run_in_executor(executor, func, *args)
        found.add_done_callback(self._idle)
        return found

    def _idle(self, _future: object) -> None:
        self.waiting.busy -= 1


class Process:
    """A loop on a thread of its own, which goes on only where somebody asks for it. In the place of a LoopThread."""

    def __init__(self, clock: Clock) -> None:
        self.loop = VirtualLoop(clock)
        self.dead = False
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stepped")

    def call_soon(self, function: Callable[[], None]) -> None:
        _ = self.loop.call_soon_threadsafe(function)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Raises Killed where the process has ended meanwhile."""
        return self._thread.submit(self._run, coroutine).result()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))

    def kill(self) -> None:
        """From within: nothing more of it happens."""
        self.dead = True
        self.loop.stop()

    def close(self) -> bool:
        self._thread.submit(self._bury).result()
        self._thread.shutdown(wait=False)
        return True

    def _bury(self) -> None:
        """What was under way is told that it is over; where the process is dead, nothing comes of that."""
        asyncio.set_event_loop(self.loop)
        for _ in range(BURIALS_MAX):
            left = asyncio.all_tasks(self.loop)
            if not left:
                break
            for task in left:
                _ = task.cancel()
            with suppress(BaseException):
                self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self.dead:
            coroutine.close()
            raise Killed
        asyncio.set_event_loop(self.loop)
        try:
            return self.loop.run_until_complete(coroutine)
        except RuntimeError:
            if self.dead:
                raise Killed from None
            raise


class AtOnce(Executor):
    """Does what it is given in the thread that gives it."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)
        return future


@contextmanager
def virtual_time(clock: Clock, process: Callable[[], Process]) -> Generator[None]:
    """Within it the switch and the worker go by this clock; a switch gets its loop from `process`."""
    told: dict[str, Any] = {"clock": lambda: clock.now}

    def thread_of(_name: str) -> Process:
        return process()

    def clock_of(_rules: Rules) -> Callable[[], float]:
        return lambda: clock.now

    changes: tuple[AbstractContextManager[Any], ...] = (
        patch.dict(AioDriver.__init__.__kwdefaults__, told),
        patch.dict(SyncDriver.__init__.__kwdefaults__, {**told, "sleep": clock.sleep}),
        patch.dict(Worker.__init__.__kwdefaults__, told),
        patch.object(membership.Membership, "clock", staticmethod(told["clock"])),
        patch.object(session, "lease_clock", clock_of),
        patch.object(switch, "lease_clock", lambda: told["clock"]),
        patch.object(membership, "ThreadPoolExecutor", AtOnce),
        patch.object(switch, "time", SimpleNamespace(sleep=clock.sleep)),
        patch.object(switch, "LoopThread", thread_of),
    )
    with ExitStack() as stack:
        for changed in changes:
            _ = stack.enter_context(changed)
        yield
