"""Items copied from the source to the target, each once: by the backfill, and by the repair of a fallback hit.

One transaction copies many items: each is put if the target has none, in one step with "the source still is what was
read". Whoever was quicker is never overwritten, and an item deleted meanwhile does not come back. When a transaction is
refused, its reasons say for which items; the others are sent again without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossfade.core.effects import Call, Request, Routine, Stamp
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.request.cancellation import reasons_of
from crossfade.core.request.error_codes import BUSY_REASONS
from crossfade.core.request.names import TRANSACTION_ACTIONS_MAX
from crossfade.core.sync.expiring import overdue
from crossfade.core.sync.retry import BACKGROUND, is_passing
from crossfade.core.sync.sync import read_patiently
from crossfade.core.tables.actions import condition_check
from crossfade.core.tables.guards import with_guard
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import ABSENT, Stored
from crossfade.errors import MappingError, ServiceRejected, UnknownOutcome

COPIES_MAX: Final = TRANSACTION_ACTIONS_MAX // 2  # of one transaction: a put and a check each


class CopyOutcome(StrEnum):
    COPIED = "copied"
    THERE = "there"  # the target has the item: a client was quicker
    ANOTHER = "another"  # the target has another item of the source under this key
    CHANGED = "changed"  # the source is not what was read any more
    EXPIRED = "expired"  # its time is over in the target, which has it no more, or not for long
    FENCED = "fenced"  # the stage is not what it was
    FAILED = "failed"  # the target does not take it


@dataclass(frozen=True, slots=True)
class Copy:
    """One item to copy: what was read of the source, and what the target is to hold (without a stamp)."""

    source_key: Item
    source: Stored
    item: Item


@dataclass(frozen=True, slots=True)
class CopyResult:
    outcome: CopyOutcome
    reason: str = ""


def copy_items(pair: Pair, copies: Sequence[Copy], fence: Request | None = None) -> Routine[list[CopyResult]]:
    """What came of each; sent until that is known. At most COPIES_MAX, one less with a fence."""
    results: dict[int, CopyResult] = {}
    left = list(range(len(copies)))
    while left:
        told = yield from _attempted(pair, [copies[n] for n in left], fence)
        results |= {left[place]: result for place, result in told.items()}
        left = [n for n in left if n not in results]
    return [results[n] for n in range(len(copies))]


def _attempted(pair: Pair, copies: Sequence[Copy], fence: Request | None) -> Routine[dict[int, CopyResult]]:
    """The outcome of some of these at least, by place."""
    items: list[Request] = []
    places: list[int] = []  # whose action it is
    for place, copy in enumerate(copies):
        actions = yield from _actions(pair, copy)
        items += actions
        places += [place] * len(actions)
    token = yield from Stamp()
    whole = [*items, fence] if fence is not None else items
    request: Request = {"TransactItems": whole, "ClientRequestToken": token}
    pauses = BACKGROUND.pauses()
    while True:
        try:
            _ = yield from Call("target", "TransactWriteItems", request)
        except UnknownOutcome:
            pass  # the same token again: it is carried out once
        except ServiceRejected as error:
            if reasons_of(error):
                found = _judged(pair, error, places, copies)
                if found:
                    return found
            elif error.code == "ValidationException":
                if len(copies) == 1:
                    return {0: CopyResult(CopyOutcome.FAILED, error.text)}
                half = len(copies) // 2  # too large together, perhaps
                return dict(enumerate((yield from copy_items(pair, copies[:half], fence))))
            elif not is_passing(error):
                raise
        else:
            return dict.fromkeys(range(len(copies)), CopyResult(CopyOutcome.COPIED))
        yield from next(pauses)


def _actions(pair: Pair, copy: Copy) -> Routine[list[Request]]:
    stamp = yield from Stamp()
    put: Request = {"TableName": pair.target.name, "Item": {**copy.item, STAMP: {"S": stamp}}}
    if pair.mapping.target_key_extras:  # whose item it is that is there
        put["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    actions: list[Request] = [{"Put": with_guard(put, pair.unchanged("target", ABSENT))}]
    if pair.rules.source_check and pair.rules.stamp:
        actions.append(condition_check(pair, "source", copy.source_key, pair.source_as_read(copy.source)))
    return actions


def _judged(pair: Pair, error: ServiceRejected, places: Sequence[int], copies: Sequence[Copy]) -> dict[int, CopyResult]:
    """The outcomes that a refusal tells; none where all was merely busy."""
    found: dict[int, CopyResult] = {}
    reasons = reasons_of(error)
    for n, reason in enumerate(reasons):
        code: str = reason.get("Code", "None")
        if code == "None" or code in BUSY_REASONS:
            continue
        if n >= len(places):
            return dict.fromkeys(range(len(copies)), CopyResult(CopyOutcome.FENCED))
        if code != "ConditionalCheckFailed":
            found[places[n]] = CopyResult(CopyOutcome.FAILED, reason.get("Message", code))
        elif n and places[n - 1] == places[n]:
            _ = found.setdefault(places[n], CopyResult(CopyOutcome.CHANGED))
        else:
            found[places[n]] = _there(pair, copies[places[n]], reason.get("Item"))
    return found


def _there(pair: Pair, copy: Copy, item: Item | None) -> CopyResult:
    """What it means that the target has this item already."""
    other = pair.another("target", pair.stored("target", item), copy.source_key)
    return CopyResult(CopyOutcome.THERE) if other is None else CopyResult(CopyOutcome.ANOTHER, other)


def copy_key(pair: Pair, source_key: Item, fence: Request | None = None) -> Routine[CopyResult | None]:
    """Copy what the source holds under one key now, however often that changes meanwhile; None where it holds nothing.
    EXPIRED: its time is over in the target (TTL), which may have deleted it before."""
    while True:
        source = yield from read_patiently(pair, "source", source_key)
        if source.item is None:
            return None
        if (yield from overdue(pair, source.item, None)) is not None:
            return CopyResult(CopyOutcome.EXPIRED)
        try:
            copy = Copy(source_key, source, pair.mapping.forward(source.item))
        except MappingError as error:
            return CopyResult(CopyOutcome.FAILED, error.message)
        (result,) = yield from copy_items(pair, [copy], fence)
        if result.outcome is not CopyOutcome.CHANGED:
            return result
