"""The source's log, carried on by one process: into topics, or without Kafka straight into the target.

`backfill` reads the log with a snapshot beside it, and ends when the snapshot is told completely. `replicate` goes on
from there. Both keep one checkpoint, a position with the snapshot's progress, in the control table: whoever takes it
over goes on where the one before was, and has that one end (Fenced).

Where others capture the log into topics of theirs, both only report: marks are sent round (`rounds.py`), and the last
one up to which all is applied is the position. Theirs is the snapshot as well: a backfill is complete when a mark has
come round that was sent after it was loaded.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.cdc.checkpoints import Checkpoint
from crossfade.cdc.etl.direct import Carried, carry
from crossfade.cdc.etl.progress import Progress as EtlProgress
from crossfade.cdc.etl.reasons import Reasons
from crossfade.cdc.etl.standing import Resting
from crossfade.cdc.mysql.errors import SourceGone
from crossfade.cdc.mysql.positions import Position, reaches
from crossfade.cdc.mysql.preflight import lacks, require
from crossfade.cdc.mysql.schema import rows_estimated
from crossfade.cdc.mysql.snapshot import Progress
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.wire import may_replicate
from crossfade.cdc.publishing import (
    AGAIN_SECONDS,
    PATIENCE_SECONDS,
    SAVE_SECONDS,
    Capture,
    Published,
    Publisher,
)
from crossfade.cdc.running.leased import Leased
from crossfade.cdc.running.pipeline import HEARTBEAT_SECONDS, MARK_SECONDS, Pipeline
from crossfade.cdc.running.reporting import Reporting
from crossfade.cdc.running.rounds import Rounds, reached_by_all
from crossfade.cdc.running.telling import Telling
from crossfade.cdc.running.tracking import Look, Tracked
from crossfade.control.jobs import claim_job, finish_job, load_checkpoints, means_nothing, save_checkpoint
from crossfade.control.records import Job, Role
from crossfade.core.stages import FREEZE, FREEZE_STRATEGY, Stage
from crossfade.errors import NotPossibleInStage
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.session import NoteFunction

CALLS_MAX: Final = 64  # of the bulk client: what is under way without Kafka, and the control plane's own
LOOK_SECONDS: Final = 0.25
BEGUN: Final = "begun"  # of the job's one segment: this run's snapshot has begun, and may be gone on with


@dataclass(frozen=True, slots=True)
class Captured:
    """How it ended: `complete` (the snapshot is told), `stopped`, or `over` (the migration is complete)."""

    status: str
    look: Look
    seconds: float
    resumed: bool = False


def run_capture(
    pipeline: Pipeline,
    source: Source,
    *,
    backfill: bool,
    stop: threading.Event,
    on_look: Callable[[Look], None],
    note: NoteFunction,
    again: bool = False,
    from_now: bool = False,
    once: bool = False,
    seconds: float | None = None,
    past_removals: Collection[str] = (),
) -> Captured:
    """Until it is done, or `stop` is set, or so many seconds are over, or `once` at the log's present end.

    `from_now`: a backfill begins anew, and reads the log from where it ends now. Raises what reading, publishing and
    applying raise, NotPossibleInStage where this means nothing, and Fenced where another process has taken over."""
    run = _Run(pipeline, source, stop, on_look, past_removals, backfill=backfill, once=once, seconds=seconds)
    return run_on_own_loop(run.work(note, again=again or from_now, from_now=from_now))


def check_stage(stage: Stage, *, backfill: bool) -> None:
    """Raises NotPossibleInStage where it means nothing."""
    row = FREEZE[stage]
    if row.is_single:
        raise means_nothing("backfill" if backfill else "replication", FREEZE_STRATEGY, stage)
    if backfill and row.authority != "source":
        raise NotPossibleInStage(
            f"a backfill means nothing in stage {stage}: the target decides what is in it",
            next_step="crossfade rollback --to shadow --execute",
        )


class _Run:
    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        stop: threading.Event,
        on_look: Callable[[Look], None],
        past_removals: Collection[str],
        *,
        backfill: bool,
        once: bool,
        seconds: float | None,
    ) -> None:
        self._once = once
        self._end: Position | None = None  # of the log when it began, where that is far enough
        self._pipeline = pipeline
        self._source = source
        self._stop_event = stop
        self._on_look = on_look
        self._backfill = backfill
        self._until = None if seconds is None else time.monotonic() + seconds
        self._tracked = Tracked(pipeline.checkpoints())
        self._look = Look(tables_total=len(pipeline.migration.tables))
        self._carried = Carried()
        self._published: Published | None = None  # with Kafka
        self._leased: Leased | None = None
        self._reporting: Reporting | None = None
        self._rounds = Rounds(pipeline, source) if pipeline.theirs else None
        self._telling = Telling(
            pipeline,
            source,
            self._tracked,
            self._look,
            backfill=backfill,
            past_removals=past_removals,
            rounds=self._rounds,
        )
        self._reached: Position | None = None  # the last mark up to which all is applied, of those that went round

    async def work(self, note: NoteFunction, *, again: bool, from_now: bool) -> Captured:
        pipeline = self._pipeline
        began = time.monotonic()
        role = Role.BACKFILL if self._backfill else Role.REPLICATION
        leased = Leased(pipeline.migration, pipeline.client, role, pipeline.caller, note, calls_max=CALLS_MAX)
        async with leased:
            self._leased = leased
            check_stage(leased.stage, backfill=self._backfill)
            claim = segment = None
            if self._backfill:
                claim = await leased.run(claim_job(leased.agent, pipeline.caller, Job.BACKFILL, 1, again=again))
            found = await asyncio.to_thread(self._tracked.take)
            if from_now and self._rounds is None:
                found = Checkpoint(str(await asyncio.to_thread(self._telling.end_after, found.position)))
            await asyncio.to_thread(self._prepare, found)
            if claim is not None:
                segment = (await leased.run(load_checkpoints(claim)))[0]
                if from_now or not segment.counts.get(BEGUN):
                    await asyncio.to_thread(self._tracked.save, Checkpoint(found.position, ""))
                    segment = await leased.run(save_checkpoint(claim, replace(segment, counts={BEGUN: 1})))
            if self._once or (self._backfill and self._rounds is not None):
                self._end = await asyncio.to_thread(self._telling.now)
            await self._carry(leased)
            if claim is not None and segment is not None and self._tracked.is_told:
                counts = {"rows": self._look.snapshot_rows, "changes": self._look.changes}
                _ = await leased.run(save_checkpoint(claim, replace(segment, done=True)))
                _ = await leased.run(finish_job(claim, counts, clean=True, finished_at=pipeline.caller.clock()))
            told = self._backfill and self._tracked.is_told
            status = "complete" if told else "over" if leased.stage is Stage.COMPLETE else "stopped"
            resumed = claim is not None and claim.resumed
        return Captured(status, self._look, time.monotonic() - began, resumed)

    def _prepare(self, found: Checkpoint) -> None:
        """See that the source can be followed, that the topics are there, and what there is to do."""
        if not self._backfill and found.snapshot and not self._tracked.is_told:
            raise NotPossibleInStage(
                "a backfill has begun and is not complete: it carries the log on by itself meanwhile",
                next_step="crossfade backfill --execute, then this again",
            )
        migration = self._pipeline.migration
        position = Position.of_text(found.position) if found.position else None
        with self._source.connect() as connection:
            require(
                lacks(
                    connection,
                    migration.tables,
                    watermarks=self._telling.marks,
                    may_replicate=None
                    if self._rounds is not None
                    else lambda: may_replicate(self._source, migration.source.server_id),
                    position=position if self._rounds is None else None,
                )
            )
            if self._backfill:
                self._look.snapshot_rows_total = rows_estimated(connection, migration.tables)
        if migration.topics is not None:
            if self._rounds is not None:
                self._pipeline.see_to_topics()
            elif self._backfill:
                self._pipeline.create_topics()
            else:
                self._pipeline.refuse_without_topics()

    # --- carrying

    async def _carry(self, leased: Leased) -> None:
        pipeline = self._pipeline
        direct = pipeline.migration.topics is None
        self._reporting = Reporting(
            pipeline,
            leased,
            end_of_log=self._telling.now,
            progress=self._carried.progress if direct else self._come_round if self._rounds else pipeline.progress,
            letters_left=(lambda: 0) if direct else pipeline.letters_left,
            letters_why=Reasons(pipeline.letters_why),
            on_beat=self._beat,
        )
        self._reporting.start()
        showing = asyncio.create_task(self._show(), name="crossfade-show")
        try:
            if direct:
                await self._into_target(leased)
            elif self._rounds is not None:
                await asyncio.to_thread(self._beside_their_capture)
            else:
                await asyncio.to_thread(self._into_topics)
        finally:
            _ = showing.cancel()
            await asyncio.to_thread(self._reporting.end)
            if self._rounds is not None:
                self._rounds.close()
        leased.raise_failure()
        if self._reporting.failure is not None:
            raise self._reporting.failure

    def _stop(self) -> bool:
        """Asked on whatever thread reads."""
        assert self._leased is not None  # noqa: S101 - see `work`
        assert self._reporting is not None  # noqa: S101 - see `_carry`
        return (
            self._stop_event.is_set()
            or (self._until is not None and time.monotonic() >= self._until)
            or (self._backfill and self._tracked.is_told)
            or (self._end is not None and self._tracked.has_reached(self._end))
            or self._leased.failure is not None
            or self._reporting.failure is not None
            or self._leased.stage is Stage.COMPLETE
        )

    def _into_topics(self) -> None:
        pipeline = self._pipeline

        def publish(*arguments: Any) -> Publisher:
            made = Publisher(*arguments, mark_seconds=MARK_SECONDS)
            self._published = made.published
            return made

        capture = Capture(
            self._source,
            pipeline.migration.source.server_id,
            pipeline.topics,
            pipeline.kafka,
            self._tracked,
            self._telling.now,
            self._telling.watermarks,
            self._telling.told,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            past_removals=self._telling.past_removals,
        )
        _ = capture.run(self._stop, publish)

    def _beside_their_capture(self) -> None:
        """Keep the last mark that came round, as our own capture keeps its position."""
        while True:
            reached, snapshot = self._reached, self._tracked.last.snapshot
            if reached is not None:
                if self._backfill and self._end is not None and reaches(reached, self._end):
                    snapshot = str(Progress(self._pipeline.migration.tables, finished=True))
                self._tracked.save(Checkpoint(str(reached), snapshot))
            if self._stop():
                return
            _ = self._stop_event.wait(SAVE_SECONDS)

    def _come_round(self) -> EtlProgress:
        assert self._rounds is not None  # noqa: S101 - see `_carry`
        found = self._rounds.progress()
        self._reached = reached_by_all(found) or self._reached
        return found

    async def _into_target(self, leased: Leased) -> None:
        """Apply the log; where the source goes away, begin again from the position that was kept."""
        gone_since: float | None = None
        while True:
            before = self._tracked.last
            try:
                await self._into_target_once(leased)
            except Resting:
                continue  # anew, from the position that is kept
            except SourceGone:
                now = time.monotonic()
                if gone_since is None or before != self._tracked.last:
                    gone_since = now
                if now - gone_since > PATIENCE_SECONDS:
                    raise
            if self._stop():
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _into_target_once(self, leased: Leased) -> None:
        run = await leased.begun(self._stop)
        kept = self._tracked.last
        reader = await asyncio.to_thread(self._telling.reader, kept)
        try:
            _ = await carry(
                self._telling.told(reader, kept.snapshot),
                self._pipeline.destination(),
                run,
                self._tracked,
                self._tracked.last,
                stop=self._stop,
                carried=self._carried,
                counts=self._look.counts,
            )
        finally:
            reader.close()

    # --- showing

    def _beat(self, found: EtlProgress) -> None:
        self._look.lag_events, self._look.lag_seconds = found.lag_events, found.lag_seconds

    async def _show(self) -> None:
        while True:
            if self._published is not None:
                self._look.changes = self._published.changes
            elif not self._backfill:
                self._look.changes = self._look.counts.changes
            self._on_look(self._look)
            await asyncio.sleep(LOOK_SECONDS)
