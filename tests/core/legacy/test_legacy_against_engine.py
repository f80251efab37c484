"""A request with legacy parameters, sent to the embedded engine, and its translation, evaluated and sent there, agree.

Where the engine is known to differ from the service, the translation keeps to the service:

* Of a refusal the code is compared; which of several faults is named depends on what is looked at first.
* `LAXER` is what the engine carries out; the service's words for it are in test_legacy.py.
* NOT_CONTAINS holds there for an absent attribute and for types that contain nothing; the service wants an attribute.
* IN takes no single Value there.
* An update that only removes makes no item of an absent one; the engine stores its key.
* NE, NULL and NOT_NULL on a sort key: the engine says something else; the service says of all operators that no index
  can follow that the constraint is not an indexable operation.
* A key condition's type is checked with the table's schema at hand, so not here.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crossfade.core.effects import Request
from crossfade.core.evaluate.plain_table import evaluate
from crossfade.core.expressions import bind, condition, key_condition, projection
from crossfade.core.items import Item, canonical, same_item
from crossfade.core.key_names import KeyNames
from crossfade.core.request.legacy import modern, reworded
from crossfade.core.request.projection import selected
from crossfade.errors import ServiceRejected
from tests.core.expressions.expression_strategies import Draw, chance, item, pick
from tests.core.expressions.raw_client import Connection, Failure, parsed_item
from tests.core.legacy.legacy_strategies import WRITES, LegacyWriter

CASES_VARIABLE = "CROSSFADE_EXPRESSION_CASES"
CASES = int(os.environ.get(CASES_VARIABLE, "2100"))
BATCH = 10  # requests about one item
WRITTEN, TRANSLATED, READ = "legacy-written", "legacy-translated", "legacy-read"
SORTS = ("a", "ab", "abc", "b", "é", "😀")
KEYS = ("pk", "sk")
KEY_NAMES = KeyNames(("pk",), ("sk",))
Error = tuple[str, str]


def generated(cases: int) -> settings:
    return settings(
        max_examples=max(1, cases // BATCH),
        deadline=None,
        derandomize=CASES_VARIABLE not in os.environ,  # the default run is the same everywhere; a long run seeks
        database=None,
        phases=[Phase.generate],  # a seed does not shrink
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture(scope="module")
def connection(dynamodb: Any) -> Iterator[Connection]:
    """A connection to the engine with empty tables for this module."""
    opened = Connection(dynamodb.endpoint_url)
    for table in (WRITTEN, TRANSLATED, READ):
        try:
            _ = opened.call("DeleteTable", TableName=table)
        except Failure as failure:
            assert failure.answer[0] == "ResourceNotFoundException"  # noqa: PT017  an endpoint that is kept may have it
        _ = opened.call(
            "CreateTable",
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEYS],
            BillingMode="PAY_PER_REQUEST",
        )
    yield opened
    opened.close()


# --- writes

_numbers = itertools.count()


@generated(CASES * 2 // 3)
@given(seed=st.integers(0, 2**64 - 1))
def test_writes(connection: Connection, seed: int) -> None:
    """Puts, updates and deletes, one after another: the same items, replies and errors."""
    draw = Draw(seed)
    key = fresh_key()
    present: Item | None = None
    for _ in range(BATCH):
        if present is None and not chance(draw, 3):
            present = {**key, **item(draw)}
            _ = connection.call("PutItem", TableName=WRITTEN, Item=present)
            present = stored(connection, WRITTEN, key)
        held = {name: value for name, value in (present or {}).items() if name not in key}
        operation = pick(draw, WRITES)
        request = LegacyWriter(draw, held).write(operation, key)
        about = (operation, request, present)
        theirs = sent(connection, operation, request)
        ours, after = evaluated(operation, request, present)
        assert agree(request, ours, theirs), (ours, theirs, about)
        if not isinstance(ours, tuple):
            again, left = translated(connection, operation, request, present)
            assert same_answer(ours, again), (ours, again, about)
            if not isinstance(theirs, tuple):
                assert same_item(left, stored(connection, WRITTEN, key)), about
        else:
            assert after == present
        if present is None and after is None and operation == "UpdateItem":
            _ = connection.call("DeleteItem", TableName=WRITTEN, Key=key)
        if isinstance(ours, tuple) == isinstance(theirs, tuple):
            assert same_item(after, stored(connection, WRITTEN, key)), about
        present = stored(connection, WRITTEN, key)


def fresh_key() -> Item:
    return {"pk": {"S": f"p{next(_numbers)}"}, "sk": {"S": "s"}}


def sent(connection: Connection, operation: str, request: Request, table: str = WRITTEN) -> Item | Error:
    try:
        reply = connection.call(operation, TableName=table, **request)
    except Failure as failure:
        return failure.answer
    return parsed_item(reply.get("Attributes")) or {}


def evaluated(operation: Any, request: Request, present: Item | None) -> tuple[Item | Error, Item | None]:
    """The answer and the item afterwards."""
    try:
        found = evaluate(operation, modern(operation, request), present, KEYS)
    except ServiceRejected as error:
        return (error.code, error.text), present
    return found.reply.get("Attributes", {}), found.image


def translated(
    connection: Connection, operation: str, request: Request, present: Item | None
) -> tuple[Item | Error, Item | None]:
    """What the engine makes of the translation on a table where the item is as it was."""
    key = {name: (request.get("Key") or request["Item"])[name] for name in KEYS}
    if present is None:
        _ = connection.call("DeleteItem", TableName=TRANSLATED, Key=key)
    else:
        _ = connection.call("PutItem", TableName=TRANSLATED, Item=present)
    answer = sent(connection, operation, modern(operation, request), TRANSLATED)
    if isinstance(answer, tuple):
        error = reworded(operation, request, ServiceRejected(*answer))
        answer = (error.code, error.text)
    return answer, stored(connection, TRANSLATED, key)


def stored(connection: Connection, table: str, key: Item) -> Item | None:
    return parsed_item(connection.call("GetItem", TableName=table, Key=key, ConsistentRead=True).get("Item"))


# What the engine carries out though the service refuses it, by the service's words, ours.
LAXER = re.compile(
    r"One or more parameter values were invalid: "
    r"(ComparisonOperator \w+ is not valid|AttributeValues inside|An? \w+ set)"
    r"|The BETWEEN condition was provided a range"
)


def agree(request: Request, ours: Any, theirs: Any) -> bool:
    """Whether the answers mean the same, or are known to differ: see the head of this file."""
    return same_answer(ours, theirs) or refused_by_service(ours) or is_of_its_own(request)


def refused_by_service(ours: Any) -> bool:
    return isinstance(ours, tuple) and LAXER.match(cast("Error", ours)[1]) is not None


def is_of_its_own(request: Request) -> bool:
    """Whether an operator is in it that the engine understands otherwise."""
    parameters = ("Expected", "QueryFilter", "ScanFilter")
    comparisons = [entry for name in parameters for entry in request.get(name, {}).values()]
    return any(
        entry.get("ComparisonOperator") == "NOT_CONTAINS"
        or (entry.get("ComparisonOperator") == "IN" and "Value" in entry)
        for entry in comparisons
    )


def same_answer(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        return cast("Error", ours)[0] == cast("Error", theirs)[0]
    if isinstance(ours, tuple) or isinstance(theirs, tuple):
        return False
    return bool(ours == theirs) if isinstance(ours, Counter) else same_item(ours, theirs)


# --- reads


@generated(CASES // 3)
@given(seed=st.integers(0, 2**64 - 1))
def test_reads(connection: Connection, seed: int) -> None:
    """Gets, queries and scans: the same items, counts and errors."""
    draw = Draw(seed)
    items = [{"pk": {"S": "p"}, "sk": {"S": text}, **item(draw)} for text in SORTS]
    for each in items:
        _ = connection.call("PutItem", TableName=READ, Item=each)
    for _ in range(BATCH):
        shown = pick(draw, items)
        writer = LegacyWriter(draw, {name: value for name, value in shown.items() if name not in KEYS})
        operation = pick(draw, ("Query", "Query", "Scan", "Scan", "GetItem", "BatchGetItem"))
        match operation:
            case "Query":
                request = {**writer.key_conditions(SORTS), **writer.filtered("QueryFilter")}
            case "Scan":
                request = writer.filtered("ScanFilter")
            case _:
                names = writer.filtered("")
                request = {name: names[name] for name in names if name == "AttributesToGet"}
                request["Key"] = {name: shown[name] for name in KEYS}
        theirs: Any = read(connection, operation, request)
        ours: Any = understood(operation, request, items)
        if undecided(request, theirs):
            continue
        assert agree(request, ours, theirs), (ours, theirs, operation, request, items)
        if not isinstance(ours, tuple):
            again = read(connection, operation, modern(operation, request, KEY_NAMES))
            assert ours == again, (ours, again, operation, request, items)


def undecided(request: Request, theirs: object) -> bool:
    """See the head of this file."""
    operator = request.get("KeyConditions", {}).get("sk", {}).get("ComparisonOperator")
    return operator in ("NE", "NULL", "NOT_NULL") or "schema type" in str(theirs) or "Only scalar types" in str(theirs)


def read(connection: Connection, operation: str, request: Request) -> Any:
    """Count and items in a comparable form, or the error."""
    try:
        if operation == "BatchGetItem":
            part = {name: value for name, value in request.items() if name != "Key"} | {"Keys": [request["Key"]]}
            reply = connection.call(operation, RequestItems={READ: part})
            return comparable([parsed_item(each) or {} for each in reply["Responses"][READ]])
        reply = connection.call(operation, TableName=READ, **request)
    except Failure as failure:
        return failure.answer
    found = reply["Items"] if "Items" in reply else [reply["Item"]] if "Item" in reply else [{}] * reply["Count"]
    return comparable([parsed_item(each) or {} for each in found])


def comparable(items: list[Item]) -> Counter[Hashable]:
    return Counter(map(canonical, items))


def understood(operation: str, request: Request, items: list[Item]) -> Any:
    """As `read`, from the translation and the items."""
    try:
        asked = modern(operation, request, KEY_NAMES)
        bindings = bind(asked.get("ExpressionAttributeNames"), asked.get("ExpressionAttributeValues"))
        text = asked.get("FilterExpression")
        kept = None if text is None else condition(text, bindings, kind="FilterExpression")
        paths = asked.get("ProjectionExpression")
        shown = None if paths is None else projection(paths, bindings)
        where = asked.get("KeyConditionExpression")
        in_reach = None if where is None else key_condition(where, bindings, key_names=KEY_NAMES)
        bindings.finish()
        if operation in ("Query", "Scan"):
            _ = selected(asked)
    except ServiceRejected as error:
        return error.code, error.text
    if "Key" in asked:
        items = [each for each in items if each["sk"] == asked["Key"]["sk"]]
    found = [
        each for each in items if (kept is None or kept.holds(each)) and (in_reach is None or in_reach.holds(each))
    ]
    if asked.get("Select") == "COUNT":
        return comparable([{}] * len(found))
    return comparable(found if shown is None else [shown.apply(each) for each in found])
