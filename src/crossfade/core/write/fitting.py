"""Whether both tables take what is to be written, told before anything is: for writes made one after the other.

What the caller's own table refuses is refused in the service's words. The other table may take less: its form of an
item is larger, or another attribute is a key of an index there. Index keys are told by the description of a table,
which is asked for once and remembered. Where that is not allowed they are not known, and the service refuses an item
when its turn comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from crossfade.core.effects import Routine
from crossfade.core.items import ITEM_BYTES_MAX, Item, size_bytes, validate_item
from crossfade.core.mapping import STAMP
from crossfade.core.request.limits import STAMP_BYTES
from crossfade.core.stages import Row, Side, Writes, other_side
from crossfade.core.tables.index_keys import KEY_ROLES, IndexKey, too_long, why_refused, wrong_kind
from crossfade.core.tables.indexes import DENIED, described
from crossfade.core.tables.pair import Pair
from crossfade.errors import DatabaseError, MappingError, ServiceRejected, invalid_request


def check_fits(pair: Pair, row: Row, images: Sequence[Item], keys: Sequence[Item]) -> Routine[None]:
    """`images`: what is to be put; `keys`: the source keys of all that is to be written. Raises ServiceRejected;
    MappingError for an image that has no counterpart."""
    for image in images:
        validate_item(image)
    both = row.writes is Writes.LOCKSTEP or row.merges or row.authority != pair.view
    for side in (pair.view, other_side(pair.view)) if both else (pair.view,):
        for key in keys:
            check_key_sizes(pair, side, key)
        known = (yield from known_index_keys(pair, side)) if images else ()
        for image in images:
            check_item(pair, side, image, known)


def known_index_keys(pair: Pair, side: Side) -> Routine[tuple[IndexKey, ...]]:
    """Return the index keys of one table, or none where it cannot be described."""
    if side not in pair.index_keys:
        try:
            yield from described(pair, side)
        except DatabaseError as error:
            if isinstance(error, ServiceRejected) and error.code == DENIED:
                pair.index_keys[side] = ()  # it will not be allowed the next time either
            return ()
    return pair.index_keys[side]


def check_key_sizes(pair: Pair, side: Side, source_key: Item) -> None:
    key = pair.key(side, source_key)
    for name, role in zip(pair.table(side).key_names, KEY_ROLES, strict=False):
        if (said := too_long(key[name], role)) is not None:
            raise does_not_fit(pair, side, said)


def check_item(pair: Pair, side: Side, image: Item, known: tuple[IndexKey, ...]) -> None:
    form = form_on(pair, side, image)
    if (size := size_bytes(form) + (STAMP_BYTES if pair.stamps(side) else 0)) > ITEM_BYTES_MAX:
        raise too_large(pair, side, size)
    if (said := why_refused(form, known)) is not None:
        raise does_not_fit(pair, side, said)


def form_on(pair: Pair, side: Side, image: Item) -> Item:
    """Raises MappingError."""
    if side == pair.view:
        return image
    return pair.mapping.forward(image) if side == "target" else pair.mapping.backward_exactly(image)


def said_of_index_keys(pair: Pair, row: Row, image: Item) -> Routine[str | None]:
    """What the service says of one item because of what its index keys are, but for their length, even where it refuses
    something else: by the caller's own table, or where that may be gone, by the one that serves. None: nothing, or it
    is not known, or nothing there stands for the item."""
    side = row.authority if row.is_single else pair.view
    known = yield from known_index_keys(pair, side)
    with suppress(MappingError):
        return wrong_kind(form_on(pair, side, image), known)
    return None


def does_not_fit(pair: Pair, side: Side, said: str) -> ServiceRejected:
    """Return the error in the caller's table's words; for the other table, say that it is the other one."""
    if side == pair.view:
        return invalid_request(said)
    return invalid_request(
        f"One or more parameter values were invalid: {pair.table(side).name}, which is to hold the item as well, would"
        f" refuse it ({said}); nothing was written"
    )


def too_large(pair: Pair, side: Side, size: int) -> ServiceRejected:
    return invalid_request(
        f"Item size has exceeded the maximum allowed size: in {pair.table(side).name} it would have {size:,} bytes,"
        f" with the {STAMP_BYTES} of the attribute {STAMP} by which a migration tells its writes, and an item may have"
        f" {ITEM_BYTES_MAX:,}; nothing was written; make the item smaller"
    )
