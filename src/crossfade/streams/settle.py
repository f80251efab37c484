"""The runner of settle: every key that was written since a dead client may have left something undone, made equal.

Both tables' changes count, whichever decides: what a client left behind is a write of the one without its mirror, or a
mirror of it that landed in the other after something newer. A key is made equal as a mirror would have done it, toward
the table that decides in the stage of the ticket under which that is done. That is done once, after all that these
clients had sent has landed; what living clients write meanwhile, they mirror.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from crossfade.control.records import Job, JobStatus, Role
from crossfade.control.settling import Settling, begin_settling, finish_settling
from crossfade.control.store import Caller
from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key
from crossfade.core.request.error_codes import ABOUT_THE_ITEM
from crossfade.core.stages import ALL_LADDERS, SIDES, Row
from crossfade.core.sync.sync import agree, sync
from crossfade.core.tables.pair import Pair, key_name
from crossfade.errors import MappingError, NotPossibleInStage, ServiceRejected
from crossfade.jobs.bulk import get_in_bulk
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.repair import Repair, reason_to_leave
from crossfade.jobs.session import Session
from crossfade.migration import Migration
from crossfade.streams.applying import Failure, source_keys
from crossfade.streams.changes import Change
from crossfade.streams.result import SAMPLES_MAX, FailureSample, SettleOptions, SettleResult
from crossfade.streams.running import SETTLE_ADVICE, streams_of, while_uncertain
from crossfade.streams.window import READS_AT_ONCE, Window

KEYS_AT_ONCE: Final = 25  # under one ticket: a stage move waits for no more
COUNTS: Final = ("changes", "keys", "equal", "synced", "failed")
ENABLING: Final = "crossfade verify (and for the next time: crossfade replicate --enable-streams --execute)"
PROGRESS_SECONDS: Final = 1.0
SEEN_MAX: Final = 500_000  # some 100 MB; beyond that a key may be looked at twice, which does no harm

OnReport = Callable[[dict[str, Any]], None]


def run_settle(
    migration: Migration,
    clients: Clients,
    options: SettleOptions,
    on_report: OnReport | None = None,
    stop_event: threading.Event | None = None,
    *,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
    wall: Callable[[], float] = time.time,
) -> SettleResult:
    """Do what clients that ended unfinished have left undone, and clear their marks.

    Make the clients with `job_config`. Raises NotPossibleInStage (a stage or a mark of which the streams do not tell,
    or the stage was left meanwhile), StreamGap, ConfigurationError (no stream), NotStarted, StageUncertain and
    DatabaseError; whatever it raises, no mark was cleared.
    """
    observer = Observer(None, on_note)
    stop = stop_event or threading.Event()
    return run_on_own_loop(_settle(migration, clients, options, on_report, stop, observer, caller, connect, wall))


async def _settle(
    migration: Migration,
    clients: Clients,
    options: SettleOptions,
    on_report: OnReport | None,
    stop: threading.Event,
    observer: Observer,
    caller: Caller | None,
    connect: Connect,
    wall: Callable[[], float],
) -> SettleResult:
    session = Session(
        migration,
        clients,
        Role.SETTLE,
        note=observer.note,
        calls_max=2 * READS_AT_ONCE + options.workers,
        lease_seconds=options.lease_seconds,
        landing_seconds=options.landing_seconds,
        caller=caller,
        connect=connect,
    )
    async with session:
        started = session.now()
        settling = await session.run(begin_settling(session.agent.control, session.caller))
        run = _Run(session, settling, options, on_report, stop, observer, wall)
        ended = "nothing to do"
        if settling.marks:
            await run.work()
            ended = run.ended
        if ended == "settled":
            facts = ", ".join(f"{name} {count}" for name, count in run.told.items())
            await session.run(finish_settling(session.agent.control, session.caller, settling, facts))
        since = datetime.fromtimestamp(settling.since, UTC).isoformat(timespec="seconds") if settling.marks else ""
        return SettleResult(
            ended=ended,
            marks=len(settling.marks),
            since=since,
            counts=run.told,
            seconds=session.now() - started,
            observer_errors=observer.errors,
            samples=tuple(FailureSample(show_key(failure.key), failure.reason) for failure in run.failures),
        )


@dataclass(slots=True)
class _Run:
    session: Session
    settling: Settling
    options: SettleOptions
    on_report: OnReport | None
    stop: threading.Event
    observer: Observer
    wall: Callable[[], float]
    failures: list[Failure] = field(default_factory=list[Failure])
    _counts: Counter[str] = field(default_factory=Counter[str])
    _seen: set[str] = field(default_factory=set[str])
    _backfilled: bool = False

    @property
    def told(self) -> dict[str, int]:
        return {name: self._counts[name] for name in COUNTS}

    @property
    def ended(self) -> str:
        if self.stop.is_set():
            return "stopped"
        return "failed" if self._counts["failed"] else "settled"

    async def work(self) -> None:
        session = self.session
        streams = await streams_of(session, SIDES, SETTLE_ADVICE, ENABLING, on=False)
        backfill = await session.run(session.agent.control.job(Job.BACKFILL))
        self._backfilled = backfill is not None and backfill.status is JobStatus.COMPLETE
        await self._wait_until_landed()
        workers = asyncio.Semaphore(self.options.workers)

        async def deal(changes: Sequence[Change]) -> None:
            await self._deal(workers, changes)

        since, delivery = self.settling.since, self.options.delivery_seconds
        windows = [Window(session, stream, since, deal, self.stopping, self.wall, delivery) for stream in streams]
        reporting = asyncio.create_task(self._report(), name="crossfade-settle-report")
        try:
            async with asyncio.TaskGroup() as group:
                for window in windows:
                    _ = group.create_task(window.read())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            _ = reporting.cancel()

    def stopping(self) -> bool:
        if self.session.failure is not None:
            raise self.session.failure
        return self.stop.is_set()

    async def _wait_until_landed(self) -> None:
        until = self.session.now() + self.settling.landing_seconds
        while self.session.now() < until and not self.stopping():
            await asyncio.sleep(min(0.2, max(0.0, until - self.session.now())))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            if self.on_report is not None:
                try:
                    await asyncio.to_thread(self.on_report, self.told)
                except Exception:  # noqa: BLE001 - watching never harms; counted, and part of the result
                    self.observer.errors += 1

    # --- keys

    async def _deal(self, workers: asyncio.Semaphore, changes: Sequence[Change]) -> None:
        self._counts["changes"] += len(changes)
        keys, failures = source_keys(self.session.pair, changes)
        self._failed(failures)
        new = {name: key for key in keys if (name := key_name(key)) not in self._seen}
        if len(self._seen) > SEEN_MAX:
            self._seen.clear()
        self._seen.update(new)
        fresh = list(new.values())
        self._counts["keys"] += len(fresh)
        parts = [fresh[start : start + KEYS_AT_ONCE] for start in range(0, len(fresh), KEYS_AT_ONCE)]

        async def part_of(part: Sequence[Item]) -> None:
            async with workers:
                await while_uncertain(self.session, lambda: self._make_equal(part))

        _ = await asyncio.gather(*map(part_of, parts))

    async def _make_equal(self, keys: Sequence[Item]) -> None:
        session = self.session
        with session.ticket() as scope:
            row = ALL_LADDERS[session.migration.strategy][scope.ticket.stage]
            if not row.keeps_equal:
                raise NotPossibleInStage(
                    f"the migration has been moved on to {scope.ticket.stage} meanwhile", next_step="crossfade status"
                )
            made = await session.run(make_equal(session.pair, row, keys, backfilled=self._backfilled), scope)
        self._counts["synced"] += made.synced
        self._counts["equal"] += len(keys) - made.synced - len(made.failures)
        self._failed(made.failures)

    def _failed(self, failures: Sequence[Failure]) -> None:
        self._counts["failed"] += len(failures)
        self.failures += failures[: max(0, SAMPLES_MAX - len(self.failures))]


@dataclass(slots=True)
class _Made:
    synced: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])


def make_equal(pair: Pair, row: Row, keys: Sequence[Item], *, backfilled: bool) -> Routine[_Made]:
    """Make the side that does not decide equal under these keys. What a repair would leave alone is a failure, but for
    an expiry, which is no difference."""
    made = _Made()
    targets = yield from get_in_bulk(pair, "target", keys)
    sources = yield from get_in_bulk(pair, "source", keys)
    for key, source, target in zip(keys, sources, targets, strict=True):
        held, there = (source, target) if row.authority == "source" else (target, source)
        if agree(pair, row.authority, held, there):
            continue
        leave = yield from reason_to_leave(pair, row, source, target, backfilled=backfilled)
        if leave is not None:
            made.failures += [] if leave is Repair.EXPIRED else [Failure(key, leave)]
            continue
        try:
            yield from sync(pair, row.authority, key)
        except MappingError as error:
            made.failures.append(Failure(key, error.message))
        except ServiceRejected as error:
            if error.code not in ABOUT_THE_ITEM:
                raise
            made.failures.append(Failure(key, str(error)))
        else:
            made.synced += 1
    return made
