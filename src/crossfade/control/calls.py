"""One call to the control table, with bounded retries.

What is refused for the moment (a throttle, a conflict between transactions) was not carried out and is sent again. An
unknown outcome is sent again only where sending twice is the same as once; elsewhere the caller reads back and decides.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final

from crossfade.core.effects import Call, Place, Reply, Request, Routine
from crossfade.core.request.cancellation import reasons_of
from crossfade.core.sync.retry import Backoff, is_passing, is_passing_or_unanswered, is_unanswered, resend
from crossfade.errors import ServiceRejected

# With these pauses about 4 seconds: longer than any conflict, shorter than a lease.
CONTROL: Final = Backoff(seconds_max=1.0, pauses_max=7)
SENDINGS: Final = Backoff(seconds_max=1.0, pauses_max=5)  # of a write whose answers are lost, each with those retries

Failed = tuple[int, ...]  # positions of the actions whose condition did not hold; empty: it was carried out
DONE: Final[Failed] = ()


def ask(operation: str, request: Request, place: Place = "control") -> Routine[Reply]:
    """A read, or a write that may be sent twice. Raises the last error."""
    return resend(Call(place, operation, request).__iter__, is_passing_or_unanswered, CONTROL)


def change(operation: str, request: Request) -> Routine[Failed]:
    """A conditional write: DONE, or whose condition failed. Raises UnknownOutcome at once, and other refusals."""
    try:
        _ = yield from resend(Call("control", operation, request).__iter__, is_passing, CONTROL)
    except ServiceRejected as error:
        failed = failed_conditions(error)
        if not failed:
            raise
        return failed
    return DONE


def change_surely(operation: str, request: Request) -> Routine[Failed]:
    """A conditional write that is the same when it is sent twice, so lost answers are only asked for again."""
    return resend(partial(change, operation, request), is_unanswered, SENDINGS)


def failed_conditions(error: ServiceRejected) -> Failed:
    if error.code == "ConditionalCheckFailedException":
        return (0,)
    if error.code != "TransactionCanceledException":
        return DONE
    return tuple(i for i, reason in enumerate(reasons_of(error)) if reason.get("Code") == "ConditionalCheckFailed")


def answered_at(reply: Reply) -> int | None:
    """Return when DynamoDB gave an answer, by its own clock and rounded down, in seconds since 1970; None where it does
    not say."""
    date = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except ValueError:
        return None
