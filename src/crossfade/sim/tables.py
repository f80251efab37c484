"""In-memory DynamoDB tables for the simulator: linearizable, small and exact where routines look.

One `perform` is one atomic call in botocore's low-level form, a transaction included; when it happens is the world's
business. Conditions and updates are evaluated by core/expressions, which has its own tests against the embedded engine.
Eventually consistent reads may be told to look at the recent past.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from zlib import crc32

from crossfade.core.effects import Reply, Request
from crossfade.core.evaluate.plain_table import WriteName, evaluate
from crossfade.core.expressions import ExpressionError, bind, condition, key_condition
from crossfade.core.items import Item, parse_number
from crossfade.errors import ServiceRejected

Key: TypeAlias = tuple[Any, ...]

TOKEN_SECONDS: Final = 600.0  # how long DynamoDB remembers a ClientRequestToken
VERSIONS_KEPT: Final = 4  # how far back, in writes, an eventually consistent read can look
TRANSACTION_ACTIONS_MAX: Final = 100
BATCH_GET_MAX: Final = 100
BATCH_WRITE_MAX: Final = 25


def value_key(value: dict[str, Any]) -> Any:
    """One hashable and sortable form of a key attribute: equal numbers are one key."""
    kind, held = next(iter(value.items()))
    return parse_number(held) if kind == "N" else held


@dataclass(slots=True)
class SimTable:
    """One table. Items are replaced as wholes and never changed in place, so they may be shared freely."""

    name: str
    key_names: tuple[str, ...]
    items: dict[Key, Item] = field(default_factory=dict[Key, Item])
    versions: dict[Key, list[tuple[float, Item | None]]] = field(
        default_factory=dict[Key, list[tuple[float, Item | None]]]
    )

    def key(self, item: Item) -> Key:
        """Raises ServiceRejected where a key attribute is missing, as DynamoDB does."""
        try:
            return tuple([value_key(item[name]) for name in self.key_names])
        except KeyError:
            raise invalid("The provided key element does not match the schema") from None

    def get(self, key: Key, as_of: float | None = None) -> Item | None:
        """What is there now, or what was there at `as_of` (virtual seconds)."""
        if as_of is None or key not in self.versions:
            return self.items.get(key)
        versions = self.versions[key]
        for written, item in reversed(versions):
            if written <= as_of:
                return item
        return versions[0][1]

    def set(self, key: Key, item: Item | None, now: float) -> None:
        before = self.items.get(key)
        versions = self.versions.setdefault(key, [(0.0, before)])
        versions.append((now, item))
        if len(versions) > VERSIONS_KEPT:
            del versions[0]
        if item is None:
            _ = self.items.pop(key, None)
        else:
            self.items[key] = item

    def ordered(self, partition: Any = None) -> list[tuple[int, Key, Item]]:
        """Every item, or those of a partition, in scan order: by the hash of its partition, then by sort key."""
        found = [(key, item) for key, item in self.items.items() if partition is None or key[0] == partition]
        return sorted(((partition_hash(key), key, item) for key, item in found), key=lambda row: (row[0], row[1]))


def partition_hash(key: Key) -> int:
    return crc32(str(key[0]).encode())


def invalid(text: str) -> ServiceRejected:
    return ServiceRejected("ValidationException", text)


class Database:
    """Every table of one simulated world, on both sides and for the control plane."""

    def __init__(self, tables: dict[str, tuple[str, ...]]) -> None:
        """`tables`: the key attribute names of each table, partition first."""
        self.tables = {name: SimTable(name, keys) for name, keys in tables.items()}
        self._tokens: dict[str, tuple[float, Request, Reply]] = {}
        self._operations: dict[str, Callable[[Request, float, float | None], Reply]] = {
            "GetItem": self._get,
            "PutItem": self._write("PutItem"),
            "UpdateItem": self._write("UpdateItem"),
            "DeleteItem": self._write("DeleteItem"),
            "Query": self._query,
            "Scan": self._scan,
            "BatchGetItem": self._batch_get,
            "BatchWriteItem": self._batch_write,
            "TransactWriteItems": self._transact_write,
            "TransactGetItems": self._transact_get,
            "DescribeTable": self._describe,
            "UpdateTimeToLive": self._nothing,
        }

    @property
    def operation_names(self) -> tuple[str, ...]:
        """What it can carry out."""
        return tuple(self._operations)

    def perform(self, operation: str, request: Request, now: float, as_of: float | None = None) -> Reply:
        """Carry one call out at `now`. `as_of`: the past moment that a read which allows it sees. Raises
        ServiceRejected."""
        perform = self._operations.get(operation)
        if perform is None:
            raise ServiceRejected("UnknownOperationException", f"the simulated database has no {operation}")
        reply = perform(request, now, as_of)
        reply["ResponseMetadata"] = {"HTTPStatusCode": 200, "RetryAttempts": 0}
        return reply

    def table(self, name: str) -> SimTable:
        try:
            return self.tables[name]
        except KeyError:
            raise ServiceRejected("ResourceNotFoundException", "Requested resource not found") from None

    def _describe(self, request: Request, _now: float, _as_of: float | None) -> Reply:
        table = self.table(request["TableName"])
        kinds = ("HASH", "RANGE")
        schema = [{"AttributeName": n, "KeyType": kind} for n, kind in zip(table.key_names, kinds, strict=False)]
        return {"Table": {"TableName": table.name, "TableStatus": "ACTIVE", "KeySchema": schema}}

    def _nothing(self, _request: Request, _now: float, _as_of: float | None) -> Reply:
        return {}

    # --- single items ---------------------------------------------------------------------------------------------

    def _get(self, request: Request, _now: float, as_of: float | None) -> Reply:
        table = self.table(request["TableName"])
        item = table.get(table.key(request["Key"]), None if request.get("ConsistentRead") else as_of)
        return {} if item is None else {"Item": project(item, request)}

    def _write(self, operation: WriteName) -> Callable[[Request, float, float | None], Reply]:
        def perform(request: Request, now: float, _as_of: float | None) -> Reply:
            table = self.table(request["TableName"])
            key = table.key(request["Item"] if operation == "PutItem" else request["Key"])
            done = evaluate(operation, request, table.items.get(key), table.key_names)
            table.set(key, done.image, now)
            return dict(done.reply)

        return perform

    # --- many items -----------------------------------------------------------------------------------------------

    def _query(self, request: Request, _now: float, as_of: float | None) -> Reply:
        table = self.table(request["TableName"])
        bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
        try:
            keyed = key_condition(request["KeyConditionExpression"], bindings)
        except ExpressionError as error:
            raise ServiceRejected(error.code, error.message) from None
        partition = value_key(keyed.partition[1])
        rows = table.ordered(partition)
        rows = [row for row in rows if keyed.holds(row[2])]
        if request.get("ScanIndexForward") is False:
            rows.reverse()
        return self._page(table, rows, request, None if request.get("ConsistentRead") else as_of)

    def _scan(self, request: Request, _now: float, as_of: float | None) -> Reply:
        table = self.table(request["TableName"])
        rows = table.ordered()
        total: int = request.get("TotalSegments", 1)
        if total > 1:
            rows = [row for row in rows if row[0] % total == request["Segment"]]
        return self._page(table, rows, request, None if request.get("ConsistentRead") else as_of)

    def _page(self, table: SimTable, rows: list[tuple[int, Key, Item]], request: Request, as_of: float | None) -> Reply:
        """One page of rows in order, after ExclusiveStartKey; Limit counts what was looked at, before the filter."""
        start: Item | None = request.get("ExclusiveStartKey")
        if start is not None:
            after = table.key(start)
            position = (partition_hash(after), after)
            if request.get("ScanIndexForward") is False:
                rows = [row for row in rows if (row[0], row[1]) < position]
            else:
                rows = [row for row in rows if (row[0], row[1]) > position]
        limit: int | None = request.get("Limit")
        page = rows if limit is None else rows[:limit]
        seen = [item for item in (table.get(key, as_of) for _, key, _ in page) if item is not None]
        kept = [item for item in seen if filtered(item, request)]
        reply: Reply = {"Count": len(kept), "ScannedCount": len(page)}
        if request.get("Select") != "COUNT":
            reply["Items"] = [project(item, request) for item in kept]
        if limit is not None and len(page) == limit:
            reply["LastEvaluatedKey"] = {name: page[-1][2][name] for name in table.key_names}
        return reply

    def _batch_get(self, request: Request, _now: float, as_of: float | None) -> Reply:
        responses: dict[str, list[Item]] = {}
        count = 0
        for name, wanted in request["RequestItems"].items():
            table = self.table(name)
            seen = as_of if not wanted.get("ConsistentRead") else None
            count += len(wanted["Keys"])
            found = (table.get(table.key(key), seen) for key in wanted["Keys"])
            responses[name] = [project(item, wanted) for item in found if item is not None]
        if not 1 <= count <= BATCH_GET_MAX:
            raise invalid("Too many items requested for the BatchGetItem call")
        return {"Responses": responses, "UnprocessedKeys": {}}

    def _batch_write(self, request: Request, now: float, _as_of: float | None) -> Reply:
        changes: dict[tuple[str, Key], Item | None] = {}
        for name, actions in request["RequestItems"].items():
            table = self.table(name)
            for action in actions:
                item: Item | None = action["PutRequest"]["Item"] if "PutRequest" in action else None
                key = table.key(action["DeleteRequest"]["Key"] if item is None else item)
                if (name, key) in changes:
                    raise invalid("Provided list of item keys contains duplicates")
                changes[name, key] = item
        if not 1 <= len(changes) <= BATCH_WRITE_MAX:
            raise invalid("Too many items requested for the BatchWriteItem call")
        for (name, key), item in changes.items():
            self.tables[name].set(key, item, now)
        return {"UnprocessedItems": {}}

    # --- transactions ---------------------------------------------------------------------------------------------

    def _transact_write(self, request: Request, now: float, _as_of: float | None) -> Reply:
        token: str | None = request.get("ClientRequestToken")
        if token is not None and token in self._tokens:
            done_at, first, answer = self._tokens[token]
            if now - done_at < TOKEN_SECONDS:
                if first["TransactItems"] != request["TransactItems"]:
                    raise ServiceRejected(
                        "IdempotentParameterMismatchException", "the token was used for another request"
                    )
                return dict(answer)
        changes: dict[tuple[str, Key], Item | None] = {}
        reasons: list[dict[str, Any]] = []
        for action in request["TransactItems"]:
            ((kind, parameters),) = action.items()
            table = self.table(parameters["TableName"])
            key = table.key(parameters["Item"] if kind == "Put" else parameters["Key"])
            if (table.name, key) in changes:
                raise invalid("Transaction request cannot include multiple operations on one item")
            changes[table.name, key], reason = acted(kind, parameters, table.items.get(key), table.key_names)
            reasons.append(reason)
        if not 1 <= len(reasons) <= TRANSACTION_ACTIONS_MAX:
            raise invalid("Member must have length less than or equal to 100")
        if any(reason["Code"] != "None" for reason in reasons):
            raise cancelled(reasons)
        for action, ((name, key), item) in zip(request["TransactItems"], changes.items(), strict=True):
            if "ConditionCheck" not in action:
                self.tables[name].set(key, item, now)
        reply: Reply = {}
        if token is not None:
            self._tokens[token] = (now, request, reply)
        return dict(reply)

    def _transact_get(self, request: Request, _now: float, _as_of: float | None) -> Reply:
        responses: list[Reply] = []
        for action in request["TransactItems"]:
            wanted: Request = action["Get"]
            table = self.table(wanted["TableName"])
            item = table.items.get(table.key(wanted["Key"]))
            responses.append({} if item is None else {"Item": project(item, wanted)})
        return {"Responses": responses}


OPERATIONS: Final[dict[str, WriteName]] = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}


def acted(
    kind: str, parameters: Request, before: Item | None, key_names: tuple[str, ...]
) -> tuple[Item | None, dict[str, Any]]:
    """What one action of a transaction would leave, and its cancellation reason."""
    none: dict[str, Any] = {"Code": "None"}
    try:
        if kind == "ConditionCheck":
            # A delete with this condition is refused exactly where the check fails; its result is not used.
            _ = evaluate("DeleteItem", parameters, before, key_names)
            return before, none
        return evaluate(OPERATIONS[kind], parameters, before, key_names).image, none
    except ServiceRejected as error:
        if error.code == "ConditionalCheckFailedException":
            reason: dict[str, Any] = {"Code": "ConditionalCheckFailed", "Message": error.text}
            if parameters.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and before is not None:
                reason["Item"] = before
            return before, reason
        if error.code == "ValidationException":
            return before, {"Code": "ValidationError", "Message": error.text}
        raise


def cancelled(reasons: list[dict[str, Any]]) -> ServiceRejected:
    codes = ", ".join(reason["Code"] for reason in reasons)
    text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    code = "TransactionCanceledException"
    return ServiceRejected(
        code, text, {"Error": {"Code": code, "Message": text}, "Message": text, "CancellationReasons": reasons}
    )


def filtered(item: Item, request: Request) -> bool:
    text: str | None = request.get("FilterExpression")
    if text is None:
        return True
    bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    return condition(text, bindings).holds(item)


def project(item: Item, request: Request) -> Item:
    """A copy of the item's root, with only what the request's projection names (root attributes alone)."""
    text: str | None = request.get("ProjectionExpression")
    if text is None:
        return dict(item)
    names: dict[str, str] = request.get("ExpressionAttributeNames", {})
    wanted = [names.get(part.strip(), part.strip()) for part in text.split(",")]
    return {name: item[name] for name in wanted if name in item}
