"""The evaluator and the real DynamoDB Local agree on random items and expressions, valid or not.

Where they are known to differ, the evaluator keeps to the service's documentation; each place says so:

* DynamoDB Local takes CONVERT and SIZE for attribute names, which the developer guide reserves (not generated here).
* UPDATED_OLD and UPDATED_NEW show whole top-level attributes there, but only the updated paths in the service.
* An update that only removes makes an item of nothing but its key there, and none in the service.
* A difference of zero is printed `0.0` there (values are compared by meaning).
* Of several faults that only show on the item, which one is reported follows a hash table's order there.
* A value's placeholder in a document path (`a.:v`) is a syntax error that is only noticed later there.
* Whether a value has the type of its key, and that a key has no parts, is checked with the table's schema at hand.
* Redundant parentheses and a syntax error after them: which is reported depends on how far its parser looks ahead.
* Two overlapping paths: after REMOVE the second one is not always the one that overlaps there.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crossfade.core.expressions import ExpressionError, bind, condition, key_condition, projection, update
from crossfade.core.items import AttributeValue, Item, ValidationError, same_item, stored_number
from tests.core.expressions.expression_strategies import Draw, Writer, chance, item, pick
from tests.core.expressions.raw_client import Connection, Failure, parsed, parsed_item

CASES_VARIABLE = "CROSSFADE_EXPRESSION_CASES"
CASES = int(os.environ.get(CASES_VARIABLE, "20000"))
BATCH = 10  # expressions about one item
TABLE = "expressions"
SORTED_TABLES = {"S": "expressions-text", "N": "expressions-number", "B": "expressions-binary"}
SORT_VALUES: dict[str, tuple[Any, ...]] = {
    "S": ("a", "ab", "abc", "b", "é", "😀", "\uff61", "A"),
    "N": ("-10", "-1", "0", "1", "1.5", "10", "1E+20", "1E-130"),
    "B": (b"a", b"ab", b"\x00", b"\xff", b"\x7f", b"ab\xff", b"b"),
}
generated = settings(
    max_examples=max(1, CASES // BATCH // 4),
    deadline=None,
    derandomize=CASES_VARIABLE not in os.environ,  # the default run is the same everywhere; a long run seeks
    database=None,
    phases=[Phase.generate],  # a seed does not shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def connection(dynamodb: Any) -> Iterator[Connection]:
    """A connection to a DynamoDB Local with empty tables for this module."""
    opened = Connection(dynamodb.endpoint_url)
    for table, kind in ((TABLE, "S"), *((name, kind) for kind, name in SORTED_TABLES.items())):
        try:
            _ = opened.call("DeleteTable", TableName=table)
        except Failure as failure:
            assert failure.answer[0] == "ResourceNotFoundException"  # noqa: PT017  an endpoint that is kept may have it
        _ = opened.call(
            "CreateTable",
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": kind},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    yield opened
    opened.close()


_numbers = itertools.count()


def fresh_key() -> Item:
    """A key that no case used before."""
    return {"pk": {"S": f"p{next(_numbers)}"}, "sk": {"S": "s"}}


def placeholders(writer: Writer) -> dict[str, Any]:
    return {
        "ExpressionAttributeNames": writer.names or None,
        "ExpressionAttributeValues": writer.values or None,
    }


UNORDERED = re.compile(r"(?<=keys: \{).*(?=\})|(?<=types: \{).*(?=\})|(?<=operand type: \{).*(?=\})")
ON_ITEM = re.compile(
    r"The provided expression refers to|The document path provided|An operand in the update"
    r"|DynamoDB only supports|Number overflow|Number underflow|Nesting Levels"
)


def comparable(answer: tuple[str, str], *, several: bool = False) -> tuple[str, str]:
    """An error without what differs by chance: the order of a set, and which of several faults came first."""
    code, message = answer
    message = UNORDERED.sub(lambda found: str(sorted(re.split(", ?", found[0]))), message)
    if several and ON_ITEM.match(message):
        message = "a fault that shows on the item"
    message = re.sub(r"path two: .*", "path two", message)
    message = re.sub(r"bound operand: AttributeValue: \{N:[^}]*\}", "bound operand: a number", message)
    return code, message


def known_to_differ(text: str, ours: object, theirs: object) -> bool:
    """See the head of this file."""
    mine, real = repr(ours), repr(theirs)
    return (
        ("redundant parentheses" in mine + real and "Syntax error" in mine + real)
        or re.search(r"\.\s*:", text) is not None
        or re.search("reserved keyword: size'", mine, re.IGNORECASE) is not None
        or "does not match schema type" in real
        or "Key attributes must be scalars" in real
    )


@generated
@given(seed=st.integers(0, 2**64 - 1))
def test_conditions_and_filters(connection: Connection, seed: int) -> None:
    """Conditions hold, or are refused, for present and absent items just as in DynamoDB Local."""
    draw = Draw(seed)
    key, held = fresh_key(), item(draw)
    _ = connection.call("PutItem", TableName=TABLE, Item={**key, **held})
    for _ in range(BATCH):
        manner = pick(draw, ("filter", "put", "absent"))
        writer = Writer(draw, held, keys=() if manner == "filter" else ("pk", "sk"))
        text = writer.spoiled(writer.condition())
        theirs = real_condition(connection, manner, key, held, text, writer)
        present = None if manner == "absent" else {**key, **held}
        ours = our_condition("FilterExpression" if manner == "filter" else "ConditionExpression", text, writer, present)
        if known_to_differ(text, ours, theirs):
            continue
        assert ours == theirs, (manner, text, held, writer.names, writer.values)


def real_condition(
    connection: Connection, manner: str, key: Item, held: Item, text: str, writer: Writer
) -> bool | tuple[str, str]:
    try:
        match manner:
            case "filter":
                values = {**writer.values, ":pk": key["pk"]}
                reply = connection.call(
                    "Query",
                    TableName=TABLE,
                    KeyConditionExpression="pk = :pk",
                    FilterExpression=text,
                    **{**placeholders(writer), "ExpressionAttributeValues": values},
                )
                return bool(reply["Count"])
            case "put":
                _ = connection.call(
                    "PutItem", TableName=TABLE, Item={**key, **held}, ConditionExpression=text, **placeholders(writer)
                )
            case _:
                _ = connection.call(
                    "DeleteItem", TableName=TABLE, Key=fresh_key(), ConditionExpression=text, **placeholders(writer)
                )
    except Failure as failure:
        if failure.answer[0] == "ConditionalCheckFailedException":
            return False
        return comparable(failure.answer)
    return True


def our_condition(kind: str, text: str, writer: Writer, held: Item | None) -> bool | tuple[str, str]:
    try:
        bindings = bind(writer.names or None, writer.values or None)
        found = condition(text, bindings, kind=kind)
        bindings.finish()
    except ExpressionError as error:
        return comparable((error.code, error.message))
    return found.holds(held)


@generated
@given(seed=st.integers(0, 2**64 - 1))
def test_updates(connection: Connection, seed: int) -> None:
    """Updates, one after another, give the same items, replies and errors as in DynamoDB Local."""
    draw = Draw(seed)
    key = fresh_key()
    present: Item | None = None
    if not chance(draw, 6):
        present = {**key, **item(draw)}
        _ = connection.call("PutItem", TableName=TABLE, Item=present)
    for _ in range(BATCH):
        held = {name: value for name, value in (present or {}).items() if name not in key}
        writer = Writer(draw, held, keys=("pk",) if chance(draw, 8) else ())
        text, actions = writer.update()
        text = writer.spoiled(text)
        guard = writer.condition() if chance(draw, 6) else None
        mode = pick(draw, ("ALL_NEW", "UPDATED_NEW", "UPDATED_OLD", "ALL_OLD", "NONE"))
        theirs = real_update(connection, key, text, guard, mode, writer, several=actions > 1)
        ours, present = our_update(key, present, text, guard, mode, writer, several=actions > 1)
        about = (text, guard, mode, held, writer.names, writer.values)
        if known_to_differ(text, ours, theirs):
            present = stored_item(connection, key)
        elif isinstance(theirs, tuple) or isinstance(ours, tuple):
            assert ours == theirs, about
        else:
            assert same_item(ours, theirs), (ours, theirs, about)
    stored = stored_item(connection, key)
    assert same_item(present, stored), (present, stored)


def stored_item(connection: Connection, key: Item) -> Item | None:
    return parsed_item(connection.call("GetItem", TableName=TABLE, Key=key, ConsistentRead=True).get("Item"))


Answer = Item | tuple[str, str] | None


def real_update(
    connection: Connection, key: Item, text: str, guard: str | None, mode: str, writer: Writer, *, several: bool
) -> Answer:
    try:
        reply = connection.call(
            "UpdateItem",
            TableName=TABLE,
            Key=key,
            UpdateExpression=text,
            ConditionExpression=guard,
            ReturnValues=mode,
            **placeholders(writer),
        )
    except Failure as failure:
        return comparable(failure.answer, several=several)
    return parsed_item(reply.get("Attributes"))


def our_update(
    key: Item, present: Item | None, text: str, guard: str | None, mode: Any, writer: Writer, *, several: bool
) -> tuple[Answer, Item | None]:
    """The reply and the item afterwards."""
    try:
        bindings = bind(writer.names or None, writer.values or None)
        change = update(text, bindings)
        guarded = condition(guard, bindings) if guard is not None else None
        bindings.finish()
        if guarded is not None and not guarded.holds(present):
            return ("ConditionalCheckFailedException", "The conditional request failed"), present
        before = json.dumps(present, default=repr)
        result = change.apply(present or key, key, existed=present is not None)
        assert json.dumps(present, default=repr) == before, "the old item was changed"
    except ValidationError as error:
        return comparable((error.code, error.message), several=several), present
    # As DynamoDB Local, not as the service: see the head of this file.
    return change.returned(result, mode, whole_attributes=True), result.new


@generated
@given(seed=st.integers(0, 2**64 - 1))
def test_projections(connection: Connection, seed: int) -> None:
    """Projections show the same parts of an item as DynamoDB Local does."""
    draw = Draw(seed)
    key, held = fresh_key(), item(draw)
    stored = {**key, **held}
    _ = connection.call("PutItem", TableName=TABLE, Item=stored)
    for _ in range(BATCH):
        writer = Writer(draw, held, keys=("pk",))
        text = writer.spoiled(writer.projection())
        names = writer.names or None
        theirs: Answer
        ours: Answer
        try:
            reply = connection.call(
                "GetItem", TableName=TABLE, Key=key, ProjectionExpression=text, ExpressionAttributeNames=names
            )
            theirs = parsed_item(reply["Item"])
        except Failure as failure:
            theirs = comparable(failure.answer)
        try:
            bindings = bind(names, None)
            shown = projection(text, bindings)
            bindings.finish()
            ours = shown.apply(stored)
        except ExpressionError as error:
            ours = comparable((error.code, error.message))
        if not known_to_differ(text, ours, theirs):
            same_answer = ours == theirs or (
                isinstance(ours, dict) and isinstance(theirs, dict) and same_item(ours, theirs)
            )
            assert same_answer, (ours, theirs, text, stored, names)


@pytest.fixture(scope="module")
def partitions(connection: Connection) -> dict[str, list[Item]]:
    """One partition a type of sort key, an item for each value."""
    stored: dict[str, list[Item]] = {}
    for kind, table in SORTED_TABLES.items():
        stored[kind] = [{"pk": {"S": "p"}, "sk": {kind: value}} for value in SORT_VALUES[kind]]
        for each in stored[kind]:
            _ = connection.call("PutItem", TableName=table, Item=each)
    return stored


@generated
@given(seed=st.integers(0, 2**64 - 1))
def test_key_conditions(connection: Connection, partitions: dict[str, list[Item]], seed: int) -> None:
    """Key conditions select the same items of a partition as a query to DynamoDB Local does."""
    draw = Draw(seed)
    for _ in range(BATCH):
        kind = pick(draw, ("S", "N", "B"))
        writer = Writer(draw, {})
        text = writer.spoiled(key_condition_text(writer, kind))
        theirs: list[str] | tuple[str, str]
        ours: list[str] | tuple[str, str]
        try:
            reply = connection.call(
                "Query", TableName=SORTED_TABLES[kind], KeyConditionExpression=text, **placeholders(writer)
            )
            theirs = sorted(repr(parsed(each["sk"])) for each in reply["Items"])
        except Failure as failure:
            theirs = comparable(failure.answer)
        try:
            bindings = bind(writer.names or None, writer.values or None)
            found = key_condition(text, bindings, key_names=("pk", "sk"))
            bindings.finish()
            ours = sorted(repr(stored_form(each["sk"])) for each in partitions[kind] if found.holds(each))
        except ExpressionError as error:
            ours = comparable((error.code, error.message))
        if known_to_differ(text, ours, theirs):
            continue
        assert ours == theirs, (text, writer.names, writer.values)


def stored_form(value: AttributeValue) -> AttributeValue:
    return {"N": stored_number(value["N"])} if "N" in value else value


def key_condition_text(writer: Writer, kind: str) -> str:
    pool = SORT_VALUES[kind]

    def value() -> str:
        return writer.value({kind: pick(writer.draw, pool)})

    partition = f"{writer.name('pk')} = {writer.value({'S': 'p'})}"
    sk = writer.name("sk")
    match writer.pick("none", "compare", "compare", "turned", "between", "prefix", "odd"):
        case "none":
            return partition
        case "compare":
            sort = f"{sk} {writer.pick('=', '<', '<=', '>', '>=')} {value()}"
        case "turned":
            sort = f"{value()} {writer.pick('=', '<', '<=', '>', '>=')} {sk}"
        case "between":
            sort = f"{sk} BETWEEN {value()} AND {value()}"
        case "prefix":
            sort = f"begins_with({sk}, {value()})"
        case _:
            sort = writer.pick(f"{sk} <> {value()}", f"{sk} IN ({value()})", f"NOT {sk} = {value()}", f"sk = {sk}")
    if chance(writer.draw, 6):
        sort = f"({sort})"
    return f"{partition} AND {sort}" if not chance(writer.draw, 4) else f"{sort} AND {partition}"
