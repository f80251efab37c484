"""A router on asyncio: a task that keeps the lease, tasks that mirror, and the callers' own.

Everything runs on the loop of the client. The migration is joined at the first call, or by `await router.ready()`.
Nothing can be awaited at the process's end, so leave by `async with attach(...)` or `await router.aclose()`; a SIGTERM
finds the loop running.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from crossfade.aws import own_calls
from crossfade.aws.aio_hooks import AioHooks, InlineAioHooks
from crossfade.aws.aio_inline import InlineTaskEngine
from crossfade.aws.clients import Attached
from crossfade.aws.membership import Membership
from crossfade.aws.router import DETACH_SECONDS, AttachSettings, Doors, Router
from crossfade.control.agent import Agent
from crossfade.core.effects import Place, Reply, Request
from crossfade.drivers import process_end
from crossfade.drivers.aio import AioDriver
from crossfade.errors import ConfigurationError
from crossfade.observe import Watch

LOOP_SECONDS: Final = 5.0  # how much longer than it was granted leaving may take on a loop that has other work too


class TaskEngine(Membership):
    """A membership whose callers are tasks on the same loop."""

    async def aclose(self) -> None:
        """End what has not joined."""
        await self.bulk.aclose()

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self.driver: AioDriver = AioDriver(self._awaited(self._call), watch.note)

    async def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return await self._through_hooks(operation, request)

    async def _through_hooks(self, operation: str, request: Request) -> Reply:
        return await own_calls.call_async(self._attached.client, operation, request, self._settings.migration.name)


def task_engine(attached: Attached, settings: AttachSettings, watch: Watch) -> TaskEngine | InlineTaskEngine:
    """Return the engine that does the work where the settings say."""
    return (InlineTaskEngine if settings.background == "inline" else TaskEngine)(attached, settings, watch)


def task_hooks(settings: AttachSettings, watch: Watch) -> Callable[..., AioHooks]:
    """Return what makes the hooks, by where the work is done and whether somebody watches each call."""
    is_inline = settings.background == "inline"
    if not watch.sees_calls:
        return InlineAioHooks if is_inline else AioHooks
    from crossfade.aws.observed_aio_hooks import ObservedAioHooks, ObservedInlineAioHooks

    made = ObservedInlineAioHooks if is_inline else ObservedAioHooks
    return partial(made, watch, settings.migration.strategy)


class AioRouter(Router):
    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self._engine = task_engine(attached, settings, watch)
        is_here = self._is_here if attached.is_session else None
        self._hooks = task_hooks(settings, watch)(
            settings.migration.name, cast("Any", self._engine), is_here, self.ready
        )
        self._joining = asyncio.Lock()
        self._joined = self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None  # where it was joined, in the process `_pid`
        self._pid = 0
        self._begin()
        self._line.add(self._hooks, fast_signing=settings.fast_signing)

    @property
    def agent(self) -> Agent:
        return self._engine.agent

    async def ready(self) -> None:
        if self._doors is Doors.HOLDING and own_calls.OWN.get() is None:
            _ = await asyncio.Event().wait()  # the process ends meanwhile
        if self._joined:
            return
        async with self._joining:
            if not self._joined and not self._closed:
                self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
                process_end.enter(self, at_exit=False)
                try:
                    await self._engine.join(self._hooks)
                except BaseException:
                    process_end.leave(self)
                    raise
                self._joined = True

    def invocation(self) -> Any:
        return self._engine.invocation()

    def detach(self, timeout_seconds: float = DETACH_SECONDS) -> bool:  # noqa: ARG002
        raise ConfigurationError("a router on asyncio is detached by waiting for it", next_step="await router.aclose()")

    async def aclose(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        self._hooks.taking = False
        return await self._leave(timeout_seconds, stays=False)

    def end_within(self, timeout_seconds: float) -> bool:
        loop = self._loop
        if loop is None or self._pid != os.getpid() or not loop.is_running():
            return False
        future = asyncio.run_coroutine_threadsafe(self._leave(timeout_seconds, stays=True), loop)
        return future.result(timeout_seconds + LOOP_SECONDS)

    async def _leave(self, timeout_seconds: float, *, stays: bool) -> bool:
        """`stays`: the hooks do, so that what the application still asks for does not go past them."""
        async with self._joining:  # or leaving: whoever comes second waits for the first
            if self._closed:
                return True
            self._closed = True
            try:
                if self._joined:
                    return await self._engine.leave(timeout_seconds)
                await self._engine.aclose()
                return True
            finally:
                process_end.leave(self)
                if not stays:
                    self._line.remove(self._hooks)
                    self._end()
