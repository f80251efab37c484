"""A router on asyncio: a task that keeps the lease, tasks that mirror, and the callers' own.

Everything runs on the loop of the client. The migration is joined at the first call, or by `await router.ready()`.
Nothing can be awaited at the process's end, so leave by `async with attach(...)` or `await router.aclose()`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from crossfade.aws import calls
from crossfade.aws.aio_hooks import AioHooks
from crossfade.aws.clients import Attached
from crossfade.aws.hooks import InFlight
from crossfade.aws.passage import Passages
from crossfade.aws.router import DETACH_SECONDS, Router, Settings
from crossfade.control.agent import Agent, Ticket
from crossfade.core.effects import Later, Place, Reply, Request
from crossfade.core.pair import Pair
from crossfade.drivers.aio import AioBackground, AioDriver
from crossfade.drivers.scope import Scope
from crossfade.errors import ConfigurationError, DatabaseError
from crossfade.observe import Watch

LOOK_SECONDS: Final = 0.01  # how often a closing router looks whether the last operation has ended


class TaskEngine:
    """Everything of one process."""

    def __init__(self, attached: Attached, settings: Settings, watch: Watch) -> None:
        self._client = attached.client
        self._name = settings.migration.name
        self._watch = watch
        self.pair: Pair = settings.pair()
        self.agent: Agent = settings.agent()
        self.in_flight: InFlight = InFlight()
        self.driver: AioDriver = AioDriver(self._call, watch.note)
        self.background = AioBackground(self.driver, self.agent, watch.note)
        self.passages: Passages = Passages(self.pair, self.agent, self.put, self.clock, settings.migration.strategy)

    def clock(self) -> float:
        return time.monotonic()

    def put(self, later: Later, ticket: Ticket) -> None:
        self.background.put(later, ticket)

    async def join(self) -> None:
        await self.driver.run(self.agent.join(), Scope())

    async def poll(self) -> None:
        """Never raises: without a lease nothing strict is sent, so whatever it is, callers are told."""
        try:
            self.passages.look_after()
            await self.driver.run(self.agent.poll(), Scope())
        except Exception as error:  # noqa: BLE001 - see above
            self._watch.note("agent_error", {"client": self.agent.client_id, "error": str(error)})

    async def wait_until_ended(self, until: float) -> bool:
        """Whether every operation and mirror has ended by then; no longer than there is hope."""
        while self.agent.pending:
            if self.clock() >= until or self.passages.only_lingering_beyond(until):
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def leave(self) -> bool:
        left = await self.background.close()
        try:
            await self.driver.run(self.agent.leave(), Scope())
        except DatabaseError as error:  # the lease will run out, and say that it was not given back
            self._watch.note("leave_failed", {"client": self.agent.client_id, "error": str(error)})
            return False
        return not left

    async def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return await calls.call_async(self._client, operation, request, self._name)


class AioRouter(Router):
    def __init__(self, attached: Attached, settings: Settings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self._engine = TaskEngine(attached, settings, watch)
        is_here = self._is_here if attached.is_session else None
        self._hooks = AioHooks(settings.migration.name, self._engine, is_here, self.ready)
        self._joining = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._closed = False
        self._register_own()
        self._line.add(self._hooks)

    @property
    def agent(self) -> Agent:
        return self._engine.agent

    async def ready(self) -> None:
        if self._keeper is not None:
            return
        async with self._joining:
            if self._keeper is None and not self._closed:
                await self._engine.join()
                self._keeper = asyncio.create_task(self._keep_lease(), name="crossfade-agent")

    def detach(self, timeout_seconds: float = DETACH_SECONDS) -> bool:  # noqa: ARG002
        raise ConfigurationError("a router on asyncio is detached by waiting for it", next_step="await router.aclose()")

    async def aclose(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        if self._closed:
            return True
        self._closed = True
        self._hooks.taking = False
        try:
            return self._keeper is None or await self._end(self._keeper, timeout_seconds)
        finally:
            self._line.remove(self._hooks)
            self._unregister_own()

    async def _end(self, keeper: asyncio.Task[None], timeout_seconds: float) -> bool:
        ended = await self._engine.wait_until_ended(self._engine.clock() + timeout_seconds)
        _ = keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        return await self._engine.leave() and ended

    async def _keep_lease(self) -> None:
        engine, loop = self._engine, asyncio.get_running_loop()

        def wake() -> None:  # from wherever a context happened to be freed
            with contextlib.suppress(RuntimeError):  # the loop has ended, and all that was on it
                _ = loop.call_soon_threadsafe(self._wake.set)

        engine.in_flight.wake = wake
        poll_at = engine.clock() + self._settings.poll_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, poll_at - engine.clock())):
                    _ = await self._wake.wait()
            self._wake.clear()
            self._hooks.look_after()
            if engine.clock() >= poll_at:
                await engine.poll()
                poll_at = engine.clock() + self._settings.poll_seconds
