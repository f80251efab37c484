"""A router on asyncio: a task that keeps the lease, tasks that mirror, and the callers' own.

Everything runs on the loop of the client. The migration is joined at the first call, or by `await router.ready()`.
Nothing can be awaited at the process's end, so leave by `async with attach(...)` or `await router.aclose()`.
"""

from __future__ import annotations

import asyncio

from crossfade.aws import own_calls
from crossfade.aws.aio_hooks import AioHooks
from crossfade.aws.clients import Attached
from crossfade.aws.membership import Membership
from crossfade.aws.router import DETACH_SECONDS, AttachSettings, Router
from crossfade.control.agent import Agent
from crossfade.core.effects import Place, Reply, Request
from crossfade.drivers.aio import AioDriver
from crossfade.errors import ConfigurationError
from crossfade.observe import Watch


class TaskEngine(Membership):
    """A membership whose callers are tasks on the same loop."""

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self.driver: AioDriver = AioDriver(self._call, watch.note)

    async def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return await self._through_hooks(operation, request)

    async def _through_hooks(self, operation: str, request: Request) -> Reply:
        return await own_calls.call_async(self._attached.client, operation, request, self._settings.migration.name)


class AioRouter(Router):
    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self._engine = TaskEngine(attached, settings, watch)
        is_here = self._is_here if attached.is_session else None
        self._hooks = AioHooks(settings.migration.name, self._engine, is_here, self.ready)
        self._joining = asyncio.Lock()
        self._joined = False
        self._closed = False
        self._begin()
        self._line.add(self._hooks, fast_signing=settings.fast_signing)

    @property
    def agent(self) -> Agent:
        return self._engine.agent

    async def ready(self) -> None:
        if self._joined:
            return
        async with self._joining:
            if not self._joined and not self._closed:
                await self._engine.join(self._hooks)
                self._joined = True

    def detach(self, timeout_seconds: float = DETACH_SECONDS) -> bool:  # noqa: ARG002
        raise ConfigurationError("a router on asyncio is detached by waiting for it", next_step="await router.aclose()")

    async def aclose(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        if self._closed:
            return True
        self._closed = True
        self._hooks.taking = False
        try:
            if self._joined:
                return await self._engine.leave(timeout_seconds)
            await self._engine.bulk.aclose()
            return True
        finally:
            self._line.remove(self._hooks)
            self._end()
