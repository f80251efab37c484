"""Who judges: an outcome of one call, and whether a plain table could have had it.

What a plain table could have is not listed but tried: the same call on a plain table, by the same kind of client,
undisturbed and with each of its own requests failing in the same way. An outcome is what the caller was told, and what
the tables hold afterwards, in the caller's terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.contract.answers import normalised
from tests.contract.report import first_difference
from tests.contract.steps import Answer

ANSWER: Final = "answer"
UNKNOWN: Final = "unknown"  # whether it was carried out
# Exceptions of botocore and aiobotocore for a request without an answer.
NO_ANSWER: Final = frozenset(
    {"ReadTimeoutError", "ConnectionClosedError", "EndpointConnectionError", "ConnectTimeoutError", "HTTPClientError"}
)
SERVER_ERROR: Final = 500
# Codes that say one thing: nothing was written, try again.
ALIKE: Final = {
    "ProvisionedThroughputExceededException": "throttled",
    "ThrottlingException": "throttled",
    "RequestLimitExceeded": "throttled",
    "TransactionConflictException": "conflict",
    "TransactionInProgressException": "conflict",
}
REASONS_ALIKE: Final = {
    "ThrottlingError": "throttled",
    "ProvisionedThroughputExceeded": "throttled",
    "TransactionConflict": "conflict",
}

State = Mapping[str, Any]  # the item under each key that is looked at; None where there is none


@dataclass(frozen=True, slots=True)
class Outcome:
    """`told` is ANSWER, UNKNOWN or the code of a refusal; `detail` what else the caller is told."""

    told: str
    detail: Any
    state: State


def heard(answer: Answer, clean: Any) -> tuple[str, Any]:
    """What a caller hears in an answer, or in the error in its place. `clean` takes away the names of one world."""
    name = answer.get("raised")
    if name is None:
        return ANSWER, clean(normalised(answer, "\0"))
    if "Error" not in answer:
        return (UNKNOWN, None) if name in NO_ANSWER else (f"{name}: {answer.get('text')}", None)
    if answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= SERVER_ERROR:
        return UNKNOWN, None
    code: str = answer["Error"]["Code"]
    reasons: list[Answer] = answer.get("CancellationReasons", [])
    codes = {REASONS_ALIKE.get(each.get("Code", "None"), "judged") for each in reasons if each.get("Code") != "None"}
    if code in ALIKE or (len(codes) == 1 and "judged" not in codes):
        return ALIKE.get(code) or codes.pop(), None
    # Where a condition has failed it may be told or not that another action was busy as well.
    judged = [{} if each.get("Code") in REASONS_ALIKE else each for each in reasons]
    shown = [{"Code": each.get("Code", "None"), "Item": each.get("Item")} for each in judged]
    return code, clean(normalised({"Item": answer.get("Item"), "reasons": shown}, "\0"))


def complaint(
    found: Outcome, possible: Sequence[Outcome], before: State, *, by_entry: bool = False, may_be_unknown: bool = True
) -> str | None:
    """What is wrong with an outcome; None where a plain table could have had it.

    `possible`: the undisturbed outcome first, then the others that a plain table has had; `before`: what was there.
    `may_be_unknown`: a request had no answer, or is one of many. `by_entry`: where it is unknown, each item may be as
    before or as afterwards, and not only all of them together.
    """
    if found.told == UNKNOWN and may_be_unknown:
        states = [before, *(each.state for each in possible)]
        if by_entry:
            torn = [key for key, item in found.state.items() if not any(state[key] == item for state in states)]
        else:
            torn = [] if any(found.state == state for state in states) else different(found.state, possible[0].state)
        return f"unknown, and the tables hold what no fate leaves: {of(found.state, torn)}" if torn else None
    if found in possible:
        return None
    alike = [each for each in possible if each.told == found.told]
    if not alike:
        kinds = sorted({each.told for each in possible} | ({UNKNOWN} if may_be_unknown else set()))
        return f"told {found.told!r} {found.detail}; a plain table: {', '.join(kinds)}"
    as_told = [each for each in alike if each.detail == found.detail]
    if not as_told:
        return f"told {found.told!r} with {apart(alike[0].detail, found.detail)}"
    keys = different(found.state, as_told[0].state)
    return (
        f"told {found.told!r}, and the tables hold {of(found.state, keys)}; a plain table: {of(as_told[0].state, keys)}"
    )


def apart(plain: Any, ours: Any) -> str:
    return first_difference(plain, ours) if isinstance(plain, (dict, list)) else f"{ours}; a plain table: with {plain}"


def different(left: State, right: State) -> list[str]:
    return [key for key in left if left[key] != right.get(key)]


def of(state: State, keys: Sequence[str]) -> dict[str, Any]:
    return {key: state.get(key) for key in keys}


def leaked(answer: Answer, forbidden: Sequence[str]) -> str | None:
    """What an answer shows of ours. A refused permission has to say of what, or nobody could grant it."""
    shown = {name: value for name, value in answer.items() if name not in ("ResponseMetadata", "LastEvaluatedKey")}
    text = repr(shown)
    found = [] if NOT_AUTHORIZED in text else [word for word in forbidden if word in text]
    return f"shows {', '.join(found)}: {text}" if found else None


NOT_AUTHORIZED: Final = "is not authorized to perform"


def miscounted(answer: Answer, actions: int) -> str | None:
    """A cancelled transaction has one reason for each of the caller's actions."""
    if answer.get("Error", {}).get("Code") != "TransactionCanceledException":
        return None
    count = len(answer.get("CancellationReasons", ()))
    return None if count == actions else f"{count} reasons for {actions} actions: {answer['CancellationReasons']}"
