"""botocore's events: taking an operation over, letting it pass, and going on when its answer is there.

    before-parameter-build   last: the parameters are attribute values by now; keep them in the call's context
    before-call              open the operation. A routine that starts with Forward: the call goes out, with the
                             routine's own request if it gives one, and the routine waits in the context. Otherwise it
                             runs here, and its outcome is the answer
    request-created          once an attempt, after signing: not sent when the lease has ended meanwhile
    after-call               first, before a resource converts the answer: the waiting routine goes on with it
    after-call-error         the waiting routine goes on with an unknown outcome

A caller that is cancelled or interrupted fires neither of the last two. So the context holds a `Claim`: when the call
is gone, so is its context, and the claim on its way out puts the operation on a list that is worked off at once. A
context that something keeps alive is noticed by its age.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from crossfade.aws.answers import (
    ShortAnswer,
    client_error,
    copy_reply,
    from_wire,
    parsed_answer,
    raise_as_botocore_would,
)
from crossfade.aws.in_flight import InFlight
from crossfade.aws.lean.encoding import BINARY, encoded
from crossfade.aws.operation import Forwarded, OperationOutcome, Operations, RunningOperation, abandoned
from crossfade.aws.own_calls import ERROR_FROM, OWN, SERVER_ERROR, Carried, outcome_of
from crossfade.aws.serializing import IS_TEXT
from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Forward, Later, Reply, Request
from crossfade.core.mapping import STAMP
from crossfade.core.plan import PASS_THROUGH, REPLY_THEN_MIRROR, WITHOUT_ROUTINE, Run, Translate
from crossfade.core.read.passthrough import DESCRIBING, SETTING
from crossfade.core.request.names import READS, WRITES, names_any, plain_name
from crossfade.core.tables.pair import Pair
from crossfade.core.write.fast_path import FAST_PARAMETERS
from crossfade.drivers.local import LocalEffects
from crossfade.errors import CrossfadeError, ServiceRejected, StageUncertain, UnknownOutcome

# How much longer than the last attempt can take a call may last before it counts as abandoned: botocore's longest pause
# between attempts is 25.6 s (legacy mode) or 20 s.
RETRY_PAUSE_SECONDS_MAX: Final = 60.0
SINGLE_TABLE: Final = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"})
PARAMETERS: Final = "crossfade:parameters"  # in a call's context: its parameters, as attribute values
CHOSEN: Final = "crossfade:chosen"  # there if the caller chose the token of its transaction
MULTI_TABLE: Final = (READS | WRITES | DESCRIBING | SETTING) - SINGLE_TABLE
Short = tuple[ShortAnswer, Reply]


class Engine(Protocol):
    """What the hooks work with; another one after a fork."""

    @property
    def pair(self) -> Pair: ...
    @property
    def agent(self) -> Agent: ...
    @property
    def operations(self) -> Operations: ...
    @property
    def in_flight(self) -> InFlight: ...
    def clock(self) -> float: ...
    def adopt(self, later: Later, ticket: Ticket) -> None: ...
    @property
    def local(self) -> LocalEffects: ...
    def follow(self, forwarded: Forwarded, content: bytes | Reply) -> None: ...


class Hooks:
    """What both kinds of client share. The methods that run routines are in sync_hooks and aio_hooks."""

    def __init__(self, name: str, engine: Engine, is_here: Callable[[str, str | None], bool] | None = None) -> None:
        """`is_here` tells whether a request goes to the tables that we mean; None where there is but one client."""
        self.name = name
        self.engine: Engine = engine
        self.taking = True  # False lets all new operations pass
        self.only = True  # no other migration is on this client
        self.is_followed = False  # a later migration of a chain is, whose source is our target
        self.plain: set[str] = set()  # the operations on one item whose last request was answered without a routine
        self.is_here = is_here
        self._tables = frozenset({engine.pair.source.name, engine.pair.target.name})
        self._forwarded_key = f"crossfade:{name}:{engine.pair.view}"
        self._claim_key = f"{self._forwarded_key}:claim"

    # --- events that run routines: what they return is for botocore, and may be a coroutine

    def before_call(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Any:
        raise NotImplementedError

    def after_call(self, http_response: Any, parsed: Reply, context: dict[str, Any], **_: Any) -> Any:
        raise NotImplementedError

    def after_call_error(self, exception: Exception, context: dict[str, Any], **_: Any) -> Any:
        raise NotImplementedError

    # --- events that run no routine

    def is_ours(self, parameters: Request) -> bool:
        """Whether a request on one item, which may be malformed, is one that we may take over."""
        return self.taking and parameters.get("TableName") == self.engine.pair.caller.name

    def request_created(self, request: Any) -> bool:
        """Whether the answer is one that we look at."""
        forwarded: Forwarded | None = request.context.get(self._forwarded_key)
        if forwarded is None:
            return False
        self._sending(forwarded)
        return forwarded.plan is not PASS_THROUGH

    def carried(self, context: dict[str, Any]) -> Carried | None:
        """Our part of a call whose next migration is to have its turn."""
        forwarded: Forwarded | None = context.get(self._forwarded_key)
        return None if forwarded is None else Carried(self.name, partial(self._sending, forwarded))

    def had_no_answer(self, context: dict[str, Any]) -> None:
        """One attempt of a call, after which another may follow."""
        forwarded: Forwarded | None = context.get(self._forwarded_key)
        if forwarded is not None:
            forwarded.unsure = True

    def _sending(self, forwarded: Forwarded) -> None:
        engine = self.engine
        if forwarded.tracked:
            if id(forwarded) not in engine.in_flight.waiting:
                raise client_error(given_up(), forwarded.operation)
            if forwarded.ticket.strict:
                engine.agent.may_send(forwarded.ticket, writes=forwarded.operation in WRITES)
            forwarded.sent_at = engine.clock()
        forwarded.attempts += 1
        if forwarded.running is not None:
            forwarded.running.scope.sent = True

    # --- parts of those that do

    def about_us(self, operation: str, params: dict[str, Any], context: dict[str, Any]) -> Request | None:
        """The parameters, if the request is by the caller and names one of our tables."""
        parameters: Request | None = context.get(PARAMETERS)
        if parameters is None or not self.taking or self._forwarded_key in context:
            return None
        own = OWN.get()
        if own is not None and self.name in own.names:
            return None
        if operation in SINGLE_TABLE:
            name: Any = parameters.get("TableName")
            if not isinstance(name, str):
                return None  # the service refuses it
            if name not in self._tables and plain_name(name) not in self._tables:
                return None
        elif operation not in MULTI_TABLE or not names_any(operation, parameters, self._tables):
            return None
        if self.is_here is not None and not self.is_here(params["url"], context.get("client_region")):
            return None
        if operation == "TransactWriteItems" and not context.get(CHOSEN):
            return {name: value for name, value in parameters.items() if name != "ClientRequestToken"}
        return parameters

    def entered(
        self, operation: str, parameters: Request, params: dict[str, Any], context: dict[str, Any]
    ) -> RunningOperation | Forwarded | Short | None:
        """Begin an operation: one that is left alone is on its way; None: however it ends. Raises
        NotPossibleInStage."""
        engine = self.engine
        operations = engine.operations
        own = partial(from_wire, params["body"])
        try:
            ticket, plan = operations.begin(operation, parameters, own, is_followed=self.is_followed)
            if ticket is None:
                if operation in FAST_PARAMETERS:
                    self.plain.add(operation)
                return None
            if type(plan) is Translate and not self._sent_translated(operation, ticket, params, context):
                plan = operations.run_instead(operation, own(parameters), ticket, is_followed=self.is_followed)
        except (ServiceRejected, StageUncertain) as error:
            return self.short(error, operation, shared=True)
        if operation in FAST_PARAMETERS:
            (self.plain.discard if type(plan) is Run else self.plain.add)(operation)
        if type(plan) is Run:
            return operations.run(ticket, plan)
        forwarded = Forwarded(operation, parameters, ticket, plan, own, None, type(plan) is Translate)
        self._wait_for(forwarded, context)
        return forwarded

    def _wait_for(self, forwarded: Forwarded, context: dict[str, Any]) -> None:
        """Have the operation go on when its answer comes; and, where anything is left to do then, be noticed when its
        caller is gone."""
        context[self._forwarded_key] = forwarded
        forwarded.tracked = forwarded.ticket.counted or forwarded.running is not None
        if forwarded.tracked:
            forwarded.sent_at = self.engine.clock()
            context[self._claim_key] = self.engine.in_flight.add(forwarded)

    def _sent_translated(self, operation: str, ticket: Ticket, params: dict[str, Any], context: dict[str, Any]) -> bool:
        """Whether the request is plain enough; then it is the other table's from now on."""
        engine, body = self.engine, params["body"]
        try:
            is_text = IS_TEXT in context or BINARY.search(body) is None
            request: Request = context[PARAMETERS] if is_text else from_wire(body)
            there = engine.operations.planner.fast_path.request(operation, request, engine.local.new_stamp)
            if there is None:
                return False
            params["body"] = encoded(there, is_text=IS_TEXT in context)
        except ServiceRejected:  # it cannot be sent, which the routine says
            return False
        except BaseException:
            engine.agent.release(ticket)
            raise
        context[PARAMETERS] = there
        return True

    def forwards(
        self,
        running: RunningOperation,
        operation: str,
        effect: Forward,
        params: dict[str, Any],
        context: dict[str, Any],
    ) -> Forwarded | ServiceRejected:
        """The routine waits for the answer to the caller's call, with another request in it if it gave one.
        ServiceRejected: that request cannot be sent, which is the answer."""
        request: Request = context[PARAMETERS]
        if effect.request is not None:
            try:
                params["body"] = encoded(effect.request)
            except ServiceRejected as error:
                return error
            except BaseException:
                self.leave_to_background(running)
                raise
            context[PARAMETERS] = effect.request
        changed = effect.request is not None
        forwarded = Forwarded(
            operation, request, running.scope.ticket, running.plan, running.own, running, changed=changed
        )
        self._wait_for(forwarded, context)
        return forwarded

    def short(self, outcome: OperationOutcome, operation: str, *, shared: bool) -> Short:
        """The answer, in place of a request. Raises the exception of a call that came to nothing."""
        if isinstance(outcome, UnknownOutcome):
            raise_as_botocore_would(outcome, operation)
        status_code, parsed = parsed_answer(outcome, shared=shared)
        return ShortAnswer(status_code), parsed

    def pop_in_flight(self, context: dict[str, Any]) -> Forwarded | None:
        """The operation that waits for this call's answer. Raises where it was given up before the answer came."""
        forwarded: Forwarded | None = context.get(self._forwarded_key)
        if forwarded is None or not forwarded.tracked:
            return forwarded
        if self.engine.in_flight.waiting.pop(id(forwarded), None) is not None:
            return forwarded
        if forwarded.ticket.strict:  # its lease may have ended long ago
            raise client_error(given_up(), forwarded.operation)
        return None

    def finish_without_routine(self, forwarded: Forwarded, http_response: Any, parsed: Reply) -> bool:
        """Give the answer, if no routine need be asked before it is given."""
        operation, status_code = forwarded.operation, http_response.status_code
        may_land = operation in WRITES and (status_code >= SERVER_ERROR or forwarded.unsure)
        if forwarded.plan is PASS_THROUGH:
            ticket, sent = forwarded.ticket, forwarded.attempts > 0
            late = self.engine.operations.passed(ticket, operation, forwarded.request, may_land=may_land, sent=sent)
            if late is not None:
                self._replace(late, http_response, parsed, shared=True)
            return True
        reply = parsed if status_code < ERROR_FROM else None
        is_done, late = self.engine.operations.finish_without_routine(forwarded, reply, may_land=may_land)
        if not is_done:
            return False
        if forwarded.plan is REPLY_THEN_MIRROR:
            content: bytes | Reply = {}
            if operation not in WRITES:
                content = self.content_of(http_response) or copy_reply(parsed)
            self.engine.follow(forwarded, content)
        if late is not None:
            self._replace(late, http_response, parsed, shared=True)
        return True

    def content_of(self, http_response: Any) -> bytes:  # noqa: ARG002
        """The answer as it came, where that is at hand and nobody has changed it since."""
        return b""

    def running_of(self, forwarded: Forwarded) -> RunningOperation:
        return self.engine.operations.running_of(forwarded, self.engine.local)

    def came_to_nothing(self, forwarded: Forwarded, exception: Exception) -> None:
        """A request that was left alone has no answer. Raises what the caller is to see, if that is another."""
        outcome = self.failed(forwarded, exception)
        may_land = forwarded.attempts > 0 and forwarded.operation in WRITES
        late = self.engine.operations.ended(forwarded, may_land=may_land)
        self.raise_right(late or outcome, forwarded, exception)

    def answered(self, forwarded: Forwarded, http_response: Any, parsed: Reply) -> Reply | CrossfadeError:
        """The forwarded request's answer, as its routine is to see it."""
        write, status_code = forwarded.operation in WRITES, http_response.status_code
        running = self.running_of(forwarded)
        if write and forwarded.unsure:
            running.scope.may_land = True
        if status_code < ERROR_FROM:
            return dict(parsed)  # whoever gets `parsed` may change it, and the routine may look at it later
        error = outcome_of(status_code, parsed)
        if write and isinstance(error, UnknownOutcome):
            running.scope.may_land = True
        if write and forwarded.unsure and isinstance(error, ServiceRejected):
            # An attempt before this one may have been carried out, or may be yet: what was refused is only the last.
            return UnknownOutcome(f"refused after an earlier attempt: {error}")
        return error

    def failed(self, forwarded: Forwarded, exception: Exception) -> CrossfadeError:
        """Why there is no answer, as the routine is to see it."""
        if forwarded.attempts == 0:
            return exception if isinstance(exception, StageUncertain) else StageUncertain(f"not sent: {exception}")
        if forwarded.running is not None and forwarded.operation in WRITES:
            forwarded.running.scope.may_land = True
        return UnknownOutcome(f"{type(exception).__name__}: {exception}")

    def replace_reply(
        self, forwarded: Forwarded, outcome: OperationOutcome, given: object, http_response: Any, parsed: Reply
    ) -> None:
        """Make the answer what the routine made of it, where that is another one, and the caller's own in any case.

        Where nobody knows how the operation went, what came is the caller's answer only if it is that to its own
        request: an answer to a request of ours, or an earlier one, would tell as done or as refused what is neither.
        """
        running = self.running_of(forwarded)
        shared = running.scope.left
        if isinstance(outcome, UnknownOutcome) and isinstance(given, UnknownOutcome):
            if http_response.status_code >= SERVER_ERROR:
                return
            if not forwarded.changed:  # refused after an earlier attempt, and botocore would say just that
                hide_stamps(parsed)
                return
            self._replace(outcome, http_response, parsed, shared=shared)  # a refusal of another request than it made
        elif outcome is not given or (shared and not isinstance(outcome, CrossfadeError)):
            self._replace(outcome, http_response, parsed, shared=shared)

    def _replace(self, outcome: OperationOutcome, http_response: Any, parsed: Reply, *, shared: bool) -> None:
        status_code, replaced = parsed_answer(outcome, shared=shared)
        http_response.status_code = status_code
        parsed.clear()
        parsed.update(replaced)

    def raise_right(self, outcome: OperationOutcome, forwarded: Forwarded, exception: Exception) -> None:
        """After an exception: that one goes on to the caller, unless the lease is what must be told."""
        if isinstance(exception, StageUncertain) or (isinstance(outcome, StageUncertain) and forwarded.attempts):
            told = outcome if isinstance(outcome, StageUncertain) else exception
            assert isinstance(told, CrossfadeError)  # noqa: S101 - by the line above
            raise client_error(told, forwarded.operation) from exception

    # --- callers that are gone

    def look_after(self) -> None:
        """Find those who gave up without a word, and those that are older than any call can be."""
        in_flight = self.engine.in_flight
        while not in_flight.gone.empty():
            self.give_up(in_flight.gone.get_nowait())
        longest = self.engine.pair.landing_seconds + RETRY_PAUSE_SECONDS_MAX
        for forwarded in in_flight.older_than(self.engine.clock() - longest):
            self.give_up(forwarded)

    def give_up(self, forwarded: Forwarded | None) -> None:
        if forwarded is None or not self.engine.in_flight.take(forwarded):
            return
        if isinstance(forwarded.plan, WITHOUT_ROUTINE):
            _ = self.engine.operations.ended(forwarded, may_land=forwarded.operation in WRITES)
        else:
            self.leave_to_background(self.running_of(forwarded))

    def leave_to_background(self, running: RunningOperation) -> None:
        """The rest of an operation whose caller is gone, as one more piece of background work."""
        scope = running.scope
        if scope.forward is not None and scope.forward.operation in WRITES:
            scope.may_land = True
        self.engine.adopt(Later("mirror", f"operation {id(running)}", abandoned(running.routine)), scope.ticket)


def hide_stamps(refusal: Reply) -> None:
    """Take our stamp from the items that a refusal shows."""
    for told in (refusal, *refusal.get("CancellationReasons", ())):
        _ = told.get("Item", {}).pop(STAMP, None)


def given_up() -> StageUncertain:
    return StageUncertain("the call took so long that it was given up: it may or may not have been carried out")
