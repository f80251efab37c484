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
import contextlib
import os
import socket
import uuid
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from crossfade.aws.bulk import BulkClient
from crossfade.cdc.applying import Applied, Destination, apply, pass_over
from crossfade.cdc.changes import Change
from crossfade.cdc.etl.applier import Run
from crossfade.cdc.etl.standing import Resting, Standing, carries
from crossfade.cdc.migration import RowMigration
from crossfade.control.agent import LEASE_SECONDS, POLL_SECONDS, Agent, Ticket
from crossfade.control.freezing import poll_seconds
from crossfade.control.records import Role
from crossfade.control.store import Caller
from crossfade.core.effects import Later, Reply, Request, Routine
from crossfade.core.stages import FREEZE_STRATEGY, Stage
from crossfade.drivers.aio import AioDriver
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.errors import DatabaseError, Refused, StageUncertain
from crossfade.jobs.connecting import CONTROL_CONNECTIONS, landing_seconds_of
from crossfade.jobs.session import NoteFunction

T = TypeVar("T")

LEAVE_SECONDS: Final = 5.0
WAIT_SECONDS: Final = 0.1
PASSING: Final = -1  # a session in which nothing is applied


class Leased:
    """`async with Leased(...) as leased`: joined, polling meanwhile, and left again at the end. For one loop.

    Entering raises ConfigurationError or NotStarted.
    """

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
        self.migration = migration
        self.landing_seconds = landing_seconds_of({"target": client}) if landing_seconds is None else landing_seconds
        self.agent = Agent(
            migration.name,
            _new_id(role),
            landing_seconds=self.landing_seconds,
            host=caller.host,
            pid=os.getpid(),
            fingerprint=migration.fingerprint,
            new_id=lambda: _new_id(role),
            lease_seconds=lease_seconds,
            role=role,
            control_table=migration.control_table,
        )
        self.failure: Exception | None = None  # the migration is not there any more, or is another one
        self._note = note
        self._client = BulkClient.like(client, connections_max=calls_max + CONTROL_CONNECTIONS, attempts_max=1)
        self._driver = AioDriver(self._call, self._heard)
        self._standing = Standing(self.agent, self._driver.clock)
        self._ending = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    @property
    def stage(self) -> Stage:
        return self.agent.stage

    async def run(self, routine: Routine[T]) -> T:
        """A routine of the control plane."""
        return await self._driver.run(routine, Scope())

    async def begun(self, over: Callable[[], bool]) -> Run:
        """How to carry out what is read from now on. Waits for a stage in which one may begin, or for `over`.

        A change is applied, or passed over where the target decides. Raises StageUncertain without a lease, and Resting
        once nothing of what was read may be applied any more: begin again, and read again from what was kept.
        """
        session: int | None = None
        while session is None and not over():
            self.raise_failure()
            try:
                session = self._standing.begin() if carries(self.agent.stage) else PASSING
            except (Resting, StageUncertain):
                await asyncio.sleep(WAIT_SECONDS)
        return partial(self._carry, PASSING if session is None else session)

    async def _carry(self, session: int, destination: Destination, change: Change) -> Applied:
        self.raise_failure()
        ticket = self.agent.begin(True, self._driver.clock())
        if carries(ticket.stage):
            self.agent.release(ticket)
            ticket = self._standing.take(session)
            routine = apply(destination, change)
        else:
            routine = pass_over(destination, change)
        scope = TicketScope(self.agent, ticket, _no_background, self._driver.clock)
        try:
            applied = await self._driver.run(routine, scope)
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

    async def __aenter__(self) -> Self:
        try:
            await self.run(self.agent.join())
        except BaseException:
            await self.close()
            raise
        self._polling = asyncio.create_task(self._poll(), name="crossfade-etl-poll")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._ending.set()
            if self._polling is not None:
                with contextlib.suppress(asyncio.CancelledError):  # together with us, by whoever ends the loop
                    await self._polling
            try:
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self.run(self.agent.leave())
            except (DatabaseError, TimeoutError) as failed:  # the lease runs out by itself
                self._note("leave_failed", {"client": self.agent.client_id, "error": str(failed) or "no answer"})
        finally:
            await self.close()

    async def close(self) -> None:
        """The connections; leaving does it too."""
        await self._client.aclose()

    async def _poll(self) -> None:
        """Beside a freeze more often: writes of applications wait for this client as well."""
        while not self._ending.is_set():
            try:
                async with asyncio.timeout(poll_seconds(FREEZE_STRATEGY, self.stage, POLL_SECONDS)):
                    _ = await self._ending.wait()
            except TimeoutError:
                try:
                    self._standing.look_after()
                    await self.run(self.agent.poll())
                except Exception as error:  # noqa: BLE001 - raised by whoever applies
                    self.failure = error
                    return

    async def _call(self, _place: str, operation: str, request: Request) -> Reply:
        return await self._client.call(operation, request)

    def _heard(self, name: str, facts: dict[str, Any]) -> None:
        if name == "migration_gone":
            self.failure = Refused(
                f"migration {self.migration.name} was cancelled: nothing is carried any more",
                next_step="crossfade start, to begin it anew",
            )
        self._note(name, facts)


def _new_id(role: Role) -> str:
    return f"{role.value}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _no_background(later: Later, ticket: Ticket) -> None:
    raise AssertionError(f"an ETL leaves nothing for later: {later.key} under {ticket}")
