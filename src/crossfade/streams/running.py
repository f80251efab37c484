"""What both runners do alike: find the streams, say when to stop, and sit out a lease that is being renewed."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from crossfade.core.stages import Side
from crossfade.errors import ConfigurationError, Refused, StageUncertain
from crossfade.jobs.session import Session
from crossfade.jobs.workers import UNCERTAIN_RETRY_SECONDS, UNCERTAIN_SECONDS_MAX
from crossfade.migration import Migration
from crossfade.streams.asking import Stream
from crossfade.streams.finding import enable, stream_arn
from crossfade.streams.meaning import MEANINGS
from crossfade.streams.result import Ending

T = TypeVar("T")

WATCH_ADVICE: Final = "crossfade verify shows what is different now; then crossfade watch --afresh goes on from here"
REPLICATE_ADVICE: Final = (
    "crossfade verify --repair --execute, then crossfade replicate --afresh --execute goes on from here"
)


def refuse_unknown(migration: Migration) -> None:
    """Raises Refused for a strategy of which it is not said what a write of the source means."""
    if migration.strategy not in MEANINGS:
        raise Refused(
            f"migration {migration.name} goes by the strategy {migration.strategy}, of which change streams are not"
            " followed: in it nothing is mirrored",
            next_step="crossfade verify --execute shows what the new table lacks",
        )


@dataclass(slots=True)
class Stopping:
    """When to stop: on request, or after so many seconds. `moment` is monotonic."""

    request: threading.Event
    moment: float | None
    complete: bool = False
    counts: Counter[str] = field(default_factory=Counter[str])

    def asked(self, now: float) -> bool:
        return self.complete or self.request.is_set() or (self.moment is not None and now >= self.moment)

    def ending(self, now: float) -> Ending:
        if self.complete:
            return "complete"
        return "stopped" if self.asked(now) else "present end"


async def streams_of(session: Session, sides: Sequence[Side], advice: str, command: str, *, on: bool) -> list[Stream]:
    """The streams of these tables. `on`: switch on those that are off; else ConfigurationError with the command."""
    found: list[Stream] = []
    for side in sides:
        table = session.migration.table_name(side)
        arn = await session.run(enable(side, table) if on else stream_arn(side, table))
        if not arn:
            raise ConfigurationError(f"table {table} has no stream that is switched on", next_step=command)
        found.append(Stream(side, table, arn, advice))
    return found


async def while_uncertain(session: Session, work: Callable[[], Awaitable[T]]) -> T:
    """Try again while the lease does not cover it: raises StageUncertain only after minutes."""
    since: float | None = None
    while True:
        try:
            return await work()
        except StageUncertain:
            now = session.now()
            since = now if since is None else since
            if session.failure is not None or now - since > UNCERTAIN_SECONDS_MAX:
                raise
        await asyncio.sleep(UNCERTAIN_RETRY_SECONDS)
