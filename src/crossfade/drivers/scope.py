"""What one run of a routine obeys: the ticket of its operation, and where its background work goes.

A routine of several calls may be held up between two of them for longer than the lease lasts. So, where the ticket is
strict, the agent checks the lease before every call, read or write (`Agent.may_send`), and not only at the beginning.
"""

from __future__ import annotations

from collections.abc import Callable

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Call, Forward, Later, Queued
from crossfade.core.request.names import WRITES
from crossfade.errors import CrossfadeError, UnknownOutcome


class Scope:
    """The scope of work that has no ticket: the agent's own calls. It sends at will and leaves nothing for later."""

    __slots__ = ("forward", "left", "may_land", "sent")

    def __init__(self, forward: Call | None = None) -> None:
        self.forward = forward  # the caller's own request, for a routine that forwards it later than at once
        self.sent = False  # a write was sent
        self.may_land = False  # a write was sent and given up on: it may be carried out after the end of this run
        self.left = False  # work was left for later, which goes on looking at what it was given

    def before(self, call: Call) -> None:
        """Raises StageUncertain when the call may not be sent any more."""
        if call.operation in WRITES:
            self.sent = True

    def failed(self, call: Call, error: CrossfadeError) -> None:
        if isinstance(error, UnknownOutcome) and call.operation in WRITES:
            self.may_land = True

    def turned(self, queued: Queued) -> None:
        """A turn has come, or its write was carried out with somebody else's."""
        if queued.outcome is not None:
            self.sent = True
            self.may_land = self.may_land or isinstance(queued.outcome, UnknownOutcome)

    def forwarded(self, effect: Forward) -> Call:
        """The caller's own call, with the request that the routine gives it."""
        if self.forward is None:
            raise AssertionError("only a caller's operation can forward")
        if effect.request is None:
            return self.forward
        return Call(self.forward.place, self.forward.operation, effect.request)

    def later(self, later: Later) -> None:
        raise AssertionError(f"background work {later.key} belongs to no operation")


class TicketScope(Scope):
    """The scope of an operation by the caller, and of its mirrors and comparisons."""

    __slots__ = ("_agent", "_put", "ticket")

    def __init__(
        self,
        agent: Agent,
        ticket: Ticket,
        put: Callable[[Later, Ticket], None],
        forward: Call | None = None,
    ) -> None:
        super().__init__(forward)
        self.ticket = ticket
        self._agent = agent
        self._put = put

    def before(self, call: Call) -> None:
        if self.ticket.strict:
            self._agent.may_send(self.ticket, writes=call.operation in WRITES)
        if call.operation in WRITES:
            self.sent = True

    def later(self, later: Later) -> None:
        self.left = True
        self._put(later, self.ticket)
