"""Cursors in the terms of either side.

A page's token is the key of its last item, and of an index what that is sorted by. Where the target's key is an
attribute of its own (see core/mapping/rekeying.py), the key of one table does not lead to that of the other, but the
item does. Then a token is in the shape of the application's keys: of the target, with the attributes of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crossfade.core.items import Item
from crossfade.core.request.cursor import INVALID_CURSOR
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import NotPossibleInStage, invalid_request


def cursor_of(image: Item, names: Iterable[str]) -> Item:
    """The token for what follows this item, of these attributes."""
    return {name: image[name] for name in dict.fromkeys(names)}


def cursor_there(pair: Pair, token: Item, side: Side, names: Sequence[str]) -> Item:
    """A caller's token in the terms of one side. `names`: the caller's, of an index's key."""
    if pair.mapping.source_key_extras:
        return whole_cursor_there(pair, token, side, names)
    return translated(pair, token, pair.view, side)


def translated(pair: Pair, token: Item, given: Side, wanted: Side) -> Item:
    """A token of one side in the terms of another: a base key and, for an index, the attributes of its key."""
    if given == wanted:
        return token
    key = base_key_of(pair, given, token)
    key = pair.mapping.forward_key(key) if wanted == "target" else pair.mapping.backward_key(key)
    rest = {name: value for name, value in token.items() if name not in pair.table(given).key_names}
    return {**{name_on_side(pair, wanted, name): value for name, value in rest.items()}, **key}


def base_key_of(pair: Pair, side: Side, item: Item) -> Item:
    """The base key in an item or a token of one side. Raises ServiceRejected where a caller's token has none."""
    names = pair.table(side).key_names
    if any(name not in item for name in names):
        raise invalid_request(INVALID_CURSOR)
    return {name: item[name] for name in names}


def name_on_side(pair: Pair, side: Side, name: str) -> str:
    """The name that a root attribute of the other side has on this one, its value untouched."""
    found = pair.name_across(side, name)
    if found is None:
        raise NotPossibleInStage(
            f"an index by {name!r} is not the same in {pair.source.name} and {pair.target.name}: {name!r} is stored in"
            " another form",
            next_step="query an index of the other table in its own terms",
        )
    return found


# --- where the target's key is an attribute of its own ----------------------------------------------------------------


def whole_cursor_there(pair: Pair, token: Item, side: Side, names: Sequence[str]) -> Item:
    """A caller's token in the terms of one side. Raises ServiceRejected for one that is none."""
    if not {*pair.caller.key_names, *names} <= token.keys() <= {*pair.callers_names, *names}:
        raise invalid_request(INVALID_CURSOR)
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
