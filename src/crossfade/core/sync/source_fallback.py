"""What `rampdown` does about an item that the target does not have: it looks in the source, after the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crossfade.core.effects import Later, Note, Request, Routine, Today
from crossfade.core.items import Item
from crossfade.core.stages import Fallback, Row, Stage
from crossfade.core.sync.copy import CopyOutcome, copy_key
from crossfade.core.tables.pair import Pair, key_name

FALLBACK: Final = "fallback"  # the event; its facts: key, outcome, reason, at (seconds since 1970)


def look_later(pair: Pair, row: Row, missing: Iterable[Item], *, written: bool = False) -> Routine[None]:
    """The source keys of what was not found; in the other stages nobody looks. `written`: by a write, which was decided
    upon the absence, or is about to be."""
    if row.fallback is Fallback.LOOKED_UP:
        for key in missing:
            yield from Later("look", key_name(key), look_behind(pair, key, written=written))


FOUND: Final = frozenset({CopyOutcome.COPIED, CopyOutcome.FAILED, CopyOutcome.ANOTHER})


def look_behind(pair: Pair, source_key: Item, *, written: bool = False) -> Routine[None]:
    """After the target had no such item: has the source? That is an alert, and is put right, but only while the fleet
    is in `rampdown`: a client that is in `complete` deletes in the target alone, and what the source still holds is
    nobody's.

    `written`: the target may have one by now, made without a look at the source's. It stays as it is, but is told of:
    what the source holds was there at that time, since nothing new is written to it."""
    result = yield from copy_key(pair, source_key, fence(pair) if pair.rules.fence else None)
    if result is None or result.outcome not in (FOUND | {CopyOutcome.THERE} if written else FOUND):
        return
    at = yield from Today()
    facts = {"key": source_key, "outcome": result.outcome.value, "reason": result.reason, "at": at}
    yield from Note(FALLBACK, facts)


def fence(pair: Pair) -> Request:
    """The fleet is in rampdown, and nobody may have entered complete."""
    if pair.ledger is None:
        raise AssertionError("a fence needs the control table")
    return {
        "ConditionCheck": {
            "TableName": pair.ledger.table,
            "Key": {"migration": {"S": pair.ledger.migration}, "record": {"S": "state"}},
            "ConditionExpression": "#stage = :stage",
            "ExpressionAttributeNames": {"#stage": "stage"},
            "ExpressionAttributeValues": {":stage": {"S": Stage.RAMPDOWN.value}},
        }
    }
