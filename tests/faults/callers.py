"""Applications by each kind of client, on a detour where their requests can fail: on a plain table, and attached."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol, cast

from crossfade.core.items import Item
from tests.aws.faults import Detour, go_on
from tests.contract.shapes import KINDS as SHAPES
from tests.contract.shapes import Form, Shape
from tests.contract.steps import Answer, Op
from tests.contract.tables import create, empty, puts, write_all
from tests.contract.values import python_values
from tests.contract.worlds import (
    LOOKING,
    AioMigratingWorld,
    Calling,
    Combination,
    MigratingWorld,
    Sides,
    aio_client,
    low_level_client,
    new_token,
    perform,
    perform_async,
)
from tests.faults.operations import everything
from tests.faults.ways import Call, Fate, instrument

CLIENTS: Final = ("boto3", "retries", "resource", "aiobotocore")
LANDING_SECONDS: Final = 0.01  # no fault here lands later than at once
ATTEMPTS: Final = 3  # of a client that retries
POLL_SECONDS: Final = 0.02  # so often the router looks whether what may land has landed
PAGES_MAX: Final = 40


def calling(kind: str, url: str, options: dict[str, Any]) -> Calling:
    """`retries`: the boto3 client with botocore's own; the others make one attempt a request."""
    config: dict[str, Any] = {
        "parameter_validation": False,
        "retries": {"total_max_attempts": ATTEMPTS if kind == "retries" else 1, "mode": "legacy"},
    }
    return Calling(options | {"endpoint_url": url}, config, kind == "resource", LANDING_SECONDS, POLL_SECONDS)


class World(Protocol):
    """What an application has before it: a table of its form, and another."""

    kind: str

    def shape(self, prefix: str) -> Shape: ...
    def given(self, items: list[Item], others: list[Item], turn: int | None) -> None: ...
    def send(self, op: Op) -> Answer: ...
    def settle(self) -> None: ...
    def clear(self) -> list[str]: ...
    def forget(self) -> None: ...


class Plain:
    """A plain table of the caller's form."""

    def __init__(self, options: dict[str, Any], url: str, form: Form, kind: str) -> None:
        self.kind, self.form, self.token = kind, form, new_token()
        self._direct: Any = low_level_client(options, LOOKING)
        create(self._direct, f"{form.stem}-{self.token}", form)
        create(self._direct, f"others-{self.token}", None)
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        made = calling(kind, url, options)
        if kind == "aiobotocore":
            self._client: Any = self._runner.run(self._stack.enter_async_context(aio_client(made)))
        else:
            self._client = made.client()
        instrument(self._client)

    def shape(self, prefix: str) -> Shape:
        return Shape(self.form, self.token, prefix)

    def given(self, items: list[Item], others: list[Item], turn: int | None) -> None:  # noqa: ARG002
        write_all(self._direct, {self.shape("").name: puts(items), self.shape("").other: puts(others)})

    def send(self, op: Op) -> Answer:
        if self.kind == "aiobotocore":
            return self._runner.run(perform_async(self._client, op))
        return perform(self._client, op)

    def settle(self) -> None:
        """Nothing is ever under way."""

    def forget(self) -> None:
        """Nothing is remembered."""

    def clear(self) -> list[str]:
        key = tuple(self.form.key())
        for name, names in ((self.shape("").name, key), (self.shape("").other, ("id",))):
            empty(self._direct, name, names)
        return []

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()
        for name in (self.shape("").name, self.shape("").other):
            self._direct.delete_table(TableName=name)
        self._direct.close()


class Migrating:
    """A world of the contract in one stage."""

    def __init__(self, options: dict[str, Any], url: str, combination: Combination) -> None:
        self.kind = combination.client
        of_kind = AioMigratingWorld if self.kind == "aiobotocore" else MigratingWorld
        self.world = of_kind(options, combination, calling(self.kind, url, options))
        instrument(self.world.client)

    @property
    def sides(self) -> Sides:
        return self.world.sides

    def shape(self, prefix: str) -> Shape:
        return self.world.shape(prefix)

    def given(self, items: list[Item], others: list[Item], turn: int | None) -> None:
        self.sides.given(items, turn)
        write_all(self.sides.client, {self.sides.other: puts(others)})

    def send(self, op: Op) -> Answer:
        return self.world.perform(op)

    def settle(self) -> None:
        self.world.settle()

    def forget(self) -> None:
        """As a process that has just begun: it does not know the tables' indexes yet."""
        for router in self.world.routers:
            pair: Any = cast("Any", router)._engine.pair
            pair.schemas.clear()
            pair.index_keys.clear()

    def clear(self) -> list[str]:
        """Empty the tables, and say what was wrong with them, and what the router has reported."""
        self.settle()
        wrong = self.sides.wrong() + self.world.complaints.lines
        self.world.complaints.lines.clear()
        self.sides.clear()
        return wrong

    def close(self) -> list[str]:
        return self.world.close()

    def forbidden(self) -> list[str]:
        """What no answer may show."""
        migrations = self.world.sides.migrations
        names = {each.source.name for each in migrations} | {each.target.name for each in migrations}
        return [*sorted(names - {self.shape("").name}), migrations[0].control_table, "_crossfade", "xf_"]


# --- one call


def called(world: World, detour: Detour, op: Op, fate: Fate = ()) -> tuple[Answer, Call]:
    """Make a call that meets its fate. One that is told in pages is made to its end."""
    op = Op(op.name, python_values(op.request)) if world.kind == "resource" else op
    call = Call(fate)
    detour.plan = call
    try:
        answer = to_the_end(world, op)
    finally:
        detour.plan = go_on
        detour.sent.clear()
    return answer, call


def to_the_end(world: World, op: Op) -> Answer:
    """One answer of all the pages: how they are divided is not what is judged here."""
    answer = world.send(op)
    for _ in range(PAGES_MAX):
        if "raised" in answer or op.name not in ("Query", "Scan", "BatchGetItem"):
            return answer
        more: Answer | None = answer.get("UnprocessedKeys") or answer.get("LastEvaluatedKey")
        if not more:
            break
        request = {"RequestItems": more} if op.name == "BatchGetItem" else {**op.request, "ExclusiveStartKey": more}
        rest = world.send(Op(op.name, request))
        if "raised" in rest:
            return rest
        answer = joined(answer, rest)
    else:
        if op.name == "BatchGetItem":  # the application gives up
            return {"raised": "ClientError", "Error": {"Code": "ProvisionedThroughputExceededException"}}
        return {"raised": "AssertionError", "text": "the pages do not end"}
    if op.name == "BatchGetItem":
        return {"Responses": answer["Responses"]}
    items: list[Any] = answer["Items"]
    return {"Items": sorted(items, key=by_key) if op.name == "Scan" else items}


def joined(answer: Answer, rest: Answer) -> Answer:
    """Two pages as one; what is left is the second's."""
    if "Items" in rest:
        return {**rest, "Items": answer["Items"] + rest["Items"]}
    names = answer["Responses"].keys() | rest["Responses"].keys()
    found = {name: answer["Responses"].get(name, []) + rest["Responses"].get(name, []) for name in names}
    return {**rest, "Responses": found}


KEY_NAMES: Final = {name for kind in SHAPES.values() for form in (kind.source, kind.target) for name in form.old_key()}


def by_key(item: Any) -> str:
    return repr(sorted((name, str(value)) for name, value in item.items() if name in KEY_NAMES))


def held(world: World, detour: Detour, shape: Shape) -> list[Any]:
    """Every item that is looked at, as the application sees it, once all has settled. Nothing is made to fail."""
    world.settle()
    answer, _ = called(world, detour, everything(shape))
    assert "raised" not in answer, f"what the tables hold cannot be read: {answer}"
    return [item for name in (shape.name, shape.other) for item in answer["Responses"].get(name, [])]
