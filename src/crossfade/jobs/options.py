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
PAGE_SECONDS: Final = 2.0  # under a rate limit a page takes no longer, so that Ctrl-C and a stage move need not wait
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

    def page_paced(self, page_items: int) -> int:
        """Return the items of a page that all workers together are allowed within PAGE_SECONDS; what a rate counts is
        at least one for each item."""
        rates: list[float] = [rate for rate in (getattr(self, name) for name in self.rates) if rate is not None]
        return min(page_items, max(1, int(min(rates) * PAGE_SECONDS / self.workers))) if rates else page_items

    def __post_init__(self) -> None:
        for name, most in {"workers": WORKERS_MAX, **self.greatest}.items():
            value: int = getattr(self, name)
            if not 1 <= value <= most:
                raise ConfigurationError(f"{self.job}: {name} is {value:,}, and must be from 1 to {most:,}")
        for name in self.rates:
            rate: float | None = getattr(self, name)
            if rate is not None and not rate > 0:
                raise ConfigurationError(f"{self.job}: {name} is {rate:g}, and must be above 0")
