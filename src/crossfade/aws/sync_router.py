"""A router on threads: the callers' own, and one beside them with an event loop, which keeps the lease and mirrors; or
the callers' alone, which do it all within their calls.

The process's end drains (drivers/process_end.py). A forked child is another client of the migration: at its first call
it takes a lease of its own, starts its own thread and leaves its parent's connections alone. Likewise a process that
goes on from a snapshot of its machine, which may be restored many times over: before it the lease is given back.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from crossfade.aws import own_calls
from crossfade.aws.clients import Attached
from crossfade.aws.router import DETACH_SECONDS, AttachSettings, Doors, Router, refused_at_end
from crossfade.aws.sync_hooks import InlineHooks, SyncHooks
from crossfade.control.agent import Agent
from crossfade.drivers import process_end
from crossfade.errors import DatabaseError
from crossfade.observe import Watch

if TYPE_CHECKING:
    from crossfade.aws.inline import InlineThreadEngine
    from crossfade.aws.thread_engine import ThreadEngine

RUNTIME_HOOKS: Final = "snapshot_restore_py"
AnyEngine: TypeAlias = "ThreadEngine | InlineThreadEngine"


class SyncRouter(Router):
    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        """Joins the migration. Raises NotStarted, ConfigurationError or DatabaseError; then nothing was attached."""
        super().__init__(attached, settings, watch)
        self._lock = threading.RLock()  # a handler of a signal may detach in the middle of detaching
        self._begins_anew = False
        self._detached = False
        self._engine = thread_engine(attached, settings, watch)
        self._former: list[AnyEngine] = []  # of a parent process: never used, never freed (its locks may be held)
        self._is_ours = self._is_here if attached.is_session else None
        current: Callable[[], Any] = self._current  # which has made what these hooks take
        make = thread_hooks(settings, watch)
        self._hooks = make(settings.migration.name, cast("Any", self._engine), self._is_ours, current)
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
        register_with_lambda()

    @property
    def agent(self) -> Agent:
        return self._current().agent

    @property
    def unfinished(self) -> int:
        return 0 if self._begins_anew else self._engine.agent.pending

    def hold(self) -> None:
        super().hold()
        self._hooks.is_here = self._admitted

    def refuse(self) -> None:
        super().refuse()
        self._hooks.is_here = self._admitted

    @contextmanager
    def invocation(self) -> Generator[None]:
        with self._current().invocation():
            yield

    def detach(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        self._hooks.taking = False
        return self._leave(timeout_seconds, stays=False)

    def end_within(self, timeout_seconds: float) -> bool:
        self.refuse()
        return self._leave(timeout_seconds, stays=True)

    def _leave(self, timeout_seconds: float, *, stays: bool) -> bool:
        """`stays`: the hooks do, so that what the application still asks for does not go past them."""
        if self._detached and process_end.is_beside():  # a handler of the request that gives the lease back
            return True
        with self._lock:  # whoever comes second waits for the first
            if self._detached:
                return True
            self._detached = True
            try:
                return self._begins_anew or self._engine.stop(timeout_seconds)
            finally:
                process_end.leave(self)
                if not stays:
                    self._line.remove(self._hooks)
                    self._end()

    async def aclose(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        import asyncio

        return await asyncio.to_thread(self.detach, timeout_seconds)

    def after_fork_in_child(self) -> None:
        """Only marks it: a child that never uses the tables takes no lease."""
        self._lock = threading.RLock()
        self._doors, self._hooks.is_here = Doors.OPEN, self._is_ours
        self._watch.after_fork_in_child()
        self._engine.forget()
        self._begins_anew = True

    def before_snapshot(self, timeout_seconds: float = DETACH_SECONDS) -> bool:
        """Do what is under way, and give the lease back: whoever is restored begins anew. Whether all was done."""
        with self._lock:
            if self._detached or self._begins_anew:
                return True
            self._begins_anew = True
        return self._engine.stop(timeout_seconds)

    def after_restore(self) -> None:
        """Begin anew, with connections and a lease that no other process has. Where that fails, the first call does
        it."""
        try:
            if not self._detached:
                _ = self._current()
        except DatabaseError as error:
            self._watch.note("restore_failed", {"error": str(error)})

    def _admitted(self, url: str, region: str | None) -> bool:
        """Whether a request is ours. Where the process is about to end it waits, or is refused."""
        if self._doors is not Doors.OPEN and own_calls.OWN.get() is None:
            if self._doors is Doors.REFUSING:
                raise refused_at_end(self.migration.name)
            _ = threading.Event().wait()  # the process ends meanwhile
        return self._is_ours is None or self._is_ours(url, region)

    def _current(self) -> AnyEngine:
        """The engine of this process."""
        if self._begins_anew:
            with self._lock:
                if self._begins_anew:
                    self._begin_anew()
        return self._engine

    def _begin_anew(self) -> None:
        self._attached.client.close()  # the connections are the parent's; this only forgets them
        engine = thread_engine(self._attached, self._settings, self._watch)
        self._hooks.engine = engine
        process_end.enter_child(self)
        engine.start(self._hooks)
        self._former.append(self._engine)
        self._engine = engine
        self._begins_anew = False


def thread_engine(attached: Attached, settings: AttachSettings, watch: Watch) -> AnyEngine:
    """Return the engine that does the work where the settings say. Only that one is imported: one needs asyncio, and
    the other is for processes whose start is waited for."""
    if settings.background == "inline":
        from crossfade.aws.inline import InlineThreadEngine

        return InlineThreadEngine(attached, settings, watch)
    from crossfade.aws.thread_engine import ThreadEngine

    return ThreadEngine(attached, settings, watch)


def thread_hooks(settings: AttachSettings, watch: Watch) -> Callable[..., SyncHooks]:
    """Return what makes the hooks, by where the work is done and whether somebody watches each call."""
    is_inline = settings.background == "inline"
    if not watch.sees_calls:
        return InlineHooks if is_inline else SyncHooks
    from crossfade.aws.observed_hooks import ObservedHooks, ObservedInlineHooks

    made = ObservedInlineHooks if is_inline else ObservedHooks
    return partial(made, watch, settings.migration.strategy)


_ROUTERS: weakref.WeakSet[SyncRouter] = weakref.WeakSet()


def before_snapshot() -> None:
    """Give back the leases of this process, before a snapshot of its machine is made. attach() registers this with
    the hooks of AWS Lambda SnapStart, where they are installed; routers on asyncio are not meant."""
    for router in list(_ROUTERS):
        _ = router.before_snapshot()


def after_restore() -> None:
    """Take new leases, after the process was restored from a snapshot."""
    for router in list(_ROUTERS):
        router.after_restore()


@cache
def register_with_lambda() -> None:
    """Register the two with the runtime hooks of AWS Lambda, if they are installed."""
    if find_spec(RUNTIME_HOOKS) is None:
        return
    hooks: Any = import_module(RUNTIME_HOOKS)
    hooks.register_before_snapshot(before_snapshot)
    hooks.register_after_restore(after_restore)


def _after_fork_in_child() -> None:
    for router in list(_ROUTERS):
        router.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
