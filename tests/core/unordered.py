"""Tables in memory, with indexes whose order among equals is their own: another in each table, and told by no key.

The embedded engine orders items with one sort value by their key, which DynamoDB does not promise. A token stands for
its place, also when its item is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any
from zlib import crc32

from crossfade.core.effects import Call, Reply, Request
from crossfade.core.expressions import bind, key_condition
from crossfade.core.expressions.keys import names_of_key
from crossfade.core.items import Item
from crossfade.errors import ServiceRejected
from crossfade.sim.table import SimTable, value_key
from crossfade.sim.tables import Database
from tests.core.conftest import Bench

Place = tuple[Any, ...]
KINDS = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")


class Unordered(Database):
    """With the few methods of a client by which tests make and fill tables."""

    def __init__(self) -> None:
        super().__init__({})
        self.described: dict[str, Reply] = {}
        self._kept: dict[tuple[str, str | None], tuple[list[Item], list[tuple[Place, Item]]]] = {}

    def create_table(self, **request: Any) -> None:
        name: str = request["TableName"]
        self.tables[name] = SimTable(name, names_of(request["KeySchema"]))
        self.described[name] = {"Table": {**request, "TableArn": f"table/{name}"}}

    def batch_write_item(self, **request: Any) -> Reply:
        return self.perform("BatchWriteItem", request, 0.0)

    def clear(self) -> None:
        for table in self.tables.values():
            table.items.clear()
            table.versions.clear()

    def _describe(self, request: Request, _now: float, as_of: float | None) -> Reply:  # noqa: ARG002 - of another moment than now nobody asks here
        return dict(self.described[request["TableName"]])

    def _query(self, request: Request, _now: float, as_of: float | None) -> Reply:  # noqa: ARG002 - of another moment than now nobody asks here
        bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
        condition = key_condition(
            request["KeyConditionExpression"], bindings, key_names=names_of_key(self._keys(request))
        )
        start: Item | None = request.get("ExclusiveStartKey")
        if start is not None and not condition.holds(start):
            raise ServiceRejected("ValidationException", "The provided starting key is outside query boundaries")
        return self._answer(request, condition.holds)

    def _scan(self, request: Request, _now: float, as_of: float | None) -> Reply:  # noqa: ARG002 - of another moment than now nobody asks here
        return self._answer(request, lambda _: True)

    def _answer(self, request: Request, holds: Callable[[Item], bool]) -> Reply:
        table = self.table(request["TableName"])
        names = tuple(dict.fromkeys((*self._keys(request), *table.key_names)))
        rows = [(place, item) for place, item in self._ordered(request) if holds(item)]
        backwards = request.get("ScanIndexForward") is False
        if backwards:
            rows.reverse()
        start: Item | None = request.get("ExclusiveStartKey")
        if start is not None:
            if start.keys() != {*names}:
                raise ServiceRejected("ValidationException", "The provided starting key is invalid")
            at = self._place(request, start)
            rows = [row for row in rows if (row[0] < at if backwards else row[0] > at)]
        limit: int = request.get("Limit", len(rows) + 1)
        page = [item for _, item in rows[:limit]]
        reply: Reply = {"Items": [dict(item) for item in page], "Count": len(page), "ScannedCount": len(page)}
        if len(page) == limit:
            reply["LastEvaluatedKey"] = {name: page[-1][name] for name in names}
        return reply

    def _ordered(self, request: Request) -> list[tuple[Place, Item]]:
        """All that is gone by, with its places. Kept as long as the table has the very same items."""
        table, name = self.table(request["TableName"]), (request["TableName"], request.get("IndexName"))
        there = list(table.items.values())
        held, rows = self._kept.get(name, ([], []))
        if len(held) != len(there) or any(one is not other for one, other in zip(held, there, strict=True)):
            keys = self._keys(request)
            rows = [(self._place(request, item), item) for item in there if all(each in item for each in keys)]
            rows.sort(key=lambda row: row[0])
            self._kept[name] = there, rows
        return rows

    def _keys(self, request: Request) -> tuple[str, ...]:
        """What is gone by: the key of the index, or of the table."""
        name: str | None = request.get("IndexName")
        table = self.described[request["TableName"]]["Table"]
        if name is None:
            return names_of(table["KeySchema"])
        every = [index for kind in KINDS for index in table.get(kind, ())]
        return next(names_of(index["KeySchema"]) for index in every if index["IndexName"] == name)

    def _place(self, request: Request, item: Item) -> Place:
        table, keys = self.table(request["TableName"]), self._keys(request)
        partition, *sort = (value_key(item[name]) for name in keys)
        name = (table.name, request.get("IndexName"))
        return (number_of(table.name, partition), sort, number_of(*name, *table.key(item)))


@cache
def number_of(*of: Any) -> int:
    return crc32(repr(of).encode())


def names_of(schema: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(part["AttributeName"] for part in schema)


class UnorderedBench(Bench):
    """The driver over such tables."""

    def __init__(self) -> None:
        super().__init__(Unordered())

    def send(self, effect: Call) -> Reply:
        tables: Unordered = self.client
        return tables.perform(effect.operation, effect.request, 0.0)
