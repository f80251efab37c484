"""Workers on the event loop that take tasks off a list, one step at a time.

A task that must wait (for a write without an answer to have landed) is put aside with the moment at which it goes on,
and its worker takes another one. A stop lets every step that is under way end, and those put aside as well: what they
wait for would otherwise be nobody's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from crossfade.errors import StageUncertain

UNCERTAIN_SECONDS_MAX: Final = 300.0  # without a valid lease; longer than any outage that a job should sit out
UNCERTAIN_RETRY_SECONDS: Final = 0.5
PROGRESS_SECONDS: Final = 0.5


class Task(Protocol):
    """A piece of work in steps."""

    @property
    def must_go_on(self) -> bool:
        """Whether it has to take its next step even though the job stops."""
        ...

    async def step(self) -> float | None:
        """Do a little; the moment from which on it can go on, or None when it is done. May raise StageUncertain."""
        ...


class Workers:
    def __init__(self, tasks: Iterable[Task], clock: Callable[[], float], stopping: Callable[[], bool]) -> None:
        self._ready = deque(tasks)
        self._aside: list[tuple[float, Task]] = []
        self._running = 0
        self._uncertain_since: float | None = None
        self._clock = clock
        self._stopping = stopping
        self._changed = asyncio.Event()  # set, and replaced, with each change
        self._error: Exception | None = None

    @property
    def aside(self) -> int:
        return len(self._aside)

    async def work_off(self, count: int, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Until everything is done, or has come to rest after a stop or an error. Raises the first error of a task.

        `meanwhile` is awaited about twice a second.
        """
        workers = [asyncio.create_task(self._work(), name=f"crossfade-job-{n + 1}") for n in range(count)]
        try:
            while (await asyncio.wait(workers, timeout=PROGRESS_SECONDS))[1]:
                try:
                    await meanwhile()
                except Exception as error:  # noqa: BLE001 - raised below, when the steps under way have ended
                    self._fail(error)
        finally:
            for worker in workers:
                _ = worker.cancel()
            ended = await asyncio.gather(*workers, return_exceptions=True)
        for found in (self._error, *ended):
            if found is not None:
                raise found

    async def _work(self) -> None:
        while (task := await self._take()) is not None:
            again: float | None = None
            try:
                again = await self._step(task)
            except Exception as error:  # noqa: BLE001 - raised by `work_off`
                self._fail(error)
            finally:
                self._running -= 1
            if again is not None:
                self._put_back(task, again)
            if not self._more():
                self._tell()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._tell()

    def _halting(self) -> bool:
        return self._error is not None or self._stopping()

    async def _step(self, task: Task) -> float | None:
        try:
            again = await task.step()
        except StageUncertain:
            now = self._clock()
            since = self._uncertain_since = self._uncertain_since or now
            if now - since > UNCERTAIN_SECONDS_MAX or self._halting():
                raise
            return now + UNCERTAIN_RETRY_SECONDS
        self._uncertain_since = None
        return again

    def _put_back(self, task: Task, again: float) -> None:
        if again <= self._clock():
            self._ready.appendleft(task)  # what has been begun is finished first
        else:
            self._aside.append((again, task))
            self._tell()

    def _more(self) -> bool:
        return bool(self._ready or self._aside or self._running)

    async def _take(self) -> Task | None:
        while True:
            now = self._clock()
            self._bring_back(now)
            if self._halting():
                self._drop_what_need_not_go_on()
            if self._ready:
                self._running += 1
                return self._ready.popleft()
            if not self._more():
                return None
            next_at = min((moment for moment, _ in self._aside), default=now + PROGRESS_SECONDS)
            await self._change(min(PROGRESS_SECONDS, max(0.0, next_at - now)))

    async def _change(self, seconds: float) -> None:
        """Until something has changed, or so long."""
        try:
            async with asyncio.timeout(seconds):
                _ = await self._changed.wait()
        except TimeoutError:
            pass

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _bring_back(self, now: float) -> None:
        due = [task for moment, task in self._aside if moment <= now]
        self._aside = [(moment, task) for moment, task in self._aside if moment > now]
        self._ready.extendleft(due)

    def _drop_what_need_not_go_on(self) -> None:
        if self._error is not None:
            self._ready.clear()
            self._aside.clear()
        self._ready = deque(task for task in self._ready if task.must_go_on)
        self._aside = [(moment, task) for moment, task in self._aside if task.must_go_on]
