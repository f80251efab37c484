"""Every refusal that the evaluator words, asked of the embedded engine: it has the same words, or here is what it does.

The engine's own ways are facts about a server of the protocol, not about the service: what is refused stays refused by
us, and here is where that comes from. Guide pages are those of
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from crossfade.core.effects import Request
from crossfade.core.items import Item
from tests.conftest import Database
from tests.core.expressions import test_conditions, test_keys, test_projections, test_updates
from tests.core.expressions.raw_client import Connection, Failure
from tests.core.wording import without_preamble

TABLE: Final = "refusals-against-engine"
KEY: Final[Item] = {"pk": {"S": "p"}, "sk": {"S": "s"}}
OPERATORS: Final = "Expressions.OperatorsAndFunctions"
QUOTAS: Final = "Constraints"
UNDOCUMENTED: Final = "no page says so; the words are those that users of the service report"

# What the engine carries out, by our words, and where the service's rule is to be found.
CARRIED_OUT: Final = {
    r"The first operand must be distinct": f"{OPERATORS}, contains: the path and the operand must be distinct; the"
    " service says it of every operator and function in the same words",
    r"The BETWEEN operator requires": f"{OPERATORS}, BETWEEN: from the first bound up to the second",
    r"Incorrect operand type .*: <": "LegacyConditionalParameters.Conditions, LT: text, a number or binary",
    r"Incorrect operand type .*: attribute_type": f"{OPERATORS}, attribute_type: a type's name as text",
    r"Invalid attribute type name found": f"{OPERATORS}, attribute_type: one of the ten",
    r"Invalid function name": f"{OPERATORS}: names of functions are case-sensitive",
    r"The IN operator is provided with too many operands": f"{OPERATORS}, IN: up to 100 values",
    r"The expression contains too many operators": f"{QUOTAS}: 300 operators or functions",
    r"The document path has too many nesting levels": f"{QUOTAS}: 32 levels",
    r"The function is not allowed to be used this way": "Expressions.UpdateExpressions, the grammar: of functions an"
    " operand is only if_not_exists",
    r"List index is not within": UNDOCUMENTED,
    r"The expression has redundant parentheses": UNDOCUMENTED,
    r"Two document paths conflict": UNDOCUMENTED,
}
# What it refuses in other words: ours, and its own.
OTHER_WORDS: Final = (
    (r"The function is not allowed in an? \w+ expression", r"Invalid function name"),
    (r"The function is not allowed to be used this way", r"Syntax error"),
    (r"Operator or function requires a document path", r"Syntax error"),
    (r"Incorrect number of operands", r"Syntax error"),
    (r"Incorrect operand type .*: size", r"Syntax error"),
    (r"The expression contains too many operators", r"Syntax error|An operand in the update"),
    (r"The BETWEEN operator requires .*\{N:", r"The BETWEEN operator requires .*\{N:"),  # numbers as they were written
    (r"Expression size has exceeded .*; expression size: \d+", r"Expression size has exceeded .*;"),
    (r"An expression attribute value .* is not defined", r"An expression attribute value .* is not defined"),
    (r"Syntax error", r"Syntax error|Expected attribute name|Attribute name is a reserved keyword; .*: size"),
    (r"Two document paths conflict", r"The document path provided in the update expression is invalid"),
    (r"Incorrect operand type .* DELETE", r"Incorrect operand type .* DELETE"),
    (r"Invalid operator used", r"Unexpected (token|operator) in KeyConditionExpression|Expected attribute name"),
    (r"KeyConditionExpressions must only contain one", r"KeyConditionExpressions must only contain one"),
    (r"Conditions can be of length 1 or 2 only", r"The number of query conditions \(3\) exceeds"),
    (r"KeyConditionExpressions cannot contain nested", r"Attribute name is a reserved keyword; .*: size"),
    (r"Invalid condition in KeyConditionExpression", r"Expected (value reference|attribute name)"),
    (r"Key attributes must be scalars", r"KeyConditionExpressions cannot have conditions on nested attributes"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """How a kind of expression is asked, with its refusals and what its messages begin with."""

    preamble: str
    refusals: list[tuple[str, str]]
    operation: str
    request: Callable[[str], Request]


ASKED: Final = {
    "condition": Asked(
        "Invalid ConditionExpression: ",
        test_conditions.REFUSALS,
        "PutItem",
        lambda text: {
            "Item": {**test_conditions.ITEM, **KEY},
            "ConditionExpression": text,
            "ExpressionAttributeValues": test_conditions.used(text),
        },
    ),
    "filter": Asked(
        "Invalid FilterExpression: ",
        test_conditions.REFUSALS,
        "Query",
        lambda text: {
            "KeyConditionExpression": "pk = :partition",
            "FilterExpression": text,
            "ExpressionAttributeValues": {**(test_conditions.used(text) or {}), ":partition": KEY["pk"]},
        },
    ),
    "update": Asked(
        "Invalid UpdateExpression: ",
        test_updates.REFUSALS,
        "UpdateItem",
        lambda text: {
            "Key": KEY,
            "UpdateExpression": text,
            "ExpressionAttributeValues": test_updates.used(text),
        },
    ),
    "projection": Asked(
        "Invalid ProjectionExpression: ",
        test_projections.REFUSALS,
        "GetItem",
        lambda text: {"Key": KEY, "ProjectionExpression": text},
    ),
    "key condition": Asked(
        "",
        test_keys.REFUSALS,
        "Query",
        lambda text: {"KeyConditionExpression": text, "ExpressionAttributeValues": test_keys.used(text)},
    ),
}


@pytest.fixture(scope="module")
def connection(dynamodb: Database) -> Iterator[Connection]:
    """A connection to the engine, with one table."""
    opened = Connection(dynamodb.endpoint_url)
    _ = opened.call(
        "CreateTable",
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
        BillingMode="PAY_PER_REQUEST",
    )
    yield opened
    _ = opened.call("DeleteTable", TableName=TABLE)
    opened.close()


def answered(connection: Connection, asked: Asked, text: str) -> str | None:
    """The words in which the engine refuses it; None where it carries it out."""
    _ = connection.call("PutItem", TableName=TABLE, Item={**test_conditions.ITEM, **KEY})
    try:
        _ = connection.call(asked.operation, TableName=TABLE, **asked.request(text))
    except Failure as failure:
        code, words = failure.answer
        return None if code == "ConditionalCheckFailedException" else without_preamble(words)
    return None


def cases() -> Iterator[Any]:
    for kind, asked in ASKED.items():
        for text, words in asked.refusals:
            yield pytest.param(asked, text, words, id=f"{kind}: {text[:40].strip()} {words[:24]}")


@pytest.mark.parametrize(("asked", "text", "words"), list(cases()))
def test_a_refusal_is_the_engines_too(connection: Connection, asked: Asked, text: str, words: str) -> None:
    """In the same words, in others that are known, or known to be carried out."""
    theirs = answered(connection, asked, text)
    if theirs is None:
        assert any(re.match(known, words) for known in CARRIED_OUT), words
    elif theirs != asked.preamble + words:
        said = re.sub(r"^Invalid \w+Expression: ", "", theirs)
        assert any(re.match(ours, words) and re.match(other, said) for ours, other in OTHER_WORDS), theirs
