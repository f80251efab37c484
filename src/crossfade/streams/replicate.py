"""The runner of replicate: each change of the table that decides is a key to be synced, whoever failed to mirror it.

Both tables' streams are read all the time, and what a table says that does not decide just now is passed over: so when
the authority moves, the other stream has been read up to that moment, and its backlog is not to be worked through.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from crossfade.control.jobs import Claim, claim_job
from crossfade.control.record_items import job_record
from crossfade.control.records import Job, Reader, Role
from crossfade.control.store import Caller
from crossfade.control.streams import forget_reader
from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key
from crossfade.core.stages import ALL_LADDERS, SIDES, Stage
from crossfade.errors import Fenced
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.session import Session
from crossfade.migration import Migration
from crossfade.streams.applying import Applied, Failure, apply_keys, source_keys
from crossfade.streams.asking import Stream
from crossfade.streams.changes import Change
from crossfade.streams.following import READS_AT_ONCE, Following
from crossfade.streams.ledger import Opening, open_ledger
from crossfade.streams.result import SAMPLES_MAX, FailureSample, ReplicateOptions, ReplicateResult
from crossfade.streams.running import REPLICATE_ADVICE, Stopping, refuse_without_mirrors, streams_of, while_uncertain

KEYS_AT_ONCE: Final = 25  # under one ticket: a stage move waits for no more, and 400 KB each is 20 MB of both sides
CLAIMS_MAX: Final = 20  # of one run, whose lease was lost in between
COUNTS: Final = ("changes", "passed", "equal", "synced", "failed")

OnReport = Callable[[dict[str, Any]], None]


def run_replicate(
    migration: Migration,
    clients: Clients,
    options: ReplicateOptions,
    on_report: OnReport | None = None,
    stop_event: threading.Event | None = None,
    *,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
    wall: Callable[[], float] = time.time,
) -> ReplicateResult:
    """Follow the streams of both tables from where the last run stopped, and sync what has changed.

    Make the clients with `job_config`. `on_report` is called about every second with counts and lag. Raises
    NotPossibleInStage (another one runs, a stage without mirrors), StreamGap, Fenced, NotStarted, ConfigurationError
    (no stream), StageUncertain (no lease for minutes) and DatabaseError; whatever it raises, the same command goes on
    where it was.
    """
    refuse_without_mirrors(migration)
    observer = Observer(None, on_note)
    stop = stop_event or threading.Event()
    return run_on_own_loop(_replicate(migration, clients, options, on_report, stop, observer, caller, connect, wall))


def end_replication(
    migration: Migration,
    clients: Clients,
    options: ReplicateOptions,
    *,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
) -> None:
    """Have none from now on: its positions are removed, and the gate with them. NotPossibleInStage while it runs."""
    observer = Observer(None, on_note)
    run_on_own_loop(_end(migration, clients, options, observer, caller, connect))


async def _end(
    migration: Migration,
    clients: Clients,
    options: ReplicateOptions,
    observer: Observer,
    caller: Caller | None,
    connect: Connect,
) -> None:
    async with _session(migration, clients, options, observer, caller, connect) as session:
        control = session.agent.control
        _ = await session.run(claim_job(session.agent, session.caller, Job.REPLICATION, 0))
        await session.run(forget_reader(control, Reader.REPLICATION))
        await session.run(control.remove(job_record(Job.REPLICATION)))


def _session(
    migration: Migration,
    clients: Clients,
    options: ReplicateOptions,
    observer: Observer,
    caller: Caller | None,
    connect: Connect,
) -> Session:
    return Session(
        migration,
        clients,
        Role.REPLICATION,
        note=observer.note,
        calls_max=READS_AT_ONCE + options.workers,
        lease_seconds=options.lease_seconds,
        landing_seconds=options.landing_seconds,
        caller=caller,
        connect=connect,
    )


async def _replicate(
    migration: Migration,
    clients: Clients,
    options: ReplicateOptions,
    on_report: OnReport | None,
    stop: threading.Event,
    observer: Observer,
    caller: Caller | None,
    connect: Connect,
    wall: Callable[[], float],
) -> ReplicateResult:
    async with _session(migration, clients, options, observer, caller, connect) as session:
        moment = None if options.seconds is None else session.now() + options.seconds
        run = _Run(session, options, on_report, Stopping(stop, moment), observer, wall)
        for _ in range(CLAIMS_MAX):
            claim = await session.run(claim_job(session.agent, session.caller, Job.REPLICATION, 0))
            try:
                return await run.work(claim)
            except _LeaseLost:
                pass
        raise Fenced(f"the lease was lost {CLAIMS_MAX} times", next_step="look at the connection to the control table")


class _LeaseLost(Fenced):
    """We were counted as gone and are back as another client: the job must be claimed again, or is somebody else's."""


class _Run:
    def __init__(
        self,
        session: Session,
        options: ReplicateOptions,
        on_report: OnReport | None,
        stopping: Stopping,
        observer: Observer,
        wall: Callable[[], float],
    ) -> None:
        self._session = session
        self._options = options
        self._on_report = on_report
        self._stopping = stopping
        self._observer = observer
        self._wall = wall
        self._counts: Counter[str] = Counter()
        self._failures: list[Failure] = []
        self._workers = asyncio.Semaphore(options.workers)
        self._started = session.now()
        self._reported_at = float("-inf")
        self._afresh = options.afresh
        self._before: Counter[str] | None = None  # what earlier runs had counted
        self._owner = ""
        self._following: Following | None = None

    async def work(self, claim: Claim) -> ReplicateResult:
        session, self._owner = self._session, claim.record.owner
        step = "crossfade replicate --enable-streams --execute"
        streams = await streams_of(session, SIDES, REPLICATE_ADVICE, step, on=self._options.enable)
        agent = session.agent
        opening = Opening(Reader.REPLICATION, self._owner, session.caller, agent.pid, streams, self._afresh)
        ledger = await session.run(open_ledger(claim.control, opening, int(self._wall())))
        self._afresh = False  # what we have begun goes on
        if self._before is None:
            self._before = Counter(ledger.report.counts)
        before = self._before
        self._following = following = Following(
            session,
            ledger,
            streams,
            self._deal,
            stop=lambda: self._stopping.asked(session.now()),
            counts=lambda: dict(before + self._counts),
            meanwhile=self._meanwhile,
            once=self._options.once,
            wall=self._wall,
        )
        await following.run()
        now = session.now()
        return ReplicateResult(
            ended=self._stopping.ending(now),
            counts={name: self._counts[name] for name in COUNTS},
            resumed=ledger.resumed,
            lag_seconds=ledger.report.lag_seconds,
            seconds=now - self._started,
            observer_errors=self._observer.errors,
            samples=tuple(FailureSample(show_key(failure.key), failure.reason) for failure in self._failures),
        )

    def _check_owner(self) -> None:
        """A job whose owner has no lease may be taken over at any moment."""
        if self._session.agent.client_id != self._owner:
            raise _LeaseLost(f"{self._owner} lost its lease")

    async def _meanwhile(self) -> None:
        session = self._session
        if session.failure is not None:
            raise session.failure
        self._check_owner()
        if session.agent.stage is Stage.COMPLETE:
            self._stopping.complete = True
        if session.now() - self._reported_at >= 1.0 and self._on_report is not None and self._following is not None:
            self._reported_at = session.now()
            facts = {**{name: self._counts[name] for name in COUNTS}, "lag_seconds": self._following.lag_seconds()}
            try:
                await asyncio.to_thread(self._on_report, facts)
            except Exception:  # noqa: BLE001 - watching never harms; counted, and part of the result
                self._observer.errors += 1

    # --- a page

    async def _deal(self, stream: Stream, changes: Sequence[Change]) -> None:
        self._counts["changes"] += len(changes)
        keys, failures = source_keys(self._session.pair, changes)
        parts = [keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE)]
        _ = await asyncio.gather(*(self._apply(stream, part) for part in parts))
        if self._decides(stream, self._session.agent.stage):
            self._failed(failures)

    async def _apply(self, stream: Stream, keys: Sequence[Item]) -> None:
        session = self._session

        async def once() -> Applied | None:
            self._check_owner()
            with session.ticket() as scope:
                if not self._decides(stream, scope.ticket.stage):
                    return None
                return await session.run(apply_keys(session.pair, stream.side, keys), scope)

        async with self._workers:
            applied = await while_uncertain(session, once)
        if applied is None:
            self._counts["passed"] += len(keys)
            return
        self._counts["equal"] += applied.equal
        self._counts["synced"] += applied.synced
        self._failed(applied.failures)

    def _decides(self, stream: Stream, stage: Stage) -> bool:
        row = ALL_LADDERS[self._session.migration.strategy][stage]
        return not row.is_single and row.authority == stream.side

    def _failed(self, failures: Sequence[Failure]) -> None:
        self._counts["failed"] += len(failures)
        self._failures += failures[: max(0, SAMPLES_MAX - len(self._failures))]
