"""The keys of a page of changes, synced: what a stream says of an item is that it is to be looked at, and no more.

So the order of changes does not matter, nor how often one is read, nor what became of the item since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.request.error_codes import ABOUT_THE_ITEM
from crossfade.core.stages import Side, other_side
from crossfade.core.sync.expiring import overdue
from crossfade.core.sync.sync import agree, sync
from crossfade.core.tables.pair import Pair, key_name
from crossfade.errors import MappingError, ServiceRejected
from crossfade.jobs.bulk import get_in_bulk
from crossfade.streams.changes import Change


@dataclass(frozen=True, slots=True)
class Failure:
    """A key that cannot be synced as it is. `key` is as its side has it."""

    key: Item
    reason: str


@dataclass(slots=True)
class Applied:
    """How many keys agreed already, or did not for an expiry alone, how many were synced, and which could not be."""

    equal: int = 0
    synced: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])


def source_keys(pair: Pair, changes: Sequence[Change]) -> tuple[list[Item], list[Failure]]:
    """The keys of these changes, each once, and those that have no counterpart on the other side."""
    found: dict[str, Item] = {}
    failures: dict[str, Failure] = {}
    for change in changes:
        try:
            key = pair.source_key(change.key) if change.side == "source" else pair.mapping.backward_key(change.key)
            _ = pair.key("target", key)
        except MappingError as error:
            failures[key_name(change.key)] = Failure(change.key, error.message)
        else:
            found[key_name(key)] = key
    return list(found.values()), list(failures.values())


def apply_keys(pair: Pair, authority: Side, keys: Sequence[Item]) -> Routine[Applied]:
    """Make the other side equal under these keys. Looks as `sync` does, but at all of them together first. An expiry is
    not carried over: the other side has its own."""
    applied = Applied()
    there = yield from get_in_bulk(pair, other_side(authority), keys)
    held = yield from get_in_bulk(pair, authority, keys)
    for key, other, decides in zip(keys, there, held, strict=True):
        source, target = (decides, other) if authority == "source" else (other, decides)
        expired = yield from overdue(pair, source.item, target.item)
        if expired is not None or agree(pair, authority, decides, other):
            applied.equal += 1
            continue
        try:
            yield from sync(pair, authority, key)
        except MappingError as error:
            applied.failures.append(Failure(key, error.message))
        except ServiceRejected as error:
            if error.code not in ABOUT_THE_ITEM:
                raise
            applied.failures.append(Failure(key, str(error)))
        else:
            applied.synced += 1
    return applied
