"""What an application's calls are made through, whichever way its requests go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from crossfade.control.agent import Agent
from crossfade.core.effects import Reply, Request
from crossfade.core.stages import Row
from crossfade.core.tables.pair import Pair
from crossfade.errors import CrossfadeError
from crossfade.sim.processes import Process

# The reply or the error; whether a write was sent.
Told: TypeAlias = Callable[[Reply | None, CrossfadeError | None, bool], None]


class Application(Protocol):
    """A process of an application: a client of one migration, or of two."""

    @property
    def process(self) -> Process: ...
    @property
    def pair(self) -> Pair: ...
    @property
    def agent(self) -> Agent: ...
    @property
    def ready(self) -> bool: ...
    @property
    def left(self) -> bool: ...
    @property
    def row(self) -> Row:
        """What its stage means."""
        ...

    @property
    def pending(self) -> int:
        """Operations and mirrors that have not ended."""
        ...

    @property
    def deadline(self) -> float:
        """Until when the stage is known that it obeys."""
        ...

    def call(
        self,
        operation: str,
        request: Request,
        keys: tuple[str, ...],
        told: Told,
        sent_twice: Callable[[], None] = lambda: None,
    ) -> None:
        """Make one call. `keys` names the items concerned, for the trace; `sent_twice` is called at the moment when
        its SDK sends it again, since a process that crashes tells nothing any more."""
        ...
