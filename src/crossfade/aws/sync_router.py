"""A router on threads: the callers' own, and one beside them with an event loop, which keeps the lease and mirrors.

The process's end drains (drivers/process_end.py). A forked child is another client of the migration: at its first call
it takes a lease of its own, starts its own thread and leaves its parent's connections alone.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref

from crossfade.aws import own_calls
from crossfade.aws.clients import Attached
from crossfade.aws.hooks import Hooks
from crossfade.aws.membership import Membership
from crossfade.aws.router import DETACH_SECONDS, AttachSettings, Doors, Router, refused_at_end
from crossfade.aws.sync_hooks import SyncHooks
from crossfade.control.agent import Agent
from crossfade.core.effects import Place, Reply, Request
from crossfade.drivers import process_end
from crossfade.drivers.loop_thread import LoopThread
from crossfade.drivers.sync import SyncDriver
from crossfade.observe import Watch


class ThreadEngine(Membership):
    """A membership whose callers are threads. Everything of one process; a forked child makes another."""

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self.driver: SyncDriver = SyncDriver(self._call, watch.note)
        self._thread: LoopThread | None = None

    def start(self, hooks: Hooks) -> None:
        """Raises NotStarted, ConfigurationError or DatabaseError."""
        thread = LoopThread("crossfade")
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

    def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return own_calls.call(self._attached.client, operation, request, self._settings.migration.name)

    async def _through_hooks(self, operation: str, request: Request) -> Reply:
        return await asyncio.to_thread(self._call, "source", operation, request)


class SyncRouter(Router):
    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        """Joins the migration. Raises NotStarted, ConfigurationError or DatabaseError; then nothing was attached."""
        super().__init__(attached, settings, watch)
        self._lock = threading.RLock()  # a handler of a signal may detach in the middle of detaching
        self._forked = False
        self._detached = False
        self._engine = ThreadEngine(attached, settings, watch)
        self._former: list[ThreadEngine] = []  # of a parent process: never used, never freed (its locks may be held)
        self._is_ours = self._is_here if attached.is_session else None
        self._hooks = SyncHooks(settings.migration.name, self._engine, self._is_ours, self._current)
        self._begin()
        with self._lock:  # a process that is told to end meanwhile waits for the lease, to give it back
            process_end.enter(self)
            try:
                self._engine.start(self._hooks)
            except BaseException:
                process_end.leave(self)
                self._end()
                raise
        self._line.add(self._hooks, fast_signing=settings.fast_signing)
        _ROUTERS.add(self)

    @property
    def agent(self) -> Agent:
        return self._current().agent

    @property
    def unfinished(self) -> int:
        return 0 if self._forked else self._engine.agent.pending

    def hold(self) -> None:
        super().hold()
        self._hooks.is_here = self._admitted

    def refuse(self) -> None:
        super().refuse()
        self._hooks.is_here = self._admitted

    def detach(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        self._hooks.taking = False
        return self._leave(timeout_seconds, stays=False)

    def end_within(self, timeout_seconds: float) -> bool:
        self.refuse()
        return self._leave(timeout_seconds, stays=True)

    def _leave(self, timeout_seconds: float, *, stays: bool) -> bool:
        """`stays`: the hooks do, so that what the application still asks for does not go past them."""
        with self._lock:  # whoever comes second waits for the first
            if self._detached:
                return True
            self._detached = True
            try:
                return self._forked or self._engine.stop(timeout_seconds)
            finally:
                process_end.leave(self)
                if not stays:
                    self._line.remove(self._hooks)
                    self._end()

    async def aclose(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        return await asyncio.to_thread(self.detach, timeout_seconds)

    def after_fork_in_child(self) -> None:
        """Only marks it: a child that never uses the tables takes no lease."""
        self._lock = threading.RLock()
        self._doors, self._hooks.is_here = Doors.OPEN, self._is_ours
        self._watch.after_fork_in_child()
        self._engine.bulk.forget()
        self._forked = True

    def _admitted(self, url: str, region: str | None) -> bool:
        """Whether a request is ours. Where the process is about to end it waits, or is refused."""
        if self._doors is not Doors.OPEN and own_calls.OWN.get() is None:
            if self._doors is Doors.REFUSING:
                raise refused_at_end(self.migration.name)
            _ = threading.Event().wait()  # the process ends meanwhile
        return self._is_ours is None or self._is_ours(url, region)

    def _current(self) -> ThreadEngine:
        """The engine of this process."""
        if self._forked:
            with self._lock:
                if self._forked:
                    self._begin_in_child()
        return self._engine

    def _begin_in_child(self) -> None:
        self._attached.client.close()  # the connections are the parent's; this only forgets them
        engine = ThreadEngine(self._attached, self._settings, self._watch)
        self._hooks.engine = engine
        process_end.enter_child(self)
        engine.start(self._hooks)
        self._former.append(self._engine)
        self._engine = engine
        self._forked = False


_ROUTERS: weakref.WeakSet[SyncRouter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for router in list(_ROUTERS):
        router.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
