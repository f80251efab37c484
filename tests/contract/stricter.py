"""What the service refuses and the embedded engine takes, with what the service says: kept here, so that the contract
does not become laxer with the engine.

A write that the service refuses is not made on the plain table: what stands here is its answer. A migrating table is
asked wherever writes are evaluated here, and must refuse it in these words; elsewhere it only hands the request on, and
the engine would carry it out. A read is made on both; the migrating table may refuse it like this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from tests.contract.answers import list_of
from tests.contract.steps import Answer, Op, Request

GUIDE: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
REFERENCE: Final = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/"
WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
READS: Final = frozenset({"Query", "Scan"})
EXPRESSIONS: Final = ("ConditionExpression", "FilterExpression", "KeyConditionExpression")
TYPES: Final = frozenset({"S", "SS", "N", "NS", "B", "BS", "BOOL", "NULL", "L", "M"})
UNORDERED: Final = TYPES - {"S", "N", "B"}


@dataclass(frozen=True, slots=True)
class Stricter:
    """`applies` to one part of a request: an operation on one item, or an action of a transaction."""

    name: str
    code: str
    text: re.Pattern[str]
    source: str  # the page of AWS's documentation with the rule
    applies: Callable[[str, Request], bool]

    def answer(self) -> Answer:
        """As an answer of the plain table; the text is compared as a pattern."""
        raised = self.code if self.code.startswith("Conditional") else "ClientError"
        return {"raised": raised, "Error": {"Code": self.code, "Message": self.text.pattern}}

    def is_meant_by(self, answer: Answer) -> bool:
        """Whether an answer of the migrating table is this refusal, of the request or of one action in it."""
        error: Answer = answer.get("Error", {})
        if error.get("Code") == self.code:
            return bool(self.text.search(str(error.get("Message"))))
        reasons: list[Answer] = answer.get("CancellationReasons", [])
        return any(self.text.search(str(reason.get("Message"))) for reason in reasons)


# --- what is in a request ---------------------------------------------------------------------------------------------


def parts(op: Op) -> Iterator[tuple[str, Request]]:
    """The request, and what it holds for one table or as one action."""
    yield op.name, op.request
    for action in cast("list[Any]", op.request.get("TransactItems") or ()):
        for kind, given in cast("dict[str, Any]", action).items():
            yield kind, given or {}
    for entry in cast("dict[str, Any]", op.request.get("RequestItems") or {}).values():
        for part in list_of(entry) or [entry]:
            yield op.name, part or {}


def texts(request: Request) -> Iterator[str]:
    """Its conditions, with the attributes' names in place of placeholders."""
    names: dict[str, str] = request.get("ExpressionAttributeNames") or {}
    for parameter in EXPRESSIONS:
        text = request.get(parameter)
        if isinstance(text, str):
            yield re.sub(r"#\w+", lambda found: names.get(found[0], found[0]), text)


def kind_of(request: Request, name: str) -> str:
    """The type of a value by its placeholder."""
    values: dict[str, dict[str, Any]] = request.get("ExpressionAttributeValues") or {}
    return next(iter(values.get(name) or {""}))


COMPARISON: Final = r"(<=|>=|<>|<|>|=)"
PATH: Final = r"[A-Za-z_]\w*(?:\.\w+|\[\d+\])*"
SELF: Final = re.compile(rf"(?<![\w.:#)\]])({PATH})\s*{COMPARISON}\s*\1(?![\w.\[(])")
TYPE_CALL: Final = re.compile(r"attribute_type\s*\([^,]+,\s*(:\w+)\s*\)", re.IGNORECASE)
ORDERED: Final = re.compile(r"(?:<=|>=|<(?!>)|(?<!<)>)\s*(:\w+)|(:\w+)\s*(?:<=|>=|<(?!>)|>)")
BETWEEN: Final = re.compile(r"BETWEEN\s+(:\w+)\s+AND\s+(:\w+)", re.IGNORECASE)


def compares_itself(_kind: str, request: Request) -> bool:
    return any(SELF.search(text) for text in texts(request))


def unknown_type(_kind: str, request: Request) -> bool:
    values: dict[str, Any] = request.get("ExpressionAttributeValues") or {}
    return any(
        values.get(name, {}).get("S", "S") not in TYPES for text in texts(request) for name in TYPE_CALL.findall(text)
    )


def orders_what_has_none(_kind: str, request: Request) -> bool:
    return any(
        kind_of(request, left or right) in UNORDERED for text in texts(request) for left, right in ORDERED.findall(text)
    )


def bounds(request: Request) -> Iterator[tuple[Any, Any]]:
    values: dict[str, Any] = request.get("ExpressionAttributeValues") or {}
    for text in texts(request):
        for low, high in BETWEEN.findall(text):
            if low in values and high in values:
                yield values[low], values[high]


def bounds_of_two_types(kind: str, request: Request) -> bool:
    return kind in READS and any(set(low) != set(high) for low, high in bounds(request))


def bounds_reversed(kind: str, request: Request) -> bool:
    numbers = [(low["N"], high["N"]) for low, high in bounds(request) if "N" in low and "N" in high]
    return kind in READS and any(float(low) > float(high) for low, high in numbers)


def legacy(request: Request) -> Iterator[tuple[str, list[Any]]]:
    for name in ("Expected", "QueryFilter", "ScanFilter"):
        for condition in cast("dict[str, Any]", request.get(name) or {}).values():
            yield condition.get("ComparisonOperator", ""), condition.get("AttributeValueList") or []


def legacy_operand(_kind: str, request: Request) -> bool:
    return any(
        (operator in ("LT", "LE", "GT", "GE") and UNORDERED & set(value))
        or (operator == "BEGINS_WITH" and "N" in value)
        for operator, values in legacy(request)
        for value in values
    )


def contains_of_absent(_kind: str, request: Request) -> bool:
    return any(operator == "NOT_CONTAINS" for operator, values in legacy(request) if len(values) == 1)


def map_and_list(_kind: str, request: Request) -> bool:
    """Of one place, a member by name and an element by number."""
    text: str = request.get("ProjectionExpression") or request.get("UpdateExpression") or ""
    members, elements = set(re.findall(rf"({PATH})\.\w", text)), set(re.findall(r"([\w.]+)\[", text))
    return bool(members & elements)


def needless_absent_operand(kind: str, request: Request) -> bool:
    """No item of a case has an attribute of that name."""
    update = str(request.get("UpdateExpression"))
    return kind == "UpdateItem" and re.search(r"if_not_exists\s*\([^,()]+,\s*absent\s*\)", update) is not None


def names_of_nothing(kind: str, request: Request) -> bool:
    return (
        kind in ("Put", "Delete", "Update", "ConditionCheck")
        and "ExpressionAttributeNames" in request
        and not any(name in request for name in ("ConditionExpression", "UpdateExpression"))
    )


def two_in_one(kind: str, request: Request) -> bool:
    return kind == "BatchWriteItem" and {"PutRequest", "DeleteRequest"} <= request.keys()


def attributes_of_none(kind: str, request: Request) -> bool:
    return kind == "BatchGetItem" and request.get("AttributesToGet") == []


def empty_key_value(kind: str, request: Request) -> bool:
    """Of a Query, which must say one value of the partition key."""
    if kind != "Query":
        return False
    used = re.findall(r"(?<![<>])=\s*(:\w+)", str(request.get("KeyConditionExpression")))
    values: dict[str, Any] = request.get("ExpressionAttributeValues") or {}
    return any(values.get(name) in ({"S": ""}, {"B": b""}) for name in used)


# --- what an index holds, which its name tells (see shapes.py)

KEY_WORDS: Final = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN", "attribute_exists", "attribute_not_exists", "size"})
NAME: Final = re.compile(r"(?<![:\w.\]])[A-Za-z_]\w*")
TABLE_KEYS: Final = frozenset({"customer", "order_id", "account", "seq", "pk", "sk", "guid"})
INCLUDED: Final = frozenset({"t", "amount", "note", "remark"})


def is_local(request: Request) -> bool:
    """Whether it is of one of the local indexes that hold a part; of some tables they are global ones."""
    return str(request.get("IndexName")).startswith("local_")


def is_held(index: str, name: str) -> bool:
    width = index.rpartition("_")[2]
    if index == "by_note":
        return name in TABLE_KEYS or name in ("note", "remark")
    held = TABLE_KEYS | {"rank"} | ({"team"} if index.startswith("global") else frozenset[str]())
    return width not in ("keys", "some") or name in held or (width == "some" and name in INCLUDED)


def lacks(request: Request, names: Iterable[str]) -> bool:
    index = request.get("IndexName")
    return index is not None and not all(is_held(index, name) for name in names)


def roots(text: str) -> set[str]:
    return {*NAME.findall(text)} - KEY_WORDS


def filters_by_more(kind: str, request: Request) -> bool:
    legacy_filter: dict[str, Any] = request.get("QueryFilter") or {}
    return kind == "Query" and lacks(request, {*roots(str(request.get("FilterExpression", ""))), *legacy_filter})


def shows_more(kind: str, request: Request) -> bool:
    names = {*roots(str(request.get("ProjectionExpression", ""))), *(request.get("AttributesToGet") or ())}
    return kind in READS and not is_local(request) and lacks(request, names)


OPERANDS: Final = f"{GUIDE}Expressions.OperatorsAndFunctions.html"


def rule(name: str, text: str, source: str, applies: Callable[[str, Request], bool]) -> Stricter:
    return Stricter(name, "ValidationException", re.compile(text), source, applies)


STRICTER: Final = (
    rule(
        "an operand compared with itself",
        r"Invalid \w+: The first operand must be distinct from the remaining operands for this operator or function; ",
        OPERANDS,
        compares_itself,
    ),
    rule(
        "a type that attribute_type does not know",
        r"Invalid \w+: Invalid attribute type name found; type: \w+, valid types: \{",
        OPERANDS,
        unknown_type,
    ),
    rule(
        "an order of values that have none",
        r"Invalid \w+: Incorrect operand type for operator or function; operator or function: [<>=]+, operand type: ",
        OPERANDS,
        orders_what_has_none,
    ),
    rule(
        "bounds of two types in a filter",
        r"Invalid \w+: The BETWEEN operator requires same data type for lower and upper bounds; ",
        OPERANDS,
        bounds_of_two_types,
    ),
    rule(
        "bounds of a filter the wrong way round",
        r"Invalid \w+: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; ",
        OPERANDS,
        bounds_reversed,
    ),
    rule(
        "a legacy condition on a type that it does not compare",
        r"One or more parameter values were invalid: ComparisonOperator \w+ is not valid for \w+ AttributeValue type",
        f"{GUIDE}LegacyConditionalParameters.Conditions.html",
        legacy_operand,
    ),
    Stricter(
        "NOT_CONTAINS of an attribute that is not there, or that contains it",
        "ConditionalCheckFailedException",
        re.compile("The conditional request failed"),
        f"{GUIDE}LegacyConditionalParameters.Conditions.html",
        contains_of_absent,
    ),
    rule(
        "a member and an element of one place",
        r"Invalid \w+: Two document paths conflict with each other; ",
        f"{GUIDE}Expressions.Attributes.html",
        map_and_list,
    ),
    rule(
        "an absent operand of if_not_exists that is not needed (DynamoDB Local refuses it; no page has the rule)",
        r"The provided expression refers to an attribute that does not exist in the item",
        f"{GUIDE}DynamoDBLocal.html",
        needless_absent_operand,
    ),
    rule(
        "names without an expression in an action of a transaction",
        r"ExpressionAttributeNames can only be specified when using expressions",
        f"{GUIDE}Expressions.ExpressionAttributeNames.html",
        names_of_nothing,
    ),
    rule(
        "a put and a delete in one entry of a batch",
        r"",
        f"{REFERENCE}API_WriteRequest.html",
        two_in_one,
    ),
    rule(
        "no attributes to get",
        r"failed to satisfy constraint: Member must have length greater than or equal to 1",
        f"{REFERENCE}API_KeysAndAttributes.html",
        attributes_of_none,
    ),
    rule(
        "an empty value of a key",
        r"The AttributeValue for a key attribute cannot contain an empty|key attribute '\w+' is empty",
        f"{GUIDE}HowItWorks.NamingRulesDataTypes.html",
        empty_key_value,
    ),
)


OF_PROJECTIONS: Final = (
    rule(
        "a filter of a Query by what its index does not hold",
        r"Secondary index \S+ does not project one or more filter attributes: \[",
        f"{GUIDE}SecondaryIndexes.html",
        filters_by_more,
    ),
    rule(
        "a projection of what a global index does not hold",
        r"Global secondary index \S+ does not project \[",
        f"{GUIDE}GSI.html#GSI.Projections",
        shows_more,
    ),
)


def refused_by_service(op: Op) -> Stricter | None:
    """The first rule that the request breaks."""
    rules = (*STRICTER, *OF_PROJECTIONS)
    return next((each for each in rules for kind, part in parts(op) if each.applies(kind, part)), None)
