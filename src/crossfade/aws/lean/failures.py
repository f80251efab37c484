"""What may go wrong with one attempt, by what it says of the request.

A refusal says that nothing was written, and so does an attempt that never left. Everything else leaves it open, and a
write whose fate is open is not sent again: the first might land after the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from crossfade.errors import CrossfadeError, UnknownOutcome


class NotSent(UnknownOutcome):
    """No byte of the request has left this process. An UnknownOutcome: who handles those does no harm."""


class QueueFull(NotSent):
    """Every connection is in use, and as many calls as may wait for one are waiting."""


class FailureKind(Enum):
    UNSENT = "unsent"  # no connection came about
    HOPELESS = "hopeless"  # nor would one, however often it is tried: a certificate that does not verify
    REFUSED = "refused"  # an answer below 500
    SERVER = "server"  # an answer of 500 and more
    TIMEOUT = "timeout"  # no answer in time
    BROKEN = "broken"  # the connection ended, or what came over it was no answer
    DAMAGED = "damaged"  # the answer does not match its checksum


@dataclass(slots=True)
class Failure(Exception):
    """One attempt that did not succeed; `outcome` is what the caller gets unless another one does."""

    kind: FailureKind
    outcome: CrossfadeError
    code: str = ""
    status_code: int = 0
    date: str = ""  # the service's clock, as its answer told it


def failed(kind: FailureKind, text: str) -> Failure:
    """An attempt without an answer."""
    unsent = kind in (FailureKind.UNSENT, FailureKind.HOPELESS)
    return Failure(kind, NotSent(text) if unsent else UnknownOutcome(text))
