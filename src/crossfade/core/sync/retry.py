"""Which errors pass by themselves, how long to wait for that, and how often to try."""

from __future__ import annotations

from typing import Final

from crossfade.core.effects import Call, Effect, Reply, Routine, Sleep
from crossfade.errors import ServiceRejected, UnknownOutcome

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


def backoff_seconds(attempt: int) -> float:
    """Doubling from 50 ms to 5 s. Drivers add jitter."""
    return min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_FIRST * 2.0 ** min(attempt, 10))


def patiently(call: Call) -> Routine[Reply]:
    """Repeat a call that may be repeated (a read, a write of whole images) while DynamoDB is merely busy."""
    attempt = 0
    while True:
        try:
            return (yield from call)
        except ServiceRejected as error:
            if error.code not in TRANSIENT:
                raise
        yield from Sleep(backoff_seconds(attempt))
        attempt += 1


def read_again(call: Call) -> Routine[Reply]:
    """A read, however long that takes: background work gives up on nothing but a refusal."""
    attempt = 0
    while True:
        try:
            return (yield from call)
        except UnknownOutcome:
            pass
        except ServiceRejected as error:
            if error.code not in TRANSIENT:
                raise
        yield from Sleep(backoff_seconds(attempt))
        attempt += 1


BUSY_REASONS: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
RACED_REASONS: Final = frozenset({"None", "ConditionalCheckFailed", "TransactionConflict"})
SINGLE_CODE_OF: Final = {  # a transaction's reason -> the code that the single operation would have had
    "ValidationError": "ValidationException",
    "ThrottlingError": "ThrottlingException",
    "ProvisionedThroughputExceeded": "ProvisionedThroughputExceededException",
    "ItemCollectionSizeLimitExceeded": "ItemCollectionSizeLimitExceededException",
}

# An optimistic lock is tried so often (with the pauses below: some 40 s) before the caller is told that the item is too
# busy. The pauses stay short, since whoever waits longest would else lose to every newcomer.
TRIES_MAX: Final = 104
LOCK_PAUSE_SECONDS_MAX: Final = 0.4


def pause_seconds(attempt: int) -> float:
    """Before an optimistic lock is tried again: 50 ms, doubling."""
    return min(LOCK_PAUSE_SECONDS_MAX, backoff_seconds(attempt))


def item_too_busy() -> ServiceRejected:
    """What DynamoDB says of an item that too many transactions want at once; SDKs may retry it."""
    return ServiceRejected("TransactionConflictException", "Transaction is ongoing for the item")


def calmly(first: Effect[Reply], again: Call) -> Routine[Reply]:
    """The caller never meets a conflict with a transaction that only crossfade makes: nothing was written, so the
    request is sent again."""
    effect = first
    for attempt in range(TRIES_MAX):
        try:
            return (yield from effect)
        except ServiceRejected as error:
            if error.code != "TransactionConflictException":
                raise
        yield from Sleep(pause_seconds(attempt))
        effect = again
    raise item_too_busy()
