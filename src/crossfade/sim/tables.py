"""In-memory DynamoDB tables for the simulator: linearizable, small and exact where routines look.

One `perform` is one atomic call in botocore's low-level form, a transaction included; when it happens is the world's
business. Conditions and updates are evaluated by core/expressions, which has its own tests against the embedded engine.
Eventually consistent reads may be told to look at the recent past.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any, Final

from crossfade.core.effects import Reply, Request
from crossfade.core.evaluate.plain_table import WriteName, evaluate
from crossfade.core.expressions import ExpressionError, bind, key_condition
from crossfade.core.expressions.keys import names_of_key
from crossfade.core.items import Item
from crossfade.errors import ServiceRejected, invalid_request
from crossfade.sim.indexes import SimIndex, attribute_kinds, described_indexes
from crossfade.sim.table import Key, SimTable, value_key
from crossfade.sim.table_pages import index_page, project, table_page

TOKEN_SECONDS: Final = 600.0  # how long DynamoDB remembers a ClientRequestToken
TRANSACTION_ACTIONS_MAX: Final = 100
BATCH_GET_MAX: Final = 100
BATCH_WRITE_MAX: Final = 25


BEGINNING: Final = 1_000_000_000  # seconds since 1970, when virtual time is 0
TOLD_SECONDS: Final = 10  # of the time that is told in whole seconds, in one of virtual time: leases are short there


def told_time(now: float) -> str:
    """Return the time as an answer has it."""
    return formatdate(BEGINNING + int(now * TOLD_SECONDS), usegmt=True)


def virtual_seconds(told: int) -> float:
    return (told - BEGINNING) / TOLD_SECONDS


class Database:
    """Every table of one simulated world, on both sides and for the control plane."""

    def __init__(
        self,
        tables: dict[str, tuple[str, ...]],
        indexes: Mapping[str, Sequence[SimIndex]] | None = None,
        regions: Mapping[str, str] | None = None,
    ) -> None:
        """`tables`: the key attribute names of each table, partition first; `indexes`: those that some of them have;
        `regions`: where a table is that is elsewhere."""
        self._regions = regions or {}
        self.tables = {name: SimTable(name, keys) for name, keys in tables.items()}
        for name, of_table in (indexes or {}).items():
            self.tables[name].indexes.update({each.name: each for each in of_table})
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
        metadata: Reply = {"HTTPStatusCode": 200, "RetryAttempts": 0}
        if operation == "GetItem":  # the only one of which somebody looks at the time
            metadata["HTTPHeaders"] = {"date": told_time(now)}
        reply["ResponseMetadata"] = metadata
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
        told: Reply = {"TableName": table.name, "TableStatus": "ACTIVE", "KeySchema": schema}
        region = self._regions.get(table.name, "us-east-1")
        told["TableArn"] = f"arn:aws:dynamodb:{region}:111122223333:table/{table.name}"
        told["AttributeDefinitions"] = list(attribute_kinds(table.key_names, table.indexes))
        return {"Table": told | described_indexes(table.indexes, table.key_names)}

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
        index = table.index(request["IndexName"]) if "IndexName" in request else None
        bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
        try:
            names = names_of_key(table.key_names) if index is None else index.names
            keyed = key_condition(request["KeyConditionExpression"], bindings, key_names=names)
        except ExpressionError as error:
            raise ServiceRejected(error.code, error.message) from None
        if index is not None:
            return index_page(table, index, keyed, request, as_of)
        partition = value_key(keyed.partition[1])
        rows = table.ordered(partition)
        rows = [row for row in rows if keyed.holds(row[2])]
        if request.get("ScanIndexForward") is False:
            rows.reverse()
        return table_page(table, rows, request, None if request.get("ConsistentRead") else as_of)

    def _scan(self, request: Request, _now: float, as_of: float | None) -> Reply:
        table = self.table(request["TableName"])
        if "IndexName" in request:
            raise invalid_request("the simulated database scans no indexes")
        rows = table.ordered()
        total: int = request.get("TotalSegments", 1)
        if total > 1:
            rows = [row for row in rows if row[0] % total == request["Segment"]]
        return table_page(table, rows, request, None if request.get("ConsistentRead") else as_of)

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
            raise invalid_request("Too many items requested for the BatchGetItem call")
        return {"Responses": responses, "UnprocessedKeys": {}}

    def takes(self, operation: str, request: Request) -> bool:
        """Whether a batch of writes is one that is not refused as a whole."""
        try:
            return operation != "BatchWriteItem" or bool(self._changes(request))
        except ServiceRejected:
            return False

    def _changes(self, request: Request) -> dict[tuple[str, Key], Item | None]:
        """What a batch writes, by table and key. Raises ServiceRejected."""
        changes: dict[tuple[str, Key], Item | None] = {}
        for name, actions in request["RequestItems"].items():
            table = self.table(name)
            for action in actions:
                item: Item | None = action["PutRequest"]["Item"] if "PutRequest" in action else None
                key = table.key(action["DeleteRequest"]["Key"] if item is None else item)
                if (name, key) in changes:
                    raise invalid_request("Provided list of item keys contains duplicates")
                changes[name, key] = item
        if not 1 <= len(changes) <= BATCH_WRITE_MAX:
            raise invalid_request("Too many items requested for the BatchWriteItem call")
        return changes

    def _batch_write(self, request: Request, now: float, _as_of: float | None) -> Reply:
        for (name, key), item in self._changes(request).items():
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
                raise invalid_request("Transaction request cannot include multiple operations on one item")
            changes[table.name, key], reason = acted(kind, parameters, table.items.get(key), table.key_names)
            reasons.append(reason)
        if not 1 <= len(reasons) <= TRANSACTION_ACTIONS_MAX:
            raise invalid_request("Member must have length less than or equal to 100")
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
