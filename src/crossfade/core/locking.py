"""Optimistic locks: what a write that was decided upon a read has in common, wherever it is made."""

from __future__ import annotations

from typing import Final

from crossfade.core.accounting import capacity_asked
from crossfade.core.effects import Call, Effect, Reply, Request, Routine, Sleep
from crossfade.core.items import Item
from crossfade.core.mirroring import backoff_seconds
from crossfade.core.pair import Guard, Pair, Stored
from crossfade.core.stages import Side
from crossfade.errors import Rejected

# An optimistic lock is tried so often (with the pauses below: some 40 s) before the caller is told that the item is too
# busy. The pauses stay short, since whoever waits longest would else lose to every newcomer.
TRIES_MAX: Final = 104
PAUSE_SECONDS_MAX: Final = 0.4


def pause_seconds(attempt: int) -> float:
    """Before an optimistic lock is tried again: 50 ms, doubling."""
    return min(PAUSE_SECONDS_MAX, backoff_seconds(attempt))


def too_busy() -> Rejected:
    """What DynamoDB says of an item that too many transactions want at once; SDKs may retry it."""
    return Rejected("TransactionConflictException", "Transaction is ongoing for the item")


def calmly(first: Effect[Reply], again: Call) -> Routine[Reply]:
    """The caller never meets a conflict with a transaction that only crossfade makes: nothing was written, so the
    request is sent again."""
    effect = first
    for attempt in range(TRIES_MAX):
        try:
            return (yield from effect)
        except Rejected as error:
            if error.code != "TransactionConflictException":
                raise
        yield from Sleep(pause_seconds(attempt))
        effect = again
    raise too_busy()


def read_counting(pair: Pair, side: Side, key: Item, asked: Request, replies: list[Reply]) -> Routine[Stored]:
    """One strongly consistent read; what it consumed is kept for the answer."""
    reply = yield from Call(side, "GetItem", pair.get_request(side, key) | capacity_asked(asked))
    replies.append(reply)
    return pair.stored(side, reply.get("Item"))


def lock(pair: Pair, before: Stored) -> Guard | None:
    """The target is still what was read, by its stamp."""
    return pair.unchanged("target", before) if pair.rules.stamp else None


def as_action(request: Request) -> Request:
    return {"Put" if "Item" in request else "Delete": request}
