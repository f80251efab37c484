"""A driver for the tests of the control plane: a real database, a clock that only the tests move, faults on demand."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError

from crossfade.control.agent import Agent
from crossfade.control.coordinator import Coordinator
from crossfade.control.starting import StartPlan
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Call, Effect, Gather, Note, Now, Routine, Sleep, Stamp, Today
from crossfade.core.stages import Stage
from crossfade.errors import ServiceRejected, UnknownOutcome

T = TypeVar("T")
TABLE = "control-tests"
FINGERPRINT = "f00d"
LEASE_SECONDS = 10.0
LANDING_SECONDS = 4.0


class Killed(BaseException):
    """The process of a routine ended here."""


class World:
    """One migration in the control table. `while_asleep` is what the others do whenever a routine sleeps."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.control = Control(f"m-{uuid.uuid4().hex[:12]}", TABLE)
        self.strategy = "dual-write"
        self.now = 1000.0
        self.notes: list[Note] = []
        self.calls: list[str] = []
        self.while_asleep: Callable[[], None] = lambda: None
        self.before_call: Callable[[Call], None] = lambda _: None
        self.after_call: Callable[[Call], None] = lambda _: None
        self._tokens = itertools.count(1)
        self._ids = itertools.count(1)

    # --- running routines

    def run(self, routine: Routine[T], *, kill_at_call: int | None = None) -> T:
        """To the end; or closed just before its n-th call (from 0), which raises Killed."""
        left = itertools.count()
        value: Any = None
        error: Exception | None = None
        while True:
            try:
                effect = routine.throw(error) if error is not None else routine.send(value)
            except StopIteration as stop:
                result: T = stop.value
                return result
            value, error = None, None
            if isinstance(effect, Call) and kill_at_call is not None and next(left) >= kill_at_call:
                routine.close()
                raise Killed
            try:
                value = self.perform(effect)
            except (ServiceRejected, UnknownOutcome) as raised:
                error = raised

    def perform(self, effect: Effect[Any]) -> Any:
        match effect:
            case Call():
                return self._call(effect)
            case Gather():
                return tuple(self._call(call) for call in effect.calls)
            case Sleep():
                self.now += effect.seconds
                self.while_asleep()
                return None
            case Now():
                return self.now
            case Today():
                return int(self.now)
            case Stamp():
                return f"token-{next(self._tokens)}-{uuid.uuid4().hex[:8]}"
            case Note():
                self.notes.append(effect)
                return None
            case _:
                raise AssertionError(effect)

    def _call(self, call: Call) -> Any:
        if (call.place, call.operation) == ("target", "Scan"):  # of a gate that asks for an empty target
            return {"Items": []}
        assert call.place == "control"
        self.calls.append(call.operation)
        self.before_call(call)
        try:
            reply = self.client._make_api_call(call.operation, call.request)
        except ClientError as error:
            response: Any = error.response
            raise ServiceRejected(response["Error"]["Code"], response["Error"].get("Message", ""), response) from error
        self.after_call(call)
        return reply

    def noted(self, name: str) -> list[dict[str, Any]]:
        return [note.facts for note in self.notes if note.name == name]

    # --- faults

    def lose_answer(self, operation: str, *, carried_out: bool, times: int = 1) -> None:
        """The next `times` calls of an operation end with an unknown outcome."""
        left = [times]

        def lose(call: Call) -> None:
            if call.operation == operation and left[0]:
                left[0] -= 1
                raise UnknownOutcome(f"{operation}: no answer")

        if carried_out:
            self.after_call = lose
        else:
            self.before_call = lose

    # --- the actors

    def caller(self, who: str = "ann") -> Caller:
        return Caller(who, "laptop", lambda: f"at {self.now:g}")

    def coordinator(self, who: str = "ann", **options: Any) -> Coordinator:
        return Coordinator(self.control, self.caller(who), **options)

    def plan(self) -> StartPlan:
        name = self.control.migration
        return StartPlan(self.strategy, f"orders-{name}", f"orders-{name}-v2", FINGERPRINT)

    def start(self, stage: Stage = Stage.OFF) -> None:
        """A migration, in a stage; by force where gates are closed."""
        _ = self.run(self.coordinator().start(self.plan()))
        _ = self.run(self.coordinator(force_because="set up").walk(stage))

    def agent(self, **options: Any) -> Agent:
        given: dict[str, Any] = {
            "landing_seconds": LANDING_SECONDS,
            "lease_seconds": LEASE_SECONDS,
            "host": "node",
            "pid": 1,
            "fingerprint": FINGERPRINT,
            "clock": lambda: self.now,
            "new_id": self.new_id,
            "control_table": TABLE,
        }
        return Agent(self.control.migration, self.new_id(), **(given | options))

    def joined(self, **options: Any) -> Agent:
        agent = self.agent(**options)
        self.run(agent.join())
        return agent

    def new_id(self) -> str:
        return f"c{next(self._ids)}"

    def polls(self, *agents: Agent) -> Callable[[], None]:
        """For `while_asleep`: these are alive."""

        def poll() -> None:
            for agent in agents:
                self.run(agent.poll())

        return poll


def make_world(dynamodb: Any) -> World:
    """A world with its control table there."""
    client = dynamodb.client(Config(retries={"total_max_attempts": 1}))
    return World(client)
