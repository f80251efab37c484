"""Requests that are not well formed: every member of every operation, deformed in every way that JSON can carry."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Final

from crossfade.core.effects import Request

Path = tuple[Any, ...]

# In place of a member; the last ones take it away, or add to it.
WRONG: Final[tuple[Any, ...]] = (None, 7, True, "text", "", [], {}, ["a"], {"a": "b"})
GONE: Final = object()
HALF_A_CHARACTER: Final[Request] = {"S": "\ud800"}  # what json.loads makes of a client's text


def nested(levels: int) -> Request:
    """A list in a list in a list: more than the service takes, and more than some encoders write."""
    value: Request = {"S": "a"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


VALUES: Final[tuple[Any, ...]] = (
    dict[str, Any](),
    {"S": "a", "N": "1"},
    {"S": 7},
    {"S": None},
    {"N": 123},
    {"N": "abc"},
    {"N": ""},
    {"N": "1e400"},
    {"B": "no bytes"},
    {"BOOL": "true"},
    {"NULL": False},
    {"SS": list[str]()},
    {"SS": ["a", "a"]},
    {"SS": [1]},
    {"NS": [1]},
    {"NS": ["1", "1.0"]},
    {"L": [dict[str, Any]()]},
    {"L": dict[str, Any]()},
    {"M": {"a": dict[str, Any]()}},
    {"M": list[Any]()},
    {"X": "y"},
    "text",
    None,
    HALF_A_CHARACTER,
    {"M": {"\ud800": {"S": "a"}}},
    nested(40),
    nested(130),
)


def requests(table: str, key: Request, item: Request) -> list[tuple[str, Request]]:
    """A good one of each operation, with every kind of member."""
    named: Request = {"TableName": table}
    condition: Request = {
        "ConditionExpression": "attribute_not_exists(#m) OR #m <> :m",
        "ExpressionAttributeNames": {"#m": "mood"},
        "ExpressionAttributeValues": {":m": {"S": "bad"}},
    }
    partition = next(iter(key))
    where: Request = {
        "KeyConditionExpression": "#p = :p",
        "ExpressionAttributeNames": {"#p": partition},
        "ExpressionAttributeValues": {":p": key[partition]},
    }
    update = condition | {"UpdateExpression": "SET mood = :m"}
    put, changed, gone = named | {"Item": item} | condition, named | {"Key": key} | update, named | {"Key": key}
    return [
        (
            "GetItem",
            gone | {"ConsistentRead": True, "ProjectionExpression": "#m", "ExpressionAttributeNames": {"#m": "m"}},
        ),
        ("GetItem", gone | {"AttributesToGet": ["mood"], "ReturnConsumedCapacity": "TOTAL"}),
        ("PutItem", put | {"ReturnValues": "ALL_OLD"}),
        ("PutItem", named | {"Item": item}),
        ("PutItem", named | {"Item": item, "Expected": {"mood": {"Exists": False}}}),
        ("UpdateItem", changed | {"ReturnValues": "ALL_NEW"}),
        ("UpdateItem", gone | {"AttributeUpdates": {"mood": {"Value": {"S": "x"}, "Action": "PUT"}}}),
        ("DeleteItem", gone | condition),
        ("Query", named | where | {"Limit": 2, "ScanIndexForward": False, "ExclusiveStartKey": key}),
        ("Query", named | where | {"IndexName": "by_mood", "Select": "COUNT", "FilterExpression": "#p = :p"}),
        (
            "Query",
            named
            | {"KeyConditions": {partition: {"AttributeValueList": [key[partition]], "ComparisonOperator": "EQ"}}},
        ),
        ("Scan", named | {"Limit": 2, "Segment": 0, "TotalSegments": 2, "ExclusiveStartKey": key}),
        ("BatchGetItem", {"RequestItems": {table: {"Keys": [key], "ConsistentRead": True}}}),
        ("BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": item}}]}}),
        ("BatchWriteItem", {"RequestItems": {table: [{"DeleteRequest": {"Key": key}}]}}),
        ("TransactGetItems", {"TransactItems": [{"Get": named | {"Key": key}}]}),
        ("TransactWriteItems", {"TransactItems": [{"Put": put}], "ClientRequestToken": "t"}),
        ("TransactWriteItems", {"TransactItems": [{"Update": changed}]}),
        ("TransactWriteItems", {"TransactItems": [{"Delete": gone}]}),
        ("TransactWriteItems", {"TransactItems": [{"ConditionCheck": gone | condition}]}),
        ("DescribeTable", named),
    ]


MARKED: Final = "ExclusiveStartKey"
# In a page's token, where crossfade keeps what it says to itself: from somebody else.
MARKS: Final[list[Any]] = [
    {"S": "bogus"},
    {"S": "elsewhere"},
    {"N": "1"},
    {"L": []},
    {"L": [{"S": "source"}]},
    {"L": [{"N": "1"}, {"N": "2"}]},
    {"L": [{"S": "elsewhere"}, {"S": "source"}]},
    {"L": [{"S": "source"}, {"L": []}]},
    {"S": "source"},
    {"L": [{"S": "v1"}, {"S": "v2"}, {"S": "both"}, {"S": "source"}]},
    {"L": [{"S": "v1"}, {"S": "v2"}, {"S": "source"}, {"S": "bogus"}]},
    {"M": {}},
    {"M": {"_crossfade": {"B": b"1"}}},
]


def deformed(request: Request) -> Iterator[tuple[str, Request]]:
    """Each with its name."""
    for path in paths(request):
        if path[-1] == MARKED:
            for mark in MARKS:
                yield f"{MARKED} with {mark!r}", with_(request, (*path, "_crossfade"), mark)
        there = at(request, path)
        wrong = (*WRONG, GONE) if not is_value(there) else (*VALUES, GONE)
        for value in wrong:
            yield f"{'.'.join(map(str, path))} {'gone' if value is GONE else repr(value)}", with_(request, path, value)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Of every member at any depth; an attribute value is one."""
    if path:
        yield path
    if is_value(value):
        return
    steps: list[Any] = list(value) if is_map(value) else list(range(len(value))) if is_list(value) else []
    for step in steps:
        yield from paths(value[step], (*path, step))


def is_value(value: Any) -> bool:
    return is_map(value) and any(list(value) == [kind] for kind in ("S", "N", "B"))


def is_map(value: Any) -> bool:
    return isinstance(value, dict)


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def at(value: Any, path: Sequence[Any]) -> Any:
    for step in path:
        value = value[step]
    return value


def with_(request: Request, path: Path, value: Any) -> Request:
    made = copy.deepcopy(request)
    parent = at(made, path[:-1])
    if value is GONE:
        del parent[path[-1]]
    else:
        parent[path[-1]] = copy.deepcopy(value)
    return made
