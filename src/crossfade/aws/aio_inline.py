"""The same member on asyncio: see inline.py. Its callers are tasks, and each does what it has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

from crossfade.aws import own_calls
from crossfade.aws.clients import Attached
from crossfade.aws.hooks import Hooks
from crossfade.aws.inline import ALONE_SECONDS_MAX, LOOK_SECONDS, POLLS_MAX, InlineMember
from crossfade.aws.router import AttachSettings
from crossfade.core.effects import Place, Reply, Request
from crossfade.drivers.aio import AioDriver
from crossfade.drivers.aio_inline import InlineTasks
from crossfade.drivers.inline import InlineWork
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import Scope
from crossfade.errors import DatabaseError
from crossfade.observe import Watch


class InlineTaskEngine(InlineMember):
    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self.driver: AioDriver = AioDriver(self._awaited(self._call), watch.note)
        tried = self._awaited(self._try)
        self._own = AioDriver(tried, self._note)
        self.work: InlineTasks = InlineTasks(self.agent, self._note, tried)
        self._renewing = asyncio.Lock()
        self._hooks: Hooks | None = None
        self._alones: set[asyncio.Task[None]] = set()

    @property
    def _left(self) -> InlineWork:
        return self.work

    @property
    def local(self) -> LocalEffects:
        return self._own

    async def join(self, hooks: Hooks) -> None:
        """Take a lease. Raises NotStarted, ConfigurationError or DatabaseError."""
        own_calls.register_once(self._attached.client.meta.events)
        try:
            await apart(self._own.run(self.agent.join(), Scope()))
        except BaseException:
            own_calls.unregister_once(self._attached.client.meta.events)
            raise
        self._hooks = hooks

    async def opens(self, hooks: Hooks, *, writes: bool) -> None:
        """A call begins: with a lease that lasts, and in which it is said that something may be open."""
        caller = asyncio.current_task()
        self.work.opens(caller)
        if writes:
            self._writing.add(caller)
        self._look_after(hooks)
        if self._must_poll():
            async with self._renewing:
                await apart(self._poll())

    async def closes(self) -> None:
        """A call has its answer, which is given when all that it has left is done."""
        caller = asyncio.current_task()
        try:
            await apart(self.work.work_off(caller))
        finally:  # of one that is cancelled, too
            self.leaves(caller)
        await self.rest()

    async def rest(self) -> None:
        """Say that nothing is open, where that is so."""
        if self._may_rest:
            async with self._renewing:
                if self._may_rest:
                    await apart(self._own.run(self.agent.rest(), Scope()))

    def _go_on_alone(self) -> None:
        task = asyncio.get_running_loop().create_task(self._alone(), name="crossfade-alone", context=Context())
        self._alones.add(task)
        task.add_done_callback(self._alones.discard)

    async def _alone(self) -> None:
        pause_seconds = LOOK_SECONDS
        await self.work.work_off(None)
        while self.work.waits and self.agent.joined:
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, ALONE_SECONDS_MAX)
            if self._must_poll():
                async with self._renewing:
                    await self._poll()
            await self.work.work_off(None)
        await self.rest()

    @asynccontextmanager
    async def invocation(self) -> AsyncGenerator[None]:
        self._invocations += 1
        try:
            yield
        finally:
            self._invocations -= 1
            await self.rest()

    async def _poll(self) -> None:
        """Never raises: without a lease nothing strict is sent, so whatever it is, callers are told."""
        try:
            self._tell_of_comparisons()
            for _ in range(POLLS_MAX):
                if not self._must_poll():
                    break
                await self._own.run(self._polls(), Scope())
            self._tell_pulse(self.work)
            for routine in self._with_a_poll():
                await self._own.run(routine, Scope())
        except Exception as error:  # noqa: BLE001 - see above
            self._went_wrong(error)

    async def leave(self, timeout_seconds: float) -> bool:
        """Whether all that was under way ended in time."""
        ended = await self._wait_until_ended(self.clock() + timeout_seconds)
        left = self.work.give_up()
        try:
            if self._has_untold:
                await self._own.run(self._telling(), Scope())
            await self._own.run(self.agent.leave(), Scope())
        except DatabaseError as error:  # the lease will run out, and say that it was not given back
            self._watch.note("leave_failed", {"client": self.agent.client_id, "error": str(error)})
            ended = False
        own_calls.unregister_once(self._attached.client.meta.events)
        return ended and not left

    async def aclose(self) -> None:
        """What has not joined has nothing to close."""

    async def _wait_until_ended(self, until: float) -> bool:
        while self.agent.pending:
            if self._hooks is not None:
                await self.opens(self._hooks, writes=False)
                await self.closes()
            if self.agent.pending:
                if self.clock() >= until or self.operations.only_lingering_beyond(until):
                    return False
                await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _try(self, _place: Place, operation: str, request: Request) -> Reply:
        """One attempt: routines try again themselves, and know for how long a caller may wait for that."""
        name = self._settings.migration.name
        return await own_calls.call_async(self._attached.client, operation, request, name, is_tried_once=True)

    async def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return await own_calls.call_async(self._attached.client, operation, request, self._settings.migration.name)


async def apart(work: Coroutine[Any, Any, None]) -> None:
    """Carry it out in a context of its own. A caller that is cancelled cancels it."""
    await asyncio.get_running_loop().create_task(work, context=Context())
