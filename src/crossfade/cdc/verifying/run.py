"""The runner: every table of rows, and every segment of the target and of the parts, beside one another on one loop."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from crossfade.cdc.applying import Destination
from crossfade.cdc.changes import Version
from crossfade.cdc.mysql.schema import rows_estimated
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.verifying.comparing import Comparer, Seen, Suspect
from crossfade.cdc.verifying.pages import ItemPages, Pages, PartPages, RowPages
from crossfade.cdc.verifying.reading import SourceReads
from crossfade.cdc.verifying.repairing import Mended, Repairer, refuse_stage
from crossfade.cdc.verifying.result import RowVerifyOptions, RowVerifyResult
from crossfade.cdc.verifying.segments import BEYOND_REPAIR, KINDS, SegmentTask
from crossfade.cdc.verifying.settling import Settling
from crossfade.cdc.verifying.strays import STRAYS_MAX, Search
from crossfade.control.gate_texts import BY_HAND, left_to_mend, way_to_clean
from crossfade.control.jobs import (
    Claim,
    backfill_comes_first,
    finish_job,
    load_checkpoints,
    means_nothing,
    save_checkpoint,
)
from crossfade.control.records import Job, Role, SegmentCheckpoint
from crossfade.control.store import Caller
from crossfade.core.mapping.values import show_key
from crossfade.core.stages import ALL_LADDERS, FREEZE, FREEZE_STRATEGY, Stage
from crossfade.jobs.bulk import Segment
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.order import spread_order
from crossfade.jobs.pace import Pace
from crossfade.jobs.progress import Meter, Progress, seconds_left
from crossfade.jobs.segment_run import check_owner, under_claims
from crossfade.jobs.session import JobClient
from crossfade.jobs.workers import Workers
from crossfade.migration import AnyMigration
from crossfade.verify.diff import item_diff_lines
from crossfade.verify.result import SAMPLES_MAX, DifferenceSample, verdict

KINDS_SHOWN: Final[dict[str, Literal["missing", "extra", "mismatched", "stale part"]]] = {
    "missing": "missing",
    "extra": "extra",
    "mismatched": "mismatched",
    "stale_parts": "stale part",
}
REASONS_MAX: Final = 20  # different ones; the counts are of all
REASON_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class RowSides:
    """What is compared. `settling` tells what is under way from what differs, and `mark` under which version a repair
    writes (`Marking`); None: under the one that the target holds."""

    migration: AnyMigration
    source: Source
    destination: Destination
    settling: Settling
    mark: Callable[[], Version] | None = None
    with_parts: bool = True
    """Whether the rows that are kept for items of several are compared as well: while the rows decide."""


def run_row_verify(
    sides: RowSides,
    clients: Clients,
    options: RowVerifyOptions,
    on_progress: Callable[[Progress], None] | None = None,
    stop_event: threading.Event | None = None,
    *,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
) -> RowVerifyResult:
    """Compare all rows with all items, beside the traffic, in any stage in which writes reach both sides.

    Make the clients with `job_config`, one for `target` and one for `control`. Only a run that finds nothing opens the
    gate. One whose lease was lost claims again, and goes on behind its checkpoints. Raises NotPossibleInStage, Fenced,
    SourceError, and what asking how far the log is applied raises.
    """
    stop = stop_event or threading.Event()
    observer = Observer(on_progress, on_note)
    return run_on_own_loop(_verify(sides, clients, options, observer, stop, caller, connect))


async def _verify(
    sides: RowSides,
    clients: Clients,
    options: RowVerifyOptions,
    observer: Observer,
    stop: threading.Event,
    caller: Caller | None,
    connect: Connect,
) -> RowVerifyResult:
    client = JobClient(
        sides.migration,
        clients,
        Role.VERIFY,
        note=observer.note,
        calls_max=options.workers,
        lease_seconds=options.lease_seconds,
        landing_seconds=options.landing_seconds,
        rules=options.rules,
        caller=caller,
        connect=connect,
        reads_only=not options.repair,
    )
    async with client:
        check_stage(client.agent.stage, repair=options.repair)
        reads = SourceReads(sides.source, options.workers)
        try:
            tables = len(sides.destination.rows.tables)
            segments = tables + options.segments * directions(sides)

            async def work(claim: Claim) -> RowVerifyResult:
                return await _Run(client, claim, sides, reads, options, observer, stop).work()

            return await under_claims(client, Job.VERIFY, segments, work)
        finally:
            reads.close()


def check_stage(stage: Stage, *, repair: bool) -> None:
    """Raises NotPossibleInStage where there is nothing to compare, or to repair."""
    if not ALL_LADDERS[FREEZE_STRATEGY][stage].keeps_equal:
        raise means_nothing("verify", FREEZE_STRATEGY, stage)
    if repair:
        refuse_stage(stage)


def directions(sides: RowSides) -> int:
    """Tables of DynamoDB that are scanned: the target, and that of the parts where there are any."""
    return 2 if sides.destination.rows.folds and sides.with_parts else 1


class _Run:
    """What the segments have in common."""

    def __init__(
        self,
        client: JobClient,
        claim: Claim,
        sides: RowSides,
        reads: SourceReads,
        options: RowVerifyOptions,
        observer: Observer,
        stop: threading.Event,
    ) -> None:
        self.client = client
        self.comparer = Comparer(client, reads, sides.destination, with_parts=sides.with_parts)
        self.settling = sides.settling
        self.page_rows = options.page_rows
        self.repairs = options.repair
        self._claim = claim
        self._sides = sides
        self._reads = reads
        self._options = options
        self._observer = observer
        self._stop = stop
        self._repairer = Repairer(client, self.comparer)
        self._pace = Pace(options.rows_per_second)
        self._meter = Meter()
        self._samples: list[DifferenceSample] = []
        self._reasons: Counter[str] = Counter()
        self._tasks: list[SegmentTask] = []
        self._searching = False
        self._total = 0
        self._workers = Workers((), client.now, stop.is_set)

    async def work(self) -> RowVerifyResult:
        await self._prepare()
        started = self.client.now()
        while not self._stop.is_set() and (left := [task for task in self._tasks if not task.checkpoint.done]):
            self._workers = Workers(left, self.client.now, self._stop.is_set)
            await self._workers.work_off(self._options.workers, self._meanwhile)
            await self._deal_with_strays(left)
        await self._observer.progress(self._progress())
        counts = self._counts()
        done = sum(task.checkpoint.done for task in self._tasks)
        if done == len(self._tasks):
            clean = not any(counts[kind] for kind in KINDS)
            at = datetime.now(UTC).isoformat(timespec="seconds")
            _ = await self.client.run(finish_job(self._claim, counts, clean=clean, finished_at=at))
        return self._result(counts, done, self.client.now() - started)

    async def _prepare(self) -> None:
        checkpoints = await self.client.run(load_checkpoints(self._claim))
        rows = self._sides.destination.rows
        tables = len(rows.tables)
        each = (len(checkpoints) - tables) // directions(self._sides)
        spread = [
            tables + n + each * direction for direction in range(directions(self._sides)) for n in spread_order(each)
        ]
        order = [*range(tables), *spread]
        self._tasks = [SegmentTask(self, self._pages(n, each), fresh_start(checkpoints[n])) for n in order]
        self._total = await self._reads.run(lambda connection: rows_estimated(connection, rows.tables))
        self._total += await self.client.count_approximately("target", rows.target.name)

    def _pages(self, number: int, each: int) -> Pages:
        tables = self._sides.destination.rows.tables
        if number < len(tables):
            return RowPages(self.comparer, self._reads, tables[number])
        direction, segment = divmod(number - len(tables), each)
        kind = PartPages if direction else ItemPages
        return kind(self.comparer, self.client, Segment(segment, each))

    async def _deal_with_strays(self, tasks: list[SegmentTask]) -> None:
        """Ask all rows for the items that nobody seems to make."""
        wanted = {stray.key_name for task in tasks for stray in task.strays}
        if not wanted or self._stop.is_set():
            return
        makers = self.comparer.making.makers
        how = self.comparer, self.client, self._reads, self._pace
        searches = [Search(*how, table, wanted, self.page_rows) for table in makers]
        self._searching = True
        self._workers = Workers(searches, self.client.now, self._stop.is_set)
        await self._workers.work_off(self._options.workers, self._meanwhile)
        self._searching = False
        if all(search.done for search in searches):
            self.check_owner()
            for task in tasks:
                await task.conclude(wanted)

    # --- for the segments

    @property
    def strays_full(self) -> bool:
        return sum(len(task.strays) for task in self._tasks) >= STRAYS_MAX

    def check_owner(self) -> None:
        check_owner(self.client, self._claim)

    async def pace(self, amount: int) -> None:
        await self.client.run(self._pace.wait(amount))

    async def save(self, checkpoint: SegmentCheckpoint) -> SegmentCheckpoint:
        return await self.client.run(save_checkpoint(self._claim, checkpoint))

    async def version(self) -> Version | None:
        return await asyncio.to_thread(self._sides.mark) if self._sides.mark is not None else None

    async def mend(self, suspect: Suspect, version: Version | None) -> Mended:
        return await self._repairer.mend(suspect, version)

    def sample(self, kind: str, seen: Seen) -> None:
        if len(self._samples) < SAMPLES_MAX:
            self._samples.append(sample_of(kind, seen))

    def reason(self, mended: Mended) -> None:
        said = mended[0].value + (f": {mended[1]}" if mended[1] else "")
        if said in self._reasons or len(self._reasons) < REASONS_MAX:
            self._reasons[said[:REASON_CHARACTERS_MAX]] += 1

    def progressed(self, items: int) -> None:
        self._meter.add(items)

    # --- what is seen of it

    async def _meanwhile(self) -> None:
        if self.client.failure is not None:
            raise self.client.failure
        self.check_owner()
        await self._observer.progress(self._progress())

    def _counts(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for task in self._tasks:
            total.update(task.counts)
        return total

    def _phase(self) -> str:
        return "stopping" if self._stop.is_set() else "searching" if self._searching else "comparing"

    def _progress(self) -> Progress:
        counts = self._counts()
        rate = self._meter.rate(self.client.now())
        return Progress(
            job="verify",
            phase=self._phase(),
            items_done=self._meter.done,
            items_total=self._total,
            items_per_second=rate,
            seconds_left=seconds_left(self._total, self._meter.done, rate),
            segments_done=sum(task.checkpoint.done for task in self._tasks),
            segments_total=len(self._tasks),
            waiting_segments=self._workers.aside,
            problems=sum(counts[kind] for kind in KINDS),
        )

    def _result(self, counts: Counter[str], done: int, seconds: float) -> RowVerifyResult:
        differences = sum(counts[kind] for kind in KINDS)
        whole = done == len(self._tasks)
        first = backfill_comes_first(self._claim, FREEZE_STRATEGY, self.client.agent.stage)
        status, step = verdict(
            differences, counts["repaired"], whole=whole, repair=self._options.repair, backfill_first=first
        )
        if status == "differences" and FREEZE[self.client.agent.stage].authority == "target":
            step = f"{BY_HAND}, then crossfade verify"
        elif status == "differences" and not (left_to_mend(counts) if self._options.repair else first):
            step = way_to_clean(counts)
        told = ("rows", "items", "target_items", "tombstones", "parts", *KINDS, "in_motion")
        mended = ("repaired", "left_alone", "not_repaired", *BEYOND_REPAIR.values())
        return RowVerifyResult(
            status=status,
            **{name: counts[name] for name in (*told, *mended)},
            reasons=dict(self._reasons),
            samples=tuple(self._samples),
            segments=len(self._tasks),
            segments_done=done,
            seconds=seconds,
            observer_errors=self._observer.errors,
            next_step=step,
        )


def sample_of(kind: str, seen: Seen) -> DifferenceSample:
    """A difference, readable."""
    suspect = seen.suspect
    of = f" (of {suspect.of})" if suspect.of is not None else ""
    key = f"{suspect.of}" if suspect.key is None else f"{show_key(suspect.key)}{of}"
    why = (f"! the row cannot be mapped: {seen.why}",) if seen.why else ()
    return DifferenceSample(KINDS_SHOWN[kind], key, (*why, *item_diff_lines(seen.wanted, seen.held)))


def fresh_start(checkpoint: SegmentCheckpoint) -> SegmentCheckpoint:
    """Keep what another run found clean; everything else is looked at again."""
    if not any(checkpoint.counts.get(kind) for kind in KINDS):
        return checkpoint
    return replace(checkpoint, last_key=None, done=False, counts={})
