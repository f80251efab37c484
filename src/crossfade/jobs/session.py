"""A job as a client of its migration: it holds a lease, follows the stage, and acknowledges like any application.

So no stage is left while a page is under way, and a job that stands still for too long is refused its next write
instead of writing into a stage that it does not know.
"""

from __future__ import annotations

import getpass
import os
import socket
import threading
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from botocore.config import Config

from crossfade.aws.calls import call
from crossfade.control.agent import LEASE_SECONDS, Agent, Ticket
from crossfade.control.records import Role
from crossfade.control.store import Caller
from crossfade.core.effects import Later, Place, Reply, Request, Routine
from crossfade.core.pair import Pair
from crossfade.core.rules import ALL_RULES, Rules
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import ConfigurationError
from crossfade.migration import Migration

T = TypeVar("T")
NoteFunction = Callable[[str, dict[str, Any]], None]
Clients = Mapping[Place, Any]  # a botocore or boto3 client for each of source, target and control

LEGACY_ATTEMPTS: Final = 10  # botocore's own default for DynamoDB
POLLS_A_LEASE: Final = 10
READ_TIMEOUT_SECONDS: Final = 20.0
CONNECT_TIMEOUT_SECONDS: Final = 5.0


def job_config(workers: int) -> Config:
    """What the clients of a job are best made with.

    One attempt, because the routines try again themselves and must know when a request was sent; timeouts that say
    soon that an answer is lost; no validation of parameters, which takes 40 % of the time of a bulk write.
    """
    return Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        parameter_validation=False,
        max_pool_connections=workers + 4,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
    )


def landing_seconds_of(clients: Clients) -> float:
    """How long after it was sent a request of these clients can still be under way."""
    return max(_patience_seconds(client.meta.config) for client in clients.values())


def _patience_seconds(config: Any) -> float:
    retries: Mapping[str, Any] = config.retries or {}
    attempts = retries.get("total_max_attempts") or retries.get("max_attempts", LEGACY_ATTEMPTS - 1) + 1
    return float(attempts) * (float(config.connect_timeout) + float(config.read_timeout))


def here() -> Caller:
    """Whoever runs this process, for the records."""
    return Caller(getpass.getuser(), socket.gethostname(), lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class Session:
    """`with Session(...) as session`: joined, polling in the background, and left again at the end."""

    def __init__(
        self,
        migration: Migration,
        clients: Clients,
        role: Role,
        *,
        note: NoteFunction,
        lease_seconds: float = LEASE_SECONDS,
        landing_seconds: float | None = None,
        rules: Rules = ALL_RULES,
        caller: Caller | None = None,
    ) -> None:
        """Entering raises ConfigurationError or NotStarted. `landing_seconds` None: what the clients' config says."""
        landing = landing_seconds_of(clients) if landing_seconds is None else landing_seconds
        self.migration = migration
        self.pair = Pair(migration.source, migration.target, migration.compiled, rules, landing)
        self.caller = caller or here()
        self.agent = Agent(
            migration.name,
            _new_id(role),
            lease_seconds=lease_seconds,
            landing_seconds=landing,
            role=role,
            host=self.caller.host,
            pid=os.getpid(),
            fingerprint=migration.compiled.fingerprint,
            rules=rules,
            new_id=lambda: _new_id(role),
            control_table=migration.control_table,
        )
        self.failure: ConfigurationError | None = None  # of the polling: the migration was started anew
        self._clients = clients
        self._driver = SyncDriver(self._call, note)
        self._ending = threading.Event()
        self._polling = threading.Thread(target=self._poll, name="crossfade-job-poll", daemon=True)

    def __enter__(self) -> Self:
        self.run(self.agent.join())
        self._polling.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._polling.join()
        self.run(self.agent.leave())
        self._driver.close()

    def now(self) -> float:
        """Monotonic seconds."""
        return self._driver.clock()

    def run(self, routine: Routine[T], ticket: Ticket | None = None) -> T:
        """Carry a routine out; under a ticket, nothing is sent that the lease does not cover."""
        scope = Scope() if ticket is None else TicketScope(self.agent, ticket, _no_background, self._driver.clock)
        return self._driver.run(routine, scope)

    @contextmanager
    def ticket(self) -> Generator[Ticket, None, None]:
        """One operation. Raises StageUncertain, at either end, when the lease does not cover it."""
        ticket = self.agent.begin(strict=True, now=self.now())
        try:
            yield ticket
        finally:
            self.agent.end(ticket, self.now())

    def items_approximately(self, *places: Place) -> int:
        """What DescribeTable says; the service counts every six hours."""
        total = 0
        for place in places:
            reply = self._call(place, "DescribeTable", {"TableName": self.migration.table_name(place)})
            total += int(reply["Table"].get("ItemCount", 0))
        return total

    def _call(self, place: Place, operation: str, request: Request) -> Reply:
        return call(self._clients[place], operation, request)

    def _poll(self) -> None:
        while not self._ending.wait(min(1.0, self.agent.lease_seconds / POLLS_A_LEASE)):
            try:
                self.run(self.agent.poll())
            except ConfigurationError as error:
                self.failure = error
                return


def _new_id(role: Role) -> str:
    return f"{role.value}-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _no_background(later: Later, ticket: Ticket) -> None:
    raise AssertionError(f"a job leaves nothing for later: {later.key} under {ticket}")
