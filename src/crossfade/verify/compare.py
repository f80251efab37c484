"""Comparing both tables, item by item and in both directions, while clients write.

Each item of the source is mapped and compared with what the target holds under its key; then each key of the target is
mapped back and looked up in the source, because nothing else ever finds an item that only the target has. Nothing is
sampled and nothing is counted in place of being compared. What differs at first sight is only a suspect: mirrors may
be on their way. Suspects are looked at again, together, after growing waits; there are never more than SUSPECTS_MAX,
and they are kept as keys, so memory does not grow with the table or with the damage.

Scans are strongly consistent here: the switch to the target rests on this, and a stale read could show as equal what is
not. That costs twice the read units of an eventually consistent scan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from crossfade.core.effects import Call, Request, Routine
from crossfade.core.items import Item, same_item
from crossfade.core.mapping import STAMP
from crossfade.core.request.names import BATCH_GET_KEYS_MAX
from crossfade.core.sync.compare import Difference, dated
from crossfade.core.sync.looks import Looks, Seen, Verdict, look_at_both
from crossfade.core.sync.retry import read_again
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import ABSENT, Stored
from crossfade.errors import MappingError
from crossfade.jobs.bulk import Page, get_in_bulk, get_items
from crossfade.jobs.keys import cutter
from crossfade.verify.packing import packed, same_packed

SUSPECTS_MAX: Final = 1_000  # a segment; one round of second looks for so many takes the waits below, once
LOOK_KEYS: Final = 25  # at most 400 KB each, on both sides: 20 MB
# Longer than a mirror takes that is merely behind; what the looks say of a difference: core/sync/looks.py.
RECHECK_SECONDS: Final = (1.0, 4.0, 5.0, 5.0)


Agreed: TypeAlias = Callable[[Stored, Stored], bool]
Expected: TypeAlias = tuple[Item, Item, bytes]  # source key, target key, and the item that is to be there, packed


@dataclass(frozen=True, slots=True)
class Stray:
    """An item of the target that no item of the source maps to, whatever the source holds."""

    target_key: Item
    reason: str


@dataclass(slots=True)
class Suspects:
    """What seemed different. Source keys, and strays of the target."""

    keys: list[Item] = field(default_factory=list[Item])
    strays: list[Stray] = field(default_factory=list[Stray])

    def __len__(self) -> int:
        return len(self.keys) + len(self.strays)


def uncovered_suspects(pair: Pair, page: Page) -> Routine[Suspects]:
    """Return which keys of a source's page the target lacks, for a target that goes on by itself."""
    suspects = Suspects()
    keys: list[Item] = []
    source_key = pair.source_key if pair.mapping.target_key_extras else cutter(pair.source.key_names)
    for key in map(source_key, page.items):
        (keys if _is_mappable(pair, key) else suspects.keys).append(key)
    wanted = [pair.key("target", key) for key in keys]
    held = yield from get_items(pair, "target", wanted, names=pair.whole_key_names("target"))
    covered = (pair.is_covered(Stored(key), Stored(target)) for key, target in zip(keys, held, strict=True))
    suspects.keys += [key for key, there in zip(keys, covered, strict=True) if not there]
    return suspects


def source_suspects(pair: Pair, page: Page) -> Routine[Suspects]:
    """Return which items of a source's page, which is emptied, the target lacks or has otherwise."""
    suspects = Suspects()
    source_key, target_key = cutter(pair.source.key_names), cutter(pair.target.key_names)
    expected: list[Expected] = []
    while page.items:
        item = page.items.pop()
        try:
            mapped = pair.mapping.forward(item)
        except MappingError:
            suspects.keys.append(source_key(item))
        else:
            expected.append((source_key(item), target_key(mapped), packed(mapped)))
    for start in range(0, len(expected), BATCH_GET_KEYS_MAX):
        yield from _compare(pair, expected[start : start + BATCH_GET_KEYS_MAX], suspects)
    return suspects


def _compare(pair: Pair, expected: Sequence[Expected], suspects: Suspects) -> Routine[None]:
    held = yield from get_items(pair, "target", [target_key for _, target_key, _ in expected])
    held.reverse()
    for key, _, mapped in expected:
        target = held.pop()  # taken off the list, so that it is freed at once
        if target is not None:
            _ = target.pop(STAMP, None)
        if target is None or not same_packed(mapped, packed(target)):
            suspects.keys.append(key)


def target_suspects(pair: Pair, page: Page) -> Routine[Suspects]:
    """Return which keys of a target's page the source lacks, and which belong to no item of a source."""
    suspects = Suspects()
    keys: list[Item] = []
    for target_key in map(cutter(pair.target.key_names), page.items):
        found = owner_of(pair, target_key)
        if isinstance(found, Stray):
            suspects.strays.append(found)
        else:
            keys.append(found)
    held = yield from get_items(pair, "source", keys, names=pair.source.key_names)
    suspects.keys += [key for key, source in zip(keys, held, strict=True) if source is None]
    return suspects


def owner_of(pair: Pair, target_key: Item) -> Item | Stray:
    """The source key whose item belongs there. Mapping back is not enough: it must lead here again."""
    try:
        key = pair.mapping.backward_key(target_key)
        there = pair.mapping.forward_key(key)
    except MappingError as error:
        return Stray(target_key, error.message)
    if same_item(there, target_key):
        return key
    return Stray(target_key, f"the item that it maps back to belongs under {there}")


class SecondLooks:
    """The looks at some keys that seemed different. `found` is told once of each that still does in the end: confirmed,
    in flight, or at once where it is only expiring. Those that are confirmed are `differing`.
    """

    def __init__(
        self,
        keys: Sequence[Item],
        found: Callable[[Difference], None],
        waits: tuple[float, ...] = RECHECK_SECONDS,
        agreed: Agreed | None = None,
    ) -> None:
        """`agreed`: what a source and a target are to be, if not equal."""
        self._agreed = agreed
        self.differing: list[Item] = []
        self._found = found
        self._left = [(key, Looks(waits)) for key in keys]

    def look(self, pair: Pair) -> Routine[float | None]:
        """One look at what is left. The seconds to wait before the next; None when there is nothing more to look at."""
        again: list[tuple[Item, Looks]] = []
        for start in range(0, len(self._left), LOOK_KEYS):
            some = self._left[start : start + LOOK_KEYS]
            for (key, looks), seen in zip(some, (yield from _look(pair, some)), strict=True):
                if (self._agreed or pair.equal)(*seen):
                    continue
                difference = yield from dated(pair, Difference(key, seen[0].item, seen[1].item))
                verdict = Verdict.CONFIRMED if difference.is_expiring else looks.judge(pair, seen)
                if verdict is Verdict.LOOK_AGAIN:
                    again.append((key, looks))
                else:
                    self._tell(replace(difference, in_flight=verdict is Verdict.IN_FLIGHT))
        self._left = again
        return again[0][1].wait_seconds if again else None

    def _tell(self, difference: Difference) -> None:
        self._found(difference)
        if not (difference.is_expiring or difference.in_flight):
            self.differing.append(difference.source_key)


def _look(pair: Pair, some: Sequence[tuple[Item, Looks]]) -> Routine[list[Seen]]:
    """Both sides of a few keys: in bulk, but at one moment where a key is being written. The target of a key that
    cannot be mapped holds nothing."""
    keys = [key for key, _ in some]
    mappable = [n for n, key in enumerate(keys) if _is_mappable(pair, key)]
    moving = {n for n in mappable if some[n][1].has_moved}
    seen: dict[int, Seen] = {}
    for n in moving:
        seen[n] = yield from look_at_both(pair, keys[n], at_once=True)
    resting = [n for n in range(len(keys)) if n not in moving]
    sources = yield from get_in_bulk(pair, "source", [keys[n] for n in resting])
    targeted = [n for n in mappable if n not in moving]
    held = yield from get_in_bulk(pair, "target", [keys[n] for n in targeted])
    targets = dict(zip(targeted, held, strict=True))
    seen |= {n: (source, targets.get(n, ABSENT)) for n, source in zip(resting, sources, strict=True)}
    return [seen[n] for n in range(len(keys))]


def _is_mappable(pair: Pair, key: Item) -> bool:
    try:
        _ = pair.mapping.forward_key(key)
    except MappingError:
        return False
    return True


def read_stray(pair: Pair, stray: Stray) -> Routine[Stored]:
    """What is there now, strongly consistent."""
    request: Request = {"TableName": pair.target.name, "Key": stray.target_key, "ConsistentRead": True}
    reply = yield from read_again(Call("target", "GetItem", request))
    return pair.stored("target", reply.get("Item"))
