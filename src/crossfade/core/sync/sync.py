"""Mirror = sync a key: make the other side hold what the authority holds, and go on until that is so.

Never "repeat the operation": the authority's image is written to the other side, then the authority is read again
(strongly consistent), until it is what was written. That needs no order, no clock and no version on the source. The
last mirror to write has checked after its write, and every later write to the authority brings a mirror of its own, so
at rest both sides are equal. Backfill, repair and the safety nets are this routine too.

The write is locked on what the other side held just before the authority was read. So a process that stalls between the
two, for however long, cannot put its old image over what the fleet has written since, not even over an authority that
has moved in the meantime.

A write whose outcome is unknown may land late. So after one the routine waits until it can no longer land, and then
looks once more.
"""

from __future__ import annotations

from collections.abc import Iterable

from crossfade.core.effects import Call, Later, MayLand, Now, Reply, Routine, Sleep
from crossfade.core.items import Item, same_item
from crossfade.core.stages import Row, Side, Writes, other_side
from crossfade.core.sync.retry import BACKGROUND, is_passing, read_again
from crossfade.core.tables.pair import Image, Pair, key_name, operation_name
from crossfade.core.tables.stamps import Stored
from crossfade.errors import MappingError, ServiceRejected, UnknownOutcome


def read_patiently(pair: Pair, side: Side, source_key: Item) -> Routine[Stored]:
    reply = yield from read_again(Call(side, "GetItem", pair.get_request(side, source_key)))
    return pair.stored(side, reply.get("Item"))


def sync(pair: Pair, authority: Side, source_key: Item) -> Routine[None]:
    """Make the other side equal to `authority` under one key, at any time. Raises ServiceRejected or MappingError when
    it can never hold the image (over 400 KB, an index key of the wrong type); else it is tried until it is done."""
    other = other_side(authority)
    if not (yield from may_hold(pair, other, source_key)):
        return
    landed_by: float | None = None
    pauses = BACKGROUND.pauses()
    while True:
        there = yield from read_patiently(pair, other, source_key)
        held = yield from read_patiently(pair, authority, source_key)
        if agree(pair, authority, held, there):
            if landed_by is None:
                return
            yield from wait_until(landed_by)
            landed_by = None
            continue
        sent = yield from Now()
        try:
            written = yield from write_locked(pair, other, source_key, pair.image(authority, held), there)
        except UnknownOutcome:
            written, landed_by = False, sent + pair.landing_seconds
        if written:
            if not pair.rules.check_read:
                return
            now = yield from read_patiently(pair, authority, source_key)
            if landed_by is None and same_item(now.item, held.item):
                return
        else:
            yield from next(pauses)


def may_hold(pair: Pair, side: Side, source_key: Item) -> Routine[bool]:
    """False: no item there has that key, nor has the other side one, so that both agree. Raises MappingError where it
    has."""
    try:
        _ = pair.key(side, source_key)
    except MappingError:
        held = yield from read_patiently(pair, other_side(side), source_key)
        if held.item is not None:
            raise
        return False
    return True


def mirrored(pair: Pair, row: Row, keys: Iterable[Item], write: Routine[Reply]) -> Routine[Reply]:
    """A write to the authority; then, in a stage that mirrors, the mirrors of these keys: also where nobody knows
    whether it was carried out."""
    if row.writes is not Writes.MIRRORED:
        return (yield from write)
    try:
        reply = yield from write
    except UnknownOutcome:
        yield from mirror_later(pair, row.authority, keys, may_land=True)
        raise
    may_land = yield from MayLand()
    yield from mirror_later(pair, row.authority, keys, may_land=may_land)
    return reply


def mirror_later(pair: Pair, authority: Side, keys: Iterable[Item], *, may_land: bool) -> Routine[None]:
    """Queue the mirrors. Where a request may still land after its answer, second ones follow when it no longer can."""
    for key in keys:
        yield from Later("mirror", key_name(key), sync(pair, authority, key))
        if may_land:
            yield from Later("mirror", key_name(key), sync(pair, authority, key), delay_seconds=pair.landing_seconds)


def write_locked(pair: Pair, side: Side, source_key: Item, image: Image, there: Stored) -> Routine[bool]:
    """Write one image if `side` still holds what was read; without the check-read rule, blindly. False: it does not, or
    DynamoDB is busy; look again."""
    guard = pair.unchanged(side, there) if pair.rules.check_read else None
    request = yield from pair.put_or_delete(side, source_key, image, guard, exactly=False)  # as much as it can hold
    try:
        _ = yield from Call(side, operation_name(request), request)
    except ServiceRejected as error:
        if error.code != "ConditionalCheckFailedException" and not is_passing(error):
            raise
        return False
    return True


def agree(pair: Pair, authority: Side, held: Stored, there: Stored) -> bool:
    return pair.equal(held, there) if authority == "source" else pair.equal(there, held)


def wait_until(moment: float) -> Routine[None]:
    now = yield from Now()
    if now < moment:
        yield from Sleep(moment - now)
