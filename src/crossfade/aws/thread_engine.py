"""A membership beside an application that blocks: its event loop is that of a thread."""

from __future__ import annotations

import asyncio

from crossfade.aws import own_calls
from crossfade.aws.clients import Attached
from crossfade.aws.hooks import Hooks
from crossfade.aws.membership import Membership
from crossfade.aws.router import AttachSettings
from crossfade.core.effects import Place, Reply, Request
from crossfade.drivers.loop_thread import LoopThread
from crossfade.drivers.sync import SyncDriver
from crossfade.observe import Watch


class ThreadEngine(Membership):
    """A membership whose callers are threads. Everything of one process; a forked child makes another."""

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self.driver: SyncDriver = SyncDriver(self._blocking(self._call), watch.note)
        self._thread: LoopThread | None = None

    def start(self, hooks: Hooks) -> None:
        """Raises NotStarted, ConfigurationError or DatabaseError."""
        thread = LoopThread()
        try:
            thread.run(self.join(hooks, thread.call_soon))
        except BaseException:
            thread.run(self.bulk.aclose())
            _ = thread.close()
            raise
        self._thread = thread

    def stop(self, timeout_seconds: float) -> bool:
        """Whether all that was under way ended in time."""
        if self._thread is None:
            return True
        ended = self._thread.run(self.leave(timeout_seconds))
        self.driver.close()
        return self._thread.close() and ended

    def forget(self) -> None:
        """In a forked child: connections and loop are the parent's."""
        self.bulk.forget()

    def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return own_calls.call(self._attached.client, operation, request, self._settings.migration.name)

    async def _through_hooks(self, operation: str, request: Request) -> Reply:
        return await asyncio.to_thread(self._call, "source", operation, request)
