"""The same driver on asyncio, and the work in the background: one loop does it, whoever asked for it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from functools import partial
from typing import Any, Final, TypeVar

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import (
    Call,
    Effect,
    Forward,
    Gather,
    Later,
    Place,
    Queued,
    Reply,
    Request,
    Routine,
    Sleep,
    Turn,
)
from crossfade.core.sync.retry import Access, item_too_busy
from crossfade.drivers.backlog import Backlog, Job
from crossfade.drivers.key_queues import WAIT_SECONDS_MAX
from crossfade.drivers.local import LocalEffects, NoteFunction
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.drivers.unique import unique
from crossfade.errors import CrossfadeError

T = TypeVar("T")
AsyncCallFunction = Callable[[Place, str, Request], Awaitable[Reply]]

WORKERS: Final = 16  # tasks cost little, but they share one core with the application
SOON_MAX: Final = 10_000  # functions that wait for the loop; so many wait only where it has had no time for seconds
SOON_AT_ONCE: Final = 100  # then the loop does something else


class AioDriver(LocalEffects):
    def __init__(
        self,
        call: AsyncCallFunction,
        note: NoteFunction,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        new_stamp: Callable[[], str] = unique,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(note, clock, new_stamp, jitter)
        self._call = call
        self._sleep = sleep

    async def run(self, routine: Routine[T], scope: Scope) -> T:
        """Carry a routine out from its start."""
        return await self.resume(routine, scope, None)

    async def resume(
        self, routine: Routine[T], scope: Scope, value: Any = None, error: CrossfadeError | None = None,
        effect: Effect[Any] | None = None,
    ) -> T:  # fmt: skip
        """Go on with a routine that waits: with the answer to its effect, or with the effect still to be performed.

        What is not a CrossfadeError (a cancellation, a defect) passes through and leaves the routine waiting.
        """
        while True:
            if effect is None:
                try:
                    effect = routine.send(value) if error is None else routine.throw(error)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
            value, error = None, None
            try:
                value = await self._perform(effect, scope)
            except CrossfadeError as raised:
                error = raised
            effect = None

    async def _perform(self, effect: Effect[Any], scope: Scope) -> Any:
        match effect:
            case Call():
                return await self._send(effect, scope)
            case Gather():
                return await self._gather(effect.calls, scope)
            case Sleep():
                return await self._sleep(self.jittered(effect.seconds))
            case Turn():
                return await self._wait_for_turn(effect.queued, scope)
            case Forward():
                return await self._send(scope.forwarded(effect), scope)
            case _:
                return self.at_once(effect, scope)

    async def _send(self, call: Call, scope: Scope) -> Reply:
        scope.before(call)
        try:
            return await self._call(call.place, call.operation, call.request)
        except CrossfadeError as error:
            scope.failed(call, error)
            raise

    async def _wait_for_turn(self, queued: Queued, scope: Scope) -> None:
        woken, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:  # from whatever thread the one before ends on
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the one that waits
                _ = loop.call_soon_threadsafe(woken.set)

        waits = not self.queues.enter(queued, wake)
        while waits:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_SECONDS_MAX):
                    waits = not await woken.wait()
            if waits and self.queues.withdraw(queued):
                raise item_too_busy()
        scope.turned(queued)

    async def _gather(self, calls: tuple[Call, ...], scope: Scope) -> tuple[Reply, ...]:
        found = await asyncio.gather(*(self._send(call, scope) for call in calls), return_exceptions=True)
        for reply in found:
            if isinstance(reply, BaseException):
                raise reply
        return tuple(reply for reply in found if not isinstance(reply, BaseException))


class AioBackground:
    """Work after the answer, as tasks on one loop; it may be put from any thread, and makes nobody wait."""

    scope_of: type[TicketScope] = TicketScope

    def __init__(self, driver: AioDriver, agent: Agent, note: NoteFunction, *, workers: int = WORKERS) -> None:
        self._driver = driver
        self._agent = agent
        self._workers = workers
        self._access = Access()
        self._lock = threading.RLock()  # an observer, told under it, may make a call that puts work
        self._backlog = Backlog(agent, note, workers=workers)
        self._call_soon: Callable[[Callable[[], None]], object] | None = None
        self._thread = 0
        self._soon: deque[Callable[[], None]] = deque()
        self._calling = False  # the functions above
        self._woken = False  # the loop has been told, and has not looked yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def begin(self, call_soon: Callable[[Callable[[], None]], object] | None = None) -> None:
        """Begin the work on this loop; until then it waits. `call_soon`: how other threads wake the loop."""
        self._call_soon = call_soon or asyncio.get_running_loop().call_soon_threadsafe
        self._thread = threading.get_ident()
        self._start_what_is_due()

    @property
    def pending(self) -> int:
        """Mirrors that have not ended."""
        with self._lock:
            return self._backlog.mirrors_pending

    @property
    def oldest_seconds(self) -> float:
        """For how long the oldest mirror has not ended."""
        with self._lock:
            return self._backlog.oldest_seconds(self._driver.clock())

    @property
    def looks_pending(self) -> int:
        """Looks into the source that have not ended."""
        with self._lock:
            return self._backlog.looks_pending

    def put(self, later: Later, ticket: Ticket) -> None:
        """The ticket is held from now on. Whatever is wrong with the work, whoever puts it is not told."""
        with self._lock:
            self._backlog.put(later, ticket, self._driver.clock())
        if threading.get_ident() != self._thread:
            self._tell()
        elif not self._calling:
            self._start_what_is_due()

    def soon(self, function: Callable[[], None]) -> bool:
        """Have the loop call a function that takes no time and raises nothing. False: so many wait that it will not."""
        if self._closed or len(self._soon) >= SOON_MAX:
            return False
        self._soon.append(function)
        self._tell()
        return True

    def lose(self, key: str, error: BaseException) -> None:
        """Count a mirror that came to nothing before it was put, and tell it."""
        self._backlog.lose(key, error)

    def _tell(self) -> None:
        if self._call_soon is None or self._closed or self._woken:
            return
        self._woken = True
        if threading.get_ident() == self._thread:
            _ = asyncio.get_running_loop().call_soon(self._start_what_is_due)
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all that was on it
            _ = self._call_soon(self._start_what_is_due)

    async def drain(self, timeout_seconds: float) -> bool:
        """Whether every mirror ended in time."""
        self._start_what_is_due()  # what was put a moment ago counts
        try:
            async with asyncio.timeout(timeout_seconds):
                _ = await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> int:
        """Give up what is left, and say how many mirrors that were, those that run included."""
        while self._soon:
            self._call_what_waits()
        self._closed = True
        with self._lock:
            left = self._backlog.mirrors_pending
            _ = self._backlog.give_up()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            _ = task.cancel()
        _ = await asyncio.gather(*self._tasks, return_exceptions=True)
        return left

    def _start_what_is_due(self) -> None:
        self._woken = False  # before looking: what is put from now on tells the loop again
        self._call_what_waits()
        self._start_jobs()
        if self._soon:
            self._tell()

    def _start_jobs(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while not self._closed and len(self._tasks) < self._workers:
            with self._lock:
                found = self._backlog.take(self._driver.clock())
            if isinstance(found, Job):
                apart = Context()  # not that of whoever happened to put it
                self._tasks.add(loop.create_task(self._run(found), name=f"crossfade-{found.kind}", context=apart))
                continue
            if found is not None:
                self._timer = loop.call_later(found, self._start_what_is_due)
            break
        if self._backlog.idle and not self._soon:
            self._idle.set()
        else:
            self._idle.clear()

    def _call_what_waits(self) -> None:
        self._calling = True
        try:
            for _ in range(min(len(self._soon), SOON_AT_ONCE)):
                self._soon.popleft()()
        finally:
            self._calling = False

    async def _run(self, job: Job) -> None:
        scope = self.scope_of(self._agent, job.ticket, self.put)
        error: BaseException | None = None
        try:
            is_ours = partial(self._agent.is_ours, job.ticket)
            await self._driver.run(self._access.awaited(job.routine, is_ours), scope)
        except asyncio.CancelledError as cancelled:
            error = cancelled
            raise
        except Exception as failed:  # noqa: BLE001 - nobody awaits this; a mirror's error is counted as a loss
            error = failed
        finally:
            job.routine.close()
            with self._lock:
                self._backlog.finished(job, error)
            task = asyncio.current_task()
            if task is not None:
                self._tasks.discard(task)
            self._start_jobs()
