"""The events of what the router does by itself, where an observer asks for them: work left for later, own requests.

Nothing here, nor in `observed_hooks.py` and `observed_aio_hooks.py`, is imported otherwise. A call is told where it is
made, in its own thread or task; so `CALL` says, while it is under way, on whose behalf work is left for later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from time import perf_counter
from typing import Any, Final, Protocol, cast

from crossfade.control.agent import Agent
from crossfade.core.effects import Effect, Later, Place, Reply, Request, Routine, Sleep, relayed
from crossfade.core.request.names import PARTIQL, READS, WRITES, plain_name, table_names
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from crossfade.observe import Watch
from crossfade.observe.calls import OwnRequest, Pulse, RoutedCall, WorkEnded

COUNTED: Final = (READS | WRITES) - PARTIQL
CONSUMED: Final = "ConsumedCapacity"
ASKED: Final = "ReturnConsumedCapacity"
# The call of the application that is under way in this thread or task, or on whose behalf its routine runs.
CALL: Final[ContextVar[RoutedCall | None]] = ContextVar("crossfade_call", default=None)


def error_name(error: BaseException) -> str:
    """Return the code of an error of DynamoDB, the name of any other."""
    if isinstance(error, ServiceRejected):
        return error.code
    response: Reply = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", "")) or type(error).__name__


def on_behalf(function: Callable[[], None]) -> Callable[[], None]:
    """Return the function as one that is called for the call that is under way here, wherever that will be."""
    call = CALL.get()

    def called() -> None:
        token = CALL.set(call)
        try:
            function()
        finally:
            CALL.reset(token)

    return called


def observed_work(later: Later, watch: Watch, migration: str) -> Later:
    """Return the work with an event at its end. It is of the call that is under way here."""
    return replace(later, routine=_working(later, CALL.get(), watch, migration, perf_counter()))


def _working(later: Later, call: RoutedCall | None, watch: Watch, migration: str, put_at: float) -> Routine[None]:
    began, pauses, outcome = perf_counter(), 0, "failed"

    def seen(effect: Effect[Any]) -> Effect[Any]:
        nonlocal pauses
        pauses += type(effect) is Sleep
        return effect

    try:
        yield from relayed(later.routine, seen)
        outcome = "done"
    finally:
        watch.tell(
            WorkEnded(
                migration=migration,
                kind=later.kind,
                outcome=outcome,
                seconds_waited=began - put_at,
                seconds=perf_counter() - began,
                pauses=pauses,
                call=call,
            )
        )


class HasMirrors(Protocol):
    """What has mirrors that have not ended."""

    @property
    def pending(self) -> int: ...
    @property
    def oldest_seconds(self) -> float: ...


def pulse_of(agent: Agent, strategy: str, work: HasMirrors) -> Pulse:
    """Return how a process stands."""
    stands = agent.reading
    return Pulse(
        migration=agent.control.migration,
        client=agent.client_id,
        strategy=strategy,
        stage=stands.stage.value,
        epoch=stands.epoch,
        holds_lease=agent.holds_lease,
        pending=agent.pending,
        mirrors_waiting=work.pending,
        oldest_mirror_seconds=work.oldest_seconds,
    )


# --- requests of our own


class RequestEvents:
    """Tells of the requests that crossfade makes, and asks for what they consume."""

    def __init__(self, watch: Watch, migration: str, pair: Pair) -> None:
        self._watch = watch
        self._migration = migration
        self._sides = {pair.source.name: "source", pair.target.name: "target"}

    def awaited(self, call: Callable[[str, Request], Awaitable[Reply]]) -> Callable[[str, Request], Awaitable[Reply]]:
        async def told(operation: str, request: Request) -> Reply:
            with self._telling(operation, request) as (asked, reply):
                reply.update(await call(operation, asked))
            return reply

        return told

    def awaited_at(
        self, call: Callable[[Place, str, Request], Awaitable[Reply]]
    ) -> Callable[[Place, str, Request], Awaitable[Reply]]:
        async def told(place: Place, operation: str, request: Request) -> Reply:
            with self._telling(operation, request) as (asked, reply):
                reply.update(await call(place, operation, asked))
            return reply

        return told

    def blocking(self, call: Callable[[Place, str, Request], Reply]) -> Callable[[Place, str, Request], Reply]:
        def told(place: Place, operation: str, request: Request) -> Reply:
            with self._telling(operation, request) as (asked, reply):
                reply.update(call(place, operation, asked))
            return reply

        return told

    @contextmanager
    def _telling(self, operation: str, request: Request) -> Generator[tuple[Request, Reply]]:
        """Give the request that is to be sent; and take, out of the reply that it fills, what nobody asked for."""
        asks = operation in COUNTED and ASKED not in request
        asked, reply, began = {**request, ASKED: "TOTAL"} if asks else request, Reply(), perf_counter()
        error = ""
        try:
            yield asked, reply
        except BaseException as raised:
            error = error_name(raised)
            raise
        finally:
            consumed = reply.pop(CONSUMED, None) if asks else reply.get(CONSUMED)
            self._watch.tell(
                OwnRequest(
                    migration=self._migration,
                    operation=operation,
                    side=self._side(table_names(operation, request)),
                    seconds=perf_counter() - began,
                    error=error,
                    units=tuple(self._units(consumed)),
                )
            )

    def _side(self, tables: Iterable[str]) -> str:
        sides = {self._sides.get(plain_name(table), "control") for table in tables}
        return sides.pop() if len(sides) == 1 else "both"

    def _units(self, consumed: Any) -> Generator[tuple[str, float]]:
        told = cast("list[Reply]", consumed if isinstance(consumed, list) else [consumed] if consumed else [])
        for each in told:
            yield self._side([each.get("TableName", "")]), float(each.get("CapacityUnits", 0.0))
