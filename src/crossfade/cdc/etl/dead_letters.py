"""Messages that could not be applied: kept in a topic of their own with the reason, until a retry applies them.

Key, value and timestamp are the message's own, byte for byte. Headers tell the rest, as text:

    topic, partition, offset    where it stood: with it, it is read again as it would have been there
    error, reason               the error's name and what it said
    short                       the reason without the row, so that many letters have it in common
    attempts                    how often it was tried
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from crossfade.cdc import kafka
from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.kafka import KafkaFailed
from crossfade.errors import CrossfadeError

SHORT_CHARACTERS_MAX: Final = 150  # of one line among others
REASON_CHARACTERS_MAX: Final = 10_000  # a MappingError shows the row; the row itself is the message


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, and where it stood first."""

    key: bytes | None
    value: bytes | None
    topic: str
    partition: int
    offset: int
    timestamp: int  # milliseconds since 1970; 0 for none
    error: str = ""
    reason: str = ""
    attempts: int = 0
    short: str = ""

    def because(self, error: CrossfadeError) -> Self:
        """Return the letter with the reason of another attempt."""
        cause = error.__cause__
        said = f"{type(cause).__name__}: {cause}" if isinstance(cause, Exception) else error.message
        short = next(iter(said.splitlines()), "")[:SHORT_CHARACTERS_MAX]
        return replace(self, error=type(error).__name__, reason=str(error), attempts=self.attempts + 1, short=short)

    @classmethod
    def of_message(cls, message: Any) -> Self:
        """A message of an input's topic."""
        kind, timestamp = message.timestamp()
        where = message.topic(), message.partition(), message.offset()
        return cls(message.key(), message.value(), *where, timestamp if kind else 0)

    @classmethod
    def of_dead_letter(cls, message: Any) -> Self:
        """A message of the dead letters' topic. Raises ChangeUnreadable."""
        headers = {name: (value or b"").decode() for name, value in message.headers() or ()}
        try:
            return cls(
                message.key(),
                message.value(),
                headers["topic"],
                int(headers["partition"]),
                int(headers["offset"]),
                message.timestamp()[1],
                headers["error"],
                headers["reason"],
                int(headers["attempts"]),
                headers.get("short") or headers["error"],
            )
        except (KeyError, ValueError) as error:
            raise ChangeUnreadable(
                f"{message.topic()} has a message that is no dead letter, at {message.offset()}: {error!r}",
                next_step="name the topic that the ETL keeps its dead letters in",
            ) from error

    def headers(self) -> list[tuple[str, bytes]]:
        told = {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "error": self.error,
            "reason": self.reason[:REASON_CHARACTERS_MAX],
            "attempts": self.attempts,
            "short": self.short,
        }
        return [(name, str(value).encode("utf-8", "backslashreplace")) for name, value in told.items()]


class DeadLetters:
    """Writes them. From any thread, one at a time: they are rare, and each is waited for."""

    def __init__(self, settings: kafka.Settings, topic: str) -> None:
        self._producer = kafka.producer(settings)
        self._topic = topic
        self._lock = threading.Lock()

    def keep(self, letter: Letter) -> None:
        """Write the letter; it is acknowledged when this returns. Raises KafkaFailed."""
        outcome: list[Any] = []

        def delivered(error: Any, _message: Any) -> None:
            outcome.append(error)

        with self._lock:
            self._producer.produce(
                self._topic,
                letter.value,
                letter.key,
                headers=letter.headers(),
                timestamp=letter.timestamp,
                on_delivery=delivered,
            )
            _ = self._producer.flush(kafka.DELIVERY_SECONDS)
        if outcome != [None]:
            raise KafkaFailed(
                f"a change that cannot be applied could not be kept in {self._topic}: {outcome or 'no answer'}",
                next_step="see to the broker and the topic; the change comes again when the ETL is started",
            )
