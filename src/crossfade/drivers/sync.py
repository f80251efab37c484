"""Effects on threads: the driver beneath boto3 and everything else that blocks.

`call` carries out one request and raises ServiceRejected or UnknownOutcome; who makes it, and with which client, is not
known here. A routine can be run from its start, or from where it waits for the answer to an effect (`resume`).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from crossfade.core.effects import Call, Effect, Forward, Gather, Place, Queued, Reply, Request, Routine, Sleep, Turn
from crossfade.core.sync.retry import item_too_busy
from crossfade.drivers.key_queues import WAIT_SECONDS_MAX
from crossfade.drivers.local import LocalEffects, NoteFunction
from crossfade.drivers.scope import Scope
from crossfade.drivers.unique import unique
from crossfade.errors import CrossfadeError

T = TypeVar("T")
CallFunction = Callable[[Place, str, Request], Reply]

GATHERED_AT_ONCE: Final = 16  # a Query over sixteen suffixes, the most that is usual, goes out at once


class SyncDriver(LocalEffects):
    def __init__(
        self,
        call: CallFunction,
        note: NoteFunction,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        new_stamp: Callable[[], str] = unique,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(note, clock, new_stamp, jitter)
        self._call = call
        self._sleep = sleep
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def run(self, routine: Routine[T], scope: Scope) -> T:
        """Carry a routine out from its start."""
        return self.resume(routine, scope, None)

    def resume(
        self, routine: Routine[T], scope: Scope, value: Any = None, error: CrossfadeError | None = None,
        effect: Effect[Any] | None = None,
    ) -> T:  # fmt: skip
        """Go on with a routine that waits: with the answer to its effect, or with the effect still to be performed.

        What is not a CrossfadeError (an interrupt, a defect) passes through and leaves the routine waiting.
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
                value = self._perform(effect, scope)
            except CrossfadeError as raised:
                error = raised
            effect = None

    def _perform(self, effect: Effect[Any], scope: Scope) -> Any:
        match effect:
            case Call():
                return self._send(effect, scope)
            case Gather():
                return self._gather(effect.calls, scope)
            case Sleep():
                return self._sleep(self.jittered(effect.seconds))
            case Turn():
                return self._wait_for_turn(effect.queued, scope)
            case Forward():
                return self._send(scope.forwarded(effect), scope)
            case _:
                return self.at_once(effect, scope)

    def _send(self, call: Call, scope: Scope) -> Reply:
        scope.before(call)
        try:
            return self._call(call.place, call.operation, call.request)
        except CrossfadeError as error:
            scope.failed(call, error)
            raise

    def _wait_for_turn(self, queued: Queued, scope: Scope) -> None:
        woken = threading.Event()
        if not self.queues.enter(queued, woken.set):
            while not woken.wait(WAIT_SECONDS_MAX):
                if self.queues.withdraw(queued):
                    raise item_too_busy()
        scope.turned(queued)

    def _gather(self, calls: tuple[Call, ...], scope: Scope) -> tuple[Reply, ...]:
        if len(calls) == 1:
            return (self._send(calls[0], scope),)
        futures = [self._executor().submit(self._send, call, scope) for call in calls]
        errors = [future.exception() for future in futures]  # waits for all: nothing goes on behind the routine's back
        for error in errors:
            if error is not None:
                raise error
        return tuple(future.result() for future in futures)

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(GATHERED_AT_ONCE, thread_name_prefix="crossfade-gather")
            return self._pool
