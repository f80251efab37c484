"""One key compared on both sides: what only a write in flight makes differ is told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from crossfade.core.effects import Note, Routine, Sleep
from crossfade.core.items import Item
from crossfade.core.sync.expiring import overdue
from crossfade.core.sync.looks import Looks, Verdict, look_at_both
from crossfade.core.sync.sync import read_patiently
from crossfade.core.tables.expiry import GRACE_SECONDS
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored

# Waits between looks at a difference, which may be a write in flight; what the looks say of it: core/sync/looks.py.
RECHECK_SECONDS: Final = (0.1, 0.5, 2.0, 2.0, 2.0, 2.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """What both sides hold under one key (stamps apart), in their own forms, when that stays different.

    overdue_seconds  for how long the time has been over of an item that one side has and the other may have expired
                     (TTL); None for any other difference
    in_flight        both sides were written at every look, so that this is no difference but a moment of theirs; any
                     other is confirmed
    """

    source_key: Item
    source: Item | None
    target: Item | None
    overdue_seconds: int | None = None
    in_flight: bool = False

    @property
    def is_expiring(self) -> bool:
        """True if the side that has the item is only later to expire it than the other: nothing to be made equal."""
        return self.overdue_seconds is not None and self.overdue_seconds <= GRACE_SECONDS

    @property
    def kind(self) -> Literal["missing", "extra", "mismatched", "expiring", "in_flight"]:
        """Missing or extra in the target, there and different; or no difference but an expiry, or writes in flight."""
        if self.is_expiring:
            return "expiring"
        if self.in_flight:
            return "in_flight"
        if self.source is None:
            return "extra"
        return "missing" if self.target is None else "mismatched"


def compare_key(
    pair: Pair,
    source_key: Item,
    waits: tuple[float, ...] = RECHECK_SECONDS,
    agreed: Callable[[Stored, Stored], bool] | None = None,
) -> Routine[Difference | None]:
    """None when both sides agree on this key; else what they hold, confirmed or in flight, after several looks (one if
    it is only expiring). `agreed`: what that means of a source and a target, if not equality."""
    looks = Looks(waits)
    while True:
        source, target = yield from look_at_both(pair, source_key, at_once=looks.has_moved)
        if (agreed or pair.equal)(source, target):
            return None
        difference = yield from dated(pair, Difference(source_key, source.item, target.item))
        if difference.is_expiring:
            return difference
        verdict = looks.judge(pair, (source, target))
        if verdict is not Verdict.LOOK_AGAIN:
            return replace(difference, in_flight=verdict is Verdict.IN_FLIGHT)
        yield from Sleep(looks.wait_seconds)


def dated(pair: Pair, difference: Difference) -> Routine[Difference]:
    """The difference, with the time that is over where it is one of expiry."""
    seconds = yield from overdue(pair, difference.source, difference.target)
    return difference if seconds is None else replace(difference, overdue_seconds=seconds)


def shadow_compare(pair: Pair, source_key: Item, served: Stored | None = None) -> Routine[None]:
    """One comparison, after the answer has been given. Tells the observers how it went.

    `served` is what the source has just answered: when the target has the same, one read is enough.
    """
    if served is not None:
        target = yield from read_patiently(pair, "target", source_key)
        if pair.equal(served, target):
            yield from Note("compare", {"outcome": "matching"})
            return
    difference = yield from compare_key(pair, source_key)
    if difference is None:
        yield from Note("compare", {"outcome": "matching"})
    else:
        yield from Note("compare", {"outcome": difference.kind, "difference": difference})
