"""A method of one of the two repositories, as an effect; and what it raised, as an error that routines can take."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from crossfade.core.effects import Effect
from crossfade.core.stages import Side
from crossfade.errors import ConfigurationError, CrossfadeError


@dataclass(frozen=True, slots=True)
class Invoke(Effect[Any]):
    """Call a method of the repository on one side. Resumes with what it returned, or with Raised."""

    side: Side
    method: str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict[str, Any])
    writes: bool = False

    def on(self, side: Side) -> Invoke:
        return Invoke(side, self.method, self.arguments, self.named, self.writes)


class Raised(CrossfadeError):
    """A method of a repository raised `error`, the application's own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error


@dataclass(frozen=True, slots=True)
class Repositories:
    """The two, and how they are called."""

    old: Any
    new: Any

    def bound(self, effect: Invoke) -> Any:
        repository = self.old if effect.side == "source" else self.new
        return partial(getattr(repository, effect.method), *effect.arguments, **effect.named)

    def call(self, effect: Invoke) -> Any:
        """Call the method in this thread. Raises Raised; ConfigurationError where it has only been begun then."""
        try:
            answer = self.bound(effect)()
        except Exception as error:
            raise Raised(error) from error
        if inspect.isawaitable(answer):
            self._refuse(effect, answer)
        return answer

    def _refuse(self, effect: Invoke, answer: Any) -> None:
        """What is awaited behind the call is done when nobody counts it any more, and behind its mirror."""
        if inspect.iscoroutine(answer):
            answer.close()
        kind = type(self.old if effect.side == "source" else self.new).__name__
        raise ConfigurationError(
            f"{effect.method} of {kind} gives something to be awaited, and it is no coroutine function",
            next_step="declare it with async def (also what a decorator makes of it), and use async with",
        )

    async def call_async(self, effect: Invoke, executor: Executor) -> Any:
        """On this loop; what blocks, on a thread. Raises Raised, also where the method was cancelled though its caller
        was not: something that it waited for was, and what it has sent may still be carried out."""
        method = self.bound(effect)
        try:
            if inspect.iscoroutinefunction(method):
                return await method()
            within = contextvars.copy_context()  # as asyncio.to_thread does
            answer = await asyncio.get_running_loop().run_in_executor(executor, within.run, method)
            return await answer if inspect.isawaitable(answer) else answer
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise Raised(error) from error
        except Exception as error:
            raise Raised(error) from error
