"""The runner of the backfill: a step is a page, or the settling of one."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from crossfade.backfill.copy import Failure, Limits, settle
from crossfade.backfill.result import SAMPLES_MAX, BackfillOptions, BackfillResult, BackfillStatus, FailureSample
from crossfade.backfill.segment import PageCopy, after_page, check_stage, copy_page, fresh_start
from crossfade.control.jobs import Claim, save_checkpoint
from crossfade.control.open_tickets import Ticket
from crossfade.control.records import Job, SegmentCheckpoint
from crossfade.control.store import Caller
from crossfade.core.mapping.values import show_key
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.drivers.scope import TicketScope
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.observing import Observer
from crossfade.jobs.order import spread_order
from crossfade.jobs.pace import Pace
from crossfade.jobs.segment_run import OnNote, OnProgress, SegmentRun, SegmentTask, run_segments
from crossfade.jobs.session import Session
from crossfade.migration import Migration


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
        segments=options.segments,
        again=options.again,
    )


class _Run(SegmentRun[BackfillOptions, BackfillResult]):
    job = Job.BACKFILL
    working = "copying"
    items = ("items",)
    problems = ("failed",)
    sides: tuple[Side, ...] = ("source",)

    def __init__(
        self, session: Session, claim: Claim, options: BackfillOptions, observer: Observer, stop: threading.Event
    ) -> None:
        super().__init__(session, claim, options, observer, stop)
        self.page_items = options.page_paced(options.page_items)
        self.limits = Limits(Pace(options.items_per_second), Pace(options.units_per_second))
        self.samples: list[Failure] = []
        self._enough = False

    def tasks_of(self, checkpoints: Sequence[SegmentCheckpoint]) -> Sequence[SegmentTask]:
        return [_SegmentTask(self, fresh_start(checkpoints[n])) for n in spread_order(len(checkpoints))]

    def failed(self, failures: list[Failure]) -> None:
        """Keep the first few; whether to go on is the operator's choice."""
        self.samples += failures[: max(0, SAMPLES_MAX - len(self.samples))]
        if failures and self.options.stop_at_first_error:
            self._enough = True

    def stopping(self) -> bool:
        return self._enough or super().stopping()

    def look_after(self) -> None:
        if self.stopping():
            self.limits.items.lift()
            self.limits.units.lift()

    def result(self, seconds: float) -> BackfillResult:
        status: BackfillStatus
        counts = self.counts()
        if self.done == len(self.tasks):
            status, step = "complete", "crossfade verify"
        elif counts["failed"]:
            status, step = "incomplete", "correct those items or the mapping, then run the same command again"
        else:
            status, step = "stopped", "run the same command again: it goes on from here"
        return BackfillResult(
            status=status,
            items=counts["items"],
            changed=counts["changed"],
            failed=counts["failed"],
            samples=tuple(FailureSample(show_key(failure.source_key), failure.reason) for failure in self.samples),
            segments=len(self.tasks),
            segments_done=self.done,
            resumed=self.claim.resumed,
            seconds=seconds,
            items_per_second=(self.meter.done - self.items_before) / seconds if seconds else 0.0,
            observer_errors=self.observer.errors,
            next_step=step,
        )


class _SegmentTask(SegmentTask):
    """The ticket of a page is held until it is checkpointed."""

    def __init__(self, run: _Run, checkpoint: SegmentCheckpoint) -> None:
        super().__init__(run, checkpoint)
        self._run = run
        self._unsettled: tuple[PageCopy, Ticket] | None = None

    @property
    def must_go_on(self) -> bool:
        return self._unsettled is not None

    async def go_on(self) -> float | None:
        session = self._run.session
        if self._unsettled is not None:
            (page, ticket), self._unsettled = self._unsettled, None
        else:
            ticket = session.agent.begin(strict=True)
            page = None
        with session.holding(ticket) as scope:
            again = await self._work_at(page, scope)
        if self._unsettled is None:
            session.agent.end(ticket)
        return again

    def abandon(self) -> None:
        """Give up a page whose bulk write may still land; it is not checkpointed, so it will be copied again."""
        if self._unsettled is not None:
            _, ticket = self._unsettled
            self._unsettled = None
            agent = self._run.session.agent
            agent.lost(f"backfill segment {self.checkpoint.number}", "a bulk write had no answer")
            agent.release(ticket)

    async def _work_at(self, page: PageCopy | None, scope: TicketScope) -> float | None:
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
