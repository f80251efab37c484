"""Hooks on a client of aiobotocore whose calls are told to observers: see observed_hooks.py."""

from __future__ import annotations

from typing import Any

from crossfade.aws.aio_hooks import AioEngine, AioHooks, InlineAioHooks
from crossfade.aws.hooks import Short
from crossfade.aws.observed_hooks import CallEvents, error_code, stage_of
from crossfade.aws.observing import error_name
from crossfade.core.effects import Reply, Request
from crossfade.observe import Watch


class ObservedAioHooks(AioHooks):
    """Hooks on a client of aiobotocore, whose calls are told."""

    def __init__(self, watch: Watch, strategy: str, name: str, engine: AioEngine, *more: Any) -> None:
        super().__init__(name, engine, *more)
        self._events = CallEvents(watch, self, strategy)

    def entered(self, operation: str, parameters: Request, params: dict[str, Any], context: dict[str, Any]) -> Any:
        under_way = self._events.began(operation, parameters, context)
        found = super().entered(operation, parameters, params, context)
        under_way.stage = stage_of(found) or under_way.stage
        return found

    async def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Short | None:
        try:
            short = await super().before_call(model, params, context)
        except Exception as error:
            self._events.ended(context, 0.0, error_name(error))
            raise
        self._events.taken_over(context, short)
        return short

    async def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        arrived = self._events.came_back(context)
        try:
            await super().after_call(http_response, parsed, context)
        except Exception as error:
            self._events.ended(context, arrived, error_name(error))
            raise
        self._events.ended(context, arrived, error_code(http_response.status_code, parsed))

    async def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        arrived = self._events.came_back(context)
        try:
            await super().after_call_error(exception, context)
        except Exception as error:
            self._events.ended(context, arrived, error_name(error))
            raise
        self._events.ended(context, arrived, error_name(exception))


class ObservedInlineAioHooks(ObservedAioHooks, InlineAioHooks):
    """Hooks whose calls are told, with an engine that works within its callers' calls."""
