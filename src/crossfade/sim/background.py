"""The background work of one simulated process: drivers/backlog.py decides what is next, the world carries it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Call, Later
from crossfade.drivers.backlog import Backlog, Job
from crossfade.drivers.scope import TicketScope
from crossfade.errors import CrossfadeError
from crossfade.sim.processes import Answered, Process, Task
from crossfade.sim.world import World

WORKERS: Final = 4
WAIT_SECONDS_MIN: Final = 1e-6  # what rounding leaves of a wait is none


class Background:
    def __init__(
        self,
        world: World,
        process: Process,
        agent: Agent,
        scope_of: type[TicketScope] = TicketScope,
        through: Callable[[Task, Call, Answered], None] | None = None,
    ) -> None:
        """`through`: how its requests go, if not at once to the network."""
        self._through = through
        self._scope_of = scope_of
        self._world = world
        self._process = process
        self._agent = agent
        self._backlog = Backlog(agent, lambda name, facts: world.note(process.name, name, facts), workers=WORKERS)
        self._busy = 0

    @property
    def idle(self) -> bool:
        return self._backlog.idle

    def put(self, later: Later, ticket: Ticket) -> None:
        self._backlog.put(later, ticket, self._world.monotonic(self._process))
        self._work()

    def _work(self) -> None:
        """Give every free worker something to do; come back when something that waits is due."""
        while self._process.alive and self._busy < WORKERS:
            found = self._backlog.take(self._world.monotonic(self._process))
            if isinstance(found, Job):
                self._run(found)
                continue
            if found is not None:
                self._world.after(max(found, WAIT_SECONDS_MIN), self._work)
            return

    def _run(self, job: Job) -> None:
        self._busy += 1

        def done(_value: object, error: CrossfadeError | None) -> None:
            self._busy -= 1
            self._backlog.finished(job, error)
            self._work()

        scope = self._scope_of(self._agent, job.ticket, self.put)
        self._world.start(
            Task(
                self._process,
                job.routine,
                f"{job.kind} {short(job.key)}",
                done,
                scope,
                job.kind,
                (short(job.key),),
                through=self._through,
            )
        )


def short(key: str) -> str:
    """`p0/a` for the long name of a key: what stands in its quotes, attribute names and type letters left out."""
    texts = [text for text in key.split("'")[1::2] if text not in ("pk", "sk", "S", "")]
    return "/".join(sorted(texts, reverse=True))  # partitions are p0, p1; sort keys a, b
