"""The backlog, worked off by a few daemon threads. Nothing here ever makes a caller wait."""

from __future__ import annotations

import threading
from typing import Final

from crossfade.control.agent import Agent, Ticket
from crossfade.core.effects import Later
from crossfade.drivers.backlog import Backlog, Job
from crossfade.drivers.scope import TicketScope
from crossfade.drivers.sync import NoteFunction, SyncDriver

WORKERS: Final = 4  # a mirror waits for the network nearly all the time, but boto3 takes a millisecond of CPU a call


class Closing(Exception):
    """Raised in a worker that would sleep while the process ends."""


class Background:
    def __init__(self, driver: SyncDriver, agent: Agent, note: NoteFunction, *, workers: int = WORKERS) -> None:
        self._driver = driver.sleeping_with(self._sleep)
        self._agent = agent
        self._workers = workers
        self._backlog = Backlog(agent, note, workers=workers)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def pending(self) -> int:
        """Mirrors that have not ended."""
        with self._changed:
            return self._backlog.mirrors_pending

    def put(self, later: Later, ticket: Ticket) -> None:
        with self._changed:
            self._backlog.put(later, ticket, self._driver.clock())
            if len(self._threads) < self._workers and not self._closing.is_set():
                self._start_worker()
            self._changed.notify_all()  # whoever drains waits here too

    def drain(self, timeout_seconds: float) -> bool:
        """Whether every mirror ended in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._backlog.idle, timeout_seconds)

    def close(self) -> int:
        """Give up what is left, and say how many mirrors that were. Workers end after the call they are in."""
        self._closing.set()
        with self._changed:
            left = self._backlog.give_up()
            self._changed.notify_all()
        self._driver.close()
        return left

    def _start_worker(self) -> None:
        name = f"crossfade-background-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while True:
            job = self._next()
            if job is None:
                return
            error = self._run(job)
            with self._changed:
                self._backlog.finished(job, error)
                self._changed.notify_all()

    def _next(self) -> Job | None:
        with self._changed:
            while not self._closing.is_set():
                found = self._backlog.take(self._driver.clock())
                if isinstance(found, Job):
                    return found
                _ = self._changed.wait(found)
        return None

    def _run(self, job: Job) -> Exception | None:
        scope = TicketScope(self._agent, job.ticket, self.put, self._driver.clock)
        try:
            self._driver.run(job.routine, scope)
        except Exception as error:  # noqa: BLE001 - a worker outlives every job; a mirror's error is counted as a loss
            job.routine.close()
            return error
        return None

    def _sleep(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise Closing("the process ended before it could be done")
