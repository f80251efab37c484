"""A member that does everything within its callers' calls: its lease, its mirrors, its comparisons.

For a process that is frozen between two calls, and perhaps for ever (AWS Lambda): when a call has its answer, nothing
is under way. A call renews the lease first, where half of it is over, and more often nobody does; so ten thousand
frozen processes cost nothing. While something may be left undone the lease says so, and that it is not any more: a
process that ends while it is frozen leaves no doubt behind.

What it sends is not part of the caller's request to another migration on the client: hence the empty contexts.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Final

from crossfade.aws import own_calls
from crossfade.aws.clients import Attached
from crossfade.aws.hooks import Hooks
from crossfade.aws.member import Member
from crossfade.aws.operation import Forwarded
from crossfade.aws.router import AttachSettings
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Later, Place, Reply, Request, Routine
from crossfade.drivers.inline import InlineThreads, InlineWork
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import DatabaseError
from crossfade.observe import Watch

ALONE_SECONDS_MAX: Final = 1.0  # between two tries of an operation whose caller is gone; each pause doubles
POLLS_MAX: Final = 3  # of a call that cannot renew its lease, before it is told so
LOOK_SECONDS: Final = 0.05  # how often one that leaves looks whether a write can land no more


class InlineMember(Member):
    """What threads and tasks share."""

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self._writing: set[object] = set()  # calls that may write
        self._invocations = 0  # within which nobody says that nothing is open
        self._polled_at = -math.inf

    @property
    def _left(self) -> InlineWork:
        raise NotImplementedError

    def _put(self, later: Later, ticket: Ticket) -> None:
        self._left.put(later, ticket)

    def adopt(self, later: Later, ticket: Ticket) -> None:
        """Go on at once with an operation whose caller is gone: others may wait for its end."""
        self._left.adopt(later, ticket)
        self._go_on_alone()

    def _go_on_alone(self) -> None:
        raise NotImplementedError

    def _lose(self, key: str, error: BaseException) -> None:
        self._left.lose(key, error)

    def follow(self, forwarded: Forwarded, content: bytes | Reply) -> None:
        self._following(forwarded, content)()

    def leaves(self, caller: object) -> None:
        """A call is over. What it has not done, the next one does."""
        self._left.closes(caller)
        self._writing.discard(caller)

    # --- the lease

    def _look_after(self, hooks: Hooks) -> None:
        hooks.look_after()
        self.operations.look_after()

    def _must_poll(self) -> bool:
        """Whether the lease is to be renewed now. In a final stage nobody needs one, and its table may be gone: one
        try in that time is enough."""
        if not self.agent.must_poll(writes=bool(self._writing)):
            return False
        return self.agent.reading.counted or self.clock() >= self._polled_at + self.agent.lease_seconds / 2

    def _polls(self) -> Routine[None]:
        self._polled_at = self.clock()
        return self.agent.poll(writes=bool(self._writing))

    def _with_a_poll(self) -> Iterator[Routine[None]]:
        """What else is done when the lease is renewed."""
        if self._tells_now:
            yield self._telling()
        if self._rights_are_due():
            yield self._find_denials()
        if self._differences_are_due():
            self._look_again()

    def _look_again(self) -> None:
        """Leave a closer look at what comparisons have found to differ to this call and those after it."""
        ticket = self.agent.begin(strict=False)
        for name, look in self._looks_at_differences().items():
            self._left.adopt(Later("compare", f"difference {name}", look), ticket)
        self.agent.release(ticket)

    @property
    def _may_rest(self) -> bool:
        return not (self._invocations or self._writing) and self.agent.may_rest


class InlineThreadEngine(InlineMember):
    """One whose callers are threads."""

    def __init__(self, attached: Attached, settings: AttachSettings, watch: Watch) -> None:
        super().__init__(attached, settings, watch)
        self.driver: SyncDriver = SyncDriver(self._blocking(self._call), watch.note)
        tried = self._blocking(self._try)
        self._own = SyncDriver(tried, self._note)
        self.work: InlineThreads = InlineThreads(self.agent, self._note, tried)
        self._renewing = threading.Lock()
        self._hooks: Hooks | None = None

    @property
    def _left(self) -> InlineWork:
        return self.work

    @property
    def local(self) -> LocalEffects:
        return self._own

    def start(self, hooks: Hooks) -> None:
        """Take a lease. Raises NotStarted, ConfigurationError or DatabaseError."""
        events = self._attached.client.meta.events
        own_calls.register_once(events)
        own_calls.register_own(events)  # the hooks, which serve our calls later, are not there yet
        try:
            self._own.run(self.agent.join(), Scope())
        except BaseException:
            own_calls.unregister_once(events)
            raise
        finally:
            own_calls.unregister_own(events)
        self._hooks = hooks

    def forget(self) -> None:
        """In a forked child: nothing is to be forgotten, the connections are the client's."""

    def opens(self, hooks: Hooks, *, writes: bool) -> None:
        """A call begins: with a lease that lasts, and in which it is said that something may be open."""
        caller = threading.get_ident()
        self.work.opens(caller)
        if writes:
            self._writing.add(caller)
        self._look_after(hooks)
        if self._must_poll():
            with self._renewing:
                Context().run(self._poll)

    def closes(self) -> None:
        """A call has its answer, which is given when all that it has left is done."""
        caller = threading.get_ident()
        try:
            Context().run(self.work.work_off, caller)
        finally:  # of one that is interrupted, too
            self.leaves(caller)
        self.rest()

    def rest(self) -> None:
        """Say that nothing is open, where that is so."""
        if self._may_rest:
            with self._renewing:
                if self._may_rest:
                    Context().run(self._own.run, self.agent.rest(), Scope())

    def _go_on_alone(self) -> None:
        threading.Thread(target=self._alone, name="crossfade-alone", daemon=True).start()

    def _alone(self) -> None:
        pause_seconds = LOOK_SECONDS
        self.work.work_off(None)
        while self.work.waits and self.agent.joined:
            time.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, ALONE_SECONDS_MAX)
            if self._must_poll():
                with self._renewing:
                    self._poll()
            self.work.work_off(None)
        self.rest()

    @contextmanager
    def invocation(self) -> Generator[None]:
        self._invocations += 1
        try:
            yield
        finally:
            self._invocations -= 1
            self.rest()

    def _poll(self) -> None:
        """Never raises: without a lease nothing strict is sent, so whatever it is, callers are told."""
        try:
            self._tell_of_comparisons()
            for _ in range(POLLS_MAX):
                if not self._must_poll():
                    break
                self._own.run(self._polls(), Scope())
            self._tell_pulse(self.work)
            for routine in self._with_a_poll():
                self._own.run(routine, Scope())
        except Exception as error:  # noqa: BLE001 - see above
            self._went_wrong(error)

    def stop(self, timeout_seconds: float) -> bool:
        """Whether all that was under way ended in time."""
        until = self.clock() + timeout_seconds
        ended = self._wait_until_ended(until)
        left = self.work.give_up()
        try:
            if self._has_untold:
                self._own.run(self._telling(), Scope())
            self._own.run(self.agent.leave(), Scope())
        except DatabaseError as error:  # the lease will run out, and say that it was not given back
            self._watch.note("leave_failed", {"client": self.agent.client_id, "error": str(error)})
            ended = False
        own_calls.unregister_once(self._attached.client.meta.events)
        self.work.close()
        self._own.close()
        self.driver.close()
        return ended and not left

    def _wait_until_ended(self, until: float) -> bool:
        while self.agent.pending:
            if self._hooks is not None:
                self.opens(self._hooks, writes=False)
                self.closes()
            if self.agent.pending:
                if self.clock() >= until or self.operations.only_lingering_beyond(until):
                    return False
                time.sleep(LOOK_SECONDS)
        return True

    def _try(self, _place: Place, operation: str, request: Request) -> Reply:
        """One attempt: routines try again themselves, and know for how long a caller may wait for that."""
        name = self._settings.migration.name
        return own_calls.call(self._attached.client, operation, request, name, is_tried_once=True)

    def _call(self, _place: Place, operation: str, request: Request) -> Reply:
        return own_calls.call(self._attached.client, operation, request, self._settings.migration.name)
