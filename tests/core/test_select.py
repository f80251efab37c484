"""What Select shows, and what it does not go with, against the embedded engine: a table and every kind of index.

Where the engine is not what the service is, crossfade keeps to the service
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/, pages GSI and LSI):

* A global index shows only what is projected into it: the service refuses a projection or a Query's filter of more, the
  engine finds nothing there.
* A local index fetches what it lacks from the table; the engine does so for a Query of ALL_ATTRIBUTES alone.
* Of several faults the engine tells another first.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from crossfade.core.effects import Request
from crossfade.core.expressions import bind, condition, key_condition, projection
from crossfade.core.items import Item
from crossfade.core.request.projection import IndexView, check_filter, check_shown, selected
from crossfade.errors import ServiceRejected
from tests.conftest import Database
from tests.core.expressions.raw_client import Connection, Failure
from tests.core.wording import without_preamble

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


def shape_of(scope: str, projected: str) -> IndexView:
    held = PROJECTIONS[projected]
    return IndexView(
        f"{scope}-{projected}", scope == "global", None if held is None else held | {"pk", "sk", *KEYS[scope]}
    )


@pytest.fixture(scope="module")
def connection(dynamodb: Database) -> Iterator[Connection]:
    """A connection to the engine, which holds one item in a table with six indexes."""
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


Refusal = tuple[str, str]
Answer = list[Item] | int | Refusal
NOT_PROJECTED = re.compile(r"One or more parameter values were invalid: \w+ (secondary )?index \S+ does not project")


def answered(connection: Connection, operation: str, request: Request) -> Answer:
    """The items, with COUNT only their number, or the error."""
    try:
        reply = connection.call(operation, TableName=TABLE, **request)
    except Failure as failure:
        return failure.answer[0], without_preamble(failure.answer[1])
    found: list[Item] | int = reply["Items"] if "Items" in reply else reply["Count"]
    return found


def expected(operation: str, request: Request, index: IndexView | None, read: Item) -> Answer:
    """The same from the one item, of which `read` is found in the index, in DynamoDB's order of checks."""
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
    except ServiceRejected as error:
        return error.code, without_preamble(error.text)
    if request.get("Select") == "COUNT":
        return int(kept is None or kept.holds(read))
    if kept is not None and not kept.holds(read):
        return []
    whole = operation == "Query" and request.get("Select") == "ALL_ATTRIBUTES"
    return [chosen(STORED if whole else read if shown is None else shown.apply(read))]


def refusals(operation: str, request: Request, index: IndexView | None) -> set[str]:
    """What is wrong with any part of the request, fault by fault: as it is, with parts left out or made good."""
    good = {"Select": (None,), "ProjectionExpression": (None, "sk"), "FilterExpression": (None,)}
    choices = [(request.get(name), *others) for name, others in good.items()]
    variants = [dict(zip(good, chosen, strict=True)) for chosen in itertools.product(*choices)]
    answers = [
        expected(operation, {n: v for n, v in {**request, **variant}.items() if v is not None}, index, STORED)
        for variant in variants
    ]
    return {answer[1] for answer in answers if isinstance(answer, tuple)}


def assert_answered_alike(connection: Connection, operation: str, request: Request, index: IndexView | None) -> None:
    held = None if index is None else index.attributes
    read = STORED if held is None else {name: value for name, value in STORED.items() if name in held}
    ours, theirs = expected(operation, request, index, read), answered(connection, operation, request)
    if isinstance(ours, tuple) and not isinstance(theirs, tuple):
        assert NOT_PROJECTED.match(ours[1]), (request, ours, theirs)
    elif isinstance(ours, tuple) and isinstance(theirs, tuple):
        assert ours[0] == theirs[0], (request, ours, theirs)
        assert theirs[1] in refusals(operation, request, index), (request, ours, theirs)
    else:
        assert ours == theirs, request


@pytest.mark.parametrize("operation", ["Query", "Scan"])
def test_select_of_a_table(connection: Connection, operation: str) -> None:
    """Every Select with every projection and filter: the same items, counts and errors."""
    for request in requests(operation, None):
        assert_answered_alike(connection, operation, request, None)


@pytest.mark.parametrize("projected", list(PROJECTIONS))
@pytest.mark.parametrize("scope", ["global", "local"])
@pytest.mark.parametrize("operation", ["Query", "Scan"])
def test_select_of_an_index(connection: Connection, operation: str, scope: str, projected: str) -> None:
    """As of a table; a global index shows what it holds only, and says so."""
    index = shape_of(scope, projected)
    for request in requests(operation, scope):
        assert_answered_alike(connection, operation, {**request, "IndexName": index.name}, index)


INVALID = "One or more parameter values were invalid: "


@pytest.mark.parametrize(
    ("request_", "scope", "answer"),
    [
        ({}, "global", {"pk", "sk", "g", "h"}),
        ({}, "local", {"pk", "sk", "l"}),
        ({"Select": "ALL_ATTRIBUTES"}, "local", set(STORED)),
        ({"ProjectionExpression": "a"}, "local", {"a"}),
        (
            {"Select": "ALL_ATTRIBUTES"},
            "global",
            (
                "Select type ALL_ATTRIBUTES is not supported for global secondary index global-KEYS_ONLY "
                "because its projection type is not ALL"
            ),
        ),
        ({"ProjectionExpression": "a"}, "global", "Global secondary index global-KEYS_ONLY does not project [a]"),
        (
            {"FilterExpression": "attribute_exists(a)"},
            "global",
            "Secondary index global-KEYS_ONLY does not project one or more filter attributes: [a]",
        ),
        (
            {"FilterExpression": "attribute_exists(a)"},
            "local",
            "Secondary index local-KEYS_ONLY does not project one or more filter attributes: [a]",
        ),
    ],
)
def test_what_an_index_shows_in_the_service(request_: Request, scope: str, answer: set[str] | str) -> None:
    """A Query: of a global index what it holds, of a local one all that is asked for; a filter reads what is there."""
    request = {**request_, "KeyConditionExpression": "x = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
    found = expected("Query", {**request, "IndexName": "index"}, shape_of(scope, "KEYS_ONLY"), STORED)
    if isinstance(answer, str):
        assert found == ("ValidationException", INVALID + answer)
    else:
        assert isinstance(found, list)
        assert [set(item) for item in found] == [answer]


def test_whatever_an_index_lacks_is_named_in_the_order_given() -> None:
    """`lacking` keeps the order; an index that holds all lacks nothing."""
    assert shape_of("global", "INCLUDE").lacking(["z", "a", "b", "pk"]) == ["z", "b"]
    assert shape_of("local", "ALL").lacking(["z"]) == []
