"""Which of several captures a message is of. What one sends behind another that has taken over from it is passed over.

A capture that stood still may send, hours later, what its client still held. Where each item carries the version of its
last change that does no harm. But while the target decides, changes are passed over and its items carry none: back
where the source decides, a late change would put an old state over them, with nothing newer to come.

Whoever takes over goes on from before all that is not acknowledged, and so sends again whatever comes late. By then its
own messages stand in that partition: the late one is known by its smaller number and nothing is lost with it. The
greatest number is kept with the offset, for whoever has the partition next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

HEADER: Final = "crossfade-term"


@dataclass(frozen=True, slots=True)
class Term:
    """A capture's time. `serial` grows from one to the next; those of two `line`s tell nothing of each other."""

    serial: int = 0
    line: str = ""

    @classmethod
    def of_text(cls, text: str) -> Term:
        """Raises ValueError."""
        serial, _, line = text.partition(" ")
        return cls(int(serial), line)

    def __str__(self) -> str:
        return f"{self.serial} {self.line}"

    def then(self, later: Term) -> Term:
        """The one that is known behind a message of `later`."""
        return later if later.serial > self.serial or (later.line != self.line and later != NO_TERM) else self


NO_TERM: Final = Term()  # of messages that others write


class Terms:
    """The latest term of one partition, whose messages are told in their order."""

    def __init__(self, latest: Term = NO_TERM) -> None:
        self.latest = latest
        self._header = str(latest).encode()

    def has_ended(self, headers: Sequence[tuple[str, Any]] | None) -> bool:
        """True if another capture has taken over from the one whose message has these headers. What is no term of ours
        tells nothing."""
        for name, value in headers or ():
            if name == HEADER:
                return value != self._header and self._is_older(value)
        return False

    def _is_older(self, header: Any) -> bool:
        try:
            term = Term.of_text(header.decode())
        except (AttributeError, ValueError):
            return False
        if self.latest.then(term) is not term:
            return True
        self.latest, self._header = term, header
        return False


def headers_of(term: Term) -> list[tuple[str, bytes]]:
    """Return the headers of each message that the capture sends."""
    return [(HEADER, str(term).encode())]
