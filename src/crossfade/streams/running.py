"""What both runners do alike: find the streams, say when to stop, and sit out a lease that is being renewed."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from crossfade.core.stages import ALL_LADDERS, Side
from crossfade.errors import ConfigurationError, NotPossibleInStage, StageUncertain
from crossfade.jobs.session import Session
from crossfade.jobs.workers import UNCERTAIN_RETRY_SECONDS, UNCERTAIN_SECONDS_MAX
from crossfade.migration import Migration
from crossfade.streams.asking import Stream
from crossfade.streams.finding import enable, stream_arn
from crossfade.streams.result import Ending

T = TypeVar("T")

WATCH_ADVICE: Final = "crossfade verify shows what is different now; then crossfade watch --afresh goes on from here"
REPLICATE_ADVICE: Final = (
    "crossfade verify --repair --execute, then crossfade replicate --afresh --execute goes on from here"
)
SETTLE_ADVICE: Final = "crossfade verify, which needs no stream"


def refuse_without_mirrors(migration: Migration) -> None:
    """Raises NotPossibleInStage for a strategy in which the two tables are not kept equal."""
    if not any(row.keeps_equal for row in ALL_LADDERS[migration.strategy].values()):
        raise NotPossibleInStage(
            f"migration {migration.name} goes by the strategy {migration.strategy}, in which nothing is mirrored, so"
            " there is nothing to replicate",
            next_step="crossfade watch --repair --execute brings stray writes over",
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
        strategy = session.migration.strategy
        arn = await session.run(enable(side, table, strategy) if on else stream_arn(side, table))
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
