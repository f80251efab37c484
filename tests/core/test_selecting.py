"""What Select shows, and what it does not go with, against DynamoDB Local: a table and every kind of index."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from crossfade.core.effects import Request
from crossfade.core.expressions import bind, condition, key_condition, projection
from crossfade.core.items import Item
from crossfade.core.selecting import IndexShape, check_filter, check_shown, selected
from crossfade.errors import Rejected
from tests.conftest import Database
from tests.core.expressions.raw_client import Connection, Failure

TABLE = "selecting"
STORED: Item = {
    **{name: {"S": name} for name in ("pk", "sk", "g", "h", "l", "a")},
    "b": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}},
}
PROJECTIONS: dict[str, frozenset[str] | None] = {
    "KEYS_ONLY": frozenset(),
    "INCLUDE": frozenset({"a"}),
    "ALL": None,
}
KEYS = {"global": ("g", "h"), "local": ("pk", "l")}
SELECTS = (None, "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT", "EVERYTHING")
SHOWN = (None, "a", "b.x, zz", "sk, h", "#undefined", "a, a")
FILTERS = (None, "attribute_exists(a)", "attribute_exists(b.x)", "b =")


def schema(names: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=True)]


def index_of(scope: str, projected: str) -> dict[str, Any]:
    definition: dict[str, Any] = {"ProjectionType": projected}
    if projected == "INCLUDE":
        definition["NonKeyAttributes"] = ["a"]
    return {"IndexName": f"{scope}-{projected}", "KeySchema": schema(KEYS[scope]), "Projection": definition}


def shape_of(scope: str, projected: str) -> IndexShape:
    held = PROJECTIONS[projected]
    return IndexShape(
        f"{scope}-{projected}", scope == "global", None if held is None else held | {"pk", "sk", *KEYS[scope]}
    )


@pytest.fixture(scope="module")
def connection(dynamodb: Database) -> Iterator[Connection]:
    """A connection to a DynamoDB Local that holds one item in a table with six indexes."""
    opened = Connection(dynamodb.endpoint_url)
    _ = opened.call(
        "CreateTable",
        TableName=TABLE,
        KeySchema=schema(("pk", "sk")),
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "g", "h", "l")],
        GlobalSecondaryIndexes=[index_of("global", projected) for projected in PROJECTIONS],
        LocalSecondaryIndexes=[index_of("local", projected) for projected in PROJECTIONS],
        BillingMode="PAY_PER_REQUEST",
    )
    _ = opened.call("PutItem", TableName=TABLE, Item=STORED)
    yield opened
    _ = opened.call("DeleteTable", TableName=TABLE)
    opened.close()


def requests(operation: str, scope: str | None) -> Iterator[Request]:
    """Every Select with every projection and filter."""
    for select, shown, kept in itertools.product(SELECTS, SHOWN, FILTERS):
        given = {"Select": select, "ProjectionExpression": shown, "FilterExpression": kept}
        request: Request = {name: value for name, value in given.items() if value is not None}
        if operation == "Query":
            partition = KEYS[scope][0] if scope else "pk"
            request["KeyConditionExpression"] = f"{partition} = :p"
            request["ExpressionAttributeValues"] = {":p": {"S": partition}}
        yield request


def answered(connection: Connection, operation: str, request: Request) -> list[Item] | int | tuple[str, str]:
    """The items, with COUNT only their number, or the error."""
    try:
        reply = connection.call(operation, TableName=TABLE, **request)
    except Failure as failure:
        return failure.answer
    found: list[Item] | int = reply["Items"] if "Items" in reply else reply["Count"]
    return found


def expected(operation: str, request: Request, index: IndexShape | None) -> list[Item] | int | tuple[str, str]:
    """The same, from the one item, in DynamoDB's order of checks."""
    try:
        bindings = bind(None, request.get("ExpressionAttributeValues"))
        text, paths = request.get("FilterExpression"), request.get("ProjectionExpression")
        kept = None if text is None else condition(text, bindings, kind="FilterExpression")
        shown = None if paths is None else projection(paths, bindings)
        if operation == "Query":
            _ = key_condition(request["KeyConditionExpression"], bindings)
        bindings.finish()
        if kept is not None and index is not None and operation == "Query":
            check_filter(sorted(kept.paths), index)
        chosen = selected(request, index)
        if shown is not None and index is not None:
            check_shown(sorted(shown.attributes), index)
    except Rejected as error:
        return error.code, error.text
    # A Query's filter reads what the index holds; what a Scan's reads beyond that is Local's whole item.
    if request.get("Select") == "COUNT":
        return int(kept is None or kept.holds(STORED))
    if kept is not None and not kept.holds(STORED):
        return []
    return [chosen(STORED if shown is None else shown.apply(STORED))]


def unordered(answer: list[Item] | int | tuple[str, str]) -> object:
    """The attributes that an index lacks are listed in no certain order."""
    if not isinstance(answer, tuple) or "does not project" not in answer[1]:
        return answer
    head, _, names = answer[1].partition("[")
    return answer[0], head, sorted(names.rstrip("]").split(", "))


@pytest.mark.parametrize("operation", ["Query", "Scan"])
def test_select_of_a_table(connection: Connection, operation: str) -> None:
    """Every Select with every projection and filter: the same items, counts and errors."""
    for request in requests(operation, None):
        assert expected(operation, request, None) == answered(connection, operation, request), request


@pytest.mark.parametrize("projected", list(PROJECTIONS))
@pytest.mark.parametrize("scope", ["global", "local"])
@pytest.mark.parametrize("operation", ["Query", "Scan"])
def test_select_of_an_index(connection: Connection, operation: str, scope: str, projected: str) -> None:
    """As of a table; a global index shows what it holds only, and says so."""
    index = shape_of(scope, projected)
    for request in requests(operation, scope):
        asked = {**request, "IndexName": index.name}
        ours, theirs = expected(operation, asked, index), answered(connection, operation, asked)
        assert unordered(ours) == unordered(theirs), asked


def test_whatever_an_index_lacks_is_named_in_the_order_given() -> None:
    """`lacking` keeps the order; an index that holds all lacks nothing."""
    assert shape_of("global", "INCLUDE").lacking(["z", "a", "b", "pk"]) == ["z", "b"]
    assert shape_of("local", "ALL").lacking(["z"]) == []
