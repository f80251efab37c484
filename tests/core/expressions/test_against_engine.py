"""The evaluator and the embedded engine agree on random items and expressions, valid or not.

Where the engine is not what the service is, the evaluator keeps to the service. What a random expression meets of that
is below as data: `LAXER` and `UNREAD`. Besides:

* Of a refusal the code is compared here; its words, fault by fault, in test_refusals_against_engine.py.
* An update that only removes makes an item of nothing but its key there, and none in the service.
* UPDATED_OLD and UPDATED_NEW show the whole attribute there when a path goes into a list, the updated paths otherwise.
* if_not_exists is content there with a second operand that is absent, as long as the first is there.
* Whether a value has the type of its key, and that a key has no parts, is checked with the table's schema at hand.
* A condition is evaluated there as far as it decides, so that an undefined value behind it is not noticed.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crossfade.core.expressions import ExpressionError, bind, condition, key_condition, projection, update
from crossfade.core.expressions.updates import UpdateResult
from crossfade.core.items import AttributeValue, Item, ValidationError, same_item, stored_number
from crossfade.core.key_names import KeyNames
from tests.core.expressions.expression_strategies import Draw, Writer, chance, item, pick
from tests.core.expressions.raw_client import Connection, Failure, parsed, parsed_item
from tests.core.wording import without_preamble

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
    """A connection to the engine with empty tables for this module."""
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


# What the engine lets pass, by the words of our refusal; the reasons are in test_refusals_against_engine.py.
LAXER = re.compile(
    r"Invalid \w+: (The first operand must be distinct|Incorrect operand type|The BETWEEN operator requires"
    r"|Invalid attribute type name found|Two document paths conflict|List index is not within)"
)
# What the engine refuses though the service reads it, by the engine's words: operands in parentheses, and functions of
# values or of a size.
UNREAD = re.compile(
    r"Invalid \w+: (Syntax error|The expression has redundant parentheses|The first operand must be distinct"
    r"|Attribute name is a reserved keyword; reserved keyword: size)",
    re.IGNORECASE,
)
ABSENT = "The provided expression refers to an attribute that does not exist in the item"
Refusal = tuple[str, str]


def agree(text: str, ours: Any, theirs: Any) -> bool:
    """Whether the two are the same; of refusals, whether they have the same code. See the head of this file."""
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        (code, _), (other, _) = cast("Refusal", ours), cast("Refusal", theirs)
        return code == other or known_to_differ(text, cast("Refusal", ours), cast("Refusal", theirs))
    return bool(ours == theirs) or known_to_differ(text, ours, theirs)


def known_to_differ(text: str, ours: Any, theirs: Any) -> bool:
    """See the head of this file."""
    mine, real = message_of(ours), message_of(theirs)
    return (
        (mine is not None and LAXER.match(mine) is not None)
        or (real is not None and UNREAD.match(real) is not None)
        or (mine is not None and "if_not_exists" in text and mine.startswith(ABSENT))
        or (mine is not None and "is not defined" in mine and real is None)
        or (real is not None and ("does not match schema type" in real or "Key attributes must be scalars" in real))
    )


def message_of(answer: Any) -> str | None:
    """The words of a refusal."""
    if not isinstance(answer, tuple):
        return None
    _, words = cast("Refusal", answer)
    return without_preamble(words)


@generated
@given(seed=st.integers(0, 2**64 - 1))
def test_conditions_and_filters(connection: Connection, seed: int) -> None:
    """Conditions hold, or are refused, for present and absent items just as in the engine."""
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
        assert agree(text, ours, theirs), (ours, theirs, manner, text, held, writer.names, writer.values)


def real_condition(
    connection: Connection, manner: str, key: Item, held: Item, text: str, writer: Writer
) -> bool | Refusal:
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
        return failure.answer
    return True


def our_condition(kind: str, text: str, writer: Writer, held: Item | None) -> bool | Refusal:
    try:
        bindings = bind(writer.names or None, writer.values or None)
        found = condition(text, bindings, kind=kind)
        bindings.finish()
    except ExpressionError as error:
        return error.code, error.message
    return found.holds(held)


@generated
@given(seed=st.integers(0, 2**64 - 1))
def test_updates(connection: Connection, seed: int) -> None:
    """Updates, one after another, give the same items, replies and errors as in the engine."""
    draw = Draw(seed)
    key = fresh_key()
    present: Item | None = None
    if not chance(draw, 6):
        present = {**key, **item(draw)}
        _ = connection.call("PutItem", TableName=TABLE, Item=present)
    for _ in range(BATCH):
        held = {name: value for name, value in (present or {}).items() if name not in key}
        writer = Writer(draw, held, keys=("pk",) if chance(draw, 8) else ())
        text = writer.spoiled(writer.update())
        guard = writer.condition() if chance(draw, 6) else None
        mode = pick(draw, ("ALL_NEW", "UPDATED_NEW", "UPDATED_OLD", "ALL_OLD", "NONE"))
        theirs = real_update(connection, key, text, guard, mode, writer)
        ours, present = our_update(key, present, text, guard, mode, writer)
        about = (text, guard, mode, held, writer.names, writer.values)
        if isinstance(theirs, tuple) or isinstance(ours, tuple):
            assert agree(f"{text} {guard}", ours, theirs), (ours, theirs, about)
        else:
            assert same_item(ours, theirs), (ours, theirs, about)
        if isinstance(theirs, tuple) != isinstance(ours, tuple):
            present = stored_item(connection, key)
    stored = stored_item(connection, key)
    assert same_item(present, stored), (present, stored)


def stored_item(connection: Connection, key: Item) -> Item | None:
    return parsed_item(connection.call("GetItem", TableName=TABLE, Key=key, ConsistentRead=True).get("Item"))


Answer = Item | Refusal | None


def real_update(connection: Connection, key: Item, text: str, guard: str | None, mode: str, writer: Writer) -> Answer:
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
        return failure.answer
    return parsed_item(reply.get("Attributes"))


def our_update(
    key: Item, present: Item | None, text: str, guard: str | None, mode: Any, writer: Writer
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
        return (error.code, error.message), present
    return as_the_engine_shows(change.returned(result, mode), result, mode), result.new


def as_the_engine_shows(shown: Item | None, result: UpdateResult, mode: str) -> Item | None:
    """The attributes of the reply, whole where a path leads into a list."""
    if mode not in ("UPDATED_OLD", "UPDATED_NEW"):
        return shown
    item = result.old if mode == "UPDATED_OLD" else result.new
    into_lists = {str(path[0]) for path in result.touched if any(isinstance(step, int) for step in path)}
    return {**(shown or {}), **{name: item[name] for name in into_lists & item.keys()}} or None


@generated
@given(seed=st.integers(0, 2**64 - 1))
def test_projections(connection: Connection, seed: int) -> None:
    """Projections show the same parts of an item as the engine does."""
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
            theirs = failure.answer
        try:
            bindings = bind(names, None)
            shown = projection(text, bindings)
            bindings.finish()
            ours = shown.apply(stored)
        except ExpressionError as error:
            ours = error.code, error.message
        same_answer = agree(text, ours, theirs) or (
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
    """Key conditions select the same items of a partition as a query to the engine does."""
    draw = Draw(seed)
    for _ in range(BATCH):
        kind = pick(draw, ("S", "N", "B"))
        writer = Writer(draw, {})
        text = writer.spoiled(key_condition_text(writer, kind))
        theirs: list[str] | Refusal
        ours: list[str] | Refusal
        try:
            reply = connection.call(
                "Query", TableName=SORTED_TABLES[kind], KeyConditionExpression=text, **placeholders(writer)
            )
            theirs = sorted(repr(parsed(each["sk"])) for each in reply["Items"])
        except Failure as failure:
            theirs = failure.answer
        try:
            bindings = bind(writer.names or None, writer.values or None)
            found = key_condition(text, bindings, key_names=KeyNames(("pk",), ("sk",)))
            bindings.finish()
            ours = sorted(repr(stored_form(each["sk"])) for each in partitions[kind] if found.holds(each))
        except ExpressionError as error:
            ours = error.code, error.message
        assert agree(text, ours, theirs), (ours, theirs, text, writer.names, writer.values)


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
