"""Strangers: what else is in the target, under keys that no item of the source can have.

A table of many kinds of things has more than those that a migration brings: other texts before its sort keys, other
constants in them. To whoever names the source they are not there, as they are not for a read by the whole key. An item
that the source could have, but with other attributes than the mapping takes, is no stranger: that is told as an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Call, Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.request.cursor import MARK
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError


def with_counterpart(pair: Pair, side: Side, items: Sequence[Item]) -> list[Item]:
    """Return the items, or index entries, of one side that the other side can have."""
    if side == "source" or pair.mapping.source_key_extras or not pair.mapping.key_pieces:
        return list(items)
    return [item for item in items if not is_stranger(pair, item)]


def is_stranger(pair: Pair, item: Item) -> bool:
    """Whether no item of the source can have the key of this item of the target."""
    prefix, name = pair.mapping.sort_prefix, pair.target.sort_key
    if prefix and name is not None and not str(item[name].get("S")).startswith(prefix):
        return True
    try:
        _ = pair.mapping.backward_key({name: item[name] for name in pair.target.key_names})
    except MappingError:
        return True
    return False


def known_page(
    pair: Pair, side: Side, operation: str, asked: Request, first: Reply, replies: list[Reply]
) -> Routine[tuple[list[Item], Item | None]]:
    """The items of a page without strangers, and that side's token of what follows; `first` is the reply to `asked`.
    The page goes on where strangers have taken the places of items, and does not end at one, whose key would be no
    token; nor before one, where a later migration's token alone tells the place."""
    limit: int | None = asked.get("Limit")
    found: list[Item] = []
    reply, left = first, limit
    while True:
        replies.append(reply)
        items: list[Item] = reply["Items"]
        last: Item | None = reply.get("LastEvaluatedKey")
        known = with_counterpart(pair, side, items)
        found += known
        if last is None or len(known) == len(items):
            return found, last
        if found and len(items) != left and MARK not in last:  # as large as a page may be
            return found, {name: found[-1][name] for name in last}
        left = None if limit is None else limit - len(found)
        more = {**asked, "ExclusiveStartKey": last} | ({} if left is None else {"Limit": left})
        reply = yield from Call(side, operation, more)
