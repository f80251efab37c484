"""A difference that stays the very same: none that a mirror under way, or a key that is being written, explains.

A mirror takes its moments. So a difference counts only when two looks seconds apart have found it, with the same image
on both sides and no write of the target in between, which its stamp would tell. Where it goes on changing somebody goes
on writing, and each write is followed by a mirror of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Routine, Sleep
from crossfade.core.items import Item
from crossfade.core.sync.compare import Difference
from crossfade.core.sync.looks import Sign, look_at_both, signs_of
from crossfade.core.tables.pair import Pair

# Before each further look. With what a stream itself takes, a write that stays is named within 5 seconds.
WAITS_SECONDS: Final = (0.1, 0.4, 1.75, 2.0, 2.0)
LOOKS_MIN: Final = 4


def lasting_difference(
    pair: Pair, source_key: Item, waits_seconds: Sequence[float] = WAITS_SECONDS
) -> Routine[Difference | None]:
    """What both sides hold, if that is different and stays so; None where they agree, or are being written."""
    before: tuple[Sign, ...] = ()
    for looks, wait in enumerate((0.0, *waits_seconds), 1):
        yield from Sleep(wait)
        source, target = yield from look_at_both(pair, source_key, at_once=False)
        if pair.equal(source, target):
            return None
        now = signs_of(pair, (source, target))
        if looks >= LOOKS_MIN and now == before:
            return Difference(source_key, source.item, target.item)
        before = now
    return None
