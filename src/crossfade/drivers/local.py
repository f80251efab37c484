"""Effects that take no time: the same on threads and on asyncio."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, Final

from crossfade.core.effects import Effect, Later, MayLand, Note, Now, Routine, Stamp, Today
from crossfade.drivers.key_queues import KeyQueues
from crossfade.drivers.scope import Scope
from crossfade.drivers.unique import unique

NoteFunction = Callable[[str, dict[str, Any]], None]

JITTER: Final = 0.25  # a sleep lasts what was asked for, and up to a quarter more
LOCAL: Final = frozenset({Later, MayLand, Note, Now, Stamp, Today})


def lengthened(seconds: float, chance: float) -> float:
    """Return how long to sleep where that many seconds were asked for; `chance`: from 0 to 1."""
    return seconds * (1.0 + JITTER * chance)


class LocalEffects:
    def __init__(
        self,
        note: NoteFunction,
        clock: Callable[[], float] = time.monotonic,
        new_stamp: Callable[[], str] = unique,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._note = note
        self.queues = KeyQueues()
        self.clock = clock
        self.new_stamp = new_stamp
        self._jitter = jitter

    def begin(self, routine: Routine[Any], scope: Scope) -> Effect[Any]:
        """Carry a routine out from its start to the first effect that takes time. Raises StopIteration at its end."""
        return self._on(routine, scope, next(routine))

    def go_on(self, routine: Routine[Any], scope: Scope, value: Any) -> Effect[Any]:
        """Resume a routine that waits, with the value of its effect."""
        return self._on(routine, scope, routine.send(value))

    def _on(self, routine: Routine[Any], scope: Scope, effect: Effect[Any]) -> Effect[Any]:
        while type(effect) in LOCAL:
            effect = routine.send(self.at_once(effect, scope))
        return effect

    def at_once(self, effect: Effect[Any], scope: Scope) -> Any:
        match effect:
            case Stamp():
                return self.new_stamp()
            case Later():
                scope.later(effect)
            case MayLand():
                return scope.may_land
            case Now():
                return self.clock()
            case Today():
                return int(time.time())
            case Note():
                self._note(effect.name, effect.facts)
            case _:
                raise AssertionError(f"{effect!r} is no effect")
        return None

    def jittered(self, seconds: float) -> float:
        return lengthened(seconds, self._jitter())
