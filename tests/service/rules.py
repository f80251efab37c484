"""What a test wants to go wrong: which requests, how often, and how.

What is drawn depends on nothing but the service's seed, the rule, the caller and how many requests of that caller the
rule was asked about, so that one caller's requests do not change another's lot.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeAlias

from tests.service.answers import Answer, LimitType, ThrottlingCode, failing
from tests.service.requests import Part, Received

When: TypeAlias = Callable[[Received], bool]


@dataclass(frozen=True, slots=True)
class Where:
    """Which requests, and which of their parts. What is None is of any kind; names of operations and tables may be
    several. `key`: attributes of the items, in DynamoDB's form. `actions`: PutItem also of a transaction."""

    operation: str | Collection[str] | None = None
    table: str | Collection[str] | None = None
    index: str | None = None
    key: Mapping[str, Any] | None = None
    caller: str | Collection[str] | None = None
    attempt: int | None = None
    when: When | None = None

    def takes(self, received: Received) -> bool:
        return (
            among(received.operation, self.operation)
            and among(received.caller, self.caller)
            and self.attempt in (None, received.attempt)
            and (self.table is None or any(among(table, self.table) for table in received.tables))
            and (self.when is None or self.when(received))
        )

    def takes_part(self, part: Part) -> bool:
        """Whether a part of a request that is taken is meant. An index is also that of a table that is written."""
        return (
            among(part.table, self.table)
            and (self.index is None or part.index == self.index or part.kind == "Write")
            and (self.key is None or part.holds(self.key))
        )


def among(value: str, names: str | Collection[str] | None) -> bool:
    return names is None or (value == names if isinstance(names, str) else value in names)


@dataclass(frozen=True, slots=True)
class Throttling:
    """Parts are throttled. `limit` and `code`: how the service words it."""

    limit: LimitType = "ProvisionedThroughputExceeded"
    code: ThrottlingCode | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A transaction of somebody else is about the item; `in_progress`: it has the caller's own token."""

    in_progress: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """The request waits: for this long, or for a time drawn between two."""

    seconds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer comes: the connection is reset, or, if `silent`, nothing is heard until the client gives up."""

    carried_out: bool
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Failing:
    """A server's error; `html`: a page of what stands before the service."""

    status: int
    html: bool = False
    carried_out: bool = False

    def answer(self) -> Answer:
        return failing(self.status, html=self.html)


Effect: TypeAlias = Throttling | Conflict | Delay | Lost | Failing
Lot: TypeAlias = Literal["share", "place", "seconds"]


@dataclass
class Rule:
    """It stays in force until `stop()`, or until it has come to pass `times`; `played` counts that.

    `share`: of the requests, or of the parts, that it is about.
    """

    number: int
    seed: int
    where: Where
    effect: Effect
    share: float = 1.0
    times: int | None = None
    played: int = 0
    stopped: bool = False
    _asked: Counter[str] = field(default_factory=Counter[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> None:
        self.stopped = True

    def strikes(self, received: Received) -> bool:
        """Return whether it comes to pass for this request."""
        return self.where.takes(received) and self._parts_meant(received) and self._draw(received.caller)

    def struck(self, received: Received) -> list[Part]:
        """Return the parts of a request for which it comes to pass, each drawn by itself."""
        if not self.where.takes(received):
            return []
        return [part for part in received.parts if self.where.takes_part(part) and self._draw(received.caller)]

    def seconds(self, received: Received) -> float:
        """Return how long a delay is."""
        assert isinstance(self.effect, Delay)
        return Random(f"{self.seed}.{self.number}.{received.caller}.{self._asked[received.caller]}.seconds").uniform(
            *self.effect.seconds
        )

    def _parts_meant(self, received: Received) -> bool:
        asks = self.where.index is not None or self.where.key is not None
        return not asks or any(self.where.takes_part(part) for part in received.parts)

    def _draw(self, caller: str) -> bool:
        with self._lock:
            if self.stopped or (self.times is not None and self.played >= self.times):
                return False
            self._asked[caller] += 1
            lot = Random(f"{self.seed}.{self.number}.{caller}.{self._asked[caller]}").random()
            if lot >= self.share:
                return False
            self.played += 1
            return True
