"""Pages where the target's key is an attribute of its own (see core/mapping/rekeying.py): entries and tokens that name
an item in both tables.

The key of one table does not lead to that of the other, but the item does: it holds both. So a token is made of the
last item of a page, in the shape in which the application gives its keys: where it speaks of the target, with the
attributes of both. An entry of an index that holds less is completed from its table.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item, same
from crossfade.core.read.lookup import look_under
from crossfade.core.request.cursor import INVALID_CURSOR
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import NotPossibleInStage, ServiceRejected


def completed(
    pair: Pair, side: Side, items: Sequence[Item], sent: list[Reply], counted: Request, places: Sequence[str] = ()
) -> Routine[list[Item]]:
    """Entries with the key attributes of both tables; with `places`, the key of an index, they become the items
    themselves. Those whose item is gone by now, or no longer at that place, are left out."""
    names = pair.whole_key_names(side)
    lacking = [n for n, item in enumerate(items) if places or any(name not in item for name in names)]
    if not lacking:
        return list(items)
    own = pair.table(side).key_names
    keys = [{name: items[n][name] for name in own} for n in lacking]
    held = yield from look_under(pair, side, keys, sent, counted)
    found = dict(enumerate(items))
    for n, stored in zip(lacking, held, strict=True):
        there = stored.item
        if there is None or not all(same(there.get(name), items[n].get(name)) for name in places):
            del found[n]
        else:
            found[n] = there if places else {**{name: there[name] for name in names if name in there}, **found[n]}
    return list(found.values())


def whole_cursor_of(pair: Pair, image: Item, names: Sequence[str]) -> Item:
    """The caller's token for what follows this item. `names`: the caller's, of an index's key."""
    return {name: image[name] for name in dict.fromkeys((*pair.callers_names, *names))}


def whole_cursor_there(pair: Pair, token: Item, side: Side, names: Sequence[str]) -> Item:
    """A caller's token in the terms of one side. Raises ServiceRejected for one that is none."""
    if not {*pair.caller.key_names, *names} <= token.keys() <= {*pair.callers_names, *names}:
        raise ServiceRejected("ValidationException", INVALID_CURSOR)
    if side == pair.view:
        return {name: token[name] for name in dict.fromkeys((*names, *pair.caller.key_names))}
    key = pair.key(side, pair.callers_key(token))
    return {**{name_there(pair, side, name): token[name] for name in names}, **key}


def name_there(pair: Pair, side: Side, name: str) -> str:
    """The name on one side of an attribute that the caller names. Raises NotPossibleInStage where it is not the same
    attribute."""
    found = pair.attribute_name(side, name)
    if found is None:
        raise NotPossibleInStage(
            f"{pair.table(side).name} cannot be asked by {name!r}, which it does not store; nothing was read",
            next_step="read the items by their whole key (GetItem, BatchGetItem), or scan the table",
        )
    return found
