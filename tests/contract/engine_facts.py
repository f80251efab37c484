"""Where the embedded engine, our plain table, is not what the service is; crossfade answers as the service does.

All of it as data, with the reason. Each fact applies only where the two answers differ in exactly this way. Where the
engine takes what the service refuses, tests/contract/stricter.py has what the service says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from tests.contract.answers import list_of
from tests.contract.fetching import as_fetched
from tests.contract.steps import Answer, Op
from tests.contract.stricter import OF_PROJECTIONS, refused_by_service
from tests.core.wording import without_preamble

Trace: TypeAlias = list[tuple[Op, Answer]]

SCHEMA: Final = r"The provided key element does not match the schema"
COUNT: Final = r"The number of conditions on the keys is invalid"
MISSING: Final = r"One or more parameter values were invalid: Missing the key \S+ in the item"
MISMATCH: Final = r"One or more parameter values were invalid: Type mismatch for key \S+ expected: \w+ actual: \w+"
NEITHER: Final = r"One or more parameter values were invalid: "
ENUM: Final = r"Value '\w+' at '[\w.]+' failed to satisfy constraint: "

# What the engine says, and what crossfade or the service says in its place.
WORDS: Final = tuple(
    (re.compile(engine), re.compile(service))
    for engine, service in (
        (SCHEMA, f"{COUNT}|{MISSING}|{MISMATCH}"),
        (r"Transaction request cannot include multiple operations on one item", COUNT),  # it looks at the keys later
        (
            r"One or more parameter values were invalid: Size of (hashkey|rangekey) has exceeded the maximum size .*",
            r"Hash primary key values must be under 2048 bytes, and range primary key values must be under 1024 bytes",
        ),
        (
            r"The parameter cannot be converted to a numeric value: .*",
            r"A value provided cannot be converted into a number",
        ),
        (rf"({NEITHER}Input collection \[.*\] contains duplicates)\.?", rf"{NEITHER}Input collection \[.*\] .*"),
        (
            r"Value '\{.*' at 'requestItems' failed to satisfy constraint: .*",
            r"Too many items requested for the BatchWriteItem call|Value '\{.*' at 'requestItems' failed to .*",
        ),
        (
            r"ConditionalOperator cannot be used without Filter or Expected|Failed to satisfy constraint: Member .*",
            rf"{ENUM}Member must satisfy enum value set: \[OR, AND\]",
        ),
        (
            r"Member must satisfy enum value set: \[ADD, DELETE, PUT\]' for Action",
            rf"{ENUM}Member must satisfy enum value set: \[ADD, DELETE, PUT\]",
        ),
        (
            rf"{NEITHER}(ADD|DELETE) action (with value )?is not supported for the type \w+",
            rf"{NEITHER}(ADD|DELETE) action (with value )?is not supported for the type \w+",
        ),
        (
            rf"{NEITHER}Invalid comparison operator",
            rf"{ENUM}Member must satisfy enum value set: \[.*\]",
        ),
        (
            r"Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            r"ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, .*",
        ),
        (
            r"One or more parameter values are not valid\. The update expression attempted to update a secondary .*",
            r"One or more parameter values are not valid\. A value specified for a secondary index key is not .*",
        ),
        (
            r"(Invalid \w+: )?An expression attribute value used in expression is not defined; attribute value: \S+",
            r"(Invalid \w+: )?An expression attribute value used in expression is not defined; attribute value: \S+",
        ),
        (r"Invalid \w+: Expected attribute name, got .*", r"Invalid \w+: Syntax error; token: .*"),
        (r'(Invalid \w+: Syntax error; token: .*, near: ").*"', r"Invalid \w+: Syntax error; token: .*"),
        (
            r'Invalid \w+: Syntax error; token: ",", near: .*',
            r"Invalid \w+: Incorrect number of operands for operator or function; .*",
        ),
        (
            r"ExpressionAttribute(Values|Names) can only be specified when using expressions",
            r"ExpressionAttribute(Values|Names) can only be specified when using expressions: .* (is|are) null",
        ),
        (
            r"An error occurred \(IdempotentParameterMismatchException\)",
            r"The ClientRequestToken came with another transaction, less than ten minutes ago",
        ),
        (
            r"Attempting to store more than 38 significant digits in a Number",  # of a sum, too
            r"Number overflow\. Attempting to store a number with magnitude larger than supported range",
        ),
        (
            r"missing field `\w+` at .*",
            r"missing field `\w+` at .*|Value null at 'transactItems\.\d+\..*' failed to satisfy constraint: .*",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Fact:
    """`same` tells whether two answers that differ say the same, given this fact."""

    name: str
    why: str
    same: Callable[[Op, Answer, Answer], bool]


def text_of(answer: Answer) -> str:
    return str(answer.get("Error", {}).get("Message"))


def code_of(answer: Answer) -> str:
    return str(answer.get("Error", {}).get("Code"))


def same_text(engine: str, ours: str) -> bool:
    """In most Regions a text has a preamble, in us-east-1 not; crossfade passes on what it is told, of either table."""
    engine, ours = without_preamble(engine), without_preamble(ours)
    return engine == ours or any(known.fullmatch(engine) and service.fullmatch(ours) for known, service in WORDS)


def same_words(_op: Op, plain: Answer, ours: Answer) -> bool:
    rest = [{name: value for name, value in answer.items() if name != "Error"} for answer in (plain, ours)]
    return rest[0] == rest[1] and code_of(plain) == code_of(ours) and same_text(text_of(plain), text_of(ours))


def laxer(op: Op, _plain: Answer, ours: Answer) -> bool:
    """NotPossibleInStage here in the service's words, which tests/contract/stricter.py has."""
    rule = refused_by_service(op)
    return rule is not None and rule.is_meant_by(ours)


def projected(op: Op, plain: Answer, ours: Answer) -> bool:
    """The engine's items have the key beside what was asked for."""
    gets = list_of(op.request.get("TransactItems"))
    if op.name != "TransactGetItems" or "Responses" not in plain or "Responses" not in ours:
        return False
    asked = [get["Get"] for get in gets]
    if len(asked) != len(plain["Responses"]):
        return False
    shown = [without_key(get, told) for get, told in zip(asked, plain["Responses"], strict=True)]
    return {**plain, "Responses": shown} == {**ours, "Responses": [told or {"Item": {}} for told in ours["Responses"]]}


def without_key(get: Any, told: Any) -> Any:
    if "ProjectionExpression" not in get:
        return told
    names: dict[str, str] = get.get("ExpressionAttributeNames") or {}
    asked = {names.get(path, path) for path in re.split(r"[\s,]+", get["ProjectionExpression"])}
    item: dict[str, Any] = told.get("Item", {})
    return {"Item": {name: value for name, value in item.items() if name in asked or name not in get["Key"]}}


def updated_paths(op: Op, plain: Answer, ours: Answer) -> bool:
    """The whole attributes there hold the updated paths here."""
    if op.name != "UpdateItem" or op.request.get("ReturnValues") not in ("UPDATED_OLD", "UPDATED_NEW"):
        return False
    left, right = plain.get("Attributes", {}), ours.get("Attributes", {})
    rest = [{name: value for name, value in answer.items() if name != "Attributes"} for answer in (plain, ours)]
    return left.keys() == right.keys() and rest[0] == rest[1] and within(right, left)


def within(part: Any, whole: Any) -> bool:
    """Whether every leaf of `part` is in `whole`, in lists at whatever place."""
    if isinstance(part, dict) and isinstance(whole, dict):
        inner, outer = cast("dict[str, Any]", part), cast("dict[str, Any]", whole)
        return all(name in outer and within(value, outer[name]) for name, value in inner.items())
    if isinstance(part, list) and isinstance(whole, list):
        members = list_of(whole)
        return all(any(within(each, member) for member in members) for each in list_of(part))
    return bool(part == whole)


FACTS: Final = (
    Fact(
        "words of its own",
        "it words some errors otherwise; `tests/contract/engine_facts.py` has the table of both wordings",
        same_words,
    ),
    Fact(
        "it takes what the service refuses",
        "`tests/contract/stricter.py` has what that is, what the service says, and where AWS's documentation has the"
        " rule",
        laxer,
    ),
    Fact(
        "projections in TransactGetItems",
        "it shows the key beside what was asked for",
        projected,
    ),
    Fact(
        "UPDATED_OLD and UPDATED_NEW of nested paths",
        "it shows the whole top-level attribute, the service only the updated paths",
        updated_paths,
    ),
)
MORE_FACTS: Final = {
    "what a local index does not hold": "it fetches it from the table for a Query of all attributes alone, the service"
    " whenever it is asked for",
    "item collection metrics of a transaction": "it tells none, so none are compared where a write takes a transaction",
    "an update that only removes, of an absent item": "it stores an item with nothing but its key, the service none;"
    " such items are left out of what is read afterwards",
    "where a page of 1 MB ends": "it ends before the item with which it would be more (and counts that as scanned, in"
    " two pages), crossfade's own pages with that item; the pages of such a case are compared together",
}


def as_the_service(
    plain: Trace, ours: Trace, *, takes_transactions: bool, is_made_here: Callable[[Op], bool]
) -> tuple[Trace, Trace]:
    """Both traces, with what only these facts explain made equal. `takes_transactions`: a write of ours may be one;
    `is_made_here`: the page of an index is not the engine's own."""
    plain = [(op, of_index(op, answer, is_made_here=is_made_here(op))) for op, answer in plain]
    if takes_transactions:
        plain, ours = without_metrics(plain), without_metrics(ours)
    if any(only_removes(op) for op, _ in plain):
        plain, ours = without_bare_keys(plain), without_bare_keys(ours)
    if any(ends_by_size(op, answer) for op, answer in plain):
        plain, ours = in_one_page(plain), in_one_page(ours)
    equal = [
        (op, plain[n][1] if n < len(plain) and explained(op, plain[n][1], answer) else answer)
        for n, (op, answer) in enumerate(ours)
    ]
    return plain, equal


def of_index(op: Op, answer: Answer, *, is_made_here: bool) -> Answer:
    """A page that is made here is the service's: it has what that fetches, and is refused where that refuses."""
    rule = next((each for each in OF_PROJECTIONS if each.applies(op.name, op.request)), None)
    if is_made_here and rule is not None and "Error" not in answer:
        return rule.answer()
    return as_fetched(answer, fetches=is_made_here)


def without_metrics(trace: Trace) -> Trace:
    return [
        (op, {name: value for name, value in answer.items() if name != "ItemCollectionMetrics"}) for op, answer in trace
    ]


def ends_by_size(op: Op, answer: Answer) -> bool:
    return op.name in ("Query", "Scan") and "Limit" not in op.request and "LastEvaluatedKey" in answer


def in_one_page(trace: Trace) -> Trace:
    """The pages of a Query or Scan as one, with all its items in their order and their number."""
    pages = [(op, answer) for op, answer in trace if op.name in ("Query", "Scan") and "Error" not in answer]
    rest = [(op, answer) for op, answer in trace if op.name not in ("Query", "Scan") or "Error" in answer]
    whole = {
        "Items": [item for _, answer in pages for item in answer.get("Items", ())],
        "Count": sum(answer.get("Count", 0) for _, answer in pages),
    }
    return [*rest, (pages[0][0], whole)]


def explained(op: Op, plain: Answer, ours: Answer) -> bool:
    """Errors are explained by errors alone, and answers by answers; but for what the engine should have refused."""
    if plain == ours:
        return False
    if ("Error" in plain) != ("Error" in ours):
        return laxer(op, plain, ours)
    if "Error" in plain and laxer(op, plain, ours):
        return True
    return any(fact.same(op, plain, ours) for fact in FACTS)


def only_removes(op: Op) -> bool:
    """An UpdateItem that takes away and adds nothing."""
    if op.name != "UpdateItem":
        return False
    actions = re.findall(r"\b(SET|ADD|REMOVE|DELETE)\b", op.request.get("UpdateExpression", "").upper())
    updates = cast("dict[str, Any]", op.request.get("AttributeUpdates") or {})
    actions += [str(update.get("Action", "PUT")) for update in updates.values()]
    return bool(actions) and not {"SET", "ADD", "PUT"} & set(actions)


def without_bare_keys(trace: Trace) -> Trace:
    """Reads without the items that are nothing but a key."""
    keys = next(set(op.request["Key"]) for op, _ in trace if only_removes(op))
    shown: Trace = []
    for op, answer in trace:
        if "Items" in answer:
            kept = [item for item in answer["Items"] if set(item) != keys]
            answer = {**answer, "Items": kept, "Count": len(kept), "ScannedCount": len(kept)}
        shown.append((op, answer))
    return shown
