"""Writes of the source, looked at: whether the fleet has followed them. Those that it has not are looked at closer, see
`core/sync/lasting.py`; where a key goes on changing, its later writes have records of their own."""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.request.names import BATCH_GET_KEYS_MAX
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError
from crossfade.jobs.bulk import get_in_bulk


def unfollowed(pair: Pair, source_keys: Sequence[Item]) -> Routine[list[Item]]:
    """Return the keys under which the two sides differ now."""
    found: list[Item] = []
    for start in range(0, len(source_keys), BATCH_GET_KEYS_MAX):
        part = source_keys[start : start + BATCH_GET_KEYS_MAX]
        target = yield from get_in_bulk(pair, "target", part)
        source = yield from get_in_bulk(pair, "source", part)
        found += [key for key, here, there in zip(part, source, target, strict=True) if not pair.equal(here, there)]
    return found


def mappable(pair: Pair, source_key: Item) -> bool:
    """Whether the target can have a key for it at all."""
    try:
        _ = pair.key("target", source_key)
    except MappingError:
        return False
    return True
