"""`Switch`: two implementations of a repository behind one, each call carried out as the stage says."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from crossfade.aws import own_calls
from crossfade.aws.clients import client_of, endpoint_and_region
from crossfade.aws.lean.client import BulkClient
from crossfade.aws.router import DETACH_SECONDS, new_client_id
from crossfade.control.agent import LEASE_SECONDS, POLL_SECONDS
from crossfade.control.freezing import HOLD_SECONDS
from crossfade.control.open_tickets import Ticket
from crossfade.control.starting import StartPlan
from crossfade.control.store import Caller
from crossfade.core.effects import Later, Place, Reply, Request
from crossfade.core.stages import Stage
from crossfade.drivers import process_end
from crossfade.drivers.lease_clock import lease_clock
from crossfade.drivers.loop_thread import LoopThread
from crossfade.drivers.unique import unique
from crossfade.errors import ConfigurationError, Held, Undeclared
from crossfade.migration import MIGRATION_NAME
from crossfade.observe import Observer, Watch
from crossfade.switch.declaring import Operation, Read, Write, declared, method_of
from crossfade.switch.driving import SwitchThreadDriver
from crossfade.switch.ending import SwitchEnd
from crossfade.switch.flags import Flag
from crossfade.switch.intents import Intents
from crossfade.switch.invoking import Invoke, Repositories
from crossfade.switch.membership import Membership, Timing
from crossfade.switch.mirror import KeepsEqual, Mirror
from crossfade.switch.refusals import Refusal, Refusals
from crossfade.switch.switchboard import Call, SwitchAgent, Switchboard, UnderWay

HELD_LOOK_SECONDS: Final = 0.01  # how often a held write looks whether it may begin; a poll of the stage takes longer
LANDING_SECONDS: Final = 30.0  # as long as most drivers wait for an answer


class Switch:
    """`with Switch("orders", old, new, {...}, control=client) as orders: orders.find(17)`; with repositories of
    coroutines, `async with` and `await orders.find(17)`.

    `operations`: of each method that may be called, whether it is a Read or a Write. `control`: a DynamoDB client of
    boto3 or aiobotocore, for the control table (`control_table`: "crossfade" unless said, or what a migration file
    says). `landing_seconds`: how long after it was begun a write that raised or was cancelled may still be carried
    out; `refusals`: types of exceptions, or functions that tell them (as `refused_by_aws`), after which it cannot.
    `hold_seconds`: how long a write may wait while the authority moves. `observer`: as in
    `attach`. `flag`: where the stage is wished for by a feature flag.

    Raises ConfigurationError for declarations that do not fit the repositories.
    """

    def __init__(
        self,
        name: str,
        old: Any,
        new: Any,
        operations: Mapping[str, Read | Write],
        *,
        control: Any,
        mirror: KeepsEqual = Mirror(),  # noqa: B008 - frozen
        control_table: str = "",
        landing_seconds: float = LANDING_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        hold_seconds: float = HOLD_SECONDS,
        refusals: tuple[Refusal, ...] = (),
        observer: Observer | None = None,
        flag: Flag | None = None,
        timing: Timing | None = None,
    ) -> None:
        if not MIGRATION_NAME.fullmatch(name):
            raise ConfigurationError(
                f"switch name {name!r}: 1 to 100 letters, digits, '-', '_' or '.', a letter or digit first"
            )
        self._name = name
        self._mirror = mirror
        self._repositories = Repositories(old, new)
        self._operations = {method: _declared(method, what, old, new) for method, what in operations.items()}
        for repository, place in ((old, "old"), (new, "new")):
            for method in mirror.methods:
                _ = method_of(repository, method, place)
        kinds = {
            (place, method): inspect.iscoroutinefunction(getattr(repository, method))
            for repository, place in ((old, "old"), (new, "new"))
            for method in (*operations, *mirror.methods)
        }
        self._asynchronous = any(kinds.values())
        self._watch = Watch(observer, name)
        declared_refusals = Refusals(refusals, self._watch.note)
        self._client = client_of(control)
        control_table = mirror.control_table(name, control_table)
        landing_seconds = max(landing_seconds, mirror.landing_seconds)
        caller = Caller(f"switch {name}", socket.gethostname(), _clock)
        self._timing = timing or Timing(poll_seconds)
        self._pid = os.getpid()

        def make_board(put: Callable[[Later, Ticket], None]) -> Switchboard:
            agent = SwitchAgent(
                name,
                new_client_id(),
                landing_seconds=landing_seconds,
                host=socket.gethostname(),
                pid=os.getpid(),
                fingerprint=self.plan().fingerprint,
                new_id=new_client_id,
                lease_seconds=lease_seconds,
                clock=lease_clock(),
                control_table=control_table,
                place=endpoint_and_region(self._client),
            )
            intents = Intents(lambda: unique(16))
            note, chance = self._watch.note, random.random
            return Switchboard(
                agent, mirror, intents, put, note, chance, landing_seconds, hold_seconds, declared_refusals
            )

        clients: dict[Place, Any] = {"control": self._client, **mirror.clients}
        connections: dict[Place, BulkClient] = {
            place: BulkClient.like(client, attempts_max=1) for place, client in clients.items()
        }
        self._membership = Membership(
            connections, self._repositories, make_board, caller, self._timing, self._watch, flag
        )
        self._driver = SwitchThreadDriver(self._repositories, self._send, self._watch.note)
        self._thread: LoopThread | None = None
        self._started = self._closed = False
        self._lock = threading.RLock()  # a handler of a signal may close it in the middle of closing
        self._joining = asyncio.Lock()
        self._end = SwitchEnd(self.close, self.aclose, lambda: self._membership.board.agent.pending)
        self._calls = {method: self._callable(operation) for method, operation in self._operations.items()}

    # --- what it is

    @property
    def stage(self) -> Stage:
        """The stage that new calls obey. Raises StageUncertain before the first answer of the control table."""
        return self._membership.board.agent.stage

    @property
    def client_id(self) -> str:
        """The name of this process's lease, as `crossfade status` shows it."""
        return self._membership.board.agent.client_id

    @property
    def pending(self) -> int:
        """Keys that this process has begun to write and not seen equal on both sides yet."""
        return len(self._membership.board.intents)

    def counts(self) -> dict[str, int]:
        """How often each event has happened: `compare.matching`, `mirror_failed`, `repaired`, ..."""
        return self._watch.counts()

    def plan(self) -> StartPlan:
        """What the migration of this switch begins with."""
        return self._mirror.plan(self._name)

    # --- calls

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._calls.get(name)
        if found is not None:
            return found
        if hasattr(self._repositories.old, name) or hasattr(self._repositories.new, name):
            raise Undeclared(
                f"{name} is not declared, so the switch {self._name} cannot know whether it reads or writes",
                next_step=f'declare it: operations={{"{name}": Read()}}, or Write(key="...")',
            )
        raise AttributeError(f"neither repository of the switch {self._name} has {name}")

    def _callable(self, operation: Operation) -> Callable[..., Any]:
        if self._asynchronous:

            async def awaited(*arguments: Any, **named: Any) -> Any:
                return await self._await(operation, arguments, named)

            awaited.__name__ = operation.name
            return awaited

        def called(*arguments: Any, **named: Any) -> Any:
            return self._call(operation, arguments, named)

        called.__name__ = operation.name
        return called

    def _call(self, operation: Operation, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        board, clock = self._membership.board, self._membership.clock
        invoke = self._invoke(operation, arguments, named)
        since = clock()
        while (call := self._admitted(operation, invoke, since)) is None:
            time.sleep(HELD_LOOK_SECONDS)
        with UnderWay(board, call, clock) as under_way:
            return self._driver.run(board.routine(call), under_way.scope)
        raise under_way.raised

    async def _await(self, operation: Operation, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        board, clock = self._membership.board, self._membership.clock
        invoke = self._invoke(operation, arguments, named)
        since = clock()
        while (call := self._admitted(operation, invoke, since)) is None:
            await asyncio.sleep(HELD_LOOK_SECONDS)
        with UnderWay(board, call, clock) as under_way:
            return await self._membership.driver.run(board.routine(call), under_way.scope)
        raise under_way.raised

    def _invoke(self, operation: Operation, arguments: tuple[Any, ...], named: dict[str, Any]) -> Invoke:
        if not self._started or os.getpid() != self._pid:
            raise ConfigurationError(
                f"the switch {self._name} was not started in this process",
                next_step="use it in a `with`, or start() it; after a fork, make another one",
            )
        return Invoke("source", operation.name, arguments, named, operation.writes)

    def _admitted(self, operation: Operation, invoke: Invoke, since: float) -> Call | None:
        if self._end.holding:
            return None  # for ever: the process ends meanwhile
        try:
            return self._membership.board.admit(operation, invoke, self._membership.clock(), since)
        except Held:
            self._watch.note("held_too_long", {"operation": operation.name})
            self._membership.rescue()
            raise

    def _send(self, _place: Place, operation: str, request: Request) -> Reply:
        return own_calls.call(self._client, operation, request, self._name)

    # --- coming and going

    def start(self) -> None:
        """Join the migration. Raises NotStarted, ConfigurationError or DatabaseError; then it is closed."""
        self._refuse_closed()
        if self._asynchronous:
            raise ConfigurationError(
                f"the repositories of the switch {self._name} have coroutines", next_step="async with, or await ready()"
            )
        own_calls.register_own(self._client.meta.events)
        thread = LoopThread("crossfade-switch")
        with self._lock:  # a process that is told to end meanwhile waits for the lease, to give it back
            process_end.enter(self._end)
            try:
                thread.run(self._membership.join(thread.call_soon))
            except BaseException:
                self._closed = True
                process_end.leave(self._end)
                thread.run(self._membership.close())
                _ = thread.close()
                own_calls.unregister_own(self._client.meta.events)
                raise
            self._thread, self._started = thread, True

    def close(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        """Wait for what is under way, and give the lease back. Whether all was mirrored; the rest is in the repair
        queue."""
        if os.getpid() != self._pid:
            return True
        with self._lock:  # whoever comes second waits for the first
            thread, self._thread = self._thread, None
            if thread is None:
                return True
            self._started, self._closed = False, True
            ended = thread.run(self._membership.leave(timeout_seconds))
            process_end.leave(self._end)
            self._driver.close()
            own_calls.unregister_own(self._client.meta.events)
            return thread.close() and ended

    async def ready(self) -> None:
        """Join the migration, on this loop. Raises NotStarted, ConfigurationError or DatabaseError: it may be tried
        again then, or is to be closed."""
        self._refuse_closed()
        async with self._joining:
            if self._started:
                return
            self._end.loop = asyncio.get_running_loop()
            process_end.enter(self._end, at_exit=False)
            try:
                await self._membership.join()
            except BaseException:
                process_end.leave(self._end)
                raise
            self._started = True

    async def aclose(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        """`close`, to be awaited."""
        async with self._joining:  # or leaving: whoever comes second waits for the first
            if self._closed:
                return True
            started, self._started, self._closed = self._started, False, True
            try:
                if started:
                    return await self._membership.leave(timeout_seconds)
                await self._membership.close()
                return True
            finally:
                process_end.leave(self._end)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ConfigurationError(f"the switch {self._name} was closed", next_step="make another one")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ = self.close()

    async def __aenter__(self) -> Self:
        try:
            await self.ready()
        except BaseException:
            _ = await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ = await self.aclose()


def _declared(name: str, what: Read | Write, old: object, new: object) -> Operation:
    if hasattr(Switch, name) or name.startswith("_"):
        raise ConfigurationError(
            f"an operation cannot be called {name}: the switch has something of that name",
            next_step="give the method another name in both repositories",
        )
    return declared(name, what, old, new)


def _clock() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
