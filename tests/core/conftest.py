"""Routines of the core, run against the embedded engine one call after the other."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from crossfade.aws.own_calls import call
from crossfade.core.effects import (
    Call,
    Effect,
    Forward,
    Gather,
    Later,
    MayLand,
    Note,
    Now,
    Reply,
    Request,
    Routine,
    Sleep,
    Stamp,
    Today,
    Turn,
)
from crossfade.errors import UnknownOutcome
from tests.conftest import Database

T = TypeVar("T")
_names = itertools.count(1)


class Bench:
    """A driver without threads or time: calls go to the engine, background work and notes are kept."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls: list[Call] = []
        self.later: list[Later] = []
        self.notes: list[Note] = []
        self.now = 0.0
        self.lose_reply_to = ""  # the next call of this operation is carried out, and its reply is lost
        self.before: dict[
            tuple[str, str], Callable[[], object]
        ] = {}  # (operation, table) -> what happens just before it

    def run(self, routine: Routine[T], forward: Call | None = None) -> T:
        """The routine's result; `forward` is the caller's own request."""
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                effect = routine.send(answer) if error is None else routine.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
            answer, error = None, None
            try:
                answer = self.perform(effect, forward)
            except Exception as raised:  # noqa: BLE001 - the routine's to handle
                error = raised

    def perform(self, effect: Effect[Any], forward: Call | None) -> Any:
        match effect:
            case Call():
                return self.send(effect)
            case Gather():
                return tuple(self.send(one) for one in effect.calls)
            case Forward():
                assert forward is not None
                request = forward.request if effect.request is None else effect.request
                return self.send(Call(forward.place, forward.operation, request))
            case Later():
                self.later.append(effect)
            case MayLand():
                return False
            case Note():
                self.notes.append(effect)
            case Sleep():
                self.now += effect.seconds
            case Now():
                return self.now
            case Today():
                return int(time.time())
            case Stamp():
                return uuid.uuid4().hex  # DynamoDB remembers the tokens of transactions for ten minutes
            case Turn():
                pass  # nobody else is there
            case _:
                raise AssertionError(effect)
        return None

    def send(self, effect: Call) -> Reply:
        self.calls.append(effect)
        meanwhile = self.before.pop((effect.operation, effect.request.get("TableName", "")), None)
        if meanwhile is not None:
            _ = meanwhile()
        reply = call(self.client, effect.operation, effect.request)
        if effect.operation == self.lose_reply_to:
            self.lose_reply_to = ""
            raise UnknownOutcome("the reply was lost")
        return reply

    def make_table(self, prefix: str, **key: str) -> str:
        """A new empty table: `make_table("orders", pk="S", sk="N")`."""
        name = f"{prefix}-core-{next(_names)}"
        roles = zip(key, ("HASH", "RANGE"), strict=False)
        request: Request = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": part, "AttributeType": kind} for part, kind in key.items()],
            "KeySchema": [{"AttributeName": part, "KeyType": role} for part, role in roles],
        }
        _ = self.client.create_table(**request)
        return name


@pytest.fixture(scope="session")
def client(dynamodb: Database) -> Any:
    """Of all benches."""
    return dynamodb.client()


@pytest.fixture
def bench(client: Any) -> Bench:
    return Bench(client)
