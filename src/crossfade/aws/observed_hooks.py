"""Hooks whose calls are told to observers when they end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from crossfade.aws.hooks import Hooks, Short
from crossfade.aws.observing import CALL, error_name
from crossfade.aws.operation import Forwarded, RunningOperation
from crossfade.aws.own_calls import ERROR_FROM
from crossfade.aws.sync_hooks import InlineHooks, SyncEngine, SyncHooks
from crossfade.core.effects import Reply, Request
from crossfade.core.request.names import table_names
from crossfade.core.stages import LADDERS, Stage
from crossfade.observe import Watch
from crossfade.observe.calls import CallEnded, RoutedCall


@dataclass(slots=True)
class CallUnderWay:
    """What is known of a call until it has its answer. `outer`: the call on whose behalf crossfade makes this one."""

    call: RoutedCall
    outer: RoutedCall | None
    began: float
    stage: Stage
    sent_at: float = 0.0  # when we let go of it; 0: not yet


class CallEvents:
    """Tells a migration's observers of its calls, from what the hooks of one client see. It is done for every call, and
    so without what would read better and takes time."""

    def __init__(self, watch: Watch, hooks: Hooks, strategy: str) -> None:
        self._watch = watch
        self._hooks = hooks
        self._rows = LADDERS[strategy]
        self._key = f"crossfade:{hooks.name}:{hooks.engine.pair.view}:observed"

    def began(self, operation: str, parameters: Request, context: dict[str, Any]) -> CallUnderWay:
        hooks = self._hooks
        table: Any = parameters.get("TableName")
        if not isinstance(table, str):
            table = next(table_names(operation, parameters), hooks.engine.pair.caller.name)
        call, outer = RoutedCall(hooks.name, operation, table, time.time_ns()), CALL.get()
        under_way = CallUnderWay(call, outer, perf_counter(), hooks.engine.agent.reading.stage)
        context[self._key] = under_way
        _ = CALL.set(call)
        return under_way

    def taken_over(self, context: dict[str, Any], short: Short | None) -> None:
        """A call was looked at: it has its answer, or goes out."""
        under_way: CallUnderWay | None = context.get(self._key)
        if under_way is None:
            return
        if short is None:
            _ = CALL.set(under_way.outer)
            under_way.sent_at = perf_counter()
        else:
            self.ended(context, 0.0, error_code(short[0].status_code, short[1]))

    def came_back(self, context: dict[str, Any]) -> float:
        """An answer is there, which its call is still to get: return when it came."""
        under_way: CallUnderWay | None = context.get(self._key)
        if under_way is not None:
            _ = CALL.set(under_way.call)
        return perf_counter()

    def ended(self, context: dict[str, Any], arrived: float, error: str) -> None:
        """A call has its answer. `arrived`: when the one came that was waited for; 0: none was."""
        under_way: CallUnderWay | None = context.pop(self._key, None)
        if under_way is None:
            return
        _ = CALL.set(under_way.outer)
        waited = arrived - under_way.sent_at if arrived and under_way.sent_at else 0.0
        seconds = perf_counter() - under_way.began
        self._watch.tell(
            CallEnded(
                migration=under_way.call.migration,
                call=under_way.call,
                stage=under_way.stage.value,
                side=self._rows[under_way.stage].authority,
                seconds=seconds,
                seconds_added=seconds - waited,
                error=error,
            )
        )


def stage_of(found: RunningOperation | Forwarded | Short | None) -> Stage | None:
    """Return the stage that an operation obeys, where its ticket says."""
    if isinstance(found, Forwarded):
        return found.ticket.stage
    return found.scope.ticket.stage if isinstance(found, RunningOperation) else None


def error_code(status_code: int, parsed: Reply) -> str:
    return str(parsed.get("Error", {}).get("Code", status_code)) if status_code >= ERROR_FROM else ""


class ObservedHooks(SyncHooks):
    """Hooks on a client that blocks, whose calls are told."""

    def __init__(self, watch: Watch, strategy: str, name: str, engine: SyncEngine, *more: Any) -> None:
        super().__init__(name, engine, *more)
        self._events = CallEvents(watch, self, strategy)

    def entered(self, operation: str, parameters: Request, params: dict[str, Any], context: dict[str, Any]) -> Any:
        under_way = self._events.began(operation, parameters, context)
        found = super().entered(operation, parameters, params, context)
        under_way.stage = stage_of(found) or under_way.stage
        return found

    def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Short | None:
        try:
            short = super().before_call(model, params, context)
        except Exception as error:
            self._events.ended(context, 0.0, error_name(error))
            raise
        self._events.taken_over(context, short)
        return short

    def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        arrived = self._events.came_back(context)
        try:
            super().after_call(http_response, parsed, context)
        except Exception as error:
            self._events.ended(context, arrived, error_name(error))
            raise
        self._events.ended(context, arrived, error_code(http_response.status_code, parsed))

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        arrived = self._events.came_back(context)
        try:
            super().after_call_error(exception, context)
        except Exception as error:
            self._events.ended(context, arrived, error_name(error))
            raise
        self._events.ended(context, arrived, error_name(exception))


class ObservedInlineHooks(ObservedHooks, InlineHooks):
    """Hooks whose calls are told, with an engine that works within its callers' calls."""
