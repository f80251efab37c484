"""Whether a worker may apply: under a lease of the migration, and only where the source is the authority.

Behind the freeze the application writes the target, and what it writes has no version there. A change of the log that
is applied then would overwrite it, be it one of before that comes late, or what the mirror back has just written to the
source. So whoever applies is a client of the migration like any other: it asks for its lease before each write, and
the barrier waits for it, also for what it has sent and got no answer to.

Where the target decides, a change is passed over. A session in which changes are applied and one in which they are
passed over never mix: at the border a worker ends and forgets what it has read, and the offsets say where the next one
begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.stages import FREEZE, Stage
from crossfade.errors import CrossfadeError

PASSING: Final = -1  # a session in which nothing is applied


class Resting(CrossfadeError):
    """Nothing that a worker has read may be applied any more: it is to end, and to begin anew when that is possible."""

    retryable = True


def carries(stage: Stage) -> bool:
    """Whether the log is applied in this stage."""
    return FREEZE[stage].authority == "source"


class Standing:
    """Decides what one process may apply. Its owner polls the agent, and calls `look_after` before each poll.

    For one thread.
    """

    def __init__(self, agent: Agent, clock: Callable[[], float]) -> None:
        self.agent = agent
        self._clock = clock
        self._client = ""  # under whose lease the present session has begun
        self._session = 0
        self._landing: list[tuple[float, Ticket]] = []

    def begin(self) -> int:
        """A worker begins, with nothing in its memory: its session. Raises Resting, StageUncertain.

        Not while writes are held: on the way back there may still be somebody who reads from the target then.
        """
        ticket = self.agent.begin(True)
        self.agent.release(ticket)
        if not carries(ticket.stage):
            return PASSING
        if FREEZE[ticket.stage].holds:
            raise Resting(f"in {ticket.stage} nobody begins to apply")
        if self._client != self.agent.client_id:
            self._client = self.agent.client_id
            self._session += 1
        return self._session

    def take(self, session: int) -> Ticket:
        """For one change: to apply it where the log is carried in the ticket's stage, to pass over it elsewhere.

        Raises Resting, StageUncertain: nothing more of this session may be applied.
        """
        ticket = self.agent.begin(True)
        if carries(ticket.stage) and (session != self._session or self._client != self.agent.client_id):
            self.agent.release(ticket)
            raise Resting("since this worker began, it has lost its lease, or the target was the authority")
        return ticket

    def give_back(self, ticket: Ticket, *, may_land: bool) -> None:
        """`may_land`: something was sent that may yet be carried out: the stage is not left before it can no longer."""
        if may_land:
            self._landing.append((self._clock() + self.agent.landing_seconds, ticket))
        else:
            self.agent.release(ticket)

    def look_after(self) -> None:
        """Let go what can land no more; and end the session where nothing may be applied."""
        if self.agent.joined and not carries(self.agent.stage):
            self._session += 1
        now, waiting, self._landing = self._clock(), self._landing, []
        for until, ticket in waiting:
            if now >= until:
                self.agent.release(ticket)
            else:
                self._landing.append((until, ticket))
