"""What every job over segments may be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from crossfade.control.agent import LEASE_SECONDS
from crossfade.core.rules import ALL_RULES, Rules
from crossfade.errors import ConfigurationError

SEGMENTS: Final = 64  # a few for each worker, so that they end together although segments differ in size
WORKERS: Final = 8
WORKERS_MAX: Final = 256
PAGE_ITEMS_MAX: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """`segments` counts for a job that begins; one that is resumed keeps its own. `landing_seconds` None: the clients'
    timeouts. `greatest` and `rates` name what has a greatest number, and what has to be above 0 where it is given.
    Raises ConfigurationError."""

    job: ClassVar[str]
    greatest: ClassVar[Mapping[str, int]]
    rates: ClassVar[tuple[str, ...]] = ()

    segments: int = SEGMENTS
    workers: int = WORKERS
    lease_seconds: float = LEASE_SECONDS
    landing_seconds: float | None = None
    rules: Rules = ALL_RULES

    def __post_init__(self) -> None:
        for name, most in {"workers": WORKERS_MAX, **self.greatest}.items():
            value: int = getattr(self, name)
            if not 1 <= value <= most:
                raise ConfigurationError(f"{self.job}: {name} is {value:,}, and must be from 1 to {most:,}")
        for name in self.rates:
            rate: float | None = getattr(self, name)
            if rate is not None and not rate > 0:
                raise ConfigurationError(f"{self.job}: {name} is {rate:g}, and must be above 0")
