"""The hooks on a client that blocks: routines run in the caller's own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Protocol

from crossfade.aws.hooks import Engine, Hooks, Short
from crossfade.aws.operation import Forwarded, OperationOutcome, RunningOperation
from crossfade.core.effects import Effect, Forward, Reply
from crossfade.core.plan import WITHOUT_ROUTINE
from crossfade.core.request.names import WRITES
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import CrossfadeError


class SyncEngine(Engine, Protocol):
    """An engine whose driver blocks."""

    @property
    def driver(self) -> SyncDriver: ...


class SyncHooks(Hooks):
    def __init__(
        self,
        name: str,
        engine: SyncEngine,
        is_here: Callable[[str, str | None], bool] | None,
        current: Callable[[], SyncEngine],
    ) -> None:
        super().__init__(name, engine, is_here)
        self._current = current  # the engine of this process, started if need be

    def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Short | None:
        operation: str = model.name
        parameters = self.about_us(operation, params, context)
        if parameters is None:
            return None
        engine = self.engine = self._current()
        found = self.entered(operation, parameters, params, context)
        if found is None or isinstance(found, Forwarded):
            return None
        if not isinstance(found, RunningOperation):
            return found
        try:
            effect = engine.driver.begin(found.routine, found.scope)
        except StopIteration as stop:
            return self.short(stop.value, operation, shared=found.scope.left)
        if isinstance(effect, Forward):
            forwarded = self.forwards(found, operation, effect, params, context)
            if isinstance(forwarded, Forwarded):
                return None
            return self.short(self._answer(found, forwarded), operation, shared=True)
        return self.short(self._carry_on(found, effect=effect), operation, shared=True)

    def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        forwarded = self.pop_in_flight(context)
        if forwarded is None or self.finish_without_routine(forwarded, http_response, parsed):
            return
        running = self.running_of(forwarded)
        given = self.answered(forwarded, http_response, parsed)
        self.replace_reply(forwarded, self._answer(running, given), given, http_response, parsed)

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        forwarded = self.pop_in_flight(context)
        if forwarded is None:
            return
        if isinstance(forwarded.plan, WITHOUT_ROUTINE):
            self.came_to_nothing(forwarded, exception)
            return
        running = self.running_of(forwarded)
        outcome = self._answer(running, self.failed(forwarded, exception))
        self.raise_right(outcome, forwarded, exception)

    def content_of(self, http_response: Any) -> bytes:
        content: bytes = http_response.content
        return content if self.only else b""

    def _answer(self, running: RunningOperation, given: Reply | CrossfadeError) -> OperationOutcome:
        if isinstance(given, CrossfadeError):
            return self._carry_on(running, error=given)
        return self._carry_on(running, value=given)

    def _carry_on(
        self,
        running: RunningOperation,
        *,
        effect: Effect[Any] | None = None,
        value: Reply | None = None,
        error: CrossfadeError | None = None,
    ) -> OperationOutcome:
        driver = self._current().driver
        try:
            return driver.resume(running.routine, running.scope, value, error, effect)
        except CrossfadeError:
            raise
        except BaseException:  # interrupted in the middle of a call
            self.leave_to_background(running)
            raise


class InlineEngine(SyncEngine, Protocol):
    """An engine that does within a call what the call has left."""

    def opens(self, hooks: Hooks, *, writes: bool) -> None: ...
    def closes(self) -> None: ...
    def leaves(self, caller: object) -> None: ...


class InlineHooks(SyncHooks):
    """Hooks with an engine that must be told when a call begins, and when it has its answer."""

    def __init__(
        self,
        name: str,
        engine: InlineEngine,
        is_here: Callable[[str, str | None], bool] | None,
        current: Callable[[], InlineEngine],
    ) -> None:
        super().__init__(name, engine, is_here, current)
        self._inline = current
        self._engine_key = f"{self._forwarded_key}:inline"

    def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Short | None:
        if self.about_us(model.name, params, context) is None:
            return None
        engine = self._inline()
        engine.opens(self, writes=model.name in WRITES)
        with self._closing(engine):
            short = super().before_call(model, params, context)
            if self._forwarded_key in context:  # it goes on when the answer is there
                context[self._engine_key] = engine  # with this one, though a snapshot is made meanwhile
                return None
        engine.closes()
        return short

    def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        engine: InlineEngine | None = context.get(self._engine_key)
        if engine is not None:
            with self._closing(engine):
                super().after_call(http_response, parsed, context)
            engine.closes()

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        engine: InlineEngine | None = context.get(self._engine_key)
        if engine is not None:
            with self._closing(engine):
                super().after_call_error(exception, context)
            engine.closes()

    @contextmanager
    def _closing(self, engine: InlineEngine) -> Generator[None]:
        """Close a call that ends with an error. One that is interrupted leaves what it has to do to the next."""
        try:
            yield
        except Exception:
            engine.closes()
            raise
        except BaseException:
            engine.leaves(threading.get_ident())
            raise
