"""What `rampdown` does about items that a Query did not find, since the target has not got them: some pages are looked
behind, after the answer.

A page that holds nothing always is. Of the others one in twenty is, for one batch at most: so queries cost the source a
few per cent of what they cost the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Call, Later, Reply, Request, Routine, Stamp
from crossfade.core.items import Item
from crossfade.core.pages.compared import with_key
from crossfade.core.read.lookup import look_up
from crossfade.core.request.names import BATCH_GET_KEYS_MAX
from crossfade.core.sync.ramp import ramp_bucket
from crossfade.core.sync.retry import read_again
from crossfade.core.sync.source_fallback import look_behind
from crossfade.core.tables.pair import Pair, key_name
from crossfade.errors import MappingError

PAGES_PERCENT: Final = 5  # of those that hold anything
ITEMS_MAX: Final = BATCH_GET_KEYS_MAX  # of the source, for a page


def is_looked_behind(reply: Reply) -> Routine[bool]:
    """The driver draws the lot: a stamp is as good as any number."""
    if not reply.get("ScannedCount", 0):
        return True
    return ramp_bucket((yield from Stamp())) < PAGES_PERCENT


def look_at_page_later(pair: Pair, pages: Sequence[Request], reply: Reply) -> Routine[None]:
    """`pages`: the Queries of the source that begin where the answered one did, of at most ITEMS_MAX items each."""
    served = frozenset(key_name(pair.callers_key(item)) for item in with_key(pair, reply.get("Items", ())))
    name = key_name(pages[0]["ExpressionAttributeValues"])
    yield from Later("look", f"page {name}", look_at_page(pair, pages, served))


def look_at_page(pair: Pair, pages: Sequence[Request], served: frozenset[str]) -> Routine[None]:
    """`served`: names of the source keys of what was found in the target."""
    keys: list[Item] = []
    for request in pages:
        found: list[Item] = (yield from read_again(Call("source", "Query", request)))["Items"]
        keys += [{name: item[name] for name in pair.source.key_names} for item in found]
    suspects = [key for key in keys if key_name(key) not in served][:ITEMS_MAX]
    mapped = [key for key in suspects if has_place(pair, key)]
    held = yield from look_up(pair, "target", mapped, [], {})
    there = {key_name(key) for key, stored in zip(mapped, held, strict=True) if stored.item is not None}
    for key in suspects:
        if key_name(key) not in there:
            yield from look_behind(pair, key)


def has_place(pair: Pair, source_key: Item) -> bool:
    """What the mapping does not take cannot be in the target."""
    try:
        _ = pair.key("target", source_key)
    except MappingError:
        return False
    return True
