"""The events of calls: what the router itself tells, where an observer asks for events.

A call of the application has one at its end, and so have what it leaves for later (which may come before) and each
request that crossfade makes; a pulse says how the process stands. They are made in `aws/observed.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from crossfade.observe.events import Event


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class RoutedCall:
    """One call of the application that crossfade takes part in: what its events have in common, and each its own."""

    migration: str
    operation: str
    table: str  # the first that the request names
    at_ns: int  # when it was made, since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """A call has its answer. `seconds_added` is what it spent within crossfade: all of it where crossfade made its own
    requests for it, and where the caller's own request went out, what was before that and after its answer."""

    name: ClassVar[str] = "call"
    call: RoutedCall
    stage: str
    side: str  # the one that decides in this stage
    seconds: float
    seconds_added: float
    error: str  # DynamoDB's code, the name of an exception, or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEnded(Event):
    """What a call has left for later has ended: a mirror, a comparison, a look. `pauses`: how often it waited, to try
    or to look again."""

    name: ClassVar[str] = "work"
    kind: str
    outcome: str  # done, failed
    seconds_waited: float
    seconds: float
    pauses: int
    call: RoutedCall | None  # None: of no call that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRequest(Event):
    """A request that crossfade has made itself. `units`: what it consumed, by side."""

    name: ClassVar[str] = "own_request"
    operation: str
    side: str  # source, target, control; both
    seconds: float
    error: str
    units: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse(Event):
    """How this process stands, each time that it has renewed its lease."""

    name: ClassVar[str] = "pulse"
    client: str
    strategy: str
    stage: str
    epoch: int
    holds_lease: bool
    pending: int
    mirrors_waiting: int
    oldest_mirror_seconds: float
