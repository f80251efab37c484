"""Between the processes and the database: how long a call takes, what befalls it, and when it lands.

A call takes effect at a random moment between being sent and being answered; a batch or a page, which promise no more,
in two parts at two moments. One whose answer is lost, or that was
given up on, may land at any moment until `landing_seconds` after it was sent, whatever has become of its sender then.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final, Protocol

from crossfade.core.effects import Call, Reply, Request
from crossfade.core.request.cancellation import cancellation
from crossfade.core.request.keys import is_strict
from crossfade.core.request.names import WRITES
from crossfade.errors import CrossfadeError, ServiceRejected, UnknownOutcome
from crossfade.sim.faults import BATCHES, NEVER_LANDS, Fault, Faults
from crossfade.sim.parts import Parts, parts_of
from crossfade.sim.processes import Answered, Flight, Process, Task, Watcher
from crossfade.sim.tables import Database

LATENCY_SECONDS: Final = (0.001, 0.020)
SLOW_FACTOR_MAX: Final = 25.0
LAGGING: Final = 0.2  # of the calls of mirrors: background work waits for its turn
STALE_SECONDS_MAX: Final = 1.0  # how far back an eventually consistent read may look
READS: Final = frozenset({"GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems"})
TRANSACTIONS: Final = frozenset({"TransactGetItems", "TransactWriteItems"})
PARTLY: Final = 0.7  # of the throttled batches: some of their entries are carried out


class Clock(Protocol):
    """What the network needs of the world."""

    @property
    def now(self) -> float: ...
    def after(self, seconds: float, action: Callable[[], None]) -> None: ...
    def deliver(self, process: Process, action: Callable[[], None]) -> None: ...


class Network:
    def __init__(
        self, world: Clock, database: Database, faults: Faults, random: Random, landing_seconds: float,
        watchers: list[Watcher],
    ) -> None:  # fmt: skip
        """`landing_seconds` covers the attempts of an SDK, so one attempt is given up on after a third of it."""
        self.world = world
        self.database = database
        self.faults = faults
        self.random = random
        self.landing_seconds = landing_seconds
        self.attempt_seconds = landing_seconds / 3
        self.watchers = watchers
        self._tokens = 0

    def send(self, task: Task, call: Call, answer: Answered, *, sdk: bool) -> None:
        """Send one call; what befalls it is decided here. `sdk`: it goes through an SDK, which may send it twice."""
        for watcher in self.watchers:
            watcher.sent(task, call)
        if sdk and call.operation == "TransactWriteItems" and "ClientRequestToken" not in call.request:
            # An SDK gives it a token of its own, the same for all its attempts: they write once.
            self._tokens += 1
            call = Call(call.place, call.operation, {**call.request, "ClientRequestToken": f"sdk-{self._tokens}"})
        random, process = self.random, task.process
        if call.place == "control" and process.cut_off_until > self.world.now:
            cut_off = UnknownOutcome("cut off from the control table")
            self.world.after(self.attempt_seconds, lambda: answer(None, cut_off))
            return
        latency = random.uniform(*LATENCY_SECONDS)
        if process.slowed_until > self.world.now:
            latency *= random.uniform(1.0, SLOW_FACTOR_MAX)
        if task.kind == "mirror" and random.random() < LAGGING:
            latency *= random.uniform(1.0, SLOW_FACTOR_MAX)
        fault = self.faults.of_call(call.place, call.operation, retried_by_sdk=sdk)
        if fault is Fault.SLOW:
            latency *= random.uniform(1.0, SLOW_FACTOR_MAX)
        if fault is None or fault is Fault.SLOW:
            self._answered_call(task, call, min(latency, self.attempt_seconds), answer)
        else:
            self._befall(fault, task, call, latency, answer)

    def _befall(self, fault: Fault, task: Task, call: Call, latency: float, answer: Answered) -> None:
        random = self.random
        match fault:
            case Fault.THROTTLE if call.operation in BATCHES and random.random() < PARTLY:
                self._answered_call(task, call, min(latency, self.attempt_seconds), answer, partly=True)
            case Fault.THROTTLE:
                refusal = throttled(call.operation, call.request, random)
                self.world.after(latency, lambda: answer(None, refusal))
            case Fault.CONFLICT:
                refusal = conflict(call.operation, call.request, random)
                self.world.after(latency, lambda: answer(None, refusal))
            case Fault.TIMEOUT:
                if random.random() >= NEVER_LANDS:
                    self._land(task, call, random.random() * self.landing_seconds, None, "late")
                self.world.after(self.attempt_seconds, lambda: answer(None, UnknownOutcome("timed out")))
            case Fault.LOST_REPLY:
                self._land(task, call, latency * random.random(), None, "reply lost")
                self.world.after(self.attempt_seconds, lambda: answer(None, UnknownOutcome("the reply was lost")))
            case Fault.CLIENT_RETRY:
                if random.random() >= NEVER_LANDS:
                    self._land(task, call, random.random() * self.landing_seconds, None, "first attempt")
                self.world.after(self.attempt_seconds, lambda: self._send_again(task, call, latency, answer))
            case _:
                raise AssertionError(f"{fault} befalls processes, not calls")

    def _send_again(self, task: Task, call: Call, latency: float, answer: Answered) -> None:
        """An SDK's second attempt. It too asks whether it may be sent; the answer says that it is not the first."""
        task.sent_twice()

        def second() -> None:
            try:
                task.scope.before(call)
            except CrossfadeError as error:
                answer(None, UnknownOutcome(f"given up after the first attempt: {error}"))
                return
            self._answered_call(task, call, latency, retried(task, call, answer))

        self.world.deliver(task.process, second)

    def _answered_call(self, task: Task, call: Call, latency: float, answer: Answered, *, partly: bool = False) -> None:
        lands_in = latency * self.random.random()

        def landed(value: Any, error: CrossfadeError | None) -> None:
            self.world.after(latency - lands_in, lambda: answer(value, error))

        self._land(task, call, lands_in, landed, "", partly=partly)

    def _land(
        self, task: Task, call: Call, seconds: float, answer: Answered | None, late: str, *, partly: bool = False
    ) -> None:
        """Have a request carried out until `seconds` from now, whatever becomes of who sent it. `partly`: some entries
        of a batch are left undone."""
        parts = Parts(call.request)
        if self.database.takes(call.operation, call.request):
            parts = parts_of(call.operation, call.request, self.random, partly=partly)
        replies: list[Reply] = []

        def lands() -> None:
            if flight.landed:
                return
            flight.landed = True
            task.process.in_flight.remove(flight)
            value: Reply | None = None
            error: ServiceRejected | None = None
            try:
                self._perform(call, parts.second(replies), replies)
                value = parts.whole(replies)
            except ServiceRejected as refused:
                error = refused
            for watcher in self.watchers:
                watcher.landed(task, call, value if error is None else error, late)
            if answer is not None:
                answer(value, error)

        def begins() -> None:
            if not flight.landed:
                flight.begun = True
                self._perform(call, parts.first, replies)

        flight = Flight(task, call, self.world.now)
        task.process.in_flight.append(flight)
        if parts.first is not None:
            self.world.after(seconds * self.random.random(), begins)
        self.world.after(seconds, lands)

    def _perform(self, call: Call, request: Request | None, replies: list[Reply]) -> None:
        if request is not None:
            as_of = self._as_of(call.operation, request)
            replies.append(self.database.perform(call.operation, request, self.world.now, as_of))

    def _as_of(self, operation: str, request: Request) -> float | None:
        if operation not in READS or is_strict(operation, request) or self.random.random() < 0.5:
            return None
        return self.world.now - STALE_SECONDS_MAX * self.random.random()

    def sender_died(self, process: Process) -> None:
        """What it had sent may still land, when it would have or at another moment that is possible, or never."""
        for flight in list(process.in_flight):
            if flight.begun:
                continue
            dice = self.random.random()
            if dice < NEVER_LANDS:
                flight.landed = True
                process.in_flight.remove(flight)
            elif dice < 0.8:
                # It is not carried out when it would have been, but at another moment that is still possible.
                remaining = max(0.0, flight.sent_at + self.landing_seconds - self.world.now)
                flight.landed = True
                process.in_flight.remove(flight)
                self._land(flight.task, flight.call, remaining * self.random.random(), None, "after the crash")


def retried(task: Task, call: Call, answer: Answered) -> Answered:
    """The answer of a second attempt, as the router's hooks make it known to a routine."""
    write = call.operation in WRITES

    def answered(value: Any, error: CrossfadeError | None) -> None:
        if write:
            task.scope.may_land = True
        if value is not None:
            value = {**value, "ResponseMetadata": {**value["ResponseMetadata"], "RetryAttempts": 1}}
        elif write and isinstance(error, ServiceRejected):
            refused, error = error, UnknownOutcome(f"refused after an earlier attempt: {error}")
            error.__cause__ = refused
        answer(value, error)

    return answered


def throttled(operation: str, request: Request, random: Random) -> ServiceRejected:
    """Return a throttling error; of a transaction, for one action or the whole."""
    if operation in TRANSACTIONS and random.random() < 0.5:
        return cancelled(request, random, "ThrottlingError", "Throughput exceeds the current capacity of your table")
    return ServiceRejected("ProvisionedThroughputExceededException", "The level of configured throughput was exceeded")


def conflict(operation: str, request: Request, random: Random) -> ServiceRejected:
    if operation not in TRANSACTIONS:
        return ServiceRejected("TransactionConflictException", "Transaction is ongoing for the item")
    return cancelled(request, random, "TransactionConflict", "Transaction is ongoing for the item")


def cancelled(request: Request, random: Random, code: str, text: str) -> ServiceRejected:
    """Because of one of the actions, whichever."""
    reasons: list[Reply] = [{"Code": "None"} for _ in request["TransactItems"]]
    reasons[random.randrange(len(reasons))] = {"Code": code, "Message": text}
    return cancellation(reasons)
