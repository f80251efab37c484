"""A method of one of the two repositories, as an effect; and what it raised, as an error that routines can take."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from crossfade.core.effects import Effect
from crossfade.core.stages import Side
from crossfade.errors import CrossfadeError


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
        """Call the method in this thread. Raises Raised."""
        try:
            return self.bound(effect)()
        except Exception as error:
            raise Raised(error) from error

    async def call_async(self, effect: Invoke, executor: Executor) -> Any:
        """On this loop; what blocks, on a thread. Raises Raised, also where the method was cancelled though its caller
        was not: something that it waited for was, and what it has sent may still be carried out."""
        method = self.bound(effect)
        try:
            if inspect.iscoroutinefunction(method):
                return await method()
            answer = await asyncio.get_running_loop().run_in_executor(executor, method)
            return await answer if inspect.isawaitable(answer) else answer
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise Raised(error) from error
        except Exception as error:
            raise Raised(error) from error
