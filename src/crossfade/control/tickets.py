"""What the operations of one client have of its lease: a ticket each, from their beginning to the end of their mirrors.

Its methods may be called from any thread, and hold the lock for a few instructions. The lease itself is the agent's.

From a final stage nothing leads on or back: whoever knows that it is reached knows the stage for ever. So operations in
it need no lease, and nobody waits for their end: they share one ticket, which is not counted.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from crossfade.control.open_tickets import OpenTickets, Owed, Ticket
from crossfade.control.records import State
from crossfade.control.store import Control
from crossfade.control.telling import told_loss
from crossfade.core.stages import ALL_LADDERS, Stage
from crossfade.errors import StageUncertain

LOST_EXAMPLE_LENGTH_MAX: Final = 200  # the lease is a small record, read by everybody who waits


class Tickets:
    """The tickets of one client, and what of its operations has not ended or was left undone."""

    def __init__(
        self,
        control: Control,
        client_id: str,
        *,
        lease_seconds: float,
        landing_seconds: float,
        clock: Callable[[], float],
        reads_only: bool,
    ) -> None:
        self.control = control
        self.client_id = client_id
        self.lease_seconds = lease_seconds
        self.landing_seconds = landing_seconds
        self.reads_only = reads_only
        self.lost_mirrors = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._state: State | None = None  # as adopted
        self._tickets: tuple[Ticket, Ticket] | None = None  # of operations, until the next poll: not strict, strict
        self._lost: StageUncertain | None = None  # the control table knows less than we do: what is told meanwhile
        self._incarnation = 1
        self._deadline = -math.inf
        self._grace = landing_seconds  # for how long after the deadline an answer may be given
        self._resting = False  # the record may say that nothing is open: then nothing is written
        self._open: OpenTickets = OpenTickets()
        self._heard_at = 0  # the time that DynamoDB told with the state, in seconds since 1970; 0 for none yet
        self._owed: Owed = Owed()
        self._lost_example = ""

    # --- what new operations obey

    @property
    def stage(self) -> Stage:
        return self._adopted().stage

    @property
    def epoch(self) -> int:
        return self._adopted().epoch

    @property
    def ramp_percent(self) -> int:
        return self._adopted().ramp_percent

    @property
    def deadline(self) -> float:
        """Seconds of the clock; from then on nothing strict begins and nothing more is sent."""
        return self._deadline

    @property
    def resting(self) -> bool:
        """Whether the record may say that nothing is open; then no write may be sent before it says otherwise."""
        return self._resting

    @property
    def pending(self) -> int:
        """Operations and mirrors that have not ended."""
        with self._lock:
            return len(self._open)

    def _adopted(self) -> State:
        state = self._state
        if state is None:
            raise StageUncertain(
                f"client {self.client_id} has not joined migration {self.control.migration} yet",
                next_step="try again in a moment",
            )
        return state

    # --- operations

    @property
    def reading(self) -> Ticket:
        """The ticket of a read that would be over at once: one that obeys the stage, and that nobody waits for."""
        return (self._tickets or self._new_tickets())[0]

    def begin(self, strict: bool) -> Ticket:
        """A ticket for one operation. Raises StageUncertain when it is strict and the lease has ended: send nothing."""
        given = self._tickets
        if given is not None and not given[1].counted:
            return given[1]
        with self._lock:
            lax, firm = self._tickets or self._new_tickets()
            if not firm.counted:
                return firm
            if strict and self._clock() >= self._deadline:
                raise self._uncertain("nothing was sent")
            self._open.add(firm)
            return firm if strict else lax

    def _new_tickets(self) -> tuple[Ticket, Ticket]:
        assert not self.reads_only  # noqa: S101 - the impossible
        state = self._adopted()
        now = (state.stage, state.epoch, state.ramp_percent, self._incarnation)
        if ALL_LADDERS[state.strategy][state.stage].is_final:
            final = Ticket(*now, strict=False, counted=False)
            self._tickets = final, final
        else:
            since = self._heard_at
            self._tickets = Ticket(*now, strict=False, since=since), Ticket(*now, strict=True, since=since)
        return self._tickets

    def may_send(self, ticket: Ticket, *, writes: bool = True) -> None:
        """Check the lease, before every call of a strict ticket, be it a read or a write: an operation or a mirror may
        go on for longer than the lease.

        Raises StageUncertain: nothing more of this ticket may be sent.
        """
        if ticket.incarnation != self._incarnation or self._clock() >= self._deadline or (writes and self._resting):
            raise self._uncertain("what remained of the operation was not sent")

    def is_ours(self, ticket: Ticket) -> bool:
        """Whether it is good again when the lease is renewed: nobody is known to have gone on without it."""
        return ticket.incarnation == self._incarnation

    def end(self, ticket: Ticket) -> None:
        """The operation has its answer, or its error. Raises StageUncertain when the answer must not be given."""
        if not ticket.counted:
            return
        with self._lock:
            self._open.drop(ticket)
            if not ticket.strict:
                return
            if ticket.incarnation != self._incarnation or self._clock() > self._deadline + self._grace:
                self._owed.add(ticket.since)
                raise self._uncertain("it may or may not have been carried out")

    def hold(self, ticket: Ticket) -> None:
        """A mirror in the background belongs to this ticket, which is not finished before `release`."""
        if not ticket.counted:
            return
        with self._lock:
            self._open.add(ticket)

    def release(self, ticket: Ticket) -> None:
        if not ticket.counted:
            return
        with self._lock:
            self._open.drop(ticket)

    def lost(self, key: str, error: object) -> None:
        """A mirror will not be done. To be called before its `release`, so that no acknowledgement comes first."""
        with self._lock:
            self.lost_mirrors += 1
            self._owed.add(self._open.oldest(self._heard_at))
            self._lost_example = told_loss(key, error)[:LOST_EXAMPLE_LENGTH_MAX]

    def _uncertain(self, what: str) -> StageUncertain:
        if self._lost is not None:
            return StageUncertain(self._lost.message, next_step=self._lost.next_step)
        return StageUncertain(
            f"client {self.client_id} could not renew its lease on migration {self.control.migration} "
            f"for {self.lease_seconds:g} s, so it cannot know the stage: {what}",
            next_step="try again in a moment; if it lasts, look at the connection to the control table",
        )
