"""A job as a client of its migration: it holds a lease, follows the stage, and acknowledges like any application.

So no stage is left while a page is under way, and a job that stands still for too long is refused its next write
instead of writing into a stage that it does not know.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Required, Self, TypedDict, TypeVar, Unpack

from crossfade.aws.clients import endpoint_and_region
from crossfade.control.agent import LEASE_SECONDS, Agent
from crossfade.control.calls import ask
from crossfade.control.freezing import poll_seconds
from crossfade.control.open_tickets import Ticket
from crossfade.control.records import Role
from crossfade.control.store import Caller
from crossfade.core.effects import Later, Place, Reply, Request, Routine
from crossfade.core.rules import ALL_RULES, Rules
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.drivers.aio import AioDriver
from crossfade.drivers.lease_clock import lease_clock
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.drivers.unique import unique
from crossfade.jobs.connecting import Clients, Connect, Connection, connected, landing_seconds_of, lean
from crossfade.migration import AnyMigration, Migration

T = TypeVar("T")
NoteFunction = Callable[[str, dict[str, Any]], None]

POLLS_A_LEASE: Final = 10
POLL_SECONDS_MAX: Final = 1.0


def here() -> Caller:
    """Return who runs this process, for the records."""
    return Caller(getpass.getuser(), socket.gethostname(), lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class How(TypedDict, total=False):
    """What a client of a job may be told besides, as of `JobClient`."""

    note: Required[NoteFunction]
    calls_max: Required[int]
    lease_seconds: float
    landing_seconds: float | None
    rules: Rules
    caller: Caller | None
    connect: Connect
    reads_only: bool


class JobClient:
    """`async with JobClient(...) as client`: joined, polling meanwhile, and left again at the end. For one loop."""

    def __init__(
        self,
        migration: AnyMigration,
        clients: Clients,
        role: Role,
        *,
        note: NoteFunction,
        calls_max: int,
        lease_seconds: float = LEASE_SECONDS,
        landing_seconds: float | None = None,
        rules: Rules = ALL_RULES,
        caller: Caller | None = None,
        connect: Connect = lean,
        reads_only: bool = False,
    ) -> None:
        """Entering raises ConfigurationError or NotStarted. `landing_seconds` None: what the clients' config says."""
        self.landing_seconds = landing_seconds_of(clients) if landing_seconds is None else landing_seconds
        self.caller = caller or here()
        self._strategy = migration.strategy_name
        self.agent = Agent(
            migration.name,
            _new_id(role),
            lease_seconds=lease_seconds,
            landing_seconds=self.landing_seconds,
            role=role,
            host=self.caller.host,
            pid=os.getpid(),
            fingerprint=migration.fingerprint,
            rules=rules,
            clock=lease_clock(rules),
            new_id=lambda: _new_id(role),
            control_table=migration.control_table,
            place=endpoint_and_region(clients["control"]),
            mapping=migration.mapping_digest,
            reads_only=reads_only,
        )
        self.failure: Exception | None = None  # of the polling: the migration was started anew
        self._connections: dict[Place, Connection] = connected(clients, calls_max, connect)
        self._driver = AioDriver(self._call, note)
        self._ending = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.run(self.agent.join())
        except BaseException:
            await self.close()
            raise
        self._polling = asyncio.create_task(self._poll(), name="crossfade-job-poll")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._ending.set()
            if self._polling is not None:
                with contextlib.suppress(asyncio.CancelledError):  # together with us, by whoever ends the loop
                    await self._polling
            await self.leave()
        finally:
            await self.close()

    async def leave(self) -> None:
        """Give the lease back."""
        await self.run(self.agent.leave())

    def now(self) -> float:
        """Monotonic seconds."""
        return self._driver.clock()

    async def run(self, routine: Routine[T], scope: Scope | None = None) -> T:
        """Carry a routine out; in the scope of a ticket, nothing is sent that the lease does not cover."""
        return await self._driver.run(routine, Scope() if scope is None else scope)

    @contextmanager
    def ticket(self) -> Generator[TicketScope, None, None]:
        """One operation. Raises StageUncertain, at either end, when the lease does not cover it."""
        ticket = self.agent.begin(strict=True)
        with self.holding(ticket) as scope:
            yield scope
        self.agent.end(ticket)

    @contextmanager
    def holding(self, ticket: Ticket) -> Generator[TicketScope, None, None]:
        """A part of an operation. If it fails the ticket is given back, and what may land later is owned up to."""
        scope = self.scope_of(ticket)
        try:
            yield scope
        except Exception as error:
            if scope.may_land:
                self.agent.lost("a page", f"given up on with a write under way: {error}")
            self.agent.end(ticket)
            raise
        except BaseException:  # it was cancelled
            if scope.sent:
                self.agent.lost("a page", "cancelled with a write under way")
            self.agent.release(ticket)
            raise

    def scope_of(self, ticket: Ticket) -> TicketScope:
        """Return a scope in which nothing is sent that the lease does not cover."""
        return TicketScope(self.agent, ticket, _no_background)

    async def count_approximately(self, place: Place, table: str) -> int:
        """What DescribeTable says; the service counts every six hours."""
        reply = await self.run(ask("DescribeTable", {"TableName": table}, place))
        return int(reply["Table"].get("ItemCount", 0))

    async def _call(self, place: Place, operation: str, request: Request) -> Reply:
        return await self._connections[place].call(operation, request)

    async def _poll(self) -> None:
        usual = min(POLL_SECONDS_MAX, self.agent.lease_seconds / POLLS_A_LEASE)
        while not self._ending.is_set():
            try:  # beside a freeze more often: writes of applications wait for this client as well
                async with asyncio.timeout(poll_seconds(self._strategy, self.agent.stage, usual)):
                    _ = await self._ending.wait()
            except TimeoutError:
                try:
                    await self.look()
                except Exception as error:  # noqa: BLE001 - raised by whoever looks at `failure`
                    self.failure = error
                    return

    async def look(self) -> None:
        """Renew the lease, and follow the stage."""
        await self.run(self.agent.poll())

    async def close(self) -> None:
        """The connections; leaving does it too."""
        for connection in dict.fromkeys(self._connections.values()):
            await connection.aclose()


class Session(JobClient):
    """The client of a job between two tables."""

    def __init__(self, migration: Migration, clients: Clients, role: Role, **how: Unpack[How]) -> None:
        """Take a JobClient's arguments."""
        super().__init__(migration, clients, role, **how)
        self.migration = migration
        self.pair = Pair(
            migration.source,
            migration.target,
            migration.compiled,
            how.get("rules", ALL_RULES),
            self.landing_seconds,
            ledger=Ledger(migration.control_table, migration.name),
            stamps_target=migration.stamps,
        )

    async def items_approximately(self, *places: Place) -> int:
        """Return how many items these tables hold together, as DescribeTable tells."""
        return sum([await self.count_approximately(place, self.migration.table_name(place)) for place in places])


def _new_id(role: Role) -> str:
    return f"{role.value}-{socket.gethostname()}-{os.getpid()}-{unique(8)}"


def _no_background(later: Later, ticket: Ticket) -> None:
    raise AssertionError(f"a job leaves nothing for later: {later.key} under {ticket}")
