"""A router on threads: one that keeps the lease, a few that mirror, and the callers' own.

The process's end drains (atexit). A forked child is another client of the migration: at its first call it takes a lease
of its own, starts its own threads and leaves its parent's connections alone.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from queue import Empty
from typing import Final

from crossfade.aws import calls
from crossfade.aws.clients import Attached
from crossfade.aws.hooks import InFlight
from crossfade.aws.passage import Passages
from crossfade.aws.router import DETACH_SECONDS, Router, Settings
from crossfade.aws.sync_hooks import SyncHooks
from crossfade.control.agent import Agent, Ticket
from crossfade.core.effects import Later, Place, Reply, Request
from crossfade.core.pair import Pair
from crossfade.drivers.background import Background
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import DatabaseError
from crossfade.observe import Watch

LOOK_SECONDS: Final = 0.01  # how often a detaching router looks whether the last operation has ended


class ThreadEngine:
    """Everything of one process; a forked child makes another."""

    def __init__(self, attached: Attached, settings: Settings, watch: Watch) -> None:
        self._client = attached.client
        self._name = settings.migration.name
        self._watch = watch
        self.pair: Pair = settings.pair()
        self.agent: Agent = settings.agent()
        self.in_flight: InFlight = InFlight()
        self.driver: SyncDriver = SyncDriver(self._call, watch.note)
        self.background = Background(self.driver, self.agent, watch.note)
        self.passages: Passages = Passages(self.pair, self.agent, self.put, self.clock, settings.migration.strategy)

    def clock(self) -> float:
        return time.monotonic()

    def put(self, later: Later, ticket: Ticket) -> None:
        self.background.put(later, ticket)

    def join(self) -> None:
        self.driver.run(self.agent.join(), Scope())

    def poll(self, look_after: Callable[[], None]) -> None:
        """Never raises: without a lease nothing strict is sent, so whatever it is, callers are told."""
        try:
            look_after()
            self.passages.look_after()
            self.driver.run(self.agent.poll(), Scope())
        except Exception as error:  # noqa: BLE001 - see above
            self._watch.note("agent_error", {"client": self.agent.client_id, "error": str(error)})

    def wait_until_ended(self, until: float) -> bool:
        """Whether every operation and mirror has ended by then; no longer than there is hope."""
        while self.agent.pending:
            now = self.clock()
            if now >= until or self.passages.only_lingering_beyond(until):
                return False
            if not self.background.drain(LOOK_SECONDS):
                continue
            time.sleep(LOOK_SECONDS)
        return True

    def leave(self) -> bool:
        left = self.background.close()
        try:
            self.driver.run(self.agent.leave(), Scope())
        except DatabaseError as error:  # the lease will run out, and say that it was not given back
            self._watch.note("leave_failed", {"client": self.agent.client_id, "error": str(error)})
            return False
        return not left

    def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return calls.call(self._client, operation, request, self._name)


class SyncRouter(Router):
    def __init__(self, attached: Attached, settings: Settings, watch: Watch) -> None:
        """Joins the migration. Raises NotStarted, ConfigurationError or DatabaseError; then nothing was attached."""
        super().__init__(attached, settings, watch)
        self._lock = threading.Lock()
        self._forked = False
        self._detached = False
        self._stopping = threading.Event()
        self._engine = ThreadEngine(attached, settings, watch)
        self._former: list[ThreadEngine] = []  # of a parent process: never used, never freed (its locks may be held)
        is_here = self._is_here if attached.is_session else None
        self._hooks = SyncHooks(settings.migration.name, self._engine, is_here, self._current)
        self._thread = self._new_thread()
        self._register_own()
        try:
            self._engine.join()
        except BaseException:
            self._unregister_own()
            raise
        self._thread.start()
        self._line.add(self._hooks)
        _ = atexit.register(self.detach)
        _ROUTERS.add(self)

    @property
    def agent(self) -> Agent:
        return self._current().agent

    def detach(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        with self._lock:
            if self._detached:
                return True
            self._detached = True
        atexit.unregister(self.detach)
        self._hooks.taking = False
        try:
            return self._forked or self._end(timeout_seconds)
        finally:
            self._line.remove(self._hooks)
            self._unregister_own()

    async def aclose(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        return await asyncio.to_thread(self.detach, timeout_seconds)

    def after_fork_in_child(self) -> None:
        """Only marks it: a child that never uses the tables takes no lease."""
        self._lock = threading.Lock()
        self._forked = True

    def _end(self, timeout_seconds: float) -> bool:
        engine = self._engine
        until = engine.clock() + timeout_seconds
        ended = engine.wait_until_ended(until)
        self._stopping.set()
        engine.in_flight.gone.put(None)
        self._thread.join(max(0.0, until - engine.clock()) + self._settings.poll_seconds)
        if self._thread.is_alive():  # in a call that does not come back; the lease will run out by itself
            _ = engine.background.close()
            return False
        return engine.leave() and ended

    def _current(self) -> ThreadEngine:
        """The engine of this process."""
        if self._forked:
            with self._lock:
                if self._forked:
                    self._begin_in_child()
        return self._engine

    def _begin_in_child(self) -> None:
        self._attached.client.close()  # the connections are the parent's; this only forgets them
        self._former.append(self._engine)
        engine = ThreadEngine(self._attached, self._settings, self._watch)
        engine.join()
        self._engine = engine
        self._hooks.engine = engine
        self._stopping = threading.Event()
        self._thread = self._new_thread()
        self._thread.start()
        self._forked = False

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._keep_lease, name="crossfade-agent", daemon=True)

    def _keep_lease(self) -> None:
        engine, stopping = self._engine, self._stopping
        poll_at = engine.clock() + self._settings.poll_seconds
        while not stopping.is_set():
            try:
                self._hooks.give_up(engine.in_flight.gone.get(timeout=max(0.0, poll_at - engine.clock())))
            except Empty:
                engine.poll(self._hooks.look_after)
                poll_at = engine.clock() + self._settings.poll_seconds


_ROUTERS: weakref.WeakSet[SyncRouter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for router in list(_ROUTERS):
        router.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
