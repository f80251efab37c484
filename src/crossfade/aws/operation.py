"""One operation by the caller, from its ticket to its answer: itself a routine, so threads and asyncio share it.

Begin: a ticket, which fixes the stage. Carry out. End: the ticket is given back, and the agent says whether the answer
may be given at all. Two things outlast the answer. A write that was given up on (a timeout, a server's error, an
attempt before the last) may still land, so its ticket stays open until it no longer can. And after an answer that was
withheld, a write may have strayed into a side that is not the authority any more: its key is synced once we know the
stage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Final

from crossfade.aws.answers import fresh
from crossfade.control.agent import Agent, Ticket
from crossfade.core.effects import Call, Forward, Later, Reply, Request, Routine
from crossfade.core.foresight import Foreseen, Foresight
from crossfade.core.items import Item
from crossfade.core.request.keys import is_strict
from crossfade.core.request.names import WRITES, entries_of, mapping_in
from crossfade.core.request.stamp_names import names_stamp
from crossfade.core.request.wellformed import fault_in
from crossfade.core.routing import route, shows_nothing
from crossfade.core.stages import LADDERS, Ramp, Stage, Writes
from crossfade.core.sync.sync import sync
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.write.fast_path import FastPath
from crossfade.core.write.malformed import refuse_malformed
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import TicketScope
from crossfade.errors import CrossfadeError, Refused, Rejected, StageUncertain, UnknownOutcome

SINGLE_ITEM: Final = ("GetItem", "PutItem", "UpdateItem", "DeleteItem")
STRAYS_MAX: Final = 10_000  # keys; beyond that a verify finds them, and `status` says that one is needed

OperationOutcome = Reply | CrossfadeError
Put = Callable[[Later, Ticket], None]


class Route(Enum):
    """How a request goes its way. For one on a single item, the stage alone tells."""

    PASS_THROUGH = auto()  # it goes out as it is, and nothing follows
    REPLY_THEN_MIRROR = auto()  # its reply is the caller's as it comes; the routine runs afterwards, for the mirror
    TRANSLATE = auto()  # it goes to the other table by itself, if it is plain enough
    RUN = auto()  # its routine runs


@dataclass(slots=True)
class RunningOperation:
    """An operation under way. `routine` returns its outcome and raises nothing but Refused."""

    routine: Routine[OperationOutcome]
    scope: TicketScope


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
        self.fast_path = FastPath(pair)
        self.foresight = Foresight(pair, strategy)
        self._tell = tell
        self._pair = pair
        self._agent = agent
        self._put = put
        self._clock = clock
        self._strategy = strategy
        self._lingering: deque[tuple[float, Ticket]] = deque()  # open until then, the first to end first
        self._strays: deque[Item] = deque()
        self._callers_name = pair.caller.name
        self._key_length = len(pair.caller.key_names)
        stamped = any(row.stamped_source for row in LADDERS[strategy].values())
        self._may_show_stamps = stamped or pair.view == "target"
        self._routes: dict[int, dict[str, Route]] = {}  # by epoch, which is of one stage

    # --- one operation

    def begin(self, operation: str, request: Request, now: float) -> tuple[Ticket, Route]:
        """Raises StageUncertain: nothing may be sent; Refused."""
        ticket = self._agent.begin(is_strict(operation, request), now)
        try:
            return ticket, self._route_of(ticket, operation, request)
        except BaseException:
            self._agent.release(ticket)
            raise

    def _route_of(self, ticket: Ticket, operation: str, request: Request) -> Route:
        routes = self._routes.get(ticket.epoch)
        if routes is None:
            routes = self._routes[ticket.epoch] = self._find_routes(ticket)
        found = routes.get(operation)
        if found is None:
            return self._route_of_many(ticket, operation, request)
        if request["TableName"] != self._callers_name:
            return Route.RUN
        if self._may_show_stamps and (not shows_nothing(operation, request) or names_stamp(request)):
            return Route.RUN  # its answer may show a stamp, or its condition may look at one
        if len(mapping_in(request.get("Key"))) > self._key_length:
            return Route.RUN  # each side takes its own
        return found

    def _route_of_many(self, ticket: Ticket, operation: str, request: Request) -> Route:
        """Return the route of an operation on more than one item."""
        if fault_in(operation, request) is not None or self._route(ticket, operation, request) is not None:
            return Route.RUN
        self._tell_foreseen(ticket, operation, request)
        return Route.PASS_THROUGH

    def open(
        self,
        operation: str,
        request: Request,
        ticket: Ticket | None = None,
        own: Callable[[Request], Request] = fresh,
        *,
        sent: bool = False,
        is_followed: bool = False,
    ) -> RunningOperation:
        """`own` makes a copy of the request for a routine, which looks at it for longer than the call may last. `sent`:
        it is on its way already, by itself. `is_followed`: a later migration answers what is asked of the target.

        Raises Refused, Rejected or StageUncertain; then nothing was sent and nothing is left open.
        """
        if ticket is None:
            ticket, _ = self.begin(operation, request, self._clock())
        try:
            request = own(request)
            fault = fault_in(operation, request)
            row = LADDERS[self._strategy][ticket.stage]
            if fault is None:
                routine = self._route(ticket, operation, request, is_followed=is_followed)
            else:
                routine = refuse_malformed(self._pair, row, operation, request, fault, sent=sent)
        except BaseException:
            self._agent.release(ticket)
            raise
        scope = TicketScope(self._agent, ticket, self._put, self._clock, Call("source", operation, request))
        return RunningOperation(self._carried_out(routine or passing(), scope, operation, request), scope)

    def passed(
        self, ticket: Ticket, operation: str, request: Request, *, may_land: bool, sent: bool
    ) -> StageUncertain | None:
        """The end of a request that was left alone; an error where its answer must not be given."""
        now = self._clock()
        if may_land:
            self._linger(ticket, now)
        try:
            self._agent.end(ticket, now)
        except StageUncertain as error:
            self._may_have_strayed(operation, request, sent=sent)
            return error
        return None

    def _route(
        self, ticket: Ticket, operation: str, request: Request, *, is_followed: bool = False
    ) -> Routine[Reply] | None:
        pair = replace(self._pair, is_followed=True) if is_followed else self._pair
        return route(pair, ticket.stage, ticket.ramp_percent, operation, request, strategy=self._strategy)

    def _find_routes(self, ticket: Ticket) -> dict[str, Route]:
        any_request: Request = {"TableName": self._pair.caller.name, "Key": {}, "Item": {}}
        row = LADDERS[self._strategy][ticket.stage]
        routes: dict[str, Route] = {}
        for operation in SINGLE_ITEM:
            routes[operation] = Route.RUN
            if self._route(ticket, operation, any_request) is None:
                routes[operation] = Route.PASS_THROUGH
            elif self.fast_path.is_open(row, operation):
                routes[operation] = Route.TRANSLATE
            elif self._pair.view == row.authority == "source" and not row.stamped_source:
                if operation == "GetItem":
                    follows = row.ramp is Ramp.NONE or not ticket.ramp_percent
                else:
                    follows = row.writes is Writes.MIRRORED
                routes[operation] = Route.REPLY_THEN_MIRROR if follows else Route.RUN
        return routes

    def serves_alone(self, stage: Stage) -> bool:
        """Whether in this stage the caller's table is all that counts, and holds nothing of ours."""
        row = LADDERS[self._strategy][stage]
        return row.authority == self._pair.view and row.writes is Writes.PLAIN and not row.stamped_source

    def follow_up(self, local: LocalEffects, ticket: Ticket, operation: str, request: Request, reply: Reply) -> None:
        """Carry out a routine whose request has been answered, and the answer given: for what it leaves for later."""
        scope = TicketScope(self._agent, ticket, self._put, self._clock)
        routine = self._route(ticket, operation, request)
        try:
            if routine is None or not isinstance(local.begin(routine, scope), Forward):
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
        except (Rejected, UnknownOutcome, StageUncertain) as error:
            outcome = error
        except Exception:  # Refused, or a defect
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

    def _linger(self, ticket: Ticket, now: float) -> None:
        self._agent.hold(ticket)
        self._lingering.append((now + self._pair.landing_seconds, ticket))

    def _may_have_strayed(self, operation: str, request: Request, *, sent: bool) -> None:
        if sent and operation in WRITES:
            self._strayed(operation, request)

    # --- what outlasts the answers

    def look_after(self) -> None:
        """Release what can no longer land; repair what may have strayed. To be called about once a second."""
        now = self._clock()
        while self._lingering and self._lingering[0][0] <= now:
            self._agent.release(self._lingering.popleft()[1])
        while self._strays and self._agent.joined and now < self._agent.deadline:
            self._repair(self._strays.popleft(), now)

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

    def _repair(self, key: Item, now: float) -> None:
        """Sync the key in the direction of the stage known now, and again when the stray write can land no more."""
        try:
            ticket = self._agent.begin(True, now)
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


def passing() -> Routine[Reply]:
    """A request that routing leaves alone."""
    return (yield from Forward())


def abandoned(routine: Routine[OperationOutcome]) -> Routine[None]:
    """The rest of an operation whose caller is gone (cancelled, interrupted): nobody knows how its last call went."""
    error: CrossfadeError | None = UnknownOutcome("the caller gave the call up")
    value: Any = None
    while True:
        try:
            effect = routine.send(value) if error is None else routine.throw(error)
        except (StopIteration, Refused):
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
