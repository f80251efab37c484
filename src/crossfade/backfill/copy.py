"""One page of the source into the target, beside clients that write.

A page is old as soon as it has been read: an item in it may have been changed, or deleted, and that change mirrored,
before the page's own write arrives and undoes it. So after the bulk write every key of the page is read again, strongly
consistent, and what is not as it was written is synced (`mirroring.sync`). That is the very rule that mirrors follow,
so neither the order between the two nor a clock matters, and a partial item can never be skipped.

An item that the mapping or the target does not take is counted and shown, never skipped in silence; if it has been
corrected by the time it is looked at again, it was no failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossfade.core.effects import Routine, Stamp
from crossfade.core.items import Item, same_item, size_bytes
from crossfade.core.mapping import STAMP
from crossfade.core.request.error_codes import ABOUT_THE_ITEM
from crossfade.core.request.names import BATCH_WRITE_ITEMS_MAX
from crossfade.core.sync.sync import sync, wait_until
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError, ServiceRejected
from crossfade.jobs.bulk import Written, get_items, put_in_bulk
from crossfade.jobs.keys import cutter
from crossfade.jobs.pace import Pace

WRITE_UNIT_BYTES: Final = 1024  # a write costs one unit for each KB begun
NO_LIMIT: Final = Pace(None)


@dataclass(frozen=True, slots=True)
class Limits:
    """The rates that all workers share: items, and write units of the target, a second."""

    items: Pace = NO_LIMIT
    units: Pace = NO_LIMIT


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be copied."""

    source_key: Item
    reason: str


@dataclass(slots=True)
class Copied:
    """What came of a page. `unsettled` keys are done only after `settle`, not before `settles_at` (monotonic)."""

    items: int = 0  # put in bulk, or one by one
    changed: int = 0  # changed since they were read, and synced
    failures: list[Failure] = field(default_factory=list[Failure])
    unsettled: list[Item] = field(default_factory=list[Item])
    settles_at: float = 0.0

    def add(self, other: Copied) -> None:
        self.items += other.items
        self.changed += other.changed
        self.failures += other.failures
        self.unsettled += other.unsettled
        self.settles_at = max(self.settles_at, other.settles_at)


def copy_images(pair: Pair, images: Sequence[Item], limits: Limits) -> Routine[Copied]:
    """Copy source items, as they were read, whose keys are all different."""
    copied = Copied()
    wanted: list[int] = []
    mapped: list[Item] = []
    refused: dict[int, str] = {}
    stamp = yield from Stamp()  # one a page; with its place in it, each item's own
    map_exactly = mapper(pair)
    for n, image in enumerate(images):
        try:
            item = map_exactly(image)
        except MappingError as error:
            refused[n] = error.message
        else:
            if pair.stamps_target:
                item[STAMP] = {"S": f"{stamp}-{n}"}
            mapped.append(item)
            wanted.append(n)
    written = yield from _put_paced(pair, mapped, limits)
    refused |= {wanted[position]: str(error) for position, error in written.refused.items()}
    unsettled = {wanted[position] for position in written.unsettled}
    copied.unsettled = [pair.source_key(images[n]) for n in sorted(unsettled)]
    copied.settles_at = written.settles_at
    copied.items = len(mapped) - len(written.refused)
    looked_at = [n for n in range(len(images)) if n not in unsettled]
    if pair.rules.check_read:
        yield from _look_again(pair, [images[n] for n in looked_at], [refused.get(n) for n in looked_at], copied)
    else:
        copied.failures += [Failure(pair.source_key(images[n]), reason) for n, reason in refused.items()]
    return copied


def mapper(pair: Pair) -> Callable[[Item], Item]:
    """The mapping with one check more: its function raises MappingError where the target key does not lead back.

    Two source items must never meet in one target item.
    """
    source_key, target_key = cutter(pair.source.key_names), cutter(pair.target.key_names)
    mapping = pair.mapping

    def map_exactly(image: Item) -> Item:
        item = mapping.forward(image)
        key = target_key(item)
        if not same_item(mapping.backward_key(key), source_key(image)):
            raise MappingError(f"its target key {key} is also that of another item: the mapping does not lead back")
        return item

    return map_exactly


def _put_paced(pair: Pair, items: Sequence[Item], limits: Limits) -> Routine[Written]:
    """One bulk write after the other, each when its time has come."""
    if not (limits.items.limited or limits.units.limited):
        return (yield from put_in_bulk(pair, items))
    total = Written()
    for start in range(0, len(items), BATCH_WRITE_ITEMS_MAX):
        batch = items[start : start + BATCH_WRITE_ITEMS_MAX]
        yield from limits.items.wait(len(batch))
        yield from limits.units.wait(sum(map(write_units, batch)))
        written = yield from put_in_bulk(pair, batch)
        total.refused |= {start + n: error for n, error in written.refused.items()}
        total.unsettled |= {start + n for n in written.unsettled}
        total.settles_at = max(total.settles_at, written.settles_at)
    return total


def write_units(item: Item) -> int:
    return -(-size_bytes(item) // WRITE_UNIT_BYTES)


def _look_again(pair: Pair, images: Sequence[Item], reasons: Sequence[str | None], copied: Copied) -> Routine[None]:
    """The check-read: whatever is not as it was written is synced. Where it was refused and is the same, it failed."""
    keys = list(map(cutter(pair.source.key_names), images))
    now = yield from get_items(pair, "source", keys)
    for key, image, item, reason in zip(keys, images, now, reasons, strict=True):
        if not same_item(image, item):
            copied.changed += 1
            yield from sync_or_fail(pair, key, copied)
        elif reason is not None:
            copied.failures.append(Failure(key, reason))


def sync_or_fail(pair: Pair, key: Item, copied: Copied) -> Routine[None]:
    try:
        yield from sync(pair, "source", key)
    except MappingError as error:
        copied.failures.append(Failure(key, error.message))
    except ServiceRejected as error:
        if error.code not in ABOUT_THE_ITEM:
            raise
        copied.failures.append(Failure(key, str(error)))


def settle(pair: Pair, copied: Copied) -> Routine[None]:
    """Make sure of the keys whose bulk write had no answer, once it can no longer land over anything newer."""
    yield from wait_until(copied.settles_at)
    keys, copied.unsettled = copied.unsettled, []
    for key in keys:
        yield from sync_or_fail(pair, key, copied)
