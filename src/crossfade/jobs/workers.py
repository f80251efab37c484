"""Threads that work tasks off, one step at a time.

A task that must wait (for a write without an answer to have landed) is put aside with the moment at which it goes on,
and its thread takes another one. A stop lets every step that is under way end, and those put aside as well: what they
wait for would otherwise be nobody's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
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

    def step(self) -> float | None:
        """Do a little; the moment from which on it can go on, or None when it is done. May raise StageUncertain."""
        ...


class Workers:
    def __init__(self, tasks: Iterable[Task], clock: Callable[[], float], stopping: Callable[[], bool]) -> None:
        self._ready = deque(tasks)
        self._aside: list[tuple[float, Task]] = []
        self._running = 0
        self._alive = 0
        self._uncertain_since: float | None = None
        self._clock = clock
        self._stopping = stopping
        self._interrupted = False
        self._changed = threading.Condition()
        self._error: BaseException | None = None

    @property
    def aside(self) -> int:
        return len(self._aside)

    def work_off(self, count: int, meanwhile: Callable[[], None]) -> None:
        """Until everything is done, or has come to rest after a stop. Raises the first error of a task.

        `meanwhile` is called about twice a second, by the calling thread.
        """
        self._alive = count
        for n in range(count):
            threading.Thread(target=self._work, name=f"crossfade-job-{n + 1}", daemon=True).start()
        try:
            while self._is_working():
                meanwhile()
        except BaseException:
            self._interrupted = True
            raise
        if self._error is not None:
            raise self._error

    def _is_working(self) -> bool:
        with self._changed:
            return not self._changed.wait_for(lambda: not self._alive, PROGRESS_SECONDS)

    def _work(self) -> None:
        while (task := self._take()) is not None:
            try:
                again = self._step(task)
            except BaseException as error:  # noqa: BLE001 - raised again by `work_off`
                again = None
                with self._changed:
                    self._error = self._error or error
            with self._changed:
                self._running -= 1
                if again is not None:
                    self._put_back(task, again)
                if not self._more():
                    self._changed.notify_all()
        with self._changed:
            self._alive -= 1
            self._changed.notify_all()

    def _halting(self) -> bool:
        return self._interrupted or self._error is not None or self._stopping()

    def _step(self, task: Task) -> float | None:
        try:
            again = task.step()
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
            self._changed.notify_all()

    def _more(self) -> bool:
        return bool(self._ready or self._aside or self._running)

    def _take(self) -> Task | None:
        with self._changed:
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
                _ = self._changed.wait(min(PROGRESS_SECONDS, max(0.0, next_at - now)))

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
