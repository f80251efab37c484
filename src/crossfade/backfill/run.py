"""The runner of the backfill: the segments, worked off beside one another on one event loop.

The same command begins, resumes, and takes over from a runner that is gone. A second one is refused while the first
one lives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from crossfade.backfill.copy import Failure, Limits, settle
from crossfade.backfill.result import SAMPLES_MAX, BackfillOptions, BackfillResult, BackfillStatus, FailureSample
from crossfade.backfill.segment import PageCopy, after_page, check_stage, copy_page, fresh_start
from crossfade.control.agent import Ticket
from crossfade.control.jobs import Claim, claim_job, finish_job, load_checkpoints, save_checkpoint
from crossfade.control.records import Job, Role, SegmentCheckpoint
from crossfade.control.store import Caller
from crossfade.core.mapping.values import show_key
from crossfade.core.tables.pair import Pair
from crossfade.drivers.scope import TicketScope
from crossfade.errors import Fenced
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.order import spread_order
from crossfade.jobs.pace import Pace
from crossfade.jobs.progress import Meter, Progress, seconds_left
from crossfade.jobs.session import Session
from crossfade.jobs.workers import Workers
from crossfade.migration import Migration

OnProgress = Callable[[Progress], None]
OnNote = Callable[[str, dict[str, Any]], None]

CLAIMS_MAX: Final = 20  # of one run, whose lease was lost in between


def run_backfill(
    migration: Migration,
    clients: Clients,
    options: BackfillOptions,
    on_progress: OnProgress | None = None,
    stop_event: threading.Event | None = None,
    *,
    on_note: OnNote | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
) -> BackfillResult:
    """Copy the source into the target, beside the traffic, until it is complete or `stop_event` is set.

    Make the clients with `job_config`. `on_progress` is called about twice a second, `on_note` with what it waits for.
    Raises NotPossibleInStage (another runner, a complete backfill, a stage without mirrors), Fenced (taken over),
    NotStarted, ConfigurationError, StageUncertain (no lease for minutes) and DatabaseError; whatever it raises, the
    same command goes on from the last page.
    """
    stop = stop_event or threading.Event()
    observer = Observer(on_progress, on_note)
    return run_on_own_loop(_backfill(migration, clients, options, observer, stop, caller, connect))


async def _backfill(
    migration: Migration,
    clients: Clients,
    options: BackfillOptions,
    observer: Observer,
    stop: threading.Event,
    caller: Caller | None,
    connect: Connect,
) -> BackfillResult:
    session = Session(
        migration,
        clients,
        Role.BACKFILL,
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
        again = options.again
        for _ in range(CLAIMS_MAX):
            routine = claim_job(session.agent, session.caller, Job.BACKFILL, options.segments, again=again)
            claim = await session.run(routine)
            try:
                return await _Run(session, claim, options, observer, stop).work()
            except _LeaseLost:
                again = False  # what we have begun goes on
        raise Fenced(f"the lease was lost {CLAIMS_MAX} times", next_step="look at the connection to the control table")


class _LeaseLost(Fenced):
    """We were counted as gone and are back as another client: the job must be claimed again, or is somebody else's."""


class _Run:
    def __init__(
        self, session: Session, claim: Claim, options: BackfillOptions, observer: Observer, stop: threading.Event
    ) -> None:
        self.session = session
        self.claim = claim
        self.page_items = options.page_items_paced()
        self.limits = Limits(Pace(options.items_per_second), Pace(options.units_per_second))
        self._stop = stop
        self._enough = False
        self.samples: list[Failure] = []
        self._options = options
        self._observer = observer
        self.tasks: list[_SegmentTask] = []
        self.meter = Meter()
        self._items_before = 0
        self._items_total = 0
        self._workers = Workers((), session.now, self.stopping)

    async def work(self) -> BackfillResult:
        await self._prepare()
        started = self.session.now()
        try:
            await self._workers.work_off(self._options.workers, self._meanwhile)
        finally:
            for task in self.tasks:
                task.abandon()
        await self._observer.progress(self._progress())
        seconds = self.session.now() - started
        if all(task.checkpoint.done for task in self.tasks):
            counts = {name: self._count(name) for name in ("items", "changed", "failed", "pages")}
            at = datetime.now(UTC).isoformat(timespec="seconds")
            _ = await self.session.run(finish_job(self.claim, counts, clean=True, finished_at=at))
        return self._result(seconds)

    async def _prepare(self) -> None:
        checkpoints = await self.session.run(load_checkpoints(self.claim))
        self.tasks = [_SegmentTask(self, fresh_start(checkpoints[n])) for n in spread_order(len(checkpoints))]
        self.meter = Meter(self._count("items"))
        self._items_before = self.meter.done
        self._items_total = await self.session.items_approximately("source")
        self._workers = Workers([task for task in self.tasks if not task.ended], self.session.now, self.stopping)

    def failed(self, failures: list[Failure]) -> None:
        """Keep the first few; whether to go on is the operator's choice."""
        self.samples += failures[: max(0, SAMPLES_MAX - len(self.samples))]
        if failures and self._options.stop_at_first_error:
            self._enough = True

    def stopping(self) -> bool:
        return self._enough or self._stop.is_set()

    def check_owner(self) -> None:
        """A job whose owner has no lease may be taken over at any moment."""
        if self.session.agent.client_id != self.claim.record.owner:
            raise _LeaseLost(f"{self.claim.record.owner} lost its lease")

    # --- what is seen of it

    async def _meanwhile(self) -> None:
        if self.session.failure is not None:
            raise self.session.failure
        if self.stopping():
            self.limits.items.lift()
            self.limits.units.lift()
        await self._observer.progress(self._progress())

    def _count(self, name: str) -> int:
        return sum(task.checkpoint.counts.get(name, 0) for task in self.tasks)

    def _progress(self) -> Progress:
        done = self.meter.done
        rate = self.meter.rate(self.session.now())
        return Progress(
            job="backfill",
            phase="stopping" if self.stopping() else "copying",
            items_done=done,
            items_total=self._items_total,
            items_per_second=rate,
            seconds_left=seconds_left(self._items_total, done, rate),
            segments_done=sum(task.ended for task in self.tasks),
            segments_total=len(self.tasks),
            waiting_segments=self._workers.aside,
            problems=self._count("failed"),
        )

    def _result(self, seconds: float) -> BackfillResult:
        status: BackfillStatus
        failed = self._count("failed")
        done = sum(task.checkpoint.done for task in self.tasks)
        if done == len(self.tasks):
            status, step = "complete", "crossfade verify"
        elif failed:
            status, step = "incomplete", "correct those items or the mapping, then run the same command again"
        else:
            status, step = "stopped", "run the same command again: it goes on from here"
        return BackfillResult(
            status=status,
            items=self._count("items"),
            changed=self._count("changed"),
            failed=failed,
            samples=tuple(FailureSample(show_key(failure.source_key), failure.reason) for failure in self.samples),
            segments=len(self.tasks),
            segments_done=done,
            resumed=self.claim.resumed,
            seconds=seconds,
            items_per_second=(self.meter.done - self._items_before) / seconds if seconds else 0.0,
            observer_errors=self._observer.errors,
            next_step=step,
        )


class _SegmentTask:
    """A segment; a step is a page, or the settling of one. The ticket of a page is held until it is checkpointed."""

    def __init__(self, run: _Run, checkpoint: SegmentCheckpoint) -> None:
        self.checkpoint = checkpoint
        self.ended = checkpoint.done
        self._run = run
        self._unsettled: tuple[PageCopy, Ticket] | None = None

    @property
    def must_go_on(self) -> bool:
        return self._unsettled is not None

    async def step(self) -> float | None:
        session = self._run.session
        if self.ended:  # the last page was checkpointed, and then the lease ended
            return None
        self._run.check_owner()
        if self._unsettled is not None:
            (page, ticket), self._unsettled = self._unsettled, None
        else:
            ticket = session.agent.begin(strict=True, now=session.now())
            page = None
        with session.holding(ticket) as scope:
            again = await self._go_on(scope, page)
        if self._unsettled is None:
            session.agent.end(ticket, session.now())
        return again

    def abandon(self) -> None:
        """Give up a page whose bulk write may still land; it is not checkpointed, so it will be copied again."""
        if self._unsettled is not None:
            _, ticket = self._unsettled
            self._unsettled = None
            agent = self._run.session.agent
            agent.lost(f"backfill segment {self.checkpoint.number}", "a bulk write had no answer")
            agent.release(ticket)

    async def _go_on(self, scope: TicketScope, page: PageCopy | None) -> float | None:
        session, run, ticket = self._run.session, self._run, scope.ticket
        if page is None:
            check_stage(session.migration.strategy, ticket.stage)
            copying = copy_page(
                self._pair,
                self.checkpoint,
                run.claim.record.segments,
                run.limits,
                run.page_items,
                strategy=session.migration.strategy,
            )
            page = await session.run(copying, scope)
            if page.copied.unsettled:
                self._unsettled = page, ticket
                return page.copied.settles_at
        await session.run(settle(self._pair, page.copied), scope)
        saving = save_checkpoint(run.claim, after_page(self.checkpoint, page))
        self.checkpoint = await session.run(saving, scope)
        run.meter.add(page.copied.items)
        run.failed(page.copied.failures)
        self.ended = page.last_key is None
        return None if self.ended else session.now()

    @property
    def _pair(self) -> Pair:
        return self._run.session.pair
