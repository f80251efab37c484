"""Pages compared with what the other side has, after the answer: key by key where they differ, with rechecks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.core.effects import Later, Note, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.request.projection import PROJECTING
from crossfade.core.stages import Side
from crossfade.core.sync.compare import shadow_compare
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.tables.stamps import Stored

COMPARED_MAX: Final = 25  # keys of one page that are compared one by one


def compare_replies(pair: Pair, reply: Reply, other: Reply) -> Routine[None]:
    """Compare what was answered with what the other side answers, which is asked with its items."""
    served: list[Item] | None = reply.get("Items")
    found: list[Item] = other["Items"]
    if (served == found) if served is not None else (reply["Count"] == other["Count"]):
        yield from Note("compare", {"outcome": "matching"})
        return
    for key in differing(pair, served or [], found)[:COMPARED_MAX]:
        yield from shadow_compare(pair, key)


def differing(pair: Pair, served: list[Item], found: list[Item]) -> list[Item]:
    """The source keys of what one list has and the other has not, or has otherwise. Items without keys say nothing."""
    names = pair.caller.key_names
    ours, theirs = (
        {key_name({name: item[name] for name in names}): item for item in with_key(pair, side)}
        for side in (served, found)
    )
    return [pair.callers_key(item) for name, item in {**theirs, **ours}.items() if ours.get(name) != theirs.get(name)]


def with_key(pair: Pair, items: Sequence[Item]) -> list[Item]:
    """Return the items that show their key."""
    names = pair.caller.key_names
    return [item for item in items if all(name in item for name in names)]


def compare_items_later(pair: Pair, side: Side, request: Request, reply: Reply, name: str) -> Routine[None]:
    """After the answer: what the page shows is compared, key by key. Items that show no key say nothing."""
    whole = side == pair.view == "source" and "IndexName" not in request
    whole = whole and not any(parameter in request for parameter in PROJECTING)
    shown = with_key(pair, reply.get("Items", []))[:COMPARED_MAX]
    if shown:
        yield from Later("compare", name, compare_items(pair, shown, whole=whole))


def compare_items(pair: Pair, shown: Sequence[Item], *, whole: bool) -> Routine[None]:
    for item in shown:
        yield from shadow_compare(pair, pair.callers_key(item), Stored(item) if whole else None)
