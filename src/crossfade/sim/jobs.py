"""Backfill and verify in the simulator: the real routines, in a process of their own, each page or key under a ticket.

The runners on threads are replaced by plain loops; what they run (`copy_page`, `compare_key`, `sync`, the claim, the
checkpoints) is what production runs. A job that dies is begun again by the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

from crossfade.backfill.copy import Limits, settle
from crossfade.backfill.segment import PageCopy, after_page, check_stage, copy_page, fresh_start
from crossfade.control.jobs import Claim, claim_job, finish_job, load_checkpoints, save_checkpoint
from crossfade.control.records import Job, SegmentCheckpoint
from crossfade.control.store import Caller
from crossfade.core.effects import Call, Note, Request, Routine, Sleep
from crossfade.core.items import Item
from crossfade.core.stages import LADDERS, Side, Stage, Writes
from crossfade.core.sync.compare import compare_key
from crossfade.core.sync.copy import copy_key
from crossfade.core.sync.retry import patiently
from crossfade.core.sync.source_fallback import fence
from crossfade.core.sync.sync import sync
from crossfade.core.tables.pair import Pair
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.errors import CrossfadeError, NotPossibleInStage, StageUncertain, UnknownOutcome
from crossfade.sim.client import Client
from crossfade.sim.processes import Task

T = TypeVar("T")

PAGE_ITEMS: Final = 2
SEGMENTS: Final = 1
RETRY_SECONDS: Final = 0.2
PASSES_MAX: Final = 40  # how often a key may fail because the lease ended, before the job gives up


class JobRun:
    """One job in a process of its own. `ended` is set whatever its outcome; a crash leaves it unset."""

    def __init__(self, client: Client, caller: Caller, job: Job, *, repair: bool, strategy: str) -> None:
        self.strategy = strategy
        self.rows = LADDERS[strategy]
        self.client = client
        self.caller = caller
        self.job = job
        self.repair = repair
        self.ended = False
        self.found: int | None = None  # differences, once it has ended well

    def start(self) -> None:
        def then(_value: object, error: CrossfadeError | None) -> None:
            self.ended = True
            if error is not None:
                self.client.world.note(self.client.process.name, "job", {"failed": str(error)})
            self.client.leave()

        self.task = Task(self.client.process, self.work(), self.job.value, then, Scope(), "job")
        self.client.world.start(self.task)

    # --- the jobs

    def work(self) -> Routine[None]:
        while not self.client.ready:
            yield from Sleep(RETRY_SECONDS)
        claim = yield from self._claim()
        if claim is None:
            return
        found = 0
        for checkpoint in (yield from load_checkpoints(claim)):
            if self.job is Job.BACKFILL:
                yield from self._backfill(claim, fresh_start(checkpoint))
            else:
                found += yield from self._verify()
                _ = yield from save_checkpoint(claim, replace(checkpoint, done=True))
        _ = yield from finish_job(claim, {"found": found}, clean=not found, finished_at=self.caller.clock())
        self.found = found
        yield from Note("job", {"job": self.job.value, "found": found})

    def _claim(self) -> Routine[Claim | None]:
        """None where somebody else runs it or has just finished it."""
        try:
            return (yield from claim_job(self.client.agent, self.caller, self.job, SEGMENTS))
        except NotPossibleInStage as refused:
            yield from Note("job", {"refused": refused.message})
            return None

    def _backfill(self, claim: Claim, checkpoint: SegmentCheckpoint) -> Routine[None]:
        """Page after page, each under a ticket of its own and checkpointed after its data."""

        def copied(strategy_stage: Stage) -> Routine[PageCopy]:
            check_stage(self.strategy, strategy_stage)
            yield from Note("page", {"job": self.job.value})
            page = yield from copy_page(
                self.client.pair, checkpoint, SEGMENTS, Limits(), PAGE_ITEMS, strategy=self.strategy
            )
            yield from settle(self.client.pair, page.copied)
            return page

        while not checkpoint.done:
            page = yield from self._with_ticket(copied)
            checkpoint = yield from save_checkpoint(claim, after_page(checkpoint, page))

    def _verify(self) -> Routine[int]:
        pair = self.client.pair
        agreed = pair.equal if self.strategy == "dual-write" else pair.is_covered
        found = 0
        sides: tuple[Side, Side] = ("source", "target")
        for side in sides:
            for page in self._pages(side):
                for item in (yield from page):
                    image = item if side == "source" else pair.mapping.backward(item)
                    key = pair.source_key(image)
                    difference = yield from compare_key(pair, key, agreed=agreed)
                    if difference is None or difference.in_flight:
                        continue
                    found += 1
                    yield from Note("difference", {"kind": difference.kind, "difference": difference})
                    if self.repair:
                        yield from self._sync(key)
        return found

    def _pages(self, side: Side) -> Iterator[Routine[list[Item]]]:
        """The pages of a scan; each is a routine to be run before the next is asked for."""
        pair: Pair = self.client.pair
        request: Request = {"TableName": pair.table(side).name, "Limit": PAGE_ITEMS, "ConsistentRead": True}
        more = True

        def page() -> Routine[list[Item]]:
            nonlocal more
            while True:
                try:
                    reply = yield from patiently(Call(side, "Scan", dict(request)))
                    break
                except UnknownOutcome:
                    yield from Sleep(RETRY_SECONDS)
            more = "LastEvaluatedKey" in reply
            if more:
                request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
            items: list[Item] = reply["Items"]
            return items

        while more:
            yield page()

    def _sync(self, source_key: Item) -> Routine[None]:
        """Make both sides equal on one key, as the authority has it in the stage that this obeys."""

        def synced(stage: Stage) -> Routine[None]:
            row, pair = self.rows[stage], self.client.pair
            if row.keeps_equal:
                yield from sync(pair, row.authority, source_key)
            elif row.drains:
                _ = yield from copy_key(pair, source_key, fence(pair) if row.writes is Writes.DELETING else None)
            else:
                raise NotPossibleInStage(f"a {self.job} in {stage}: one table is written there")

        yield from self._with_ticket(synced)

    def _with_ticket(self, work: Callable[[Stage], Routine[T]]) -> Routine[T]:
        """Do some work under a ticket, all of it again where the lease ended meanwhile."""
        client = self.client
        for _ in range(PASSES_MAX):
            try:
                ticket = client.agent.begin(strict=True)
            except StageUncertain:
                yield from Sleep(RETRY_SECONDS)
                continue
            self.task.scope = TicketScope(client.agent, ticket, client.background.put)
            try:
                return (yield from work(ticket.stage))
            except StageUncertain:
                continue
            finally:
                self.task.scope = Scope()
                client.agent.release(ticket)
        raise NotPossibleInStage("the lease ended again and again")
