"""Where DynamoDB Local itself, our plain table, is not what the service is; crossfade answers as the service does.

All of it as data, with the reason. Each fact applies only where the two answers differ in exactly this way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from tests.contract.answers import list_of
from tests.contract.steps import Answer, Op

Trace: TypeAlias = list[tuple[Op, Answer]]

SCHEMA: Final = r"The provided key element does not match the schema"
MISSING: Final = r"One or more parameter values were invalid: Missing the key \S+ in the item"
MISMATCH: Final = r"One or more parameter values were invalid: Type mismatch for key \S+ expected: \w+ actual: \w+"
ENUM: Final = r"1 validation error detected: Value '\w+' at '[\w.]+' failed to satisfy constraint: "

# What DynamoDB Local says, and what the service says in its place.
WORDS: Final = tuple(
    (re.compile(local), re.compile(service))
    for local, service in (
        (r"One of the required keys was not given a value", f"{SCHEMA}|{MISSING}"),
        (r"One or more parameter values were invalid: Type mismatch for key", f"{SCHEMA}|{MISMATCH}"),
        (r"Invalid attribute value type", f"{SCHEMA}|{MISMATCH}"),
        (r"Comparison type does not exist in DynamoDB", rf"{ENUM}Member must satisfy enum value set: \[.*\]"),
        (r"Member must satisfy enum value set: (\[.*\])", rf"{ENUM}Member must satisfy enum value set: \[.*\]"),
        (
            r"Cannot have two attributes with the same name",
            r"One or more parameter values were invalid: Duplicate value in attribute name: \S+",
        ),
        (
            r"AttributesToGet cannot be empty",
            r"1 validation error detected: Value '\[\]' at '\S+' failed to satisfy constraint: Member must have .*",
        ),
        (
            r"One or more parameter values are not valid\. The update expression attempted to update a secondary .*",
            r"One or more parameter values are not valid\. A value specified for a secondary index key is not .*",
        ),
        (r"The conditional request failed\.", r"The conditional request failed"),
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


def same_text(local: str, ours: str) -> bool:
    return local == ours or any(known.fullmatch(local) and service.fullmatch(ours) for known, service in WORDS)


def same_words(_op: Op, plain: Answer, ours: Answer) -> bool:
    rest = [{name: value for name, value in answer.items() if name != "Error"} for answer in (plain, ours)]
    return rest[0] == rest[1] and code_of(plain) == code_of(ours) and same_text(text_of(plain), text_of(ours))


def same_reasons(_op: Op, plain: Answer, ours: Answer) -> bool:
    """The reasons of a cancelled transaction, one by one."""
    left, right = plain.get("CancellationReasons", []), ours.get("CancellationReasons", [])
    return (
        bool(left)
        and len(left) == len(right)
        and text_of(plain) == text_of(ours)
        and all(
            same_text(str(one.get("Message")), str(other.get("Message")))
            and {**one, "Message": ""} == {**other, "Message": ""}
            for one, other in zip(left, right, strict=True)
        )
    )


def reason_in_place(op: Op, plain: Answer, ours: Answer) -> bool:
    """A plain ValidationException against the cancelled transaction that the service makes of it."""
    texts = [str(each.get("Message")) for each in ours.get("CancellationReasons", ())]
    return (
        op.name == "TransactWriteItems"
        and code_of(plain) == "ValidationException"
        and code_of(ours) == "TransactionCanceledException"
        and any(same_text(text_of(plain), text) for text in texts)
    )


def no_reasons(op: Op, plain: Answer, ours: Answer) -> bool:
    """A cancelled TransactGetItems with a text where its reasons should be."""
    texts = [text_of(ours), *(str(each.get("Message")) for each in ours.get("CancellationReasons", ()))]
    return (
        op.name == "TransactGetItems"
        and code_of(plain) == "TransactionCanceledException"
        and "CancellationReasons" not in plain
        and any(same_text(text_of(plain), text) for text in texts)
    )


def internal_failure(_op: Op, plain: Answer, ours: Answer) -> bool:
    return code_of(plain) == "InternalFailure" and code_of(ours) == "ValidationException"


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
        "it words some errors otherwise; `tests/contract/local_facts.py` has the table of both wordings",
        same_words,
    ),
    Fact(
        "words of its own in the reasons of a cancelled transaction",
        "the same wordings, one reason at a time",
        same_reasons,
    ),
    Fact(
        "an update that does not fit its item, in a transaction",
        "it answers ValidationException, the service TransactionCanceledException with the reason ValidationError",
        reason_in_place,
    ),
    Fact(
        "a malformed key in TransactGetItems",
        "it answers TransactionCanceledException without reasons",
        no_reasons,
    ),
    Fact(
        "InternalFailure",
        "it fails over unknown operators where the service answers ValidationException",
        internal_failure,
    ),
    Fact(
        "UPDATED_OLD and UPDATED_NEW of nested paths",
        "it shows the whole top-level attribute, the service only the updated paths",
        updated_paths,
    ),
)
MORE_FACTS: Final = {
    "an update that only removes, of an absent item": "it stores an item with nothing but its key, the service none;"
    " such items are left out of what is read afterwards",
    "DeleteItem of an absent item": "it says what was consumed though nobody asked",
}


def as_the_service(plain: Trace, ours: Trace) -> tuple[Trace, Trace]:
    """Both traces, with what only these facts explain made equal."""
    plain, ours = without_unasked(plain), without_unasked(ours)
    if any(only_removes(op) for op, _ in plain):
        plain, ours = without_bare_keys(plain), without_bare_keys(ours)
    equal = [
        (op, plain[n][1] if n < len(plain) and explained(op, plain[n][1], answer) else answer)
        for n, (op, answer) in enumerate(ours)
    ]
    return plain, equal


def explained(op: Op, plain: Answer, ours: Answer) -> bool:
    """Errors are explained by errors alone, and answers by answers."""
    if plain == ours or ("Error" in plain) != ("Error" in ours):
        return False
    return any(fact.same(op, plain, ours) for fact in FACTS)


def without_unasked(trace: Trace) -> Trace:
    return [
        (op, {name: value for name, value in answer.items() if name != "ConsumedCapacity"})
        if op.name == "DeleteItem" and "ReturnConsumedCapacity" not in op.request
        else (op, answer)
        for op, answer in trace
    ]


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
