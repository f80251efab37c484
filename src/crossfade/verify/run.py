"""The runner of verify: every segment of both tables.

A checkpoint stands for pages in which nothing is in doubt any more: what seemed different has been looked at again, and
repaired where that was asked for. So a kill repeats at most what is read between two of them, and what it had found is
found again.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from crossfade.control.jobs import ONE_SIDED, Claim, backfill_comes_first, means_nothing, save_checkpoint
from crossfade.control.records import Job, SegmentCheckpoint
from crossfade.control.store import Caller
from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key
from crossfade.core.stages import ALL_LADDERS, Side, Stage
from crossfade.core.sync.compare import Difference
from crossfade.errors import NotPossibleInStage
from crossfade.jobs.bulk import Segment, scan_page
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.observing import Observer
from crossfade.jobs.order import spread_order
from crossfade.jobs.pace import Pace
from crossfade.jobs.repair import Repair, repair_key
from crossfade.jobs.segment_run import OnNote, OnProgress, SegmentRun, SegmentTask, run_segments
from crossfade.jobs.session import Session
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
EXPIRING: Final[dict[Side, str]] = {"source": "expiring_in_source", "target": "expiring_in_target"}  # who has it still
IN_FLIGHT: Final[dict[Side, str]] = {"source": "in_flight_in_source", "target": "in_flight_in_target"}  # by scan
NOT_MATCHING: Final = ("missing", "mismatched", EXPIRING["source"], IN_FLIGHT["source"])  # of the source's items
# A checkpoint after so many items, as in a backfill: after each page of a hundred they would be more than the one
# partition of the control table takes from many workers. With suspects there is none before they are looked at again,
# which is put off until so many items have been read.
SAVED_ITEMS: Final = 1_000
UNSAVED_ITEMS_MAX: Final = 10_000
REPAIRS: Final = {
    Repair.REPAIRED: "repaired",
    Repair.FAILED: "not_repaired",
    Repair.NOT_OURS: "left_alone",
    Repair.MAYBE_NEVER_COPIED: "left_alone",
    Repair.ANOTHER: "left_alone",
    Repair.EXPIRED: "left_alone",
}


def run_verify(
    migration: Migration,
    clients: Clients,
    options: VerifyOptions,
    on_progress: OnProgress | None = None,
    stop_event: threading.Event | None = None,
    *,
    on_note: OnNote | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
) -> VerifyResult:
    """Compare both tables completely, beside the traffic, in any stage in which writes reach both.

    Make the clients with `job_config`. Only a run that finds nothing, and so repairs nothing, opens the gate. Raises
    as `run_backfill` does.
    """
    return run_segments(
        _Run,
        migration,
        clients,
        options,
        on_progress,
        stop_event,
        on_note,
        caller,
        connect,
        check_stage=check_stage,
        segments=len(sides_of(migration.strategy)) * options.segments,
        reads_only=not options.repair,
    )


def sides_of(strategy: str) -> tuple[Side, ...]:
    """Whose items are looked at. A target that goes on by itself may have any."""
    return ("source",) if strategy == "copy-on-write" else ("source", "target")


def check_stage(strategy: str, stage: Stage) -> None:
    """Raises NotPossibleInStage where there is nothing to compare."""
    row = ALL_LADDERS[strategy][stage]
    if row.takes_verify:
        return
    raise means_nothing("verify", strategy, stage, "new items are written to the source" if row.merges else ONE_SIDED)


class _Run(SegmentRun[VerifyOptions, VerifyResult]):
    job = Job.VERIFY
    working = "comparing"
    items = ("source_items", "target_items")
    problems = KINDS

    def __init__(
        self, session: Session, claim: Claim, options: VerifyOptions, observer: Observer, stop: threading.Event
    ) -> None:
        super().__init__(session, claim, options, observer, stop)
        self.sides = sides_of(session.migration.strategy)
        self.samples: list[DifferenceSample] = []
        self.pace = Pace(options.items_per_second)
        self.page_items = options.page_paced(options.page_items)

    def tasks_of(self, checkpoints: Sequence[SegmentCheckpoint]) -> Sequence[SegmentTask]:
        order = verify_order(len(checkpoints)) if len(self.sides) > 1 else spread_order(len(checkpoints))
        return [_SegmentTask(self, fresh_start(checkpoints[n])) for n in order]

    def look_after(self) -> None:
        if self.stopping():
            self.pace.lift()

    def sample(self, kind: Any, key: str, lines: tuple[str, ...]) -> None:
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append(DifferenceSample(kind, key, lines))

    def result(self, seconds: float) -> VerifyResult:
        counts, session, done = self.counts(), self.session, self.done
        differences = self.total(KINDS)
        whole = done == len(self.tasks)
        first = backfill_comes_first(self.claim, session.migration.strategy, session.agent.stage)
        status, step = verdict(
            differences, counts["repaired"], whole=whole, repair=self.options.repair, backfill_first=first
        )
        return VerifyResult(
            status=status,
            source_items=counts["source_items"],
            target_items=counts["target_items"],
            matching=counts["source_items"] - sum(counts[name] for name in NOT_MATCHING),
            missing=counts["missing"],
            extra=counts["extra"],
            mismatched=counts["mismatched"],
            expiring=sum(counts[name] for name in EXPIRING.values()),
            in_flight=sum(counts[name] for name in IN_FLIGHT.values()),
            repaired=counts["repaired"],
            left_alone=counts["left_alone"],
            not_repaired=counts["not_repaired"],
            samples=tuple(self.samples),
            segments=len(self.tasks),
            segments_done=done,
            seconds=seconds,
            observer_errors=self.observer.errors,
            next_step=step,
        )


def verify_order(segments: int) -> list[int]:
    """Return the segments in order: the source's (the first half), then the target's, each spread out."""
    half = segments // 2
    return [*spread_order(half), *(half + n for n in spread_order(segments - half))]


def fresh_start(checkpoint: SegmentCheckpoint) -> SegmentCheckpoint:
    """Return where to begin: after the last page, or from the start where something differed and was not repaired."""
    counts = checkpoint.counts
    if sum(counts.get(kind, 0) for kind in KINDS) > counts.get("repaired", 0):
        return replace(checkpoint, last_key=None, done=False, counts={})
    return checkpoint


class _SegmentTask(SegmentTask):
    """A segment of one table. A step is a page, a look at suspects, the repair of one, or a checkpoint."""

    def __init__(self, run: _Run, checkpoint: SegmentCheckpoint) -> None:
        super().__init__(run, checkpoint)
        self._counts: Counter[str] = Counter(checkpoint.counts)
        self._covers = len(run.sides) == 1  # or are both sides to be equal
        each = run.claim.record.segments // len(run.sides)
        self._side: Side = run.sides[checkpoint.number // each]
        self._segment = Segment(checkpoint.number % each, each)
        self._run = run
        self._start_key: Item | None = checkpoint.last_key
        self._scanned = False
        self._unsaved_items = 0
        self._suspects = Suspects()
        self._looks: SecondLooks | None = None
        self._to_repair: deque[Item | Stray] = deque()

    @property
    def counts(self) -> Counter[str]:
        return self._counts

    async def go_on(self) -> float | None:
        now = self._run.session.now()
        if self._to_repair:
            await self._repair_one(self._to_repair[0])
            _ = self._to_repair.popleft()
        elif self._looks is not None or self._is_time_to_look():
            return now + await self._look()
        elif self._scanned or (self._unsaved_items >= SAVED_ITEMS and not self._suspects):
            await self._save()
            return None if self.ended else now
        else:
            await self._page()
        return now

    def _is_time_to_look(self) -> bool:
        put_off = not self._scanned and self._unsaved_items < UNSAVED_ITEMS_MAX
        return len(self._suspects) >= SUSPECTS_MAX or bool(self._suspects and not put_off)

    async def _page(self) -> None:
        session, pair = self._run.session, self._run.session.pair
        keys_alone = self._covers or self._side == "target"
        names = pair.whole_key_names(self._side) if keys_alone else ()
        scan = scan_page(
            pair, self._side, self._segment, self._start_key, self._run.page_items, strongly=True, names=names
        )
        await session.run(self._run.pace.wait(0))  # before the page, which is to be compared while it is fresh
        page = await session.run(scan)
        _ = self._run.pace.book(len(page.items), session.now())
        compare = source_suspects if self._side == "source" else target_suspects
        if self._covers:
            compare = uncovered_suspects
        items = len(page.items)
        found = await session.run(compare(pair, page))
        self._suspects.keys += found.keys
        self._suspects.strays += found.strays
        self._counts[f"{self._side}_items"] += items
        self._run.meter.add(items)
        self._unsaved_items += items
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
        if difference.is_expiring:
            self._counts[EXPIRING["source" if difference.target is None else "target"]] += 1
            return
        if difference.in_flight:
            self._counts[IN_FLIGHT[self._side]] += 1
            return
        self._counts[difference.kind] += 1
        if len(self._run.samples) < SAMPLES_MAX:
            lines = diff_lines(self._run.session.pair, difference)
            self._run.sample(difference.kind, show_key(difference.source_key), lines)

    async def _look_at_stray(self, stray: Stray) -> None:
        stored = await self._run.session.run(read_stray(self._run.session.pair, stray))
        if stored.item is None:
            return
        self._counts["extra"] += 1
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
        self._counts[REPAIRS[outcome]] += 1

    async def _save(self) -> None:
        counts = dict(self._counts)
        checkpoint = replace(self.checkpoint, last_key=self._start_key, done=self._scanned, counts=counts)
        self.checkpoint = await self._run.session.run(save_checkpoint(self._run.claim, checkpoint))
        self.ended = self._scanned
        self._unsaved_items = 0
