"""Simulated processes, the routines that they run, and the requests that they have sent."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from crossfade.core.effects import Call, Effect
from crossfade.drivers.key_queues import KeyQueues
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.errors import CrossfadeError

Answered: TypeAlias = Callable[[Any, CrossfadeError | None], None]
AnyRoutine: TypeAlias = Generator[Effect[Any], Any, Any]


@dataclass(slots=True)
class Process:
    """One simulated process; a restarted one is another."""

    name: str
    alive: bool = True
    paused_until: float = 0.0
    slowed_until: float = 0.0
    cut_off_until: float = 0.0  # from the control table
    suspended_seconds: float = 0.0  # which its monotonic clock has not counted
    suspended_at: float = 0.0  # since when, where it stands still with its machine; 0.0 where without
    held: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    in_flight: list[Flight] = field(default_factory=list["Flight"])
    closing: dict[object, Callable[[], None]] = field(default_factory=dict[object, Callable[[], None]])
    """What else ends with it."""

    queues: KeyQueues = field(default_factory=KeyQueues)
    """Of its operations, which run beside one another."""

    def close(self) -> None:
        closing, self.closing = self.closing, {}
        for close in closing.values():
            close()


@dataclass(slots=True)
class Task:
    """One routine under way, and what it obeys. `keys` are the names of the items concerned, for people."""

    process: Process
    routine: AnyRoutine
    name: str
    then: Answered
    scope: Scope
    kind: str  # caller, mirror, compare, agent, job
    keys: tuple[str, ...] = ()
    sent_twice: Callable[[], None] = lambda: None  # called when an SDK sends the caller's request a second time
    through: Callable[[Task, Call, Answered], None] | None = None  # how its requests go, if not at once to the network

    @property
    def stage(self) -> str:
        """The stage that this work obeys, if any."""
        return self.scope.ticket.stage if isinstance(self.scope, TicketScope) else ""


@dataclass(slots=True, eq=False)
class Flight:
    """A request that has been sent and has not landed."""

    task: Task
    call: Call
    sent_at: float
    landed: bool = False
    begun: bool = False  # a part of it has been carried out


class Watcher(Protocol):
    """Told of everything that happens; traces and checkers are watchers."""

    def sent(self, task: Task, call: Call) -> None: ...
    def landed(self, task: Task, call: Call, outcome: object, late: str) -> None: ...
    def ended(self, task: Task, outcome: object) -> None: ...
    def noted(self, who: str, name: str, facts: dict[str, Any]) -> None: ...
