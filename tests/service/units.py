"""What a request consumes: asked of the engine whatever the caller asks for, counted, and shown as the caller asked.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html. The engine tells nothing of
a request that it refuses, so what a failed condition consumes is not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tests.contract.answers import list_of
from tests.service.requests import Body, Kind, Received

ASKED: Final = "ReturnConsumedCapacity"
TOLD: Final = "ConsumedCapacity"


@dataclass(frozen=True, slots=True)
class Unit:
    """Whose units these are. `index` is empty for the table's own."""

    table: str
    index: str
    kind: Kind
    operation: str
    caller: str


Units: TypeAlias = Counter[Unit]


@dataclass(frozen=True, slots=True)
class Consumed:
    table: str
    index: str
    units: float


def asking(body: Body) -> Body:
    """Return the request with all that it consumes asked for."""
    return body if body.get(ASKED) == "INDEXES" else {**body, ASKED: "INDEXES"}


def consumed(answer: Mapping[str, Any]) -> Iterator[Consumed]:
    """Yield what an answer tells, by table and index."""
    for each in told_by(answer):
        table = str(each["TableName"])
        indexes = {**each.get("GlobalSecondaryIndexes", {}), **each.get("LocalSecondaryIndexes", {})}
        yield Consumed(table, "", each.get("Table", each)["CapacityUnits"])
        for index, units in indexes.items():
            yield Consumed(table, index, units["CapacityUnits"])


def told_by(answer: Mapping[str, Any]) -> list[Any]:
    """Return one entry a table: a request on one table tells one, others a list of them."""
    told: Any = answer.get(TOLD) or []
    return list_of(told) if isinstance(told, list) else [told]


def as_asked(answer: Body, asked: str) -> Body:
    """Return the answer with no more about its consumption than the caller asked for."""
    if TOLD not in answer or asked == "INDEXES":
        return answer
    rest = {name: value for name, value in answer.items() if name != TOLD}
    if asked != "TOTAL":
        return rest
    found = [totals(each) for each in told_by(answer)]
    return {**rest, TOLD: found if isinstance(answer[TOLD], list) else found[0]}


def totals(told: Mapping[str, Any]) -> Body:
    kept = ("TableName", "CapacityUnits", "ReadCapacityUnits", "WriteCapacityUnits")
    return {name: told[name] for name in kept if name in told}


def counted(received: Received, parts: Iterable[Consumed]) -> Units:
    """Return what a request has consumed, by whom and for what."""
    kind: Kind = "Read" if received.parts and received.parts[0].kind == "Read" else "Write"
    found: Units = Counter()
    for each in parts:
        unit = Unit(each.table, each.index, kind, received.operation, received.caller)
        found[unit] += each.units  # type: ignore[assignment]  # halves of units, too
    return found


def total(units: Units, **of: str) -> float:
    """Return the sum of those units that have these fields: `total(units, table="orders", kind="Write")`."""
    return float(sum(n for unit, n in units.items() if all(getattr(unit, name) == value for name, value in of.items())))
