"""Which metrics an event changes, and by how much. The only place where events become numbers.

A change is a metric, a value and the values of its labels in the table's order. Counters are added to, histograms get
one more value, gauges are set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from crossfade.core.request.error_codes import ERROR_CODES, Again, Fault
from crossfade.core.stages import ALL_LADDERS
from crossfade.observe import metrics
from crossfade.observe.calls import CallEnded, OwnRequest, Pulse, WorkEnded
from crossfade.observe.events import Compared, Event, FallbackHit, MirrorLost
from crossfade.observe.metrics import ERROR, EVENT, FALLBACK_OUTCOME, OPERATION, OUTCOME, Metric

Change: TypeAlias = tuple[Metric, float, tuple[str, ...]]

THROTTLED: Final = frozenset(row.code for row in ERROR_CODES if row.fault is Fault.LOAD)
CONFLICTING: Final = frozenset(
    row.code for row in ERROR_CODES if row.fault is Fault.RACE and row.again is Again.YES
) | {"TransactionCanceledException"}


def measured(event: Event) -> Iterator[Change]:
    """Return what an event changes."""
    return MEASURED.get(type(event), of_any)(event)


def of_any(event: Event) -> Iterator[Change]:
    if event.name:
        yield metrics.EVENTS, 1, (event.migration, EVENT.bounded(event.name))


def of_call(event: CallEnded) -> Iterator[Change]:
    call, error = event.call, event.error
    calls, duration, added = labels_of_call(
        call.migration, call.operation, call.table, event.side, event.stage, ERROR.bounded(error)
    )
    yield metrics.CALLS, 1, calls
    yield metrics.CALL_DURATION, event.seconds, duration
    yield metrics.CALL_ADDED, event.seconds_added, added
    if error:
        yield from of_refusal(error, calls[:3])


@lru_cache(1024)
def labels_of_call(
    migration: str, operation: str, table: str, side: str, stage: str, error: str
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the labels of the three metrics of a call; there are few of them, and many calls."""
    operation = OPERATION.bounded(operation)
    return (
        (migration, operation, side, stage, error),
        (migration, operation, table, stage, error),
        (migration, operation, stage),
    )


def of_refusal(code: str, labels: tuple[str, ...]) -> Iterator[Change]:
    if code in THROTTLED:
        yield metrics.THROTTLES, 1, labels
    elif code in CONFLICTING:
        yield metrics.CONFLICTS, 1, labels


def of_request(event: OwnRequest) -> Iterator[Change]:
    name, operation = event.migration, OPERATION.bounded(event.operation)
    yield metrics.REQUESTS, 1, (name, operation, event.side, ERROR.bounded(event.error))
    for side, units in event.units:
        yield metrics.UNITS, units, (name, operation, side)
    if event.error:
        yield from of_refusal(event.error, (name, operation, event.side))


def of_work(event: WorkEnded) -> Iterator[Change]:
    if event.kind != "mirror":
        return  # what a comparison comes to is an event of its own
    labels = (event.migration,)
    yield metrics.MIRRORS, 1, (event.migration, event.outcome)
    yield metrics.MIRROR_DELAY, event.seconds_waited + event.seconds, labels
    if event.pauses:
        yield metrics.MIRROR_RETRIES, event.pauses, labels


def of_pulse(event: Pulse) -> Iterator[Change]:
    labels = (event.migration,)
    yield metrics.MIRRORS_WAITING, event.mirrors_waiting, labels
    yield metrics.MIRROR_OLDEST, event.oldest_mirror_seconds, labels
    yield metrics.HOLDS_LEASE, int(event.holds_lease), labels
    yield metrics.PENDING, event.pending, labels
    for stage in ALL_LADDERS[event.strategy]:
        yield metrics.IN_STAGE, int(stage == event.stage), (event.migration, stage.value)


def of_compare(event: Compared) -> Iterator[Change]:
    yield metrics.COMPARES, 1, (event.migration, OUTCOME.bounded(event.outcome))


def of_fallback(event: FallbackHit) -> Iterator[Change]:
    yield metrics.FALLBACKS, 1, (event.migration, FALLBACK_OUTCOME.bounded(event.outcome))


def of_loss(event: MirrorLost) -> Iterator[Change]:
    yield metrics.MIRRORS_LOST, 1, (event.migration,)


MEASURED: Final[Mapping[type[Event], Callable[[Any], Iterator[Change]]]] = {
    CallEnded: of_call,
    OwnRequest: of_request,
    WorkEnded: of_work,
    Pulse: of_pulse,
    Compared: of_compare,
    FallbackHit: of_fallback,
    MirrorLost: of_loss,
}
