"""The runner of verify: every segment of both tables, worked off beside one another on one event loop."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from crossfade.control.jobs import (
    ONE_SIDED,
    Claim,
    backfill_comes_first,
    claim_job,
    finish_job,
    load_checkpoints,
    means_nothing,
    save_checkpoint,
)
from crossfade.control.records import Job, Role, SegmentCheckpoint
from crossfade.control.store import Caller
from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key
from crossfade.core.stages import ALL_LADDERS, Side, Stage
from crossfade.core.sync.compare import Difference
from crossfade.errors import NotPossibleInStage
from crossfade.jobs.bulk import Segment, scan_page
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.order import spread_order
from crossfade.jobs.progress import Meter, Progress, seconds_left
from crossfade.jobs.repair import Repair, repair_key
from crossfade.jobs.session import Session
from crossfade.jobs.workers import Workers
from crossfade.migration import Migration
from crossfade.verify.compare import (
    SUSPECTS_MAX,
    SecondLooks,
    Stray,
    Suspects,
    read_stray,
    source_suspects,
    target_suspects,
    uncovered_suspects,
)
from crossfade.verify.diff import diff_lines, item_diff_lines
from crossfade.verify.repair import repair_stray, repair_uncovered
from crossfade.verify.result import SAMPLES_MAX, DifferenceSample, VerifyOptions, VerifyResult, verdict

KINDS: Final = ("missing", "extra", "mismatched")
REPAIRS: Final = {
    Repair.REPAIRED: "repaired",
    Repair.FAILED: "not_repaired",
    Repair.NOT_OURS: "left_alone",
    Repair.MAYBE_NEVER_COPIED: "left_alone",
    Repair.ANOTHER: "left_alone",
}


def run_verify(
    migration: Migration,
    clients: Clients,
    options: VerifyOptions,
    on_progress: Callable[[Progress], None] | None = None,
    stop_event: threading.Event | None = None,
    *,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
) -> VerifyResult:
    """Compare both tables completely, beside the traffic, in any stage in which writes reach both.

    Make the clients with `job_config`. Only a run that finds nothing, and so repairs nothing, opens the gate. Raises
    as `run_backfill` does.
    """
    stop = stop_event or threading.Event()
    observer = Observer(on_progress, on_note)
    return run_on_own_loop(_verify(migration, clients, options, observer, stop, caller, connect))


async def _verify(
    migration: Migration,
    clients: Clients,
    options: VerifyOptions,
    observer: Observer,
    stop: threading.Event,
    caller: Caller | None,
    connect: Connect,
) -> VerifyResult:
    session = Session(
        migration,
        clients,
        Role.VERIFY,
        note=observer.note,
        calls_max=options.workers,
        lease_seconds=options.lease_seconds,
        landing_seconds=options.landing_seconds,
        rules=options.rules,
        caller=caller,
        connect=connect,
    )
    async with session:
        check_stage(migration.strategy, session.agent.stage)
        sides = len(sides_of(migration.strategy))
        claim = await session.run(claim_job(session.agent, session.caller, Job.VERIFY, sides * options.segments))
        return await _Run(session, claim, options, observer, stop).work()


def sides_of(strategy: str) -> tuple[Side, ...]:
    """Whose items are looked at. A target that goes on by itself may have any."""
    return ("source",) if strategy == "copy-on-write" else ("source", "target")


def check_stage(strategy: str, stage: Stage) -> None:
    """Raises NotPossibleInStage where there is nothing to compare."""
    row = ALL_LADDERS[strategy][stage]
    if row.takes_verify:
        return
    raise means_nothing("verify", strategy, stage, "new items are written to the source" if row.merges else ONE_SIDED)


class _Run:
    def __init__(
        self, session: Session, claim: Claim, options: VerifyOptions, observer: Observer, stop: threading.Event
    ) -> None:
        self.session = session
        self.claim = claim
        self.options = options
        self.samples: list[DifferenceSample] = []
        self.meter = Meter()
        self._observer = observer
        self._stop = stop
        self.tasks: list[_SegmentTask] = []
        self._items_total = 0
        self._workers = Workers((), session.now, stop.is_set)

    async def work(self) -> VerifyResult:
        await self._prepare()
        started = self.session.now()
        await self._workers.work_off(self.options.workers, self._meanwhile)
        await self._observer.progress(self._progress())
        counts = self._counts()
        done = sum(task.checkpoint.done for task in self.tasks)
        differences = sum(counts[kind] for kind in KINDS)
        if done == len(self.tasks):
            at = datetime.now(UTC).isoformat(timespec="seconds")
            _ = await self.session.run(finish_job(self.claim, counts, clean=not differences, finished_at=at))
        return self._result(counts, done, self.session.now() - started)

    async def _prepare(self) -> None:
        checkpoints = await self.session.run(load_checkpoints(self.claim))
        sides = sides_of(self.session.migration.strategy)
        order = verify_order(len(checkpoints)) if len(sides) > 1 else spread_order(len(checkpoints))
        self.tasks = [_SegmentTask(self, fresh_start(checkpoints[n])) for n in order]
        self._items_total = await self.session.items_approximately(*sides)
        left = [task for task in self.tasks if not task.checkpoint.done]
        self._workers = Workers(left, self.session.now, self._stop.is_set)

    def sample(self, kind: Any, key: str, lines: tuple[str, ...]) -> None:
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append(DifferenceSample(kind, key, lines))

    # --- what is seen of it

    async def _meanwhile(self) -> None:
        if self.session.failure is not None:
            raise self.session.failure
        await self._observer.progress(self._progress())

    def _counts(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for task in self.tasks:
            total.update(task.counts)
        return total

    def _progress(self) -> Progress:
        counts = self._counts()
        rate = self.meter.rate(self.session.now())
        return Progress(
            job="verify",
            phase="stopping" if self._stop.is_set() else "comparing",
            items_done=self.meter.done,
            items_total=self._items_total,
            items_per_second=rate,
            seconds_left=seconds_left(self._items_total, self.meter.done, rate),
            segments_done=sum(task.checkpoint.done for task in self.tasks),
            segments_total=len(self.tasks),
            waiting_segments=self._workers.aside,
            problems=sum(counts[kind] for kind in KINDS),
        )

    def _result(self, counts: Counter[str], done: int, seconds: float) -> VerifyResult:
        differences = sum(counts[kind] for kind in KINDS)
        whole = done == len(self.tasks)
        session = self.session
        first = backfill_comes_first(self.claim, session.migration.strategy, session.agent.stage)
        status, step = verdict(
            differences, counts["repaired"], whole=whole, repair=self.options.repair, backfill_first=first
        )
        return VerifyResult(
            status=status,
            source_items=counts["source_items"],
            target_items=counts["target_items"],
            matching=counts["source_items"] - counts["missing"] - counts["mismatched"],
            missing=counts["missing"],
            extra=counts["extra"],
            mismatched=counts["mismatched"],
            repaired=counts["repaired"],
            left_alone=counts["left_alone"],
            not_repaired=counts["not_repaired"],
            samples=tuple(self.samples),
            segments=len(self.tasks),
            segments_done=done,
            seconds=seconds,
            observer_errors=self._observer.errors,
            next_step=step,
        )


def verify_order(segments: int) -> list[int]:
    """Return the segments in order: the source's (the first half), then the target's, each spread out."""
    half = segments // 2
    return [*spread_order(half), *(half + n for n in spread_order(segments - half))]


def fresh_start(checkpoint: SegmentCheckpoint) -> SegmentCheckpoint:
    """Keep what another run found clean; everything else is looked at again."""
    if checkpoint.done and not any(checkpoint.counts.get(kind) for kind in KINDS):
        return checkpoint
    return replace(checkpoint, last_key=None, done=False, counts={})


class _SegmentTask:
    """A segment of one table. A step is a page, a look at suspects, the repair of one, or the checkpoint at the end."""

    def __init__(self, run: _Run, checkpoint: SegmentCheckpoint) -> None:
        self.checkpoint = checkpoint
        self.counts: Counter[str] = Counter(checkpoint.counts)
        sides = sides_of(run.session.migration.strategy)
        self._covers = len(sides) == 1  # or are both sides to be equal
        each = run.claim.record.segments // len(sides)
        self._side: Side = sides[checkpoint.number // each]
        self._segment = Segment(checkpoint.number % each, each)
        self._run = run
        self._start_key: Item | None = None
        self._scanned = False
        self._suspects = Suspects()
        self._looks: SecondLooks | None = None
        self._to_repair: deque[Item | Stray] = deque()

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        now = self._run.session.now()
        if self._to_repair:
            await self._repair_one(self._to_repair[0])
            _ = self._to_repair.popleft()
        elif self._looks is not None or len(self._suspects) >= SUSPECTS_MAX or (self._scanned and self._suspects):
            return now + await self._look()
        elif self._scanned:
            await self._save()
            return None
        else:
            await self._page()
        return now

    async def _page(self) -> None:
        session, pair = self._run.session, self._run.session.pair
        keys_alone = self._covers or self._side == "target"
        names = pair.whole_key_names(self._side) if keys_alone else ()
        scan = scan_page(
            pair, self._side, self._segment, self._start_key, self._run.options.page_items, strongly=True, names=names
        )
        page = await session.run(scan)
        compare = source_suspects if self._side == "source" else target_suspects
        if self._covers:
            compare = uncovered_suspects
        items = len(page.items)
        found = await session.run(compare(pair, page))
        self._suspects.keys += found.keys
        self._suspects.strays += found.strays
        self.counts[f"{self._side}_items"] += items
        self._run.meter.add(items)
        self._start_key = page.last_key
        self._scanned = page.last_key is None

    async def _look(self) -> float:
        """One look; the seconds until the next one."""
        session = self._run.session
        if self._looks is None:
            agreed = session.pair.is_covered if self._covers else None
            self._looks = SecondLooks(self._suspects.keys, self._found, self._run.options.recheck_seconds, agreed)
            for stray in self._suspects.strays:
                await self._look_at_stray(stray)
        wait = await session.run(self._looks.look(session.pair))
        if wait is not None:
            return wait
        if self._run.options.repair:
            self._to_repair.extend(self._looks.differing)
        self._looks = None
        self._suspects = Suspects()
        return 0.0

    def _found(self, difference: Difference) -> None:
        self.counts[difference.kind] += 1
        if len(self._run.samples) < SAMPLES_MAX:
            lines = diff_lines(self._run.session.pair, difference)
            self._run.sample(difference.kind, show_key(difference.source_key), lines)

    async def _look_at_stray(self, stray: Stray) -> None:
        stored = await self._run.session.run(read_stray(self._run.session.pair, stray))
        if stored.item is None:
            return
        self.counts["extra"] += 1
        lines = (f"! no item of the source belongs there: {stray.reason}", *item_diff_lines(None, stored.item))
        self._run.sample("extra", f"(target key) {show_key(stray.target_key)}", lines)
        if self._run.options.repair:
            self._to_repair.append(stray)

    async def _repair_one(self, what: Item | Stray) -> None:
        session = self._run.session
        with session.ticket() as scope:
            stage = scope.ticket.stage
            row = ALL_LADDERS[session.migration.strategy][stage]
            if not row.takes_verify:
                raise NotPossibleInStage(
                    f"the migration is in {stage} by now, where one table is written: nothing to repair"
                )
            if self._covers and not isinstance(what, Stray):
                outcome = await session.run(repair_uncovered(session.pair, row, what), scope)
            elif isinstance(what, Stray):
                outcome = await session.run(repair_stray(session.pair, row, what), scope)
            else:
                backfilled = bool(self._run.claim.record.backfill_run)
                outcome = await session.run(repair_key(session.pair, row, what, backfilled=backfilled), scope)
        self.counts[REPAIRS[outcome]] += 1

    async def _save(self) -> None:
        session = self._run.session
        checkpoint = replace(self.checkpoint, done=True, counts=dict(self.counts))
        self.checkpoint = await session.run(save_checkpoint(self._run.claim, checkpoint))
