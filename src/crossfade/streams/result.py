"""What the readers of streams were asked to do, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from crossfade.control.agent import LEASE_SECONDS
from crossfade.core.items import Item
from crossfade.errors import ConfigurationError

WORKERS: Final = 8
WORKERS_MAX: Final = 256
DELIVERY_SECONDS: Final = 10.0  # a change is in its stream within a second or so
SAMPLES_MAX: Final = 10  # enough to see what is wrong; the counts say how often

EXIT_CLEAN: Final = 0
EXIT_FOUND: Final = 1

Verdict = Literal["stray", "expired", "untold"]
Ending = Literal["stopped", "present end", "complete"]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """`seconds` None: until it is stopped. `once`: up to the present end of the stream. `afresh`: from what the stream
    holds now, whatever was read before. `enable`: switch the stream on where it is not. Raises ConfigurationError."""

    repair: bool = False
    once: bool = False
    seconds: float | None = None
    afresh: bool = False
    enable: bool = False
    lease_seconds: float = LEASE_SECONDS
    landing_seconds: float | None = None

    def __post_init__(self) -> None:
        check_seconds(self.seconds)


@dataclass(frozen=True, slots=True)
class ReplicateOptions:
    """Options of a replication; `workers` sync so many keys at once. Raises ConfigurationError."""

    workers: int = WORKERS
    once: bool = False
    seconds: float | None = None
    afresh: bool = False
    enable: bool = False
    lease_seconds: float = LEASE_SECONDS
    landing_seconds: float | None = None

    def __post_init__(self) -> None:
        check_seconds(self.seconds)
        check_workers(self.workers)


@dataclass(frozen=True, slots=True)
class SettleOptions:
    """Options of a settle; `workers` make so many parts of a page equal at once. `delivery_seconds`: for how long a
    stream must have shown nothing before that is taken for its end. Raises ConfigurationError."""

    workers: int = WORKERS
    delivery_seconds: float = DELIVERY_SECONDS
    lease_seconds: float = LEASE_SECONDS
    landing_seconds: float | None = None

    def __post_init__(self) -> None:
        check_workers(self.workers)


def check_workers(workers: int) -> None:
    if not 1 <= workers <= WORKERS_MAX:
        raise ConfigurationError(f"{workers} workers: 1 to {WORKERS_MAX} are possible")


def check_seconds(seconds: float | None) -> None:
    if seconds is not None and seconds <= 0:
        raise ConfigurationError(f"for {seconds:g} seconds: more than 0 are needed")


@dataclass(frozen=True, slots=True)
class SeenWrite:
    """A write that crossfade did not make, or of which nobody can tell.

    verdict     stray: crossfade did not make it; expired: DynamoDB removed the item because its time had come;
                untold: the stage is one in which nothing tells
    change      INSERT, MODIFY or REMOVE
    writes      so many of this key were read together; the rest is of the last one
    difference  missing, extra or mismatched in the target; "" where that was not looked at
    repair      what became of it; "" where none was asked for
    """

    at: str
    key: str
    source_key: Item
    change: str
    who: str
    verdict: Verdict
    writes: int
    difference: str
    stage: str
    repair: str
    seconds_after: float  # from the write, which the stream tells to the second, to this report

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WatchResult:
    """`counts` are those of this run: writes read, passed (nothing can be said), followed (crossfade's), stray,
    expired, untold, repaired."""

    ended: Ending
    counts: dict[str, int]
    resumed: bool
    seconds: float
    observer_errors: int

    @property
    def exit_status(self) -> int:
        return EXIT_FOUND if self.counts["stray"] else EXIT_CLEAN

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FailureSample:
    """A key that could not be synced, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReplicateResult:
    """`counts` are those of this run: changes read, passed (of the table that does not decide), equal, synced, failed.

    All but the first count keys, several changes of one key within a page as one.
    """

    ended: Ending
    counts: dict[str, int]
    resumed: bool
    lag_seconds: float
    seconds: float
    observer_errors: int
    samples: tuple[FailureSample, ...] = field(default=())

    @property
    def exit_status(self) -> int:
        return EXIT_FOUND if self.counts["failed"] else EXIT_CLEAN

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SettleResult:
    """What came of a settle.

    ended       settled (the marks are cleared), nothing to do, failed (a key cannot be made equal) or stopped
    marks       unclean ends that it was about
    since       the moment from which on changes counted; "" where there was none
    counts      changes read, keys among them, equal already, synced, failed
    """

    ended: str
    marks: int
    since: str
    counts: dict[str, int]
    seconds: float
    observer_errors: int
    samples: tuple[FailureSample, ...] = field(default=())

    @property
    def exit_status(self) -> int:
        return EXIT_CLEAN if self.ended in ("settled", "nothing to do") else EXIT_FOUND

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
