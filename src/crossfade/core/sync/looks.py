"""What several looks at two sides that differ say: the difference is confirmed, or a write is in flight.

A difference is *confirmed* when neither side has changed between two looks, and they differ still. While both are
written there may be no such moment: each look falls between a write and its mirror. But whatever is written beside the
authority is a whole image that the authority held a moment before, so what was wrong there is gone with it. Such a key
is *in flight*: it is looked at until it stands still, a bounded number of times. A side that stands still while the
other one is written is not followed any more, and that is a loss however hot the key is.

Two looks may find the same although much was written between them (a lock that is taken and given back); the stamp
tells, on a side where every write leaves one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from crossfade.core.effects import Call, Request, Routine
from crossfade.core.items import Item, canonical
from crossfade.core.stages import SIDES
from crossfade.core.sync.retry import Backoff, is_passing_or_unanswered, resend
from crossfade.core.sync.sync import read_patiently
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.errors import DatabaseError

# A side that stands still for so many looks in a row, to the last, is not followed: twice as long as stands for damage
# where both do.
STILL_LOOKS: Final = 3
# A read of both sides in one transaction is refused while another transaction holds one of them. Where it is so each
# time, the sides are read one after the other.
AT_ONCE: Final = Backoff(seconds_first=0.02, pauses_max=4)

Seen: TypeAlias = tuple[Stored, Stored]  # the source, the target


class Verdict(Enum):
    LOOK_AGAIN = "look again"
    CONFIRMED = "confirmed"
    IN_FLIGHT = "in flight"


@dataclass(frozen=True, slots=True)
class Sign:
    """What tells that one side has changed; it stands for an item that may be too large to keep."""

    stamp: str | None  # where every write to this side leaves one
    digest: int

    def is_unwritten(self, before: Sign) -> bool:
        return self == before if self.stamp is None else self.stamp == before.stamp


class Looks:
    """The looks at one key that seem to show a difference.

    Those from the one on that is followed by the last of the `waits` are late: what was in flight at the first look has
    arrived. A key that is written until all these are over is looked at twice more, the first time after twice as long.
    """

    __slots__ = ("_before", "_late_from", "_number", "_unwritten", "_waits")

    def __init__(self, waits: tuple[float, ...]) -> None:
        self._waits = (*waits, 2 * waits[-1], waits[-1])
        self._late_from = waits.index(waits[-1])
        self._number = 0
        self._before: tuple[Sign, ...] = ()
        self._unwritten = [0, 0]  # for how many looks, on each side

    @property
    def wait_seconds(self) -> float:
        """Before the next look."""
        return self._waits[self._number - 1]

    @property
    def has_moved(self) -> bool:
        """Whether either side was seen to change between the last two looks."""
        return self._number > 1 and not all(self._unwritten)

    def judge(self, pair: Pair, seen: Seen) -> Verdict:
        """Take a look into account that has found a difference."""
        signs = signs_of(pair, seen)
        is_still = signs == self._before
        for n, before in enumerate(self._before):
            self._unwritten[n] = self._unwritten[n] + 1 if signs[n].is_unwritten(before) else 0
        self._before, number = signs, self._number
        self._number += 1
        if is_still and number >= self._late_from:
            return Verdict.CONFIRMED
        if number < len(self._waits):
            return Verdict.LOOK_AGAIN
        return Verdict.CONFIRMED if max(self._unwritten) >= STILL_LOOKS else Verdict.IN_FLIGHT


def signs_of(pair: Pair, seen: Seen) -> tuple[Sign, ...]:
    """Return equal signs where neither side has been written between two looks, as far as can be told."""
    return tuple(
        Sign(stored.stamp if pair.stamps(side) else None, hash(stored.item and canonical(stored.item)))
        for side, stored in zip(SIDES, seen, strict=True)
    )


def look_at_both(pair: Pair, source_key: Item, *, at_once: bool) -> Routine[Seen]:
    """Both sides under one key, strongly consistent; `at_once`: as they are at one moment, if that can be had."""
    if at_once:
        gets = [{"Get": {"TableName": pair.table(side).name, "Key": pair.key(side, source_key)}} for side in SIDES]
        request: Request = {"TransactItems": gets}
        send = Call("target", "TransactGetItems", request).__iter__
        try:
            reply = yield from resend(send, is_passing_or_unanswered, AT_ONCE)
        except DatabaseError:
            pass  # busy for too long, or refused for a reason of its own: single reads say what they are refused for
        else:
            found = [answer.get("Item") for answer in reply["Responses"]]
            return pair.stored("source", found[0]), pair.stored("target", found[1])
    source = yield from read_patiently(pair, "source", source_key)
    target = yield from read_patiently(pair, "target", source_key)
    return source, target
