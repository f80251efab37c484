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

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from crossfade.core.effects import Call, Later, Note, Now, Reply, Routine, Sleep
from crossfade.core.items import Item, same_item
from crossfade.core.pair import Image, Pair, Stored, key_name, operation_name
from crossfade.core.stages import Row, Side, Writes, other_side
from crossfade.errors import MappingError, Rejected, UnknownOutcome

# Errors after which nothing was written and the same request may succeed a moment later.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
TRANSIENT: Final = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "ReplicatedWriteConflictException",
    }
)
BACKOFF_SECONDS_FIRST: Final = 0.05
BACKOFF_SECONDS_MAX: Final = 5.0
# Waits before a difference that is only a write in flight is called damage. On a hot key each look may catch another
# write in flight, so two looks must see the same difference, or all of them one.
RECHECK_SECONDS: Final = (0.1, 0.5, 2.0, 2.0, 2.0, 2.0)


def backoff_seconds(attempt: int) -> float:
    """Doubling from 50 ms to 5 s. Drivers add jitter."""
    return min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_FIRST * 2.0 ** min(attempt, 10))


def patiently(call: Call) -> Routine[Reply]:
    """Repeat a call that may be repeated (a read, a write of whole images) while DynamoDB is merely busy."""
    attempt = 0
    while True:
        try:
            return (yield from call)
        except Rejected as error:
            if error.code not in TRANSIENT:
                raise
        yield from Sleep(backoff_seconds(attempt))
        attempt += 1


def read_patiently(pair: Pair, side: Side, source_key: Item) -> Routine[Stored]:
    """What one side holds under a key."""
    reply = yield from read_again(Call(side, "GetItem", pair.get_request(side, source_key)))
    return pair.stored(side, reply.get("Item"))


def read_again(call: Call) -> Routine[Reply]:
    """A read, however long that takes: background work gives up on nothing but a refusal."""
    attempt = 0
    while True:
        try:
            return (yield from call)
        except UnknownOutcome:
            pass
        except Rejected as error:
            if error.code not in TRANSIENT:
                raise
        yield from Sleep(backoff_seconds(attempt))
        attempt += 1


def sync(pair: Pair, authority: Side, source_key: Item) -> Routine[None]:
    """Make the other side equal to `authority` under one key. Right in every stage, and at any time within it.

    Raises Rejected or MappingError when the other side can never hold the image (over 400 KB, an index key of the wrong
    type); anything else is tried until it is done.
    """
    other = other_side(authority)
    if not (yield from may_hold(pair, other, source_key)):
        return
    landed_by: float | None = None
    attempt = 0
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
            if landed_by is None and same_image(now.item, held.item):
                return
        else:
            yield from Sleep(backoff_seconds(attempt))
            attempt += 1


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
    yield from mirror_later(pair, row.authority, keys, may_land=was_retried(reply))
    return reply


def mirror_later(pair: Pair, authority: Side, keys: Iterable[Item], *, may_land: bool) -> Routine[None]:
    """Queue the mirrors. Where a request may still land after its answer, second ones follow when it no longer can."""
    for key in keys:
        yield from Later("mirror", key_name(key), sync(pair, authority, key))
        if may_land:
            yield from Later("mirror", key_name(key), sync(pair, authority, key), delay_seconds=pair.landing_seconds)


def was_retried(reply: Reply) -> bool:
    """Whether the caller's SDK sent more than one attempt: an earlier one, given up on, may land after the last."""
    return bool(reply.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def write_locked(pair: Pair, side: Side, source_key: Item, image: Image, there: Stored) -> Routine[bool]:
    """Write one image if `side` still holds what was read. False: it does not, or DynamoDB is busy; look again.

    Without the check-read rule the write is blind, as in migrations that put what they have just written.
    """
    guard = pair.unchanged(side, there) if pair.rules.check_read else None
    request = yield from pair.put_or_delete(side, source_key, image, guard, exactly=False)  # as much as it can hold
    try:
        _ = yield from Call(side, operation_name(request), request)
    except Rejected as error:
        if error.code not in TRANSIENT | {"ConditionalCheckFailedException"}:
            raise
        return False
    return True


def agree(pair: Pair, authority: Side, held: Stored, there: Stored) -> bool:
    return pair.equal(held, there) if authority == "source" else pair.equal(there, held)


def same_image(left: Item | None, right: Item | None) -> bool:
    """Equal in meaning; absence equals absence."""
    if left is None or right is None:
        return left is right
    return same_item(left, right)


def wait_until(moment: float) -> Routine[None]:
    now = yield from Now()
    if now < moment:
        yield from Sleep(moment - now)


@dataclass(frozen=True, slots=True)
class Difference:
    """What both sides hold under one key (stamps apart), in their own forms, when that stays different."""

    source_key: Item
    source: Item | None
    target: Item | None

    @property
    def kind(self) -> Literal["missing", "extra", "mismatched"]:
        """Missing or extra in the target, or there and different."""
        if self.source is None:
            return "extra"
        return "missing" if self.target is None else "mismatched"

    def same(self, other: Difference) -> bool:
        return same_image(self.source, other.source) and same_image(self.target, other.target)


def compare_key(
    pair: Pair,
    source_key: Item,
    waits: tuple[float, ...] = RECHECK_SECONDS,
    agreed: Callable[[Stored, Stored], bool] | None = None,
) -> Routine[Difference | None]:
    """None when both sides agree on this key; else what they hold, seen after several looks. `agreed`: what that means
    of a source and a target, if not equality.

    A difference that is only a write in flight is not one: both sides are read again, after growing waits, before it
    counts.
    """
    seen: Difference | None = None
    for wait in (*waits, None):
        source = yield from read_patiently(pair, "source", source_key)
        target = yield from read_patiently(pair, "target", source_key)
        if (agreed or pair.equal)(source, target):
            return None
        difference = Difference(source_key, source.item, target.item)
        if wait is None or (wait == waits[-1] and seen is not None and difference.same(seen)):
            return difference
        seen = difference
        yield from Sleep(wait)
    raise AssertionError("the loop above returns")


def shadow_compare(pair: Pair, source_key: Item, served: Stored | None = None) -> Routine[None]:
    """One comparison, after the answer has been given. Tells the observers how it went.

    `served` is what the source has just answered: when the target has the same, one read is enough.
    """
    if served is not None:
        target = yield from read_patiently(pair, "target", source_key)
        if pair.equal(served, target):
            yield from Note("compare", {"outcome": "matching"})
            return
    difference = yield from compare_key(pair, source_key)
    if difference is None:
        yield from Note("compare", {"outcome": "matching"})
    else:
        yield from Note("compare", {"outcome": difference.kind, "difference": difference})
