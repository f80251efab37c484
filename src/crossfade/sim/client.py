"""A simulated process of the migration: the agent, the caller's operations and the background work of production.

What the router's engine does with threads is done here with the world's time: the agent is polled, `Operations` begins
and ends operations, each request goes as its plan says, the backlog is worked off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from crossfade.aws.answers import fresh
from crossfade.aws.operation import Forwarded, OperationOutcome, Operations, RunningOperation
from crossfade.control.agent import Agent
from crossfade.core.effects import Call, Effect, Forward, Reply, Request, Routine
from crossfade.core.plan import REPLY_THEN_MIRROR, WITHOUT_ROUTINE, Run, Translate
from crossfade.core.request.names import WRITES
from crossfade.core.stages import LADDERS, Row
from crossfade.core.tables.pair import Pair
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import Scope, TicketScope
from crossfade.errors import CrossfadeError, NotPossibleInStage, ServiceRejected, StageUncertain, UnknownOutcome
from crossfade.sim import views
from crossfade.sim.applications import Told
from crossfade.sim.background import Background
from crossfade.sim.processes import Answered, AnyRoutine, Process, Task
from crossfade.sim.world import World

DRAIN_LOOK_SECONDS = 0.1
FOLLOWED_SECONDS_MAX: Final = 0.05  # until what follows a reply is begun in the background

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Calling:
    """One call by the application; see Client.call."""

    name: str
    keys: tuple[str, ...]
    told: Told
    sent_twice: Callable[[], None]


class Client:
    def __init__(
        self,
        world: World,
        pair: Pair,
        agent: Agent,
        name: str,
        poll_seconds: float,
        strategy: str,
        process: Process | None = None,
        through: Callable[[Task, Call, Answered], None] | None = None,
    ) -> None:
        """`process`: that of another migration of the same application; `through`: how its background's requests go,
        if not at once to the network."""
        self.world = world
        self.pair = pair
        self.agent = agent
        self.process = process or Process(name)
        self.background = Background(world, self.process, agent, through=through)
        self.clock: Callable[[], float] = partial(world.monotonic, self.process)
        self.operations = Operations(pair, agent, self.background.put, self.clock, strategy)
        self._local = LocalEffects(lambda note, facts: world.note(name, note, facts), self.clock, new_stamp=world.stamp)
        self.poll_seconds = poll_seconds
        self._strategy = strategy
        self.ready = False
        self.left = False
        self.looked_after: list[Callable[[], None]] = []  # what else is done with each poll
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
            self.world.at(self.world.goes_on_at(self.process), self._poll)
        elif self.process.alive:
            for look_after in self.looked_after:
                look_after()
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

    @property
    def pending(self) -> int:
        """Operations and mirrors that have not ended."""
        return self.agent.pending

    @property
    def deadline(self) -> float:
        """Until when the stage is known that it obeys."""
        return self.agent.deadline

    # --- the application's calls

    def call(
        self,
        operation: str,
        request: Request,
        keys: tuple[str, ...],
        told: Told,
        sent_twice: Callable[[], None] = lambda: None,
    ) -> None:
        """One call by the application."""
        if self.pair.view == "target":
            request, told = views.asked(self.pair, operation, request), self._told_of_target(told, request)
        calling = Calling(f"{operation} {' '.join(keys)}", keys, told, sent_twice)
        try:
            ticket, plan = self.operations.begin(operation, request)
            there = None
            if ticket is not None and isinstance(plan, Translate):
                there = self.operations.planner.fast_path.request(operation, request, self.world.stamp)
                if there is None:
                    plan = self.operations.run_instead(operation, fresh(request), ticket)
        except (NotPossibleInStage, ServiceRejected, StageUncertain) as error:
            told(None, error, False)
            return
        if ticket is not None and isinstance(plan, Run):
            running = self.operations.run(ticket, plan)
            self._start(calling, running.routine, running.scope, partial(self._ended, calling, running))
            return
        call = Call("source", operation, request)
        if ticket is None:  # a read that does not ask for the latest value
            scope = Scope(call)
            self._start(calling, forwarding(None), scope, lambda reply, error: told(reply, error, scope.sent))
            return
        strict_scope = TicketScope(self.agent, ticket, self.background.put, call)
        forwarded = Forwarded(operation, request, ticket, plan, partial(fresh, request))
        answered = partial(self._answered, calling, forwarded, strict_scope)
        self._start(calling, forwarding(there), strict_scope, answered)

    def _start(self, calling: Calling, routine: AnyRoutine, scope: Scope, then: Answered) -> None:
        task = Task(self.process, routine, calling.name, then, scope, "caller", calling.keys, calling.sent_twice)
        self.world.start(task)

    def _ended(
        self,
        calling: Calling,
        running: RunningOperation,
        outcome: OperationOutcome | None,
        error: CrossfadeError | None,
    ) -> None:
        if isinstance(outcome, CrossfadeError):
            outcome, error = None, outcome
        calling.told(outcome, error, running.scope.sent)

    def _answered(
        self,
        calling: Calling,
        forwarded: Forwarded,
        scope: TicketScope,
        reply: Reply | None,
        error: CrossfadeError | None,
    ) -> None:
        """A request that is its caller's own has its answer, or none: what the router's hooks do after a call."""
        operations, operation = self.operations, forwarded.operation
        forwarded.attempts = int(scope.sent or operation not in WRITES)
        may_land = operation in WRITES and scope.may_land
        if isinstance(error, CrossfadeError) and not isinstance(error, ServiceRejected):
            if isinstance(forwarded.plan, WITHOUT_ROUTINE):
                late = operations.ended(forwarded, may_land=operation in WRITES and scope.sent)
                calling.told(None, late or error, scope.sent)
                return
        else:
            is_done, late = operations.finish_without_routine(forwarded, reply, may_land=may_land)
            if is_done:
                if forwarded.plan is REPLY_THEN_MIRROR and reply is not None:
                    self.follow(forwarded, reply)
                if late is not None:
                    reply, error = None, late
                calling.told(reply, error, scope.sent)
                return
        running = operations.running_of(forwarded, self._local)
        running.scope.may_land = may_land or (operation in WRITES and isinstance(error, UnknownOutcome))
        self._start(
            calling, gone_on(running.routine, reply, error), running.scope, partial(self._ended, calling, running)
        )

    def follow(self, forwarded: Forwarded, reply: Reply) -> None:
        """The routine runs after its reply was given: in the background, a moment later."""
        given = fresh(reply)

        def follow_up() -> None:
            self.operations.follow_up(self._local, forwarded.ticket, forwarded.operation, forwarded.own(), given)
            self.agent.release(forwarded.ticket)

        delay = self.world.random.uniform(0.0, FOLLOWED_SECONDS_MAX)
        self.world.after(delay, lambda: self.world.deliver(self.process, follow_up))

    def _told_of_target(self, told: Told, request: Request) -> Told:
        def in_source_form(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            if reply is not None:
                reply = views.told(self.pair, request, reply)
            if isinstance(error, ServiceRejected):
                error = views.refused(self.pair, error)
            told(reply, error, sent)

        return in_source_form


def forwarding(request: Request | None) -> Routine[Reply]:
    """Send the caller's request, or another in its place."""
    return (yield from Forward(request))


def gone_on(
    routine: Routine[T], value: Any, error: CrossfadeError | None, effect: Effect[Any] | None = None
) -> Routine[T]:
    """Go on with a routine that waits for the answer to its first Forward, which has come; or with its `effect`."""
    try:
        if effect is None:
            effect = routine.send(value) if error is None else routine.throw(error)
        while True:
            try:
                value = yield effect
            except CrossfadeError as raised:
                effect = routine.throw(raised)
            else:
                effect = routine.send(value)
    except StopIteration as stop:
        outcome: T = stop.value
        return outcome
