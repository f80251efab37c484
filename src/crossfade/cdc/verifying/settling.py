"""Whether what was under way at a moment has arrived: the log, applied up to where the source ended then.

A difference that is seen while something is under way is none. So one is looked at again when all that the source's log
held at the first look is in the target: it is the log that says when, and no guess of how long a change may take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.etl.progress import progress_of
from crossfade.cdc.mysql.positions import Position, reaches
from crossfade.control.capturing import Captures
from crossfade.control.records import CaptureRecord
from crossfade.core.effects import Routine
from crossfade.errors import NotPossibleInStage

PATIENCE_SECONDS: Final = 300.0  # of a log that does not come any further; an ETL that is started anew takes some
ASK_SECONDS: Final = 0.3  # between two questions

Arrived = Callable[[], Awaitable[bool]]


class Settling(Protocol):
    """Asked at a moment, and then whether what was under way then has arrived."""

    async def begin(self) -> Arrived:
        """Begin to wait. The result raises NotPossibleInStage where it takes too long."""
        ...


class LogApplied:
    """Waits by the log. Both functions block: where it ends, and whether all up to a position is applied."""

    def __init__(
        self,
        end_of_log: Callable[[], Position],
        has_reached: Callable[[Position], bool],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._end_of_log = end_of_log
        self._has_reached = has_reached
        self._patience_seconds = patience_seconds
        self._asking = asyncio.Lock()

    async def begin(self) -> Arrived:
        end, since = await asyncio.to_thread(self._end_of_log), time.monotonic()

        async def arrived() -> bool:
            async with self._asking:
                if await asyncio.to_thread(self._has_reached, end):
                    return True
            if time.monotonic() - since > self._patience_seconds:
                raise NotPossibleInStage(
                    f"the log was not applied within {self._patience_seconds:g} s up to where the source ended, so "
                    "nobody can tell a difference from what is under way",
                    next_step="see to it that the ETL runs and keeps up (crossfade status), then run the same again",
                )
            return False

        return arrived


class Pause:
    """Waits for some time, in the stages whose writes are mirrored back and no log carries anything."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def begin(self) -> Arrived:
        until = time.monotonic() + self._seconds

        async def arrived() -> bool:
            return time.monotonic() >= until

        return arrived


def applied_by_group(settings: dict[str, Any], group: str, topics: Sequence[str]) -> Callable[[Position], bool]:
    """Return a function that asks the group's offsets what is applied. It raises KafkaFailed."""
    return lambda position: progress_of(settings, group, topics, wall=time.time).has_reached(position)


def applied_by_capture(captures: Captures, run: Callable[[Routine[Any]], Any]) -> Callable[[Position], bool]:
    """Return a function that asks the capture's checkpoint what is applied. `run` carries out a routine."""

    def has_reached(position: Position) -> bool:
        found: CaptureRecord | None = run(captures.found())
        return bool(found and found.position) and reaches(_position(found), position)

    return has_reached


def _position(record: CaptureRecord | None) -> Position:
    if record is None:
        raise ChangeUnreadable("nothing carries the log")
    return Position.of_text(record.position)
