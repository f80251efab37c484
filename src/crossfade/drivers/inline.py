"""Background work done before the answer, by the caller that has left it: for a process that is frozen after it.

There is no thread for it and no timer. A caller does what it has left itself, and what is due of what nobody waits for:
a mirror of a write that might have landed later, what a caller that is gone has left. An answer is not held back for
long: where a table has no room for the moment, or cannot be reached, a mirror is put off to the next call, its ticket
held; likewise a comparison that wants to look again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any, Final

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Call, Effect, Later, Routine, Sleep, relayed
from crossfade.core.request.names import WRITES
from crossfade.core.sync.retry import Access
from crossfade.drivers.backlog import COMPARES_MAX, Backlog, Job, Note
from crossfade.drivers.local import NoteFunction
from crossfade.drivers.scope import TicketScope
from crossfade.drivers.sync import CallFunction, SyncDriver
from crossfade.errors import CrossfadeError, StageUncertain, UnknownOutcome

PAUSE_SECONDS_MAX: Final = 0.65  # four tries of a request, in three quarters of a second
AT_ONCE: Final = 16  # of the jobs that one call has left; a whole batch in two rounds
COMPARES_PUT_OFF_MAX: Final = 100  # a caller has better things to do than to look at them all again
UNLIMITED: Final = 2 * COMPARES_MAX  # workers: whoever takes work does all that there is


class PutOff(Exception):
    """What comes next must wait for longer than an answer is to be held back, or for another lease."""


class InlineScope(TicketScope):
    """The scope of a job that outlasts the lease: the next call renews it, and goes on."""

    __slots__ = ()

    def before(self, call: Call) -> None:
        try:
            super().before(call)
        except StageUncertain:
            if self._agent.is_ours(self.ticket):
                raise PutOff from None
            raise


class Begun:
    """A job under way, which may have been put off."""

    def __init__(self, backlog: Backlog, job: Job, routine: Routine[None], scope: InlineScope) -> None:
        self.backlog = backlog
        self.job = job
        self.scope = scope
        self.effect: Effect[Any] | None = None  # the one that it waits for
        self.error: CrossfadeError | None = None  # what that one has come to
        self.routine: Routine[None] = relayed(routine, self._asked)

    def _asked(self, effect: Effect[Any]) -> Effect[Any]:
        """A pause has been long enough when the job goes on."""
        self.effect, self.error = None if isinstance(effect, Sleep) else effect, None
        return effect

    def interrupted(self) -> bool:
        """True if it can go on. Nobody has its answer: a read is made again, and a write may have been carried out."""
        if isinstance(self.effect, Call) and self.effect.operation in WRITES:
            self.effect, self.error = None, UnknownOutcome("the caller gave the call up")
        return getgeneratorstate(self.routine) != GEN_CLOSED  # as where it was interrupted itself


class InlineWork:
    """What callers have left. Thread-safe. `who` tells which thread or task runs; so a caller is called here."""

    def __init__(self, agent: Agent, note: Note, clock: Callable[[], float], who: Callable[[], object]) -> None:
        self._agent = agent
        self._note = note
        self._clock = clock
        self._who = who
        self._access = Access()
        self._lock = threading.RLock()  # an observer, told under it, may make a call that puts work
        self._callers: dict[object, Backlog] = {}
        self._nobodys = Backlog(agent, note, workers=UNLIMITED)
        self._put_off: deque[Begun] = deque()

    def opens(self, caller: object) -> None:
        """Have this caller do itself what it leaves, from now on."""
        with self._lock:
            _ = self._callers.setdefault(caller, Backlog(self._agent, self._note, workers=UNLIMITED))

    def closes(self, caller: object) -> None:
        """Forget a caller. What it has not done, because it is gone, the next one does."""
        with self._lock:
            own = self._callers.pop(caller, None)
            for begun in () if own is None else self._taken(own):
                self.put_off(begun)

    def put(self, later: Later, ticket: Ticket) -> None:
        """The ticket is held from now on."""
        with self._lock:
            backlog = self._nobodys if later.delay_seconds > 0 else self._callers.get(self._who(), self._nobodys)
            backlog.put(later, ticket, self._clock())

    def adopt(self, later: Later, ticket: Ticket) -> None:
        """Put what nobody waits for."""
        with self._lock:
            self._nobodys.put(later, ticket, self._clock())

    def lose(self, key: str, error: BaseException) -> None:
        """Count a mirror that came to nothing before it was put, and tell it."""
        with self._lock:
            self._nobodys.lose(key, error)

    @property
    def waits(self) -> bool:
        """Whether something was put off."""
        return bool(self._put_off)

    @property
    def pending(self) -> int:
        """Mirrors that have not ended, and are nobody's or were put off."""
        with self._lock:
            return self._nobodys.mirrors_pending + sum(begun.backlog is not self._nobodys for begun in self._put_off)

    @property
    def oldest_seconds(self) -> float:
        """For how long the oldest mirror has not ended."""
        with self._lock:
            now = self._clock()
            return max(backlog.oldest_seconds(now) for backlog in (self._nobodys, *self._callers.values()))

    def give_up(self) -> int:
        """Drop all that waits, counting every mirror as lost. Return how many these were."""
        with self._lock:
            left = 0
            for begun in self._put_off:
                left += begun.job.kind == "mirror"
                self.ended(begun, UnknownOutcome("the process ended before it could be done"))
            self._put_off.clear()
            return left + sum(backlog.give_up() for backlog in (*self._callers.values(), self._nobodys))

    # --- for those that do it

    def take_put_off(self) -> list[Begun]:
        with self._lock:
            found = list(self._put_off)
            self._put_off.clear()
            return found

    def take(self, caller: object) -> list[Begun]:
        """All that is due of what this caller has left, and of what is nobody's."""
        with self._lock:
            own = self._callers.get(caller)
            return [*self._taken(own), *self._taken(self._nobodys)] if own else [*self._taken(self._nobodys)]

    def _taken(self, backlog: Backlog) -> Iterator[Begun]:
        while isinstance(job := backlog.take(self._clock()), Job):
            is_ours = partial(self._agent.is_ours, job.ticket)
            routine = self._access.awaited(job.routine, is_ours)
            yield Begun(backlog, job, routine, InlineScope(self._agent, job.ticket, self.put))

    def ended(self, begun: Begun, error: BaseException | None) -> None:
        begun.routine.close()
        begun.job.routine.close()
        with self._lock:
            begun.backlog.finished(begun.job, error)

    def interrupted(self, begun: Begun, interrupt: BaseException) -> None:
        """Leave the rest to the next call, where there can be one."""
        if begun.interrupted():
            self.put_off(begun)
        else:
            self.ended(begun, interrupt)

    def put_off(self, begun: Begun) -> None:
        with self._lock:
            if begun.job.kind == "mirror" or len(self._put_off) < COMPARES_PUT_OFF_MAX:
                self._put_off.append(begun)
                return
        self.ended(begun, UnknownOutcome("too many comparisons are put off"))


class InlineThreads(InlineWork):
    """The work of callers that are threads."""

    def __init__(self, agent: Agent, note: NoteFunction, call: CallFunction) -> None:
        super().__init__(agent, note, time.monotonic, threading.get_ident)
        self._driver = SyncDriver(call, note, sleep=short_sleep)
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        self._driver.close()
        if self._pool is not None:
            self._pool.shutdown(wait=False)

    def work_off(self, caller: object) -> None:
        """Do what is due; what is put off, the next caller goes on with. Raises nothing but an interrupt."""
        found = [*self.take_put_off(), *self.take(caller)]
        while found:
            if len(found) == 1:
                self._do(found[0])
            else:
                self._do_at_once(found)
            found = self.take(caller)

    def _do_at_once(self, found: Iterable[Begun]) -> None:
        waiting = deque(found)  # each is taken by one: by a worker, or by the caller that is interrupted
        try:
            futures = [self._executor().submit(self._do_next, waiting) for _ in range(len(waiting))]
            for future in futures:
                future.result()
        finally:
            with suppress(IndexError):
                while True:
                    self.put_off(waiting.popleft())

    def _do_next(self, waiting: deque[Begun]) -> None:
        try:
            begun = waiting.popleft()
        except IndexError:  # the caller has put it off
            return
        self._do(begun)

    def _do(self, begun: Begun) -> None:
        error: Exception | None = None
        try:
            self._driver.resume(begun.routine, begun.scope, error=begun.error, effect=begun.effect)
        except PutOff:
            self.put_off(begun)
            return
        except Exception as failed:  # noqa: BLE001 - the caller has its answer; a mirror's error is counted as a loss
            error = failed
        except BaseException as interrupt:
            self.interrupted(begun, interrupt)
            raise
        self.ended(begun, error)

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="crossfade-inline")
            return self._pool


def short_sleep(seconds: float) -> None:
    """Sleep, where that does not hold an answer back for long. Raises PutOff."""
    if seconds > PAUSE_SECONDS_MAX:
        raise PutOff
    time.sleep(seconds)
