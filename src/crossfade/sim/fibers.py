"""Coroutines in virtual time: what production runs on an event loop, run by the world.

A fiber is one task of it, in a context of its own. It goes on when what it waits for has come, inside its process: so
it stands still with it, and is gone with it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

from crossfade.sim.processes import Process
from crossfade.sim.world import World

T = TypeVar("T")
Came = Callable[[Any, Exception | None], None]


class Waiting(Generic[T]):
    """Something that takes time: `begin` begins it, and is given what to call when it has come."""

    def __init__(self, begin: Callable[[Came], None]) -> None:
        self.begin = begin

    def __await__(self) -> Generator[Waiting[T], T, T]:
        return (yield self)


class Fiber:
    """`then` is called with what the coroutine returns, or raises."""

    def __init__(
        self, world: World, process: Process, context: Context, coroutine: Coroutine[Any, Any, Any], then: Came
    ) -> None:
        self._world = world
        self._process = process
        self._context = context
        self._coroutine = coroutine
        self._then = then

    def start(self) -> None:
        self._process.closing[self] = self._close
        self._go_on(None, None)

    def _close(self) -> None:
        """End it where it stands, in its context."""
        self._context.run(self._coroutine.close)

    def _ended(self, value: Any, error: Exception | None) -> None:
        _ = self._process.closing.pop(self, None)
        self._then(value, error)

    def _go_on(self, value: Any, error: Exception | None) -> None:
        self._world.deliver(self._process, lambda: self._step(value, error))

    def _step(self, value: Any, error: Exception | None) -> None:
        coroutine = self._coroutine
        try:
            if error is None:
                waiting: Waiting[Any] = self._context.run(coroutine.send, value)
            else:
                waiting = self._context.run(coroutine.throw, error)
        except StopIteration as stop:
            self._ended(stop.value, None)
            return
        except Exception as raised:  # noqa: BLE001 - it is the caller's
            self._ended(None, raised)
            return
        waiting.begin(self._go_on)
