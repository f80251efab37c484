"""A request as the service takes it apart: who sent it, and which items, indexes and streams it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Body: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["Read", "Write"]

CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/")
ATTEMPT: Final = re.compile(r"attempt=(\d+)")

SINGLE: Final[Mapping[str, Kind]] = {
    "GetItem": "Read", "Query": "Read", "Scan": "Read",
    "PutItem": "Write", "UpdateItem": "Write", "DeleteItem": "Write",
}  # fmt: skip
OF_TRANSACTION: Final[Mapping[str, str]] = {
    "Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}  # fmt: skip
STATEMENTS: Final[Mapping[str, Kind]] = {"SELECT": "Read", "INSERT": "Write", "UPDATE": "Write", "DELETE": "Write"}
STATEMENTS_IN: Final[Mapping[str, str]] = {  # the member that has them; "": the request is one
    "ExecuteStatement": "", "BatchExecuteStatement": "Statements", "ExecuteTransaction": "TransactStatements",
}  # fmt: skip
NAME: Final = r'"?([A-Za-z0-9_.\-]+)"?'
STATEMENT: Final = re.compile(
    rf"\s*(?:(SELECT)\b.*?\bFROM|(INSERT)\s+INTO|(UPDATE)|(DELETE)\s+FROM|(EXISTS)\s*\(\s*SELECT\b.*?\bFROM)\s+"
    rf'{NAME}(?:\s*\.\s*"([A-Za-z0-9_.\-]+)")?',
    re.IGNORECASE | re.DOTALL,
)
EQUALITY: Final = re.compile(r"([#\w.\-]+)\s*=\s*(:\w+)")


@dataclass(frozen=True, slots=True)
class Part:
    """One item, or one range, that a request is about.

    `action`: what IAM calls it, without `dynamodb:`. `item`: attributes that are told, the key's among them; empty of
    a Scan. `place`: where in a batch or a transaction it stands.
    """

    action: str
    kind: Kind
    table: str
    index: str
    item: Body
    place: int
    request: Body  # its own part of the request

    def holds(self, attributes: Mapping[str, Any]) -> bool:
        """True if all of these are told of it."""
        return all(self.item.get(name) == value for name, value in attributes.items())


@dataclass(frozen=True, slots=True)
class Received:
    """A request. `key_id` is the caller's access key id, `attempt` the client's own count, from 1."""

    number: int
    at: float
    operation: str
    key_id: str
    caller: str
    attempt: int
    headers: Mapping[str, str]
    content: bytes
    body: Body
    parts: tuple[Part, ...]
    of_streams: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """Return the names of the tables it is about, each once."""
        named = [part.table for part in self.parts] or [table_name(str(self.body.get("TableName", "")))]
        return tuple(dict.fromkeys(name for name in named if name))


def key_id_of(headers: Mapping[str, str]) -> str:
    found = CREDENTIAL.search(headers.get("authorization", ""))
    return found[1] if found else ""


def attempt_of(headers: Mapping[str, str]) -> int:
    """Return which attempt of the client's this is; where it does not say, the first."""
    found = ATTEMPT.search(headers.get("amz-sdk-request", ""))
    return int(found[1]) if found else 1


def table_name(text: str) -> str:
    """Return the table's name, where it may be named by its ARN."""
    return text.partition(":table/")[2].partition("/")[0] if text.startswith("arn:") else text


def parts_of(operation: str, body: Body) -> tuple[Part, ...]:
    """Return what a request on items is about, in its order; nothing of one on tables or streams."""
    return tuple(
        Part(action, kind, table_name(table), index, item, place, request)
        for place, (action, kind, table, index, item, request) in enumerate(_found(operation, body))
    )


_Found: TypeAlias = tuple[str, Kind, str, str, Body, Body]


def _found(operation: str, body: Body) -> Iterator[_Found]:
    if operation in SINGLE:
        item = asked(body) if operation == "Query" else _told(body)
        yield operation, SINGLE[operation], text_of(body, "TableName"), text_of(body, "IndexName"), item, body
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        yield from _of_batch(operation, body.get("RequestItems") or {})
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        kind: Kind = "Read" if operation == "TransactGetItems" else "Write"
        for entry in body.get("TransactItems") or ():
            for name, request in entry.items():
                action = OF_TRANSACTION.get(str(name), str(name))
                yield action, kind, text_of(request, "TableName"), "", _told(request), request
    elif operation in STATEMENTS_IN:
        member = STATEMENTS_IN[operation]
        yield from map(_of_statement, (body.get(member) or ()) if member else (body,))


def _of_batch(operation: str, tables: Body) -> Iterator[_Found]:
    for table, wanted in tables.items():
        if operation == "BatchGetItem":
            for key in wanted.get("Keys") or ():
                yield operation, "Read", table, "", key, wanted
            continue
        for entry in wanted:
            for request in entry.values():
                yield operation, "Write", table, "", _told(request), request


def text_of(body: Body, member: str) -> str:
    return str(body.get(member) or "")


def _told(request: Body) -> Body:
    told: Body = request.get("Item") or request.get("Key") or {}
    return told


def _of_statement(request: Body) -> _Found:
    """Return what a PartiQL statement is about: which table, or index; not which item."""
    found = STATEMENT.match(str(request.get("Statement", "")))
    if found is None:
        return "PartiQLSelect", "Read", "", "", {}, request
    verb = next(word for word in found.groups()[:5] if word).upper()
    verb = "SELECT" if verb == "EXISTS" else verb
    return f"PartiQL{verb.capitalize()}", STATEMENTS[verb], found[6], found[7] or "", {}, request


def asked(body: Body) -> Body:
    """Return the attributes that a Query's key condition holds equal to a value."""
    conditions: dict[str, Body] = body.get("KeyConditions") or {}
    equal: Body = {
        name: condition["AttributeValueList"][0]
        for name, condition in conditions.items()
        if condition.get("ComparisonOperator") == "EQ" and condition.get("AttributeValueList")
    }
    names: Body = body.get("ExpressionAttributeNames") or {}
    values: Body = body.get("ExpressionAttributeValues") or {}
    for name, value in EQUALITY.findall(str(body.get("KeyConditionExpression", ""))):
        if value in values:
            equal[names.get(name, name)] = values[value]
    return equal
