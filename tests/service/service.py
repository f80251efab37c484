"""The service as tests have it: started, told what to do, asked what it saw, stopped."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

from crossfade.local import ClientOptions
from tests.service.answers import Answer, LimitType, ThrottlingCode
from tests.service.capacity import BURST_SECONDS, Capacity
from tests.service.clock import Clock
from tests.service.front import Front, no_plan
from tests.service.log import Entry
from tests.service.policies import EVERYTHING, Document
from tests.service.requests import Kind, Received
from tests.service.rights import REGION, resources_of
from tests.service.rules import Conflict, Delay, Effect, Failing, Lost, Rule, Throttling, When, Where
from tests.service.streams import DESCRIBES_A_SECOND, READS_A_SECOND, Quotas
from tests.service.units import Units
from tests.service.wire import Engine

T = TypeVar("T")

Planned: TypeAlias = Answer | Lost | None
Plan: TypeAlias = Callable[[Received], Planned]
Names: TypeAlias = str | Collection[str]

PLANS_AT_ONCE: Final = 128  # of requests that a test holds


@dataclass(frozen=True, slots=True)
class Told:
    """What was counted up to some moment; `since` tells what came after it."""

    operations: Mapping[str, int]
    units: Units

    def since(self, before: Told) -> Told:
        units = Counter({unit: n - before.units[unit] for unit, n in self.units.items() if n != before.units[unit]})
        return Told(dict(Counter(self.operations) - Counter(before.operations)), units)


class FakeService:
    """A DynamoDB that does what the real one does and an emulator does not, in front of an engine.

    `with FakeService.start(engine) as service:` A caller is known by the access key id it signs with, which is the name
    of its role (`client_options("reader")`). What is told to go wrong is a `Rule`: it stays in force until its
    `stop()`, or comes to pass `times`; `share` is that of the requests that it takes, or of the items of a batch or a
    transaction. What is drawn is so from `seed` alone. Times of expiry and of quotas are those of `clock`.
    """

    def __init__(self, endpoint_url: str, *, seed: int = 0, clock: Clock | None = None, measured: bool = True) -> None:
        """Use `start`."""
        parts = urlsplit(endpoint_url)
        self.seed = seed
        self.clock = clock or Clock()
        self._front = Front(Engine(parts.hostname or "", parts.port or 0), self.clock, seed, measured=measured)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-service", daemon=True)
        self._plans = ThreadPoolExecutor(PLANS_AT_ONCE, "fake-service-plan")
        self._server: asyncio.Server | None = None
        self._sweeping: Future[None] | None = None
        self._rules = 0

    @classmethod
    def start(
        cls,
        endpoint_url: str,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        sweep_seconds: float | None = None,
        measured: bool = True,
        port: int = 0,
    ) -> Self:
        """Start a service before the engine at `endpoint_url`, on a free port of 127.0.0.1.

        `sweep_seconds`: how often expired items are looked for; None: only when `sweep` is called. Without `measured`
        nothing is counted, what goes on passes byte for byte, and streams and times of expiry are the engine's own.
        """
        service = cls(endpoint_url, seed=seed, clock=clock, measured=measured)
        service._thread.start()
        service._server = service._wait(service._front.listen(port))
        if sweep_seconds is not None:
            service._sweeping = asyncio.run_coroutine_threadsafe(service._sweep_often(sweep_seconds), service._loop)
        return service

    def stop(self) -> None:
        """End it, and cut all connections; calling it twice is fine."""
        if self._server is None:
            return
        if self._sweeping is not None:
            _ = self._sweeping.cancel()
        self._wait(self._front.end(self._server))
        self._server = None
        _ = self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._plans.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        assert self._server is not None, "it has been stopped"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client_options(self, role: str = "crossfade") -> ClientOptions:
        """Return what a client of boto3 or botocore is made with that is of this role, with the credentials of now."""
        return ClientOptions(
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self._front.roles.named(role).key_id,
            aws_secret_access_key="secret",  # noqa: S106 - the engine checks none
        )

    # --- who may do what

    def role(self, name: str, *policies: Document) -> None:
        """Let a role have these policies alone; a role of which nothing is said may do everything."""
        self._front.roles.named(name).policies = list(policies)

    def allow(
        self, role: str, actions: str | Sequence[str], table: str | None = None, *, index: str | None = None,
        condition: Document | None = None,
    ) -> None:  # fmt: skip
        """Add a policy that allows actions (`GetItem`, `dynamodb:*`): on a table with all that is under it, on one of
        its indexes alone, or on everything."""
        actions = [actions] if isinstance(actions, str) else actions
        self._front.roles.add(role, "Allow", actions, resources_of(table, index), condition)

    def deny(
        self, role: str, actions: str | Sequence[str], table: str | None = None, *, index: str | None = None,
        condition: Document | None = None,
    ) -> None:  # fmt: skip
        """Add a policy that denies these actions, whatever others allow."""
        actions = [actions] if isinstance(actions, str) else actions
        self._front.roles.add(role, "Deny", actions, resources_of(table, index), condition)

    def restore(self, role: str) -> None:
        """Let a role do everything again."""
        self._front.roles.named(role).policies = [EVERYTHING]

    def expire(self, role: str) -> None:
        """Let the time of the role's present credentials be over: ExpiredTokenException, until they are renewed."""
        found = self._front.roles.named(role)
        found.expired.add(found.key_id)

    def renew(self, role: str) -> None:
        """Give out new credentials for the role, by `client_options`; the former stay as they are."""
        self._front.roles.named(role).sessions += 1

    def revive(self, role: str) -> None:
        """Let expired credentials of the role be good again, as if their clients had renewed them."""
        self._front.roles.named(role).expired.clear()

    # --- what goes wrong

    def throttle(
        self, *, operation: Names | None = None, table: Names | None = None, index: str | None = None,
        key: Mapping[str, Any] | None = None, caller: Names | None = None, attempt: int | None = None,
        when: When | None = None, share: float = 1.0, times: int | None = None,
        limit: LimitType = "ProvisionedThroughputExceeded", code: ThrottlingCode | None = None,
    ) -> Rule:  # fmt: skip
        """Throttle items of these requests; a batch is then done in part, a transaction is cancelled."""
        where = Where(operation, table, index, key, caller, attempt, when)
        return self._rule(where, Throttling(limit, code), share, times)

    def conflict(
        self, *, operation: Names | None = None, table: Names | None = None, key: Mapping[str, Any] | None = None,
        caller: Names | None = None, when: When | None = None, share: float = 1.0, times: int | None = None,
        in_progress: bool = False,
    ) -> Rule:  # fmt: skip
        """Have a transaction of somebody else be about the items; `in_progress`: one with the caller's own token."""
        return self._rule(Where(operation, table, None, key, caller, None, when), Conflict(in_progress), share, times)

    def delay(
        self, seconds: float | tuple[float, float], *, operation: Names | None = None, table: Names | None = None,
        caller: Names | None = None, when: When | None = None, share: float = 1.0, times: int | None = None,
    ) -> Rule:  # fmt: skip
        """Let these requests wait so long before they are looked at."""
        between = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        return self._rule(Where(operation, table, None, None, caller, None, when), Delay(between), share, times)

    def lose(
        self, *, carried_out: bool, silent: bool = False, operation: Names | None = None, table: Names | None = None,
        caller: Names | None = None, when: When | None = None, share: float = 1.0, times: int | None = None,
    ) -> Rule:  # fmt: skip
        """Answer these requests with a reset of the connection, or not at all: before the engine had them, or after."""
        where = Where(operation, table, None, None, caller, None, when)
        return self._rule(where, Lost(carried_out, silent), share, times)

    def fail(
        self, status: int = 500, *, html: bool = False, carried_out: bool = False, operation: Names | None = None,
        table: Names | None = None, caller: Names | None = None, when: When | None = None, share: float = 1.0,
        times: int | None = None,
    ) -> Rule:  # fmt: skip
        """Answer these requests with a server's error, or the page of what stands before the service."""
        where = Where(operation, table, None, None, caller, None, when)
        return self._rule(where, Failing(status, html, carried_out), share, times)

    def _rule(self, where: Where, effect: Effect, share: float, times: int | None) -> Rule:
        self._rules += 1
        rule = Rule(self._rules, self.seed, where, effect, share, times)
        self._front.rules.append(rule)
        return rule

    def calm(self) -> None:
        """Let nothing go wrong any more: no rule is in force, and capacity is without limits."""
        for rule in self._front.rules:
            rule.stop()
        self._front.rules.clear()
        self._front.capacities.clear()

    def limit(
        self, table: str, kind: Kind, per_second: float, *, index: str = "", by_key: bool = False,
        burst_seconds: float = BURST_SECONDS, limit: LimitType | None = None, code: ThrottlingCode | None = None,
    ) -> None:  # fmt: skip
        """Limit the units a second of a table, of an index, or of each partition key of one."""
        reason: LimitType = limit or ("KeyRangeThroughputExceeded" if by_key else "ProvisionedThroughputExceeded")
        self._front.capacities.append(Capacity(table, index, kind, per_second, burst_seconds, by_key, reason, code))

    # --- expiry and streams

    def expiry_delay(self, table: str, seconds: float | tuple[float, float]) -> None:
        """Let items of the table be deleted so long after their time, or a time between two that each item has."""
        between = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        self._front.expiry.of(table).delay_seconds = between

    def sweep(self, table: str | None = None) -> int:
        """Delete what has expired, of one table or of all; return how many items that were."""
        return self._wait(self._front.expiry.sweep(table))

    def split(self, table: str, into: int = 2, *, shards: int | None = None) -> list[str]:
        """Close the open shards of the table's stream, or the first so many; return the ids of those that follow them,
        so many for each."""
        return self._wait(self._split(table, into, shards))

    def trim(self, table: str) -> None:
        """Let the table's stream hold nothing of what is in it now. (What is 24 hours old by `clock` goes anyway.)"""
        self._wait(self._trim(table))

    def expire_iterators(self) -> None:
        """Let all iterators that were given out be too old. (They are after 15 minutes of `clock`.)"""
        self._front.streams.expire_iterators()

    def quotas(
        self, *, describes: float | None = DESCRIBES_A_SECOND, reads: float | None = READS_A_SECOND,
        describe_code: str | None = None, read_code: str | None = None,
    ) -> None:  # fmt: skip
        """Keep to the quotas of streams: how often they may be described, all together, and a shard be
        read, in a second."""
        given = Quotas(describes, reads)
        given.describe_code = describe_code or given.describe_code
        given.read_code = read_code or given.read_code
        self._front.streams.quotas = given

    async def _split(self, table: str, into: int, shards: int | None) -> list[str]:
        return await self._front.streams.split(await self._front.stream_of(table), into, shards)

    async def _trim(self, table: str) -> None:
        await self._front.streams.trim(await self._front.stream_of(table))

    async def _sweep_often(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            _ = await self._front.expiry.sweep()

    # --- what it saw

    @property
    def log(self) -> list[Entry]:
        """Return the last requests, in the order in which they were answered."""
        return list(self._front.log.entries)

    @property
    def asked(self) -> set[tuple[str, str, str]]:
        """Return role, action and resource of all that roles with policies asked for, as far as each request got."""
        return set(self._front.roles.asked)

    @property
    def faults(self) -> Counter[str]:
        """Return how often what went wrong, by what it was."""
        return Counter(self._front.log.faults)

    def told(self) -> Told:
        """Return how many requests and units there were until now."""
        return self._wait(self._told())

    async def _told(self) -> Told:
        return Told(dict(self._front.log.operations), Counter(self._front.log.units))

    # --- a test's own plan

    def plan(self, plan: Plan | None) -> None:
        """Ask a function of the test first about each request, in a thread of its own, so that it may wait.

        It returns an Answer, a Lost, or None where the request is to go on.
        """
        if plan is None:
            self._front.plan = no_plan
            return

        async def asked(received: Received) -> Planned:
            return await self._loop.run_in_executor(self._plans, plan, received)

        self._front.plan = asked

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
