"""IAM's identity-based policies, as far as DynamoDB's actions go.

How a decision is made (an explicit deny wins, then an allow, and without one the request is denied):
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html. Keys of conditions:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from tests.contract.answers import list_of

Document: TypeAlias = Mapping[str, Any]  # a policy's JSON


class Decision(StrEnum):
    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"  # no statement allows it
    DENIED = "denied"  # a statement denies it


@dataclass(frozen=True, slots=True)
class Wanted:
    """One action on one resource. `facts`: the values of condition keys that the request has."""

    action: str  # dynamodb:GetItem
    resource: str  # an ARN, or *
    facts: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


def decide(documents: Iterable[Document], wanted: Wanted) -> Decision:
    """Return what these policies together come to."""
    effects = {
        str(statement["Effect"])
        for document in documents
        for statement in listed(document["Statement"])
        if applies(statement, wanted)
    }
    if "Deny" in effects:
        return Decision.DENIED
    return Decision.ALLOWED if "Allow" in effects else Decision.NOT_ALLOWED


def applies(statement: Mapping[str, Any], wanted: Wanted) -> bool:
    return (
        named(statement, "Action", wanted.action, ignore_case=True)
        and named(statement, "Resource", wanted.resource, ignore_case=False)
        and all(
            condition_holds(operator, key, listed(values), wanted.facts)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def named(statement: Mapping[str, Any], element: str, value: str, *, ignore_case: bool) -> bool:
    """Return whether `Action` (or `NotAction`) is about the value. Names of actions are of no case, ARNs are."""
    if element in statement:
        return any(like(pattern, value, ignore_case=ignore_case) for pattern in listed(statement[element]))
    return not any(like(pattern, value, ignore_case=ignore_case) for pattern in listed(statement[f"Not{element}"]))


def like(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Return whether a value has the form of a pattern, in which `*` is any text and `?` any character."""
    form = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(form, value, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


COMPARISONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": lambda asked, value: asked == value,
    "StringNotEquals": lambda asked, value: asked != value,
    "StringLike": lambda asked, value: like(asked, value),
    "StringNotLike": lambda asked, value: not like(asked, value),
    "StringEqualsIgnoreCase": lambda asked, value: asked.lower() == value.lower(),
    "Bool": lambda asked, value: asked.lower() == value.lower(),
}
NEGATED: Final = frozenset({"StringNotEquals", "StringNotLike"})


def condition_holds(operator: str, key: str, asked: Sequence[str], facts: Mapping[str, Sequence[str]]) -> bool:
    """Return whether one condition is met.

    `ForAllValues` is met by a request without the key, `ForAnyValue` is not; a plain operator is not either, unless it
    is negated or ends in IfExists.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    """
    qualifier, _, rest = operator.rpartition(":")
    name, if_exists = rest.removesuffix("IfExists"), rest.endswith("IfExists")
    compare, every = COMPARISONS[name], all if name in NEGATED else any
    values = next((found for fact, found in facts.items() if fact.lower() == key.lower()), ())
    met = [every(compare(str(each), value) for each in asked) for value in values]
    if qualifier == "ForAllValues":
        return all(met)
    if not met:
        return if_exists or (not qualifier and name in NEGATED)
    return any(met) if qualifier == "ForAnyValue" else all(met)


def listed(value: Any) -> list[Any]:
    """Return an element of a policy that may be one value or a list of them as a list."""
    return list_of(value) if isinstance(value, list) else [value]


def document(
    effect: str, actions: Sequence[str], resources: Sequence[str], condition: Document | None = None
) -> Document:
    """Return a policy of one statement."""
    statement: dict[str, Any] = {"Effect": effect, "Action": list(actions), "Resource": list(resources)}
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


EVERYTHING: Final = document("Allow", ["dynamodb:*"], ["*"])
