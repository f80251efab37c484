"""One page of the source moved into the target, beside clients that copy what they write: each item is written once.

A transaction puts many items, each only if the target has none and the source still is what was read
(core/sync/copy.py). So there is nothing to look at again afterwards: whoever was quicker, client or another runner, has
the item.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.backfill.copy import Copied, Failure, Limits, mapper, write_units
from crossfade.core.effects import Routine
from crossfade.core.items import Item, size_bytes
from crossfade.core.sync.copy import COPIES_MAX, Copy, CopyOutcome, CopyResult, copy_items, copy_key
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError

# "the aggregate size of the items in the transaction cannot exceed 4 MB"; an item comes twice, once as its condition.
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
PART_BYTES_MAX: Final = 1_500_000
TRANSACTED: Final = 2  # what a write in a transaction costs, in write units of a plain one; a condition costs as much


def move_images(pair: Pair, images: Sequence[Item], limits: Limits) -> Routine[Copied]:
    """Move source items, as they were read, whose keys are all different. `changed` are those that were moved, changed
    or deleted by clients meanwhile."""
    moved = Copied()
    # Where an item tells its whole key itself, the target's own item tells whether it is this one.
    map_exactly = (
        pair.mapping.forward if pair.mapping.source_key_extras or pair.mapping.target_key_extras else mapper(pair)
    )
    copies: list[Copy] = []
    for image in images:
        key = pair.source_key(image)
        try:
            copies.append(Copy(key, pair.stored("source", image), map_exactly(image)))
        except MappingError as error:
            moved.failures.append(Failure(key, error.message))
    while copies:
        part = first_part(copies)
        del copies[: len(part)]
        yield from limits.items.wait(len(part))
        yield from limits.units.wait(sum(TRANSACTED * write_units(copy.item) for copy in part))
        for copy, result in zip(part, (yield from copy_items(pair, part)), strict=True):
            yield from count(pair, copy, result, moved)
    return moved


def first_part(copies: Sequence[Copy]) -> list[Copy]:
    """Return as many copies as fit into one transaction, but at least one."""
    total = 0
    for n, copy in enumerate(copies[:COPIES_MAX]):
        total += size_bytes(copy.item)
        if n and total > PART_BYTES_MAX:
            return list(copies[:n])
    return list(copies[:COPIES_MAX])


def count(pair: Pair, copy: Copy, result: CopyResult, moved: Copied) -> Routine[None]:
    """What came of one item. Where the source was written meanwhile, it is read again, and copied as it is then."""
    final: CopyResult | None = result
    if result.outcome is CopyOutcome.CHANGED:
        final = yield from copy_key(pair, copy.source_key)
    if final is None or final.outcome in (CopyOutcome.THERE, CopyOutcome.EXPIRED):
        moved.changed += 1
    elif final.outcome in (CopyOutcome.FAILED, CopyOutcome.ANOTHER):
        moved.failures.append(Failure(copy.source_key, final.reason))
    else:
        moved.items += 1
