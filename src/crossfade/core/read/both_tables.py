"""Reads of the strategy copy-on-write: an item is what the target holds, or else what the source holds.

The target is asked first, and the source after it: nothing is written to the source once the target has the item, and a
delete takes both at once, so the second answer is good for a moment between the two (see core/write/moves.py).
An item that the target has takes one request.

The source is always asked strongly consistent. What it had a second ago may be the old form of an item that the target
had had for weeks, and that was deleted in both since: the caller would see a value of weeks ago.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.read.lookup import look_up
from crossfade.core.stages import Row, Side
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.stamps import Stored


def behind_target(
    pair: Pair, row: Row, missing: Sequence[Item], sent: list[Reply], counted: Request
) -> Routine[list[Image]]:
    """What the source has of these keys, which the target has not; in a stage that looks afterwards, nothing yet."""
    if row.merges and missing:
        stored = yield from look_up(pair, "source", missing, sent, counted)
        return [pair.image_under("source", one, key) for one, key in zip(stored, missing, strict=True)]
    yield from look_later(pair, row, missing)
    return []


def look_both(
    pair: Pair, row: Row, keys: Sequence[Item], sent: list[Reply], counted: Request
) -> Routine[list[tuple[Side, Stored]]]:
    """What there is under these source keys, in their order, and where: in the target, or else, where items are in
    both tables, in the source. Raises MappingError where one key of the target stands for two items."""
    held = yield from look_up(pair, "target", keys, sent, counted)
    others = {n for n, stored in enumerate(held) if pair.is_another("target", stored, keys[n])}
    found: list[tuple[Side, Stored]] = [
        ("target", Stored(None) if n in others else stored) for n, stored in enumerate(held)
    ]
    missing = [n for n, (_, stored) in enumerate(found) if stored.item is None]
    if row.merges and missing:
        # Once more, now that the target is known to have none: it may be that the item was deleted.
        behind = yield from look_up(pair, "source", [keys[n] for n in missing], sent, counted)
        for n, stored in zip(missing, behind, strict=True):
            if not pair.is_another("source", stored, keys[n]):
                if n in others and stored.item is not None:
                    _ = pair.image_under("target", held[n], keys[n])  # which says what is wrong
                found[n] = ("source", stored)
    return found
