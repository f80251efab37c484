"""A DynamoDB with partitions, as clients see it: requests are weighed, throttled or answered.

Who answers what is let through is an argument: the embedded engine, a table of a test, or nobody, where it is enough
that a write is taken. So what paces itself by throttles, a backfill for one, is tried on it unchanged.

A request is weighed by what it names and by the sizes of the items that were written through here. What an UpdateItem
makes of an item is not known before: it counts as what it was, or what the request brings where that is more. A Query
and a Scan need half a unit to begin with and are charged what their answer holds. A transaction costs twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import AttributeValue, Item, size_bytes, value_bytes
from crossfade.errors import ServiceRejected
from crossfade.partitions.partition import Kind
from crossfade.partitions.table import Place, Throttle, Topology
from crossfade.partitions.units import read_units, write_units

BEGUN_UNITS: Final = 0.5  # what the least answer of a Query or a Scan costs
SENTENCE: Final = "Throughput exceeds the current capacity of your table or index."


@dataclass(frozen=True, slots=True)
class Part:
    """What a request wants of one item: so many units; and how large the item is afterwards, where it is written."""

    place: Place
    kind: Kind
    units: float
    size_after: int | None = None


def nobody(operation: str, request: Request) -> Reply:  # noqa: ARG001 - whatever is asked
    """Answer nothing, which says of a write that it was made."""
    return {}


class Front:
    """The front of one table. `key`: the partition key and, where there is one, the sort key."""

    def __init__(
        self,
        topology: Topology,
        key: tuple[str, ...],
        answer: Callable[[str, Request], Reply] = nobody,
        *,
        on_demand: bool = True,
    ) -> None:
        self.topology = topology
        self._key = key
        self._answer = answer
        self._on_demand = on_demand

    def call(self, operation: str, request: Request, now: float) -> Reply:
        """Carry out a request at a time. Raises ServiceRejected where it is throttled, or as `answer` raises it."""
        match operation:
            case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem":
                return self._single(operation, request, now)
            case "BatchWriteItem":
                return self._batch_write(request, now)
            case "BatchGetItem":
                return self._batch_get(request, now)
            case "TransactWriteItems" | "TransactGetItems":
                return self._transaction(operation, request, now)
            case "Query" | "Scan":
                return self._pages(operation, request, now)
            case _:
                return self._answer(operation, request)

    def place(self, item: Item) -> Place:
        """Return where an item is, of which the key is enough."""
        return Place(*(_text(item[name]) for name in self._key))

    def _single(self, operation: str, request: Request, now: float) -> Reply:
        part = self._part(operation, request)
        refused = self._take(part, now)
        if refused is not None:
            raise self._throttled(refused, part.kind)
        reply = self._answer(operation, request)
        self._written(part)
        return reply

    def _batch_write(self, request: Request, now: float) -> Reply:
        """Take what fits, and hand the rest back; all of it throttled is an error."""
        ((table, entries),) = request["RequestItems"].items()
        taken: list[Any] = []
        left: list[Any] = []
        parts: list[Part] = []
        refused: Throttle | None = None
        for entry in entries:
            part = self._part(*_of_batch(entry))
            why = self._take(part, now)
            refused = refused or why
            (taken if why is None else left).append(entry)
            if why is None:
                parts.append(part)
        if refused is not None and not taken:
            raise self._throttled(refused, "write")
        reply = dict(self._answer("BatchWriteItem", {**request, "RequestItems": {table: taken}}))
        for part in parts:
            self._written(part)
        reply["UnprocessedItems"] = {**reply.get("UnprocessedItems", {}), **({table: left} if left else {})}
        return reply

    def _batch_get(self, request: Request, now: float) -> Reply:
        ((table, wanted),) = request["RequestItems"].items()
        taken: list[Item] = []
        left: list[Item] = []
        refused: Throttle | None = None
        for key in wanted["Keys"]:
            why = self._take(self._part("GetItem", {**wanted, "Key": key}), now)
            refused = refused or why
            (taken if why is None else left).append(key)
        if refused is not None and not taken:
            raise self._throttled(refused, "read")
        reply = dict(self._answer("BatchGetItem", {"RequestItems": {table: {**wanted, "Keys": taken}}}))
        rest = {table: {**wanted, "Keys": left}} if left else {}
        reply["UnprocessedKeys"] = {**reply.get("UnprocessedKeys", {}), **rest}
        return reply

    def _transaction(self, operation: str, request: Request, now: float) -> Reply:
        """Take all of it or nothing."""
        parts = [self._part(name, inner, times=2.0) for name, inner in _of_transaction(request)]
        refusals = [self.topology.refusal(part.place, part.kind, part.units, now) for part in parts]
        if any(refusals):
            raise _canceled(refusals)
        for part in parts:
            self.topology.charge(part.place, part.kind, part.units, now)
        reply = self._answer(operation, request)
        for part in parts:
            self._written(part)
        return reply

    def _pages(self, operation: str, request: Request, now: float) -> Reply:
        begins = self._begins(request) if operation == "Query" else self._from(request.get("ExclusiveStartKey"))
        refused = self.topology.refusal(begins, "read", BEGUN_UNITS, now)
        if refused is not None:
            raise self._throttled(refused, "read")
        reply = self._answer(operation, request)
        items: list[Item] = reply.get("Items", [])
        held = sum(size_bytes(item) for item in items)
        units = read_units(held, consistent=bool(request.get("ConsistentRead")))
        shares: dict[Place, float] = {}
        for item in items:  # a page may be of several partitions
            lies = self.place(item) if all(name in item for name in self._key) else begins
            shares[lies] = shares.get(lies, 0.0) + size_bytes(item) / held
        for place, share in (shares or {begins: 1.0}).items():
            self.topology.charge(place, "read", units * share, now)
        return reply

    def _begins(self, request: Request) -> Place:
        """Return where a Query begins: at its cursor, or with the partition key among the values that it brings."""
        start = request.get("ExclusiveStartKey")
        if start is not None:
            return self.place(start)
        conditions: Mapping[str, Any] = request.get("KeyConditions", {})
        if self._key[0] in conditions:
            return Place(_text(conditions[self._key[0]]["AttributeValueList"][0]))
        condition = str(request["KeyConditionExpression"])
        values: dict[str, AttributeValue] = request["ExpressionAttributeValues"]
        names = {
            self._key[0],
            *(a for a, n in request.get("ExpressionAttributeNames", {}).items() if n == self._key[0]),
        }
        for part in condition.replace("AND", "and").split(" and "):
            left, equals, right = (word.strip(" ()") for word in part.partition("="))
            if equals and left in names and right in values:
                return Place(_text(values[right]))
        raise ServiceRejected("ValidationException", "Query condition missed key schema element: " + self._key[0])

    def _from(self, start: Item | None) -> Place:
        return Place("") if start is None else self.place(start)

    def _part(self, operation: str, request: Request, times: float = 1.0) -> Part:
        """Return what an operation on one item wants."""
        place = self.place(request.get("Item") or request["Key"])
        before = self.topology.size(place)
        match operation:
            case "GetItem":
                return Part(place, "read", times * read_units(before, consistent=bool(request.get("ConsistentRead"))))
            case "PutItem":
                after = size_bytes(request["Item"])
                return Part(place, "write", times * write_units(max(before, after)), after)
            case "UpdateItem":
                brought = sum(value_bytes(value) for value in request.get("ExpressionAttributeValues", {}).values())
                after = max(before, size_bytes(request["Key"]) + brought)
                return Part(place, "write", times * write_units(after), after)
            case "DeleteItem":
                return Part(place, "write", times * write_units(before), 0)
            case _:  # ConditionCheckItem, which costs a write and changes nothing
                return Part(place, "write", times * write_units(before))

    def _take(self, part: Part, now: float) -> Throttle | None:
        if part.size_after is not None and not self.topology.fits(part.place, part.size_after):
            raise ServiceRejected("ItemCollectionSizeLimitExceededException", "Collection size exceeded.")
        return self.topology.take(part.place, part.kind, part.units, now)

    def _written(self, part: Part) -> None:
        if part.size_after is not None:
            self.topology.resize(part.place, part.size_after)

    def _throttled(self, why: Throttle, kind: Kind) -> ServiceRejected:
        by_table = why is Throttle.TABLE or not self._on_demand
        code = "ProvisionedThroughputExceededException" if by_table else "ThrottlingException"
        error = {
            "Error": {"Code": code, "Message": SENTENCE},
            "ThrottlingReasons": [{"reason": f"Table{kind.title()}{why}"}],
        }
        return ServiceRejected(code, SENTENCE, error)


def _of_batch(entry: Mapping[str, Any]) -> tuple[str, Request]:
    put = entry.get("PutRequest")
    return ("PutItem", put) if put is not None else ("DeleteItem", entry["DeleteRequest"])


def _of_transaction(request: Request) -> Iterator[tuple[str, Request]]:
    names: dict[str, str] = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "Get": "GetItem"}
    for action in request["TransactItems"]:
        name: str
        ((name, inner),) = action.items()
        yield names.get(name, name), {**inner, "ConsistentRead": True}


def _canceled(refusals: list[Throttle | None]) -> ServiceRejected:
    reasons = [
        {"Code": "None"} if why is None else {"Code": "ThrottlingError", "Message": SENTENCE} for why in refusals
    ]
    text = "Transaction cancelled, please refer cancellation reasons for specific reasons"
    told = f"{text} [{', '.join(reason['Code'] for reason in reasons)}]"
    error = {"Code": "TransactionCanceledException", "Message": told}
    return ServiceRejected("TransactionCanceledException", told, {"Error": error, "CancellationReasons": reasons})


def _text(value: AttributeValue) -> str:
    ((kind, held),) = value.items()
    return f"{kind}:{held!r}" if kind == "B" else str(held)
