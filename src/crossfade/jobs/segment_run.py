"""A job over segments: claimed, worked off beside one another on one event loop, and claimed again after a lost lease.

The same command begins, resumes, and takes over from a runner that is gone. A second one is refused while the first
one lives. A run is the work of one claim: what it counts begins with what the checkpoints say.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Generic, TypeVar

from crossfade.control.jobs import Claim, check_goes_on, claim_job, finish_job, load_checkpoints
from crossfade.control.records import Job, Role, SegmentCheckpoint
from crossfade.control.store import Caller
from crossfade.core.stages import Side, Stage
from crossfade.errors import Fenced
from crossfade.jobs.connecting import Clients, Connect
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.options import JobOptions
from crossfade.jobs.progress import Meter, Progress, seconds_left
from crossfade.jobs.session import JobClient, Session
from crossfade.jobs.workers import Workers
from crossfade.migration import Migration

OnProgress = Callable[[Progress], None]
OnNote = Callable[[str, dict[str, Any]], None]

CLAIMS_MAX: Final = 20  # of one run of the command, whose lease was lost in between
LEASED_LOOK_SECONDS: Final = 0.05
LEASED_LOOKS: Final = 1_200  # a minute; without a lease the claim itself says what is wrong

Options = TypeVar("Options", bound=JobOptions)
Result = TypeVar("Result")


class LeaseLost(Fenced):
    """We were counted as gone and are back as another client: the job must be claimed again, or is somebody else's."""


def check_owner(client: JobClient, claim: Claim) -> None:
    """A job whose owner has no lease may be taken over at any moment. Raises LeaseLost."""
    if client.agent.client_id != claim.record.owner:
        raise LeaseLost(f"{claim.record.owner} lost its lease")


async def under_claims(
    client: JobClient, job: Job, segments: int, work: Callable[[Claim], Awaitable[Result]], *, again: bool = False
) -> Result:
    """Claim the job and do its `work`, and claim it again where that finds its lease lost. `again` repeats a complete
    one."""
    for _ in range(CLAIMS_MAX):
        claim = await client.run(claim_job(client.agent, client.caller, job, segments, again=again))
        try:
            return await work(claim)
        except LeaseLost:
            again = False  # what we have begun goes on
            await until_leased(client)
            await client.run(check_goes_on(claim))
    raise Fenced(f"the lease was lost {CLAIMS_MAX} times", next_step="look at the connection to the control table")


async def until_leased(client: JobClient) -> None:
    """Wait for the next lease, with which is told what the former one has left undone: whether the job goes on or
    begins anew depends on that."""
    for _ in range(LEASED_LOOKS):
        if client.agent.holds_lease:
            return
        await asyncio.sleep(LEASED_LOOK_SECONDS)


class SegmentTask(ABC):
    """A segment. It has `ended` when there is nothing more of it to do, which need not mean that it is done."""

    def __init__(self, run: SegmentRun[Any, Any], checkpoint: SegmentCheckpoint) -> None:
        self.checkpoint = checkpoint
        self.ended = checkpoint.done
        self._check_owner = run.check_owner

    @property
    def counts(self) -> Mapping[str, int]:
        return self.checkpoint.counts

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        """Do a little; the moment from which on it can go on, or None. Raises LeaseLost."""
        if self.ended:  # it was checkpointed as such, and then the lease ended
            return None
        self._check_owner()
        return await self.go_on()

    @abstractmethod
    async def go_on(self) -> float | None:
        """Do a little, as the owner of the job."""

    def abandon(self) -> None:  # noqa: B027 - mostly there is nothing
        """Give up what is under way, since the run ends."""


class SegmentRun(ABC, Generic[Options, Result]):
    """The work of one claim. `items` and `problems` name what is counted as such, `sides` whose items it reads."""

    job: ClassVar[Job]
    working: ClassVar[str]  # what it is doing, in a word
    items: ClassVar[tuple[str, ...]]
    problems: ClassVar[tuple[str, ...]]
    sides: tuple[Side, ...]

    def __init__(
        self, session: Session, claim: Claim, options: Options, observer: Observer, stop: threading.Event
    ) -> None:
        self.session = session
        self.claim = claim
        self.options = options
        self.observer = observer
        self.tasks: Sequence[SegmentTask] = ()
        self.meter = Meter()
        self.items_before = 0
        self._stop = stop
        self._items_total = 0
        self._workers = Workers((), session.now, self.stopping)

    async def work(self) -> Result:
        checkpoints = await self.session.run(load_checkpoints(self.claim))
        self.tasks = self.tasks_of(checkpoints)
        self.items_before = self.total(self.items)
        self.meter = Meter(self.items_before)
        self._items_total = await self.session.items_approximately(*self.sides)
        self._workers = Workers([task for task in self.tasks if not task.ended], self.session.now, self.stopping)
        started = self.session.now()
        try:
            await self._workers.work_off(self.options.workers, self._meanwhile)
        finally:
            for task in self.tasks:
                task.abandon()
        await self.observer.progress(self._progress())
        seconds = self.session.now() - started
        if self.done == len(self.tasks):
            at = datetime.now(UTC).isoformat(timespec="seconds")
            clean = not self.total(self.problems)
            _ = await self.session.run(finish_job(self.claim, self.counts(), clean=clean, finished_at=at))
        return self.result(seconds)

    @abstractmethod
    def tasks_of(self, checkpoints: Sequence[SegmentCheckpoint]) -> Sequence[SegmentTask]:
        """The segments, in the order in which they are begun."""

    @abstractmethod
    def result(self, seconds: float) -> Result:
        """What came of it."""

    def stopping(self) -> bool:
        return self._stop.is_set()

    def check_owner(self) -> None:
        check_owner(self.session, self.claim)

    @property
    def done(self) -> int:
        return sum(task.checkpoint.done for task in self.tasks)

    def counts(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for task in self.tasks:
            counted.update(task.counts)
        return counted

    def total(self, names: Sequence[str]) -> int:
        return sum(task.counts.get(name, 0) for task in self.tasks for name in names)

    async def _meanwhile(self) -> None:
        if self.session.failure is not None:
            raise self.session.failure
        self.look_after()
        await self.observer.progress(self._progress())

    def look_after(self) -> None:
        """What else is to be done twice a second."""

    def _progress(self) -> Progress:
        done = self.meter.done
        rate = self.meter.rate(self.session.now())
        return Progress(
            job=self.job.value,
            phase="stopping" if self.stopping() else self.working,
            items_done=done,
            items_total=self._items_total,
            items_per_second=rate,
            seconds_left=seconds_left(self._items_total, done, rate),
            segments_done=sum(task.ended for task in self.tasks),
            segments_total=len(self.tasks),
            waiting_segments=self._workers.aside,
            problems=self.total(self.problems),
        )


def run_segments(
    kind: type[SegmentRun[Options, Result]],
    migration: Migration,
    clients: Clients,
    options: Options,
    on_progress: OnProgress | None,
    stop_event: threading.Event | None,
    on_note: OnNote | None,
    caller: Caller | None,
    connect: Connect,
    *,
    check_stage: Callable[[str, Stage], None],
    segments: int,
    again: bool = False,
    reads_only: bool = False,
) -> Result:
    """Carry out a job over so many segments. `check_stage` raises where it has no point, `again` repeats a complete
    one, and one that `reads_only` writes into neither table."""
    observer = Observer(on_progress, on_note)
    session = Session(
        migration,
        clients,
        Role(kind.job.value),
        note=observer.note,
        calls_max=options.workers,
        lease_seconds=options.lease_seconds,
        landing_seconds=options.landing_seconds,
        rules=options.rules,
        caller=caller,
        connect=connect,
        reads_only=reads_only,
    )

    async def carried_out() -> Result:
        stop = stop_event or threading.Event()

        async def work(claim: Claim) -> Result:
            return await kind(session, claim, options, observer, stop).work()

        async with session:
            check_stage(migration.strategy, session.agent.stage)
            return await under_claims(session, kind.job, segments, work, again=again)

    return run_on_own_loop(carried_out())
