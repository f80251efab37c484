"""The hooks on a client of aiobotocore: routines run in the caller's own task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from crossfade.aws.hooks import Engine, Hooks, Short
from crossfade.aws.operation import Forwarded, OperationOutcome, RunningOperation
from crossfade.core.effects import Effect, Forward, Reply
from crossfade.core.plan import WITHOUT_ROUTINE
from crossfade.core.request.names import WRITES
from crossfade.drivers.aio import AioDriver
from crossfade.errors import CrossfadeError


class AioEngine(Engine, Protocol):
    """An engine whose driver is awaited."""

    @property
    def driver(self) -> AioDriver: ...


class AioHooks(Hooks):
    def __init__(
        self,
        name: str,
        engine: AioEngine,
        is_here: Callable[[str, str | None], bool] | None,
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(name, engine, is_here)
        self._driver = engine.driver
        self._ready = ready

    async def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Short | None:
        operation: str = model.name
        parameters = self.about_us(operation, params, context)
        if parameters is None:
            return None
        await self._ready()
        found = self.entered(operation, parameters, params, context)
        if isinstance(found, Forwarded):
            self._watch_caller(found)
            return None
        if found is None:
            return None
        if not isinstance(found, RunningOperation):
            return found
        try:
            effect = self._driver.begin(found.routine, found.scope)
        except StopIteration as stop:
            return self.short(stop.value, operation, shared=found.scope.left)
        if isinstance(effect, Forward):
            forwarded = self.forwards(found, operation, effect, params, context)
            if isinstance(forwarded, Forwarded):
                self._watch_caller(forwarded)
                return None
            return self.short(await self._answer(found, forwarded), operation, shared=True)
        return self.short(await self._carry_on(found, effect=effect), operation, shared=True)

    async def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        forwarded = self._taken_back(context)
        if forwarded is None or self.finish_without_routine(forwarded, http_response, parsed):
            return
        running = self.running_of(forwarded)
        given = self.answered(forwarded, http_response, parsed)
        self.replace_reply(forwarded, await self._answer(running, given), given, http_response, parsed)

    async def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        forwarded = self._taken_back(context)
        if forwarded is None:
            return
        if isinstance(forwarded.plan, WITHOUT_ROUTINE):
            self.came_to_nothing(forwarded, exception)
            return
        running = self.running_of(forwarded)
        outcome = await self._answer(running, self.failed(forwarded, exception))
        self.raise_right(outcome, forwarded, exception)

    def _watch_caller(self, forwarded: Forwarded) -> None:
        """A task that ends while its call is under way was cancelled; who keeps the task keeps the context alive."""
        if not forwarded.tracked:
            return
        forwarded.caller = asyncio.current_task()
        if forwarded.caller is not None:
            forwarded.caller.add_done_callback(self._caller_ended)

    def _caller_ended(self, task: asyncio.Task[Any]) -> None:
        for forwarded in self.engine.in_flight.of_caller(task):
            self.give_up(forwarded)

    def _taken_back(self, context: dict[str, Any]) -> Forwarded | None:
        forwarded = self.pop_in_flight(context)
        if forwarded is not None and forwarded.caller is not None:
            _ = forwarded.caller.remove_done_callback(self._caller_ended)
            forwarded.caller = None
        return forwarded

    async def _answer(self, running: RunningOperation, given: Reply | CrossfadeError) -> OperationOutcome:
        if isinstance(given, CrossfadeError):
            return await self._carry_on(running, error=given)
        return await self._carry_on(running, value=given)

    async def _carry_on(
        self,
        running: RunningOperation,
        *,
        effect: Effect[Any] | None = None,
        value: Reply | None = None,
        error: CrossfadeError | None = None,
    ) -> OperationOutcome:
        try:
            return await self._driver.resume(running.routine, running.scope, value, error, effect)
        except CrossfadeError:
            raise
        except BaseException:  # cancelled in the middle of a call
            self.leave_to_background(running)
            raise


class InlineAioEngine(AioEngine, Protocol):
    """An engine that does within a call what the call has left."""

    async def opens(self, hooks: Hooks, *, writes: bool) -> None: ...
    async def closes(self) -> None: ...
    def leaves(self, caller: object) -> None: ...


class InlineAioHooks(AioHooks):
    """Hooks with an engine that must be told when a call begins, and when it has its answer."""

    def __init__(
        self,
        name: str,
        engine: InlineAioEngine,
        is_here: Callable[[str, str | None], bool] | None,
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(name, engine, is_here, ready)
        self._inline = engine

    async def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Short | None:
        if self.about_us(model.name, params, context) is None:
            return None
        await self._ready()
        await self._inline.opens(self, writes=model.name in WRITES)
        async with self._closing():
            short = await super().before_call(model, params, context)
            if self._forwarded_key in context:  # it goes on when the answer is there
                return None
        await self._inline.closes()
        return short

    async def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        if self._forwarded_key in context:
            async with self._closing():
                await super().after_call(http_response, parsed, context)
            await self._inline.closes()

    async def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        if self._forwarded_key in context:
            async with self._closing():
                await super().after_call_error(exception, context)
            await self._inline.closes()

    @asynccontextmanager
    async def _closing(self) -> AsyncGenerator[None]:
        """Close a call that ends with an error. One that is cancelled leaves what it has to do to the next."""
        try:
            yield
        except Exception:
            await self._inline.closes()
            raise
        except BaseException:
            self._inline.leaves(asyncio.current_task())
            raise

    def _caller_ended(self, task: asyncio.Task[Any]) -> None:
        super()._caller_ended(task)
        self._inline.leaves(task)
