"""The runner of watch: every write of the source that crossfade did not make, named.

It takes part in nothing: without a repair it has no lease, so nobody waits for it and nothing is marked when it dies.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from crossfade.control.comparisons import forget_difference, tell_difference
from crossfade.control.records import Reader, Role
from crossfade.control.store import Caller
from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key
from crossfade.core.stages import ALL_LADDERS, Row
from crossfade.core.sync.lasting import lasting_difference
from crossfade.core.tables.pair import key_name
from crossfade.drivers.unique import unique
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.repair import Repair, repair_key
from crossfade.jobs.session import Session
from crossfade.migration import Migration
from crossfade.streams.asking import Stream
from crossfade.streams.changes import Change
from crossfade.streams.following import READS_AT_ONCE, Following
from crossfade.streams.ledger import Ledger, Opening, open_ledger
from crossfade.streams.looking import LOOK_SECONDS, Onlooker
from crossfade.streams.meaning import Judgement, Look, judge
from crossfade.streams.result import SeenWrite, Verdict, WatchOptions, WatchResult
from crossfade.streams.running import WATCH_ADVICE, Stopping, streams_of, while_uncertain
from crossfade.streams.stamps import ONE_TABLE, bring_over, found_now, seen, with_whole_key
from crossfade.streams.strays import mappable, unfollowed

LOOKS_AT_ONCE: Final = 64  # at keys that differ; each mostly waits
COUNTS: Final = ("writes", "passed", "followed", "stray", "expired", "untold", "repaired")
WOULD_EXPIRE_AGAIN: Final = "left alone: put back, it would only expire again"

OnWrite = Callable[[SeenWrite], None]


def run_watch(
    migration: Migration,
    clients: Clients,
    options: WatchOptions,
    on_write: OnWrite | None = None,
    stop_event: threading.Event | None = None,
    *,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    caller: Caller | None = None,
    connect: Connect = lean,
    wall: Callable[[], float] = time.time,
) -> WatchResult:
    """Read the source's stream from where the last watch stopped, and report what crossfade did not write.

    Make the clients with `job_config`. Raises StreamGap, Fenced (another watch was started), NotStarted,
    ConfigurationError (no stream) and DatabaseError; after any, the same command goes on where it was.
    """
    observer = Observer(None, on_note)
    job = _Watch(
        migration, clients, options, on_write, stop_event or threading.Event(), observer, caller, connect, wall
    )
    return run_on_own_loop(job.run())


class _Watch:
    def __init__(
        self,
        migration: Migration,
        clients: Clients,
        options: WatchOptions,
        on_write: OnWrite | None,
        stop: threading.Event,
        observer: Observer,
        caller: Caller | None,
        connect: Connect,
        wall: Callable[[], float],
    ) -> None:
        self._options = options
        self._on_write = on_write
        self._observer = observer
        self._wall = wall
        self._session = session = Session(
            migration,
            clients,
            Role.WATCH,
            note=observer.note,
            calls_max=READS_AT_ONCE + LOOKS_AT_ONCE,
            lease_seconds=options.lease_seconds,
            landing_seconds=options.landing_seconds,
            caller=caller,
            connect=connect,
        )
        self._onlooker = Onlooker(session.agent.control)
        self._look: Look | None = None
        self._looked_at = float("-inf")
        self._stop = stop
        self._counts: Counter[str] = Counter()
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def run(self) -> WatchResult:
        if self._options.repair:
            async with self._session:
                return await self._watch()
        try:
            return await self._watch()
        finally:
            await self._session.close()

    async def _watch(self) -> WatchResult:
        options, session = self._options, self._session
        control, started = session.agent.control, session.now()
        _ = await self._look_again()
        step = "crossfade watch --enable-stream --execute"
        streams = await streams_of(session, ("source",), WATCH_ADVICE, step, on=options.enable)
        owner = f"watch-{session.caller.host}-{os.getpid()}-{unique(8)}"
        opening = Opening(Reader.WATCH, owner, session.caller, os.getpid(), streams, options.afresh)
        ledger: Ledger = await session.run(open_ledger(control, opening, int(self._wall())))
        before = Counter(ledger.report.counts)
        stopping = Stopping(self._stop, None if options.seconds is None else started + options.seconds)
        following = Following(
            session,
            ledger,
            streams,
            self._deal,
            stop=lambda: stopping.asked(session.now()),
            counts=lambda: dict(before + self._counts),
            meanwhile=self._meanwhile,
            once=options.once,
            wall=self._wall,
        )
        await following.run()
        now = session.now()
        return WatchResult(
            ended=stopping.ending(now),
            counts={name: self._counts[name] for name in COUNTS},
            resumed=ledger.resumed,
            seconds=now - started,
            observer_errors=self._observer.errors,
        )

    async def _meanwhile(self) -> None:
        if self._session.failure is not None:
            raise self._session.failure
        if self._session.now() - self._looked_at >= LOOK_SECONDS:
            _ = await self._look_again()

    async def _look_again(self) -> Look:
        look = await self._session.run(self._onlooker.look(self._wall()))
        self._look, self._looked_at = look, self._session.now()
        return look

    # --- a page

    async def _deal(self, stream: Stream, changes: Sequence[Change]) -> None:
        del stream
        self._counts["writes"] += len(changes)
        of_key: dict[str, list[Change]] = {}
        for change in changes:
            of_key.setdefault(key_name(change.key), []).append(with_whole_key(self._session.pair, change))
        look = self._look or await self._look_again()
        to_compare: list[list[Change]] = []
        stamped: list[Awaitable[None]] = []
        for several in of_key.values():
            judged = judge(look, several[-1])
            if judged is Judgement.COMPARE:
                to_compare.append(several)
            elif judged is Judgement.READ_STAMP:
                stamped.append(self._read_stamps(several))
            else:
                await self._conclude(look, several, judged)
        strange = [several for several in to_compare if not mappable(self._session.pair, several[-1].key)]
        keys = [several[-1].key for several in to_compare if several not in strange]
        differing = {key_name(key) for key in await self._session.run(unfollowed(self._session.pair, keys))}
        self._counts["followed"] += len(keys) - len(differing)
        looks = [
            self._look_closer(several)
            for several in to_compare
            if several in strange or key_name(several[-1].key) in differing
        ]
        _ = await asyncio.gather(*looks, *stamped)

    async def _conclude(self, look: Look, changes: Sequence[Change], judged: Judgement) -> None:
        if judged is Judgement.PASS:
            self._counts["passed"] += 1
        elif judged is Judgement.TELL:
            await self._tell(look, changes, "untold")
        else:
            await self._tell(look, changes, "stray", repair=ONE_TABLE if self._options.repair else "")

    async def _read_stamps(self, changes: Sequence[Change]) -> None:
        """Judge the changes of one key by their stamps, in a migration that copies on write."""
        pair = self._session.pair
        if not mappable(pair, changes[-1].key):
            changes = await self._session.run(found_now(pair, changes))
        key = changes[-1].key
        if not mappable(pair, key):
            await self._tell(await self._look_again(), changes, "stray", difference="missing")
            return
        async with self._looks:
            found = await self._session.run(seen(pair, changes))
        if found.verdict is None:
            self._counts["followed"] += 1
            return
        look = await self._look_again()
        repair = ""
        if self._options.repair and found.verdict == "stray":
            repair = await self._under_ticket(lambda row: bring_over(pair, row, key))
        if found.verdict == "stray" and found.difference == "missing":
            await self._hold_gate(key, found.difference, repair)
        last = [*(change for change in changes if change is not found.change), found.change]
        await self._tell(look, last, found.verdict, difference=found.difference, repair=repair)

    async def _look_closer(self, changes: Sequence[Change]) -> None:
        """At a key that differed at first sight."""
        key = changes[-1].key
        if mappable(self._session.pair, key):
            async with self._looks:
                difference = await self._session.run(lasting_difference(self._session.pair, key))
            if difference is None:
                self._counts["followed"] += 1
                return
            kind: str = difference.kind
        else:
            kind = "missing"
        look = await self._look_again()
        judged = judge(look, changes[-1])
        if judged is not Judgement.COMPARE:  # the stage has changed meanwhile
            await self._conclude(look, changes, judged)
            return
        verdict: Verdict = "expired" if changes[-1].expired else "stray"
        repair = await self._repair(look, key, verdict) if self._options.repair else ""
        if verdict == "stray":
            await self._hold_gate(key, kind, repair)
        await self._tell(look, changes, verdict, difference=kind, repair=repair)

    async def _hold_gate(self, key: Item, kind: str, repair: str) -> None:
        """Have a stray write that is not repaired hold the gate until a verify begins."""
        session = self._session
        control, caller, client = session.agent.control, session.caller, session.agent.client_id
        if repair == Repair.REPAIRED:
            await session.run(forget_difference(control, key))
            return
        await session.run(
            tell_difference(control, key, kind, seen_by="a watch", client=client, host=caller.host, pid=os.getpid())
        )

    async def _repair(self, look: Look, key: Item, verdict: Verdict) -> str:
        """Toward the authority, under a ticket, as a mirror would have done it."""
        session = self._session
        if not mappable(session.pair, key):
            return Repair.FAILED
        if verdict == "expired" and look.authority == "target":
            return WOULD_EXPIRE_AGAIN

        return await self._under_ticket(lambda row: repair_key(session.pair, row, key, backfilled=look.backfilled))

    async def _under_ticket(self, repairing: Callable[[Row], Routine[str]]) -> str:
        """What became of it."""
        session = self._session

        async def once() -> str:
            with session.ticket() as scope:
                row = ALL_LADDERS[session.migration.strategy][scope.ticket.stage]
                if row.is_single:
                    return ONE_TABLE
                return await session.run(repairing(row), scope)

        outcome = await while_uncertain(session, once)
        self._counts["repaired"] += outcome == Repair.REPAIRED
        return str(outcome)

    async def _tell(
        self, look: Look, changes: Sequence[Change], verdict: Verdict, *, difference: str = "", repair: str = ""
    ) -> None:
        change = changes[-1]
        key = self._session.pair.source_key(change.key)  # in the order of the table's key
        self._counts[verdict] += 1
        seen = SeenWrite(
            at=datetime.fromtimestamp(change.at, UTC).isoformat(timespec="seconds"),
            key=show_key(key),
            source_key=key,
            change=change.event,
            who=change.who,
            verdict=verdict,
            writes=len(changes),
            difference=difference,
            stage=look.stage,
            repair=repair,
            seconds_after=round(max(0.0, self._wall() - change.at), 1),
        )
        if self._on_write is not None:
            try:
                await asyncio.to_thread(self._on_write, seen)
            except Exception:  # noqa: BLE001 - watching never harms; counted, and part of the result
                self._observer.errors += 1
