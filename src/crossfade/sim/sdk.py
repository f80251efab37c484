"""The client of an SDK, to which several migrations are attached: each call goes through the events on which production
carries requests through a chain of them (aws/chain.py, aws/hooks.py), and what these send goes through it again.

What botocore does between the events is written here once more, in its order; attempts and their faults are the
network's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from botocore.exceptions import ClientError, ReadTimeoutError

from crossfade.aws.answers import ShortAnswer, fresh, from_wire, parsed_answer
from crossfade.aws.chain import TRANSACT, AioChain
from crossfade.aws.lean.encoding import encoded
from crossfade.aws.own_calls import ERROR_FROM, OWN, call_async, method_name
from crossfade.core.effects import Call, Effect, Reply, Request
from crossfade.core.request.names import WRITES
from crossfade.drivers.scope import Scope
from crossfade.errors import CrossfadeError, ServiceRejected, UnknownOutcome
from crossfade.sim.fibers import Came, Fiber, Waiting
from crossfade.sim.processes import Answered, Process, Task
from crossfade.sim.world import World

OPERATIONS: Final = (
    "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem",
    "TransactGetItems", TRANSACT, "DescribeTable",
)  # fmt: skip
OPERATION_OF: Final = {method_name(operation): operation for operation in OPERATIONS}


@dataclass(frozen=True, slots=True)
class Sender:
    """On whose behalf a request is sent: for the network, and for people."""

    name: str
    kind: str
    keys: tuple[str, ...] = ()
    sent_twice: Callable[[], None] = lambda: None


SENDER: Final[ContextVar[Sender]] = ContextVar("crossfade_simulated_sender")


class Emitter:
    """What a chain registers its handlers with; here they are called by name."""

    def register(self, event: str, handler: Any, unique_id: str) -> None: ...

    register_first = register_last = register

    def unregister(self, event: str, unique_id: str) -> None: ...


class Sdk:
    """One client of a process. `chain` has its migrations' hooks."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self._tokens = 0
        self.chain = AioChain(Emitter())

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Reply]]:
        try:
            return partial(self.call, OPERATION_OF[name])
        except KeyError:
            raise AttributeError(name) from None

    # --- whoever makes a call

    def begin(self, sender: Sender, operation: str, request: Request, then: Came) -> None:
        """A call by the application."""
        self._start(Context(), sender, self.call(operation, **request), then)

    def own(self, migration: str, context: Context, task: Task, call: Call, answer: Answered) -> None:
        """A call by crossfade, on behalf of one migration."""
        sender = Sender(task.name, task.kind, task.keys)
        made = call_async(self, call.operation, call.request, migration)

        def came(value: Any, error: Exception | None) -> None:
            if error is not None and not isinstance(error, CrossfadeError):
                raise error
            answer(value, error)

        self._start(context.copy(), sender, made, came)

    def _start(self, context: Context, sender: Sender, made: Coroutine[Any, Any, Reply], then: Came) -> None:
        _ = context.run(SENDER.set, sender)
        Fiber(self._world, self._process, context, made, then).start()

    # --- what botocore does

    async def call(self, operation: str, /, **given: Any) -> Reply:
        """Make one call. Raises ClientError, or ReadTimeoutError where there was no answer."""
        context: dict[str, Any] = {}
        params: Request = dict(given)
        model = SimpleNamespace(name=operation)
        if operation == TRANSACT:
            self.chain.provide_client_params(params, context)
            self._tokens += 1
            _ = params.setdefault("ClientRequestToken", f"{self._process.name}-{self._tokens}")
        self.chain.before_parameter_build(params, model, context)
        wire: dict[str, Any] = {"body": encoded(params), "url": "", "context": context}
        short = await self.chain.before_call(model, wire, context)
        if short is not None:
            http, parsed = short
        else:
            try:
                http, parsed = await self._sent(operation, wire, context)
            except Exception as error:
                await self.chain.after_call_error(error, context)
                raise
        await self.chain.after_call(http, parsed, context)
        if http.status_code >= ERROR_FROM:
            raise ClientError(parsed, operation)
        return parsed

    async def _sent(self, operation: str, wire: dict[str, Any], context: dict[str, Any]) -> tuple[ShortAnswer, Reply]:
        """The answer to a request, after one attempt or two."""
        self.chain.request_created(SimpleNamespace(context=context), operation)
        sender, scope = SENDER.get(), Attempts(self.chain, operation, context)
        task = Task(self._process, nothing(), sender.name, ignored, scope, sender.kind, sender.keys, sender.sent_twice)
        call = Call("source", operation, from_wire(wire["body"]))
        is_own = OWN.get() is not None

        def attempt(came: Came) -> None:
            self._world.network.send(task, call, lambda value, error: came((value, error), None), sdk=not is_own)

        value, error = await Waiting[tuple[Reply, CrossfadeError | None]](attempt)
        if scope.stopped is not None:
            raise scope.stopped
        refused = error.__cause__ if isinstance(error, UnknownOutcome) else None
        again = isinstance(refused, ServiceRejected)
        if isinstance(refused, ServiceRejected):  # what a routine is to see of it, the hooks tell
            error = refused
        if isinstance(error, ServiceRejected):
            status_code, parsed = parsed_answer(error)
            parsed["ResponseMetadata"]["RetryAttempts"] = int(again)
            return ShortAnswer(status_code), parsed
        if error is not None:
            failure = ReadTimeoutError(endpoint_url=str(error))
            had_no_answer(self.chain, operation, context, failure)
            raise failure
        return ShortAnswer(value["ResponseMetadata"]["HTTPStatusCode"]), fresh(value)


class Attempts(Scope):
    """Asked by the network before a request is sent for a second time."""

    __slots__ = ("_chain", "_context", "_operation", "stopped")

    def __init__(self, chain: AioChain, operation: str, context: dict[str, Any]) -> None:
        super().__init__()
        self._chain = chain
        self._operation = operation
        self._context = context
        self.stopped: Exception | None = None  # what has kept it from being sent

    def before(self, call: Call) -> None:
        del call
        try:
            had_no_answer(self._chain, self._operation, self._context, ReadTimeoutError(endpoint_url="first attempt"))
            self._chain.request_created(SimpleNamespace(context=self._context), self._operation)
        except Exception as error:
            self.stopped = error
            raise UnknownOutcome(str(error)) from error


def had_no_answer(chain: AioChain, operation: str, context: dict[str, Any], failure: Exception) -> None:
    """Tell the handlers of an attempt without an answer; of a write they may raise another exception."""
    if operation in WRITES:
        chain.needs_retry(
            response=None,
            caught_exception=failure,
            request_dict={"context": context},
            operation=SimpleNamespace(name=operation),
        )


def nothing() -> Generator[Effect[Any], Any, None]:
    """Return a routine that does nothing: the task of a request that no routine has sent."""
    yield from ()


def ignored(_value: Any, _error: CrossfadeError | None) -> None:
    """Nobody waits for the end of such a task."""
