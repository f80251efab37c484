"""A simulated process of the migration: the agent, the caller's operations and the background work of production.

What the router's engine does with threads is done here with the world's time: the agent is polled, `Passages` opens and
ends operations, the backlog is worked off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from crossfade.aws.operation import OperationOutcome, Operations
from crossfade.control.agent import Agent
from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.stages import LADDERS, Row
from crossfade.core.tables.pair import Pair
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError, Refused, Rejected, StageUncertain
from crossfade.sim import views
from crossfade.sim.background import Background
from crossfade.sim.processes import Process, Task
from crossfade.sim.world import World

# The reply or the error; whether a write was sent.
Told: TypeAlias = Callable[[Reply | None, CrossfadeError | None, bool], None]
DRAIN_LOOK_SECONDS = 0.1


class Client:
    def __init__(self, world: World, pair: Pair, agent: Agent, name: str, poll_seconds: float, strategy: str) -> None:
        self.world = world
        self.pair = pair
        self.agent = agent
        self.process = Process(name)
        self.background = Background(world, self.process, agent)
        self.operations = Operations(pair, agent, self.background.put, lambda: world.now, strategy)
        self.poll_seconds = poll_seconds
        self._strategy = strategy
        self.ready = False
        self.left = False
        self._join()

    # --- the agent's own thread

    def _join(self) -> None:
        def joined(_value: object, error: CrossfadeError | None) -> None:
            if error is not None:
                self.world.note(self.process.name, "could not join", {"error": str(error)})
                self.world.after(self.poll_seconds, self._join)
                return
            self.ready = True
            self._poll_later()

        self._agent_task(self.agent.join(), "join", joined)

    def _poll_later(self) -> None:
        self.world.after(self.poll_seconds * self.world.random.uniform(0.9, 1.1), self._poll)

    def _poll(self) -> None:
        if self.left:
            return
        if self.process.paused_until > self.world.now:
            self.world.at(self.process.paused_until, self._poll)
        elif self.process.alive:
            self.operations.look_after()
            self._agent_task(self.agent.poll(), "poll", lambda _value, _error: self._poll_later())

    def leave(self) -> None:
        """End as an orderly process does: drain, then give the lease back."""
        if not self.process.alive:
            return
        if self.agent.pending or self.process.paused_until > self.world.now:
            self.world.after(DRAIN_LOOK_SECONDS, self.leave)  # polls go on meanwhile
            return
        self.left = True
        self._agent_task(self.agent.leave(), "leave", lambda _value, _error: None)

    def _agent_task(
        self, routine: Routine[None], name: str, then: Callable[[object, CrossfadeError | None], None]
    ) -> None:
        self.world.start(Task(self.process, routine, name, then, Scope(), "agent"))

    @property
    def row(self) -> Row:
        """What its stage means."""
        return LADDERS[self._strategy][self.agent.stage]

    # --- the application's calls

    def call(
        self,
        operation: str,
        request: Request,
        keys: tuple[str, ...],
        told: Told,
        sent_twice: Callable[[], None] = lambda: None,
    ) -> None:
        """One call by the application. `keys` names the items concerned, for the trace; `sent_twice` is called at the
        moment when its SDK sends it again, since a process that crashes tells nothing any more."""
        if self.pair.view == "target":
            request, told = views.asked(self.pair, operation, request), self._told_of_target(told, request)
        try:
            running = self.operations.open(operation, request)
        except (Refused, Rejected, StageUncertain) as error:
            told(None, error, False)
            return

        def done(outcome: OperationOutcome | None, error: CrossfadeError | None) -> None:
            if isinstance(outcome, CrossfadeError):
                outcome, error = None, outcome
            told(outcome, error, running.scope.sent)

        name = f"{operation} {' '.join(keys)}"
        task = Task(self.process, running.routine, name, done, running.scope, "caller", keys, sent_twice)
        self.world.start(task)

    def _told_of_target(self, told: Told, request: Request) -> Told:
        def in_source_form(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            if reply is not None:
                reply = views.told(self.pair, request, reply)
            if isinstance(error, Rejected):
                error = views.refused(self.pair, error)
            told(reply, error, sent)

        return in_source_form
