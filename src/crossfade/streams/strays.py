"""Writes of the source, looked at: whether the fleet has followed them.

A mirror takes its moments, so a difference counts only when it has stayed the very same for about two seconds. Where it
goes on changing, somebody goes on writing, and the later writes have records of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Routine, Sleep
from crossfade.core.items import Item
from crossfade.core.request.names import BATCH_GET_KEYS_MAX
from crossfade.core.sync.compare import Difference
from crossfade.core.sync.looks import Sign, look_at_both, signs_of
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError
from crossfade.jobs.bulk import get_in_bulk

# Before each further look. With what the stream itself takes, a write that stays is named within 5 seconds.
WAITS_SECONDS: Final = (0.1, 0.4, 1.75, 2.0, 2.0)
LOOKS_MIN: Final = 4


def unfollowed(pair: Pair, source_keys: Sequence[Item]) -> Routine[list[Item]]:
    """Return the keys under which the two sides differ now."""
    found: list[Item] = []
    for start in range(0, len(source_keys), BATCH_GET_KEYS_MAX):
        part = source_keys[start : start + BATCH_GET_KEYS_MAX]
        target = yield from get_in_bulk(pair, "target", part)
        source = yield from get_in_bulk(pair, "source", part)
        found += [key for key, here, there in zip(part, source, target, strict=True) if not pair.equal(here, there)]
    return found


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


def mappable(pair: Pair, source_key: Item) -> bool:
    """Whether the target can have a key for it at all."""
    try:
        _ = pair.key("target", source_key)
    except MappingError:
        return False
    return True
