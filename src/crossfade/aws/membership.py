"""One process as a client of a migration: its lease, and its work in the background. Both are on one event loop.

The loop is the one of an aiobotocore client, or that of a thread beside an application that blocks. Requests go through
the lean client, at a twentieth of what botocore's takes of the CPU. It makes one attempt: routines try again by
themselves, and ask for the lease before each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Final

from crossfade.aws.chain import chain_of
from crossfade.aws.clients import Attached
from crossfade.aws.hooks import Hooks
from crossfade.aws.lean.client import BulkClient
from crossfade.aws.lean.gathering import GatheredReads
from crossfade.aws.member import Member
from crossfade.aws.operation import Forwarded
from crossfade.aws.router import AttachSettings
from crossfade.control.fleet import Pauses
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Later, Place, Reply, Request
from crossfade.drivers.aio import AioBackground, AioDriver
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import Scope
from crossfade.errors import DatabaseError
from crossfade.observe import Watch

DETACH_POLL_SECONDS: Final = 0.01  # how often a detaching router looks whether the last operation has ended
TELLING_MAX: Final = 3  # reports of a process that ends: one under way, one of the rest, one for a lost answer
LEAVE_SECONDS_MIN: Final = 5.0  # for giving the lease back; longer, and it runs out by itself


class Membership(Member):
    """A member with an event loop. `put`, `follow` and the agent may be used on any thread, the rest on the loop."""

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self.bulk: BulkClient = BulkClient.like(attached.client, attempts_max=1)
        self._bulk_call = self.requests.awaited(self.bulk.call) if self.requests else self.bulk.call
        self._reads = GatheredReads(self._bulk_call)
        self._own = AioDriver(self._send, self._note)
        self.background = AioBackground(self._own, self.agent, self._note)
        self._teller: asyncio.Task[None] | None = None
        self._trying: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    def _put(self, later: Later, ticket: Ticket) -> None:
        self.background.put(later, ticket)

    def _lose(self, key: str, error: BaseException) -> None:
        self.background.lose(key, error)

    def follow(self, forwarded: Forwarded, content: bytes | Reply) -> None:
        follow_up = self._following(forwarded, content)
        if not self.background.soon(follow_up):
            follow_up()

    @property
    def local(self) -> LocalEffects:
        return self._own

    def invocation(self) -> Any:
        """Nothing is to be said at its end: the lease is kept beside it."""
        return contextlib.nullcontext()

    async def join(self, hooks: Hooks, call_soon: Callable[[Callable[[], None]], None] | None = None) -> None:
        """Take a lease and keep it. Raises NotStarted, ConfigurationError or DatabaseError."""
        self.background.begin(call_soon)
        await self._own.run(self.agent.join(), Scope())
        self._keeper = asyncio.create_task(self._keep_lease(hooks), name="crossfade-agent")

    async def leave(self, timeout_seconds: float) -> bool:
        """Wait for what is under way and in the background, give the lease back. Whether all was done in time."""
        until = self.clock() + timeout_seconds
        ended = await self._wait_until_ended(until)
        if self._keeper is not None:
            _ = self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        for task in (self._trying, self._looking):
            if task is not None:
                _ = task.cancel()
        left = await self.background.close()
        try:
            async with asyncio.timeout(max(until - self.clock(), LEAVE_SECONDS_MIN)):
                await self._tell_the_rest()
                await self._own.run(self.agent.leave(), Scope())
        except (DatabaseError, TimeoutError) as error:  # the lease will run out, and say that it was not given back
            self._watch.note("leave_failed", {"client": self.agent.client_id, "error": str(error) or "no answer"})
            ended = False
        await self.bulk.aclose()
        return ended and not left

    async def _wait_until_ended(self, until: float) -> bool:
        """Whether every operation and mirror has ended by then; no longer than there is hope. A process that reads
        once and ends must not be the one whose looks into the source are never made."""
        while self.agent.pending:
            if self.clock() >= until or self.operations.only_lingering_beyond(until):
                return False
            await asyncio.sleep(DETACH_POLL_SECONDS)
        while self.background.looks_pending and self.clock() < until:
            await asyncio.sleep(DETACH_POLL_SECONDS)
        return True

    # --- the lease

    async def _keep_lease(self, hooks: Hooks) -> None:
        """Renew the lease, and look after callers that are gone as soon as they are."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:  # from wherever a context happened to be freed
            with contextlib.suppress(RuntimeError):  # the loop has ended, and all that was on it
                _ = loop.call_soon_threadsafe(woken.set)

        self.in_flight.wake = wake
        pauses = Pauses(self._settings.poll_seconds)
        poll_at = self.clock() + pauses.next_seconds(self.agent.beat_seconds, random.random())  # noqa: S311 - jitter
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, poll_at - self.clock())):
                    _ = await woken.wait()
            woken.clear()
            if self.clock() >= poll_at:
                await self._poll(hooks)
                poll_at = self.clock() + pauses.next_seconds(self.agent.beat_seconds, random.random())  # noqa: S311 - jitter
            else:
                hooks.look_after()

    async def _poll(self, hooks: Hooks) -> None:
        """Never raises: without a lease nothing strict is sent, so whatever it is, callers are told."""
        try:
            hooks.look_after()
            self.operations.look_after()
            self._tell_of_comparisons()
            await self._own.run(self.agent.poll(), Scope())
            self._tell_pulse(self.background)
            if self._tells_now and (self._teller is None or self._teller.done()):
                self._teller = asyncio.create_task(self._tell(), name="crossfade-telling")
            self._try_rights()
            self._look_again()
        except Exception as error:  # noqa: BLE001 - see above
            self._went_wrong(error)

    def _try_rights(self) -> None:
        """Find out, beside the polls, what a coming stage would be denied."""
        if (self._trying is None or self._trying.done()) and self._rights_are_due():
            self._trying = asyncio.create_task(self._try_them(), name="crossfade-rights")

    def _look_again(self) -> None:
        """Look, beside the polls, whether what comparisons have found to differ stays so."""
        if (self._looking is None or self._looking.done()) and self._differences_are_due():
            self._looking = asyncio.create_task(self._look_closer(), name="crossfade-differences")

    async def _look_closer(self) -> None:
        looks = [self._own.run(look, Scope()) for look in self._looks_at_differences().values()]
        for error in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(error, Exception):  # it is looked at again where a comparison finds it again
                self._went_wrong(error)

    async def _try_them(self) -> None:
        try:
            await self._own.run(self._find_denials(), Scope())
        except Exception as error:  # noqa: BLE001 - what was known stands until the next time
            self._went_wrong(error)

    async def _tell(self) -> None:
        """What `status` is to show; beside the polls, which the lease depends on."""
        try:
            await self._own.run(self._telling(), Scope())
        except Exception as error:  # noqa: BLE001 - it is kept for the next time
            self._went_wrong(error)

    async def _tell_the_rest(self) -> None:
        if self._teller is not None:
            await self._teller
        for _ in range(TELLING_MAX):
            if not self._has_untold:
                return
            await self._tell()

    # --- requests of our own

    async def _send(self, place: Place, operation: str, request: Request) -> Reply:
        if place != "control" and self._is_linked():
            return await self._through_hooks(operation, request)
        if operation == "GetItem" and place != "control":
            return await self._reads.get(request)
        return await self._bulk_call(operation, request)

    def _is_linked(self) -> bool:
        """Whether another migration of this client has one of our tables: to that one, what we write is a caller's."""
        chain = chain_of(self._attached.events, asynchronous=self._attached.asynchronous)
        if len(chain.hooks) < 2 or self._attached.client.meta.events is not self._attached.events:
            return False
        ours = {self.pair.source.name, self.pair.target.name}
        others = (hooks.engine.pair for hooks in chain.hooks if hooks.name != self._settings.migration.name)
        return any(pair.source.name in ours or pair.target.name in ours for pair in others)

    async def _through_hooks(self, operation: str, request: Request) -> Reply:
        """Send a request of our own through the attached client."""
        raise NotImplementedError
