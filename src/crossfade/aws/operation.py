"""One operation by the caller, from its ticket to its answer: itself a routine, so threads and asyncio share it.

Begin: a ticket, which fixes the stage. Carry out. End: the ticket is given back, and the agent says whether the answer
may be given at all. Two things outlast the answer. A write that was given up on (a timeout, a server's error, the
last or an earlier attempt without an answer) may still land, so its ticket stays open until it no longer can. And after
an answer that was withheld, a write may have strayed into a side that is not the authority any more: its key is synced
once we know the stage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from crossfade.aws.answers import fresh
from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Call, Forward, Later, Reply, Request, Routine
from crossfade.core.foresight import Foreseen, Foresight
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.plan import PASS_THROUGH, REPLY_THEN_MIRROR, SINGLE_ITEM, Plan, Planner, Run
from crossfade.core.request.keys import is_strict
from crossfade.core.request.names import WRITES, entries_of
from crossfade.core.stages import LADDERS
from crossfade.core.sync.sync import sync
from crossfade.core.tables.pair import Pair, key_name
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import TicketScope
from crossfade.errors import CrossfadeError, NotPossibleInStage, ServiceRejected, StageUncertain, UnknownOutcome

if TYPE_CHECKING:
    import asyncio

STRAYS_MAX: Final = 10_000  # keys; beyond that a verify finds them, and `status` says that one is needed

OperationOutcome = Reply | CrossfadeError
Put = Callable[[Later, Ticket], None]


@dataclass(slots=True)
class RunningOperation:
    """An operation under way. `routine` returns its outcome and raises nothing but NotPossibleInStage."""

    routine: Routine[OperationOutcome]
    scope: TicketScope
    plan: Run

    def own(self) -> Request:
        """Return the copy that the routine has."""
        return self.plan.request


@dataclass(eq=False, slots=True)
class Forwarded:
    """A request of the caller that is on its way, whose reply is waited for: by its routine, or by its ticket only."""

    operation: str
    request: Request  # as the caller made it
    ticket: Ticket
    plan: Plan
    own: Callable[[], Request]  # a copy of it, for a routine that runs afterwards
    running: RunningOperation | None = None
    changed: bool = False  # the request that is sent is another than the caller's
    tracked: bool = field(default=True, init=False)  # somebody else goes on with it when the caller is gone
    sent_at: float = field(default=0.0, init=False)
    attempts: int = field(default=0, init=False)
    unsure: bool = field(default=False, init=False)  # an attempt had no answer: it may have been carried out, or may be
    caller: asyncio.Task[Any] | None = field(default=None, init=False)  # on asyncio: the task that calls


class Operations:
    """Opens operations, and looks after what outlasts their answers. Thread-safe."""

    def __init__(
        self,
        pair: Pair,
        agent: Agent,
        put: Put,
        clock: Callable[[], float],
        strategy: str = "dual-write",
        tell: Callable[[Foreseen], None] = lambda _: None,
    ) -> None:
        """`tell` is called for each request that is served now and refused in a later stage."""
        self.planner = Planner(pair, strategy)
        self.foresight = Foresight(pair, strategy)
        self._tell = tell
        self._pair = pair
        self._agent = agent
        self._put = put
        self._clock = clock
        self._strategy = strategy
        self._lingering: deque[tuple[float, Ticket]] = deque()  # open until then, the first to end first
        self._strays: deque[Item] = deque()

    # --- one operation

    def begin(
        self,
        operation: str,
        request: Request,
        own: Callable[[Request], Request] = fresh,
        *,
        is_followed: bool = False,
    ) -> tuple[Ticket | None, Plan]:
        """Return the operation's ticket and its plan; see Planner.plan. No ticket: the request passes through, and
        nobody need know when it ends.

        Raises StageUncertain, ServiceRejected or NotPossibleInStage: nothing may be sent, and nothing is left open.
        """
        strict = operation in WRITES or is_strict(operation, request)
        if not strict:
            now_obeyed = self._agent.reading
            if self.planner.passes(now_obeyed.stage, now_obeyed.ramp_percent, operation, request):
                return None, PASS_THROUGH
        ticket = self._agent.begin(strict)
        try:
            plan = self.planner.plan(
                ticket.stage, ticket.ramp_percent, operation, request, own, is_followed=is_followed
            )
        except BaseException:
            self._agent.release(ticket)
            raise
        if plan is PASS_THROUGH:
            if operation not in SINGLE_ITEM:
                self._tell_foreseen(ticket, operation, request)
            if not strict:
                self._agent.release(ticket)
                return None, plan
        return ticket, plan

    def run(self, ticket: Ticket, plan: Run) -> RunningOperation:
        """Return the operation of a plan with a routine."""
        call = Call("source", plan.operation, plan.request)
        scope = TicketScope(self._agent, ticket, self._put, call)
        return RunningOperation(self._carried_out(plan.routine, scope, plan.operation, plan.request), scope, plan)

    def run_instead(
        self, operation: str, request: Request, ticket: Ticket, *, is_followed: bool = False, sent: bool = False
    ) -> Plan:
        """Return the plan of a request that is not as plain as its first plan takes it; the routine keeps `request`.
        `sent`: it is on its way already. Raises as `begin` does."""
        stage, ramp_percent = ticket.stage, ticket.ramp_percent
        try:
            return self.planner.run(stage, ramp_percent, operation, request, is_followed=is_followed, sent=sent)
        except BaseException:
            self._agent.release(ticket)
            raise

    def running_of(self, forwarded: Forwarded, local: LocalEffects) -> RunningOperation:
        """Return the operation of a forwarded request, starting its routine now if it has none."""
        if forwarded.running is None:
            plan = self.run_instead(forwarded.operation, forwarded.own(), forwarded.ticket, sent=True)
            assert isinstance(plan, Run)  # noqa: S101 - what is sent has one
            running = forwarded.running = self.run(forwarded.ticket, plan)
            if not isinstance(local.begin(running.routine, running.scope), Forward):
                raise AssertionError(f"{forwarded.operation} in {forwarded.ticket.stage} is not one that forwards")
            running.scope.sent = forwarded.attempts > 0
        return forwarded.running

    def finish_without_routine(
        self, forwarded: Forwarded, reply: Reply | None, *, may_land: bool
    ) -> tuple[bool, StageUncertain | None]:
        """Whether the reply is the caller's, as it is by now, without a routine; and an error, where the caller must
        be given that instead. `reply` None: an error came."""
        plan = forwarded.plan
        if plan is not PASS_THROUGH:
            if reply is None or type(plan) is Run:
                return False, None
            if plan is REPLY_THEN_MIRROR:
                if may_land or STAMP in (reply.get("Item") or reply.get("Attributes") or ()):
                    return False, None
                self._agent.hold(forwarded.ticket)  # for what follows
            elif not self.planner.fast_path.turn(reply):
                return False, None
        return True, self.ended(forwarded, may_land=may_land)

    def ended(self, forwarded: Forwarded, *, may_land: bool) -> StageUncertain | None:
        """End a request that has no routine."""
        return self.passed(
            forwarded.ticket, forwarded.operation, forwarded.request, may_land=may_land, sent=forwarded.attempts > 0
        )

    def passed(
        self, ticket: Ticket, operation: str, request: Request, *, may_land: bool, sent: bool
    ) -> StageUncertain | None:
        """The end of a request that was left alone; an error where its answer must not be given."""
        if not ticket.counted:
            return None
        if may_land:
            self._linger(ticket)
        try:
            self._agent.end(ticket)
        except StageUncertain as error:
            self._may_have_strayed(operation, request, sent=sent)
            return error
        return None

    def follow_up(self, local: LocalEffects, ticket: Ticket, operation: str, request: Request, reply: Reply) -> None:
        """Carry out a routine whose request has been answered, and the answer given: for what it leaves for later."""
        scope = TicketScope(self._agent, ticket, self._put)
        routine = self.planner.follow_up(ticket.stage, ticket.ramp_percent, operation, request)
        try:
            if not isinstance(local.begin(routine, scope), Forward):
                raise AssertionError(f"{operation} in {ticket.stage} is not one that may be followed")
            effect = local.go_on(routine, scope, reply)
        except StopIteration:
            return
        raise AssertionError(f"{operation} in {ticket.stage} asks for {effect!r} after its answer")

    def _carried_out(
        self, routine: Routine[Reply], scope: TicketScope, operation: str, request: Request
    ) -> Routine[OperationOutcome]:
        outcome: OperationOutcome
        try:
            outcome = yield from routine
        except (ServiceRejected, UnknownOutcome, StageUncertain) as error:
            outcome = error
        except Exception:  # NotPossibleInStage, or a defect
            self._agent.release(scope.ticket)
            raise
        if not isinstance(outcome, CrossfadeError) and operation not in SINGLE_ITEM:
            self._tell_foreseen(scope.ticket, operation, request)
        ended = self.passed(scope.ticket, operation, request, may_land=scope.may_land, sent=scope.sent)
        if ended is None and isinstance(outcome, StageUncertain):
            self._may_have_strayed(operation, request, sent=scope.sent)
        return ended or outcome

    def _tell_foreseen(self, ticket: Ticket, operation: str, request: Request) -> None:
        """Report what a later stage will refuse of a request that this one serves."""
        foreseen = self.foresight.of(ticket.stage, operation, request)
        if foreseen is not None:
            self._tell(foreseen)

    def _linger(self, ticket: Ticket) -> None:
        self._agent.hold(ticket)
        self._lingering.append((self._clock() + self._pair.landing_seconds, ticket))

    def _may_have_strayed(self, operation: str, request: Request, *, sent: bool) -> None:
        if sent and operation in WRITES:
            self._strayed(operation, request)

    # --- what outlasts the answers

    def look_after(self) -> None:
        """Release what can no longer land; repair what may have strayed. To be called about once a second."""
        now = self._clock()
        while self._lingering and self._lingering[0][0] <= now:
            self._agent.release(self._lingering.popleft()[1])
        while self._strays and self._agent.holds_lease:
            self._repair(self._strays.popleft())

    def only_lingering_beyond(self, until: float) -> bool:
        """Whether nothing is left but writes that were given up on and may land even after that moment."""
        waiting = list(self._lingering)
        return bool(waiting) and waiting[-1][0] > until and self._agent.pending == len(waiting)

    def _strayed(self, operation: str, request: Request) -> None:
        for key in source_keys(self._pair, operation, request):
            if len(self._strays) < STRAYS_MAX:
                self._strays.append(key)
            else:
                self._agent.lost(key_name(key), "too many writes were not acknowledged")

    def _repair(self, key: Item) -> None:
        """Sync the key in the direction of the stage known now, and again when the stray write can land no more."""
        try:
            ticket = self._agent.begin(True)
        except StageUncertain:
            self._strays.appendleft(key)
            return
        row = LADDERS[self._strategy][ticket.stage]
        for delay_seconds in (0.0, self._pair.landing_seconds):
            if not row.keeps_equal:
                break  # what has strayed into the source is nobody's, or is the item's
            routine = sync(self._pair, row.authority, key)
            self._put(Later("mirror", key_name(key), routine, delay_seconds), ticket)
        self._agent.release(ticket)


def abandoned(routine: Routine[OperationOutcome]) -> Routine[None]:
    """The rest of an operation whose caller is gone (cancelled, interrupted): nobody knows how its last call went."""
    error: CrossfadeError | None = UnknownOutcome("the caller gave the call up")
    value: Any = None
    while True:
        try:
            effect = routine.send(value) if error is None else routine.throw(error)
        except (StopIteration, NotPossibleInStage):
            return
        value, error = None, None
        try:
            value = yield effect
        except CrossfadeError as raised:
            error = raised


def source_keys(pair: Pair, operation: str, request: Request) -> Iterator[Item]:
    """The source keys that a write names. PartiQL names them in its text: there only a verify can tell."""
    for entry in entries_of(pair, operation, request):
        yield from source_key_of(pair, entry)


def source_key_of(pair: Pair, named: Request) -> Iterator[Item]:
    given: Item = named.get("Item") or named.get("Key") or {}
    if all(name in given for name in pair.callers_names):
        yield pair.callers_key(given)
