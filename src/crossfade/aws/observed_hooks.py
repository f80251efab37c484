"""Hooks whose calls are told to observers: when one begins, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
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
from crossfade.observe.calls import CallBegan, CallEnded, RoutedCall


@dataclass(slots=True)
class CallUnderWay:
    """What is known of a call until it has its answer."""

    call: RoutedCall
    began: float
    stage: Stage
    sent_at: float = 0.0  # when we let go of it; 0: not yet


class CallEvents:
    """Tells a migration's observers of its calls, from what the hooks of one client see."""

    def __init__(self, watch: Watch, hooks: Hooks, strategy: str) -> None:
        self._watch = watch
        self._hooks = hooks
        self._rows = LADDERS[strategy]
        self._key = f"crossfade:{hooks.name}:{hooks.engine.pair.view}:observed"

    def began(self, operation: str, parameters: Request, context: dict[str, Any]) -> CallUnderWay:
        table = next(iter(table_names(operation, parameters)), "") or self._hooks.engine.pair.caller.name
        call = RoutedCall(self._hooks.name, operation, table)
        under_way = context[self._key] = CallUnderWay(call, perf_counter(), self._hooks.engine.agent.reading.stage)
        _ = CALL.set(call)
        self._watch.tell(CallBegan(migration=call.migration, call=call, at_ns=time.time_ns()))
        return under_way

    @contextmanager
    def beginning(self, context: dict[str, Any]) -> Generator[list[Short | None]]:
        """While a call is taken over; what is put into the list is what came of it."""
        came: list[Short | None] = []
        token = CALL.set(CALL.get())
        try:
            yield came
        except Exception as error:
            self._ended(context, 0.0, error_name(error))
            raise
        finally:
            CALL.reset(token)
        under_way: CallUnderWay | None = context.get(self._key)
        if under_way is None:
            return
        if came[0] is not None:
            status, parsed = came[0]
            self._ended(context, 0.0, error_code(status.status_code, parsed))
        else:
            under_way.sent_at = perf_counter()

    @contextmanager
    def ending(self, context: dict[str, Any], given: Callable[[], str]) -> Generator[None]:
        """While a call gets its answer; `given` says with which error, once it is there."""
        under_way: CallUnderWay | None = context.get(self._key)
        if under_way is None:
            yield
            return
        arrived = perf_counter()
        token = CALL.set(under_way.call)
        try:
            yield
        except Exception as error:
            self._ended(context, arrived, error_name(error))
            raise
        finally:
            CALL.reset(token)
        self._ended(context, arrived, given())

    def _ended(self, context: dict[str, Any], arrived: float, error: str) -> None:
        """`arrived`: when an answer came that was waited for; 0: none was."""
        under_way: CallUnderWay | None = context.pop(self._key, None)
        if under_way is None:
            return
        now = perf_counter()
        waited = arrived - under_way.sent_at if arrived and under_way.sent_at else 0.0
        seconds = now - under_way.began
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
        with self._events.beginning(context) as came:
            came.append(super().before_call(model, params, context))
        return came[0]

    def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> None:
        with self._events.ending(context, lambda: error_code(http_response.status_code, parsed)):
            super().after_call(http_response, parsed, context)

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> None:
        with self._events.ending(context, lambda: error_name(exception)):
            super().after_call_error(exception, context)


class ObservedInlineHooks(ObservedHooks, InlineHooks):
    """Hooks whose calls are told, with an engine that works within its callers' calls."""
