"""What carries out the calls of a step: lean connections, and clients of the other services where one is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from crossfade.control.calls import ask
from crossfade.core.effects import Call, Place, Reply, Request, Routine
from crossfade.core.sync.retry import patiently
from crossfade.core.tables.pair import Pair
from crossfade.drivers.aio import AioDriver
from crossfade.drivers.scope import Scope
from crossfade.errors import ConfigurationError, NotPossibleInStage, ServiceRejected
from crossfade.jobs.connecting import Clients, Connect, Connection, connected, landing_seconds_of, lean
from crossfade.jobs.observing import Observer
from crossfade.mapping import identity
from crossfade.migration import Migration, Table

T = TypeVar("T")

WORKERS: Final = 8
CHANGING: Final = "table_changing"  # the note of a look at a table that the service has not done with


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a table is looked at while the service changes it, and how many times in vain until a step gives up.

    `changing`: half an hour, for a table that changes its throughput, is made or deleted; with an index that is being
    filled it may take longer, and the same command goes on then. `showing`: two minutes between an UpdateTable that was
    accepted and a description that shows it. DescribeTable may show what was before, for some seconds.
    """

    look_seconds: float = 1.0
    changing: int = 1_800
    showing: int = 120
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def look_again(self, observer: Observer, table: str, seen: str, look: int, looks_max: int) -> None:
        """Sleep until the next look, and tell what is waited for: `seen` is what the last of them has shown."""
        waited, most = look * self.look_seconds, looks_max * self.look_seconds
        observer.note(CHANGING, {"table": table, "seen": seen, "waited_seconds": waited, "seconds_max": most})
        await self.sleep(self.look_seconds)


PATIENCE: Final = Patience()


class Hands:
    """For one event loop: `async with Hands(...) as hands`. `service` makes a client of another service of AWS."""

    def __init__(
        self,
        pair: Pair,
        clients: Clients,
        observer: Observer,
        *,
        service: Callable[[str], Any],
        workers: int = WORKERS,
        connect: Connect = lean,
        patience: Patience = PATIENCE,
    ) -> None:
        self.pair = pair
        self.observer = observer
        self.service = service
        self.workers = workers
        self.patience = patience
        self.clients = clients
        self._connections: dict[Place, Connection] = connected(clients, workers, connect)
        self._driver = AioDriver(self._call, observer.note)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in dict.fromkeys(self._connections.values()):
            await connection.aclose()

    @property
    def client(self) -> Any:
        """A botocore client of DynamoDB, for what no routine does. It blocks."""
        return self.clients["source"]

    def now(self) -> float:
        """Monotonic seconds."""
        return self._driver.clock()

    async def run(self, routine: Routine[T]) -> T:
        return await self._driver.run(routine, Scope())

    async def ask(self, place: Place, operation: str, request: Request) -> Reply:
        """One call, again while DynamoDB is busy. Raises ServiceRejected or UnknownOutcome."""
        return await self.run(patiently(Call(place, operation, request)))

    async def description(self, place: Place) -> dict[str, Any] | None:
        """The `Table` of DescribeTable; None where there is no such table."""
        try:
            reply = await self.run(ask("DescribeTable", {"TableName": self._table(place)}, place))
        except ServiceRejected as error:
            if error.code != "ResourceNotFoundException":
                raise
            return None
        found: dict[str, Any] = reply["Table"]
        return found

    async def table(self, place: Place) -> dict[str, Any]:
        """Describe a table that must be there."""
        found = await self.description(place)
        if found is None:
            raise NotPossibleInStage(
                f"there is no table {self._table(place)}", next_step="crossfade cleanup shows what was done"
            )
        return found

    async def active_table(self, place: Place) -> dict[str, Any]:
        """The description, once neither the table nor an index of it is changing. Raises ConfigurationError."""
        changing: list[str] = []
        for look in range(self.patience.changing):
            found = await self.description(place)
            indexes: list[dict[str, Any]] = [] if found is None else found.get("GlobalSecondaryIndexes", [])
            states = {"the table": "not there"} if found is None else {"the table": found["TableStatus"]}
            states |= {f"index {each['IndexName']}": each["IndexStatus"] for each in indexes}
            changing = [f"{name} is {state}" for name, state in states.items() if state != "ACTIVE"]
            if found is not None and not changing:
                return found
            await self.look_again(place, ", ".join(changing), look, self.patience.changing)
        raise ConfigurationError(
            f"{self._table(place)} did not become active: {', '.join(changing)}",
            next_step="the same command again goes on waiting; what DescribeTable says of the table may tell why",
        )

    async def look_again(self, place: Place, seen: str, look: int, looks_max: int) -> None:
        """Wait for the next look at a table, and tell for what."""
        await self.patience.look_again(self.observer, self._table(place), seen, look, looks_max)

    def _table(self, place: Place) -> str:
        return self.pair.source.name if place == "source" else self.pair.target.name

    async def _call(self, place: Place, operation: str, request: Request) -> Reply:
        return await self._connections[place].call(operation, request)


def pair_of(migration: Migration, clients: Clients) -> Pair:
    return Pair(migration.source, migration.target, migration.compiled, landing_seconds=landing_seconds_of(clients))


def lone_pair(table: Table, clients: Clients) -> Pair:
    """One table as both sides, for what is done to a table that belongs to no migration."""
    other = Table(f"{table.name[:200]}.other", table.key)
    return Pair(
        table, table, Migration("alone", table, other, identity()).compiled, landing_seconds=landing_seconds_of(clients)
    )
