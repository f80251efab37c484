"""Why dead letters wait, in short: the most frequent reasons among the first of them. Nothing is dealt with by that."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.etl.dead_letters import Letter
from crossfade.cdc.etl.retrying import LETTERS_MAX, begin, retry_group
from crossfade.cdc.etl.worker import Settings
from crossfade.errors import CrossfadeError

SHOWN: Final = 3
SECONDS_MAX: Final = 5.0  # for a broker that sends nothing: it is for a line on a screen
POLL_SECONDS: Final = 0.5
AGAIN_SECONDS: Final = 10.0


def frequent_reasons(settings: Settings) -> str:
    """Return `12 ValueError: ...; 1 KeyError: ...`; "" where there is no letter. It blocks; raises KafkaFailed."""
    counted: Counter[str] = Counter()
    consumer = kafka.consumer(settings.kafka, retry_group(settings))
    try:
        ends, books = begin(consumer, settings.dead_letters)
        waiting = sum(max(0, end - books[place].done_below) for place, end in ends.items())
        until = time.monotonic() + SECONDS_MAX
        while counted.total() < min(waiting, LETTERS_MAX) and time.monotonic() < until:
            for message in consumer.consume(LETTERS_MAX - counted.total(), POLL_SECONDS):
                if message.error() is None:
                    counted[_short(message)] += 1
    except kafka.library().KafkaException as error:
        raise kafka.failed("dead letters cannot be read", error) from error
    finally:
        consumer.close()
    return told(counted, waiting)


def _short(message: Any) -> str:
    try:
        return Letter.of_dead_letter(message).short
    except ChangeUnreadable as error:
        return type(error).__name__


def told(counted: Counter[str], waiting: int) -> str:
    """Return the most frequent ones, each with its count. `waiting`: of how many letters these are the first."""
    parts = [f"{count:,} {short}" for short, count in counted.most_common(SHOWN)]
    more = len(counted) - len(parts)
    parts += [f"and {more:,} more reasons" if more > 1 else "and 1 more reason"] if more else []
    first = f" (of the first {counted.total():,})" if counted.total() < waiting else ""
    return "; ".join(parts) + first


class Reasons:
    """The last answer, asked for anew where there are more letters or fewer, and not too often. It never raises: who
    asks has other things to tell."""

    def __init__(self, ask: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._letters = 0
        self._asked_at = float("-inf")
        self._told = ""

    def __call__(self, letters: int) -> str:
        """Return why so many letters wait."""
        if letters and letters != self._letters and self._clock() - self._asked_at >= AGAIN_SECONDS:
            self._asked_at = self._clock()
            try:
                self._told, self._letters = self._ask(), letters
            except CrossfadeError:
                self._told = ""
        return self._told if letters else ""
