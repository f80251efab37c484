"""Whoever applies, as a client of its migration: so that nothing of the log is applied once the target decides.

What is written back to the source in `live` comes through its log again, and what came before the fence may come once
more after it (another worker goes on from an offset that is older than what was applied). Put over what applications
have written to the target, whose items need carry no version, either would undo it.

So each change is applied under a ticket of the stage in which it was begun, as every operation of an application is.
The coordinator moves the authority only when all such work of the stage before has ended; a process that has stood
still for longer than its lease sends nothing any more. In a stage in which the target decides a change is passed over.
What was read under a lease that has ended since, or before the target has decided, is not applied any more either:
whoever applies begins anew then, from the offsets or the position that were kept (`etl/standing.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from crossfade.cdc.applying import Applied, Destination, apply, pass_over
from crossfade.cdc.changes import Change
from crossfade.cdc.etl.applier import Run
from crossfade.cdc.etl.standing import PASSING, Resting, Standing, carries
from crossfade.cdc.migration import RowMigration
from crossfade.control.agent import LEASE_SECONDS
from crossfade.control.records import Role
from crossfade.control.store import Caller
from crossfade.core.stages import Stage
from crossfade.errors import DatabaseError, NotPossibleInStage, StageUncertain
from crossfade.jobs.session import JobClient, NoteFunction

T = TypeVar("T")

LEAVE_SECONDS: Final = 5.0
WAIT_SECONDS: Final = 0.1


class Leased(JobClient):
    """`async with Leased(...) as leased`: a client of the migration that applies. For one loop."""

    def __init__(
        self,
        migration: RowMigration,
        client: Any,
        role: Role,
        caller: Caller,
        note: NoteFunction,
        *,
        calls_max: int,
        lease_seconds: float = LEASE_SECONDS,
        landing_seconds: float | None = None,
    ) -> None:
        """Take a JobClient's arguments, with one client for all requests."""
        super().__init__(
            migration,
            {"target": client, "control": client},
            role,
            note=self._heard,
            calls_max=calls_max,
            lease_seconds=lease_seconds,
            landing_seconds=landing_seconds,
            caller=caller,
        )
        self.migration = migration
        self._note = note
        self._standing = Standing(self.agent, self.now)

    @property
    def stage(self) -> Stage:
        return self.agent.stage

    async def begun(self, over: Callable[[], bool]) -> Run:
        """How to carry out what is read from now on. Waits for a stage in which one may begin, or for `over`.

        A change is applied, or passed over where the target decides. Raises StageUncertain without a lease, and Resting
        once nothing of what was read may be applied any more: begin again, and read again from what was kept.
        """
        session: int | None = None
        while session is None and not over():
            self.raise_failure()
            try:
                session = self._standing.begin()
            except (Resting, StageUncertain):
                await asyncio.sleep(WAIT_SECONDS)
        return partial(self._carry, PASSING if session is None else session)

    async def _carry(self, session: int, destination: Destination, change: Change) -> Applied:
        self.raise_failure()
        ticket = self._standing.take(session)
        routine = apply(destination, change) if carries(ticket.stage) else pass_over(destination, change)
        scope = self.scope_of(ticket)
        try:
            applied = await self.run(routine, scope)
        except BaseException as error:
            if scope.sent and not isinstance(error, Exception):  # cancelled
                self.agent.lost("a change", "cancelled with a write under way")
            raise
        finally:
            self._standing.give_back(ticket, may_land=scope.may_land)
        return applied

    def raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    # --- coming and going

    async def look(self) -> None:
        self._standing.look_after()
        await super().look()

    async def leave(self) -> None:
        """A database that does not answer does not keep us: the lease runs out by itself."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await super().leave()
        except (DatabaseError, TimeoutError) as failed:
            self._note("leave_failed", {"client": self.agent.client_id, "error": str(failed) or "no answer"})

    def _heard(self, name: str, facts: dict[str, Any]) -> None:
        if name == "migration_gone":
            self.failure = NotPossibleInStage(
                f"migration {self.migration.name} was cancelled: nothing is carried any more",
                next_step="crossfade start --execute, to begin it anew",
            )
        self._note(name, facts)
