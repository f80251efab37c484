"""One call to the control table, with bounded retries.

What is refused for the moment (a throttle, a conflict between transactions) was not carried out and is sent again. An
unknown outcome is sent again only where sending twice is the same as once; elsewhere the caller reads back and decides.
"""

from __future__ import annotations

from typing import Final

from crossfade.core.effects import Call, Place, Reply, Request, Routine, Sleep
from crossfade.core.request.cancellation import reasons_of
from crossfade.errors import DatabaseError, ServiceRejected, UnknownOutcome

ATTEMPTS_MAX: Final = 8  # with the pauses below about 4 seconds: longer than any conflict, shorter than a lease
PAUSE_SECONDS: Final = 0.05
PAUSE_SECONDS_MAX: Final = 1.0

# Refusals that pass by themselves, as operation errors and as reasons inside a cancelled transaction.
PASSING = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)

Failed = tuple[int, ...]  # positions of the actions whose condition did not hold; empty: it was carried out
DONE: Final[Failed] = ()


def ask(operation: str, request: Request, place: Place = "control") -> Routine[Reply]:
    """A read, or a write that may be sent twice. Raises the last error after ATTEMPTS_MAX."""
    attempt = 0
    while True:
        try:
            return (yield from Call(place, operation, request))
        except DatabaseError as error:
            attempt += 1
            passing = isinstance(error, UnknownOutcome) or (isinstance(error, ServiceRejected) and is_passing(error))
            if not passing or attempt == ATTEMPTS_MAX:
                raise
        yield from Sleep(pause_seconds(attempt))


def change(operation: str, request: Request) -> Routine[Failed]:
    """A conditional write: DONE, or whose condition failed. Raises UnknownOutcome at once, and other refusals."""
    attempt = 0
    while True:
        try:
            _ = yield from Call("control", operation, request)
        except ServiceRejected as error:
            failed = failed_conditions(error)
            if failed:
                return failed
            attempt += 1
            if not is_passing(error) or attempt == ATTEMPTS_MAX:
                raise
        else:
            return DONE
        yield from Sleep(pause_seconds(attempt))


def pause_seconds(attempt: int) -> float:
    return min(PAUSE_SECONDS * 2.0 ** (attempt - 1), PAUSE_SECONDS_MAX)


def is_passing(error: ServiceRejected) -> bool:
    """Whether the same request may be carried out if it is sent again a little later."""
    if error.code != "TransactionCanceledException":
        return error.code in PASSING
    reasons = {reason.get("Code", "None") for reason in reasons_of(error)} - {"None"}
    return bool(reasons) and reasons <= PASSING


def failed_conditions(error: ServiceRejected) -> Failed:
    if error.code == "ConditionalCheckFailedException":
        return (0,)
    if error.code != "TransactionCanceledException":
        return DONE
    return tuple(i for i, reason in enumerate(reasons_of(error)) if reason.get("Code") == "ConditionalCheckFailed")
