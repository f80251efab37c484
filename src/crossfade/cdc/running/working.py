"""A worker of the group that applies, and dead letters once more: each in a process that holds a lease."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from crossfade.cdc.etl.applier import Counts
from crossfade.cdc.etl.lanes import IN_FLIGHT_MAX
from crossfade.cdc.etl.progress import UNKNOWN
from crossfade.cdc.etl.retrying import Retried, Retry
from crossfade.cdc.etl.standing import Resting
from crossfade.cdc.etl.worker import Settings, Worker
from crossfade.cdc.running.leased import Leased
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.control.records import Role
from crossfade.control.streams import LAG_SECONDS_MAX
from crossfade.core.stages import Stage
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.session import NoteFunction

LOOK_SECONDS: Final = 1.0


@dataclass(slots=True)
class Look:
    """How far one worker is."""

    counts: Counts = field(default_factory=Counts)
    partitions: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Worked:
    """How it ended: `stopped`, `quiet` (as long as asked), or `over` (the migration is complete). `lag_seconds` tells
    of a quiet source whether it is known to be: without markers nobody would know."""

    status: str
    look: Look
    lag_seconds: float = UNKNOWN

    @property
    def is_known_to_be_quiet(self) -> bool:
        return 0 <= self.lag_seconds <= LAG_SECONDS_MAX


def run_worker(
    pipeline: Pipeline,
    *,
    stop: threading.Event,
    on_look: Callable[[Look], None],
    note: NoteFunction,
    quiet_seconds: float | None = None,
    past_removals: Collection[str] = (),
    past_gaps: Collection[str] = (),
) -> Worked:
    """Until `stop` is set, or no change has come for so long. Raises what stops a worker."""
    settings = pipeline.etl(past_removals, past_gaps)
    return run_on_own_loop(_work(pipeline, settings, stop, on_look, note, quiet_seconds))


async def _work(
    pipeline: Pipeline,
    settings: Settings,
    stop: threading.Event,
    on_look: Callable[[Look], None],
    note: NoteFunction,
    quiet_seconds: float | None,
) -> Worked:
    await asyncio.to_thread(pipeline.see_to_topics)
    async with _leased(pipeline, note) as leased:
        look, began = Look(), time.monotonic()
        reading = await asyncio.to_thread(pipeline.reading)
        worker: Worker | None = None

        def over() -> bool:
            return stop.is_set() or leased.failure is not None or leased.stage is Stage.COMPLETE

        async def show() -> None:
            while True:
                look.partitions = len(worker.partitions) if worker is not None else 0
                look.seconds = time.monotonic() - began
                on_look(look)
                await asyncio.sleep(LOOK_SECONDS)

        showing = asyncio.create_task(show(), name="crossfade-show")
        try:
            while True:
                run = await leased.begun(over)
                worker = Worker(settings, pipeline.destination(), run, reading, counts=look.counts)
                with contextlib.suppress(Resting):  # then anew, from the offsets that are kept
                    _ = await worker.work(over, quiet_seconds=quiet_seconds)
                    break
        finally:
            _ = showing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await showing
        leased.raise_failure()
        look.seconds = time.monotonic() - began
        if leased.stage is Stage.COMPLETE:
            return Worked("over", look)
        if stop.is_set():
            return Worked("stopped", look)
        return Worked("quiet", look, await asyncio.to_thread(pipeline.lag_seconds))


def run_retry(pipeline: Pipeline, *, note: NoteFunction) -> Retried:
    """Over the dead letters that are there now. Raises what stops a worker."""
    return run_on_own_loop(_retry(pipeline, note))


async def _retry(pipeline: Pipeline, note: NoteFunction) -> Retried:
    await asyncio.to_thread(pipeline.refuse_without_topics)
    async with _leased(pipeline, note) as leased:
        reading = await asyncio.to_thread(pipeline.reading)
        run = await leased.begun(lambda: False)
        return await Retry(pipeline.etl(), pipeline.destination(), run, reading).run()


def _leased(pipeline: Pipeline, note: NoteFunction) -> Leased:
    return Leased(pipeline.migration, pipeline.client, Role.ETL, pipeline.caller, note, calls_max=IN_FLIGHT_MAX)
