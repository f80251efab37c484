"""The hooks on a client that blocks: routines run in the caller's own thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from crossfade.aws.hooks import BY_TICKET, Engine, Forwarded, Hooks, Short
from crossfade.aws.passage import Outcome, Passage
from crossfade.core.effects import Effect, Forward, Reply
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
        if not isinstance(found, Passage):
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
        forwarded = self.taken(context)
        if forwarded is None or self.settle(forwarded, http_response, parsed):
            return
        passage = self.asked(forwarded)
        given = self.answered(forwarded, http_response, parsed)
        self.put_right(forwarded, self._answer(passage, given), given, http_response, parsed)

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        forwarded = self.taken(context)
        if forwarded is None:
            return
        if forwarded.way in BY_TICKET:
            self.came_to_nothing(forwarded, exception)
            return
        passage = self.asked(forwarded)
        outcome = self._answer(passage, self.failed(forwarded, exception))
        self.raise_right(outcome, forwarded, exception)

    def content_of(self, http_response: Any) -> bytes:
        content: bytes = http_response.content
        return content if self.only else b""

    def _answer(self, passage: Passage, given: Reply | CrossfadeError) -> Outcome:
        if isinstance(given, CrossfadeError):
            return self._carry_on(passage, error=given)
        return self._carry_on(passage, value=given)

    def _carry_on(
        self,
        passage: Passage,
        *,
        effect: Effect[Any] | None = None,
        value: Reply | None = None,
        error: CrossfadeError | None = None,
    ) -> Outcome:
        driver = self._current().driver
        try:
            return driver.resume(passage.routine, passage.scope, value, error, effect)
        except CrossfadeError:
            raise
        except BaseException:  # interrupted in the middle of a call
            self.leave_to_background(passage)
            raise
