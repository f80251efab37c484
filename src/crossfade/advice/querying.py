"""What a Query of a whole key costs when the key has several suffixes: each is asked, all at once.

How long it takes follows from how long one request takes, which is measured where the application runs and given as a
file: the slowest of all that were asked decides. What is taken without a file is a guess within what AWS promises,
"single-digit milliseconds" (https://aws.amazon.com/dynamodb/features/), with a tail like that of any service.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Final

from crossfade.advice.designs import Design, DesignKind
from crossfade.errors import ConfigurationError
from crossfade.partitions.limits import PAGE_BYTES_MAX
from crossfade.partitions.units import read_units

GUESSED: Final = ((0.0, 2.0), (0.5, 4.0), (0.9, 7.0), (0.99, 15.0), (0.999, 40.0), (1.0, 120.0))
"""Quantiles of one request in milliseconds, where none were measured."""
SUMS: Final = 4_000  # sums of several requests one after the other that are drawn
LATENCIES_MAX: Final = 1_000_000
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long one request takes: quantiles with the milliseconds of each, from 0 to 1."""

    quantiles: tuple[tuple[float, float], ...]
    source: str

    def at(self, share: float) -> float:
        """Return within how many milliseconds that share of requests is answered."""
        index = bisect_right(self.quantiles, (share, float("inf")))
        if index >= len(self.quantiles):
            return self.quantiles[-1][1]
        (low, fast), (high, slow) = self.quantiles[index - 1], self.quantiles[index]
        return fast + (slow - fast) * (share - low) / (high - low)

    def slowest_of(self, lanes: int, share: float) -> float:
        """Return the same of so many requests that are sent at once, of which the slowest counts."""
        return self.at(share ** (1 / lanes))

    def one_after_the_other(self, rounds: int) -> Latencies:
        """Return how long so many requests take together, each sent when the one before was answered."""
        if rounds == 1:
            return self
        rng = random.Random(SEED)  # noqa: S311 - no secret
        # Beyond a few the sum is near its mean: that of a part of the rounds is scaled.
        drawn = min(rounds, 16)
        sums = [sum(self.at(rng.random()) for _ in range(drawn)) * rounds / drawn for _ in range(SUMS)]
        return measured(sums, self.source)


DEFAULT: Final = Latencies(GUESSED, "a guess; measure yours and give --latencies FILE")


def measured(milliseconds: Sequence[float], source: str) -> Latencies:
    """Return the distribution of what was measured."""
    ordered = sorted(milliseconds)
    last = len(ordered) - 1
    points = [(number / last, each) for number, each in enumerate(ordered)] if last else [(0.0, ordered[0])]
    return Latencies(tuple(points if last else [*points, (1.0, ordered[0])]), source)


def read_latencies(lines: Iterable[str], name: str) -> Latencies:
    """Read a file with one number of milliseconds a line. Raises ConfigurationError with the line that is wrong."""
    found: list[float] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not isfinite(value) or value < 0 or len(found) == LATENCIES_MAX:
            raise ConfigurationError(
                f"{name}, line {number}: {text[:40]!r} is no time in milliseconds, or one of more than"
                f" {LATENCIES_MAX:,}",
                next_step="give a file with one number a line, such as 4.2",
            )
        found.append(value)
    if not found:
        raise ConfigurationError(f"{name}: no latency is in it", next_step="give a file with one number a line")
    return measured(found, f"{name}: {len(found):,} measured")


@dataclass(frozen=True, slots=True)
class QueryCost:
    """What a Query costs. `round_trips`: one after the other; `requests`: all of them; of all items of a key, and of
    the first page with a Limit."""

    requests: int
    round_trips: int
    read_units: float
    p50_ms: float
    p99_ms: float
    first_page_requests: int
    first_page_read_units: float
    first_page_p50_ms: float
    first_page_p99_ms: float


def query_cost(design: Design, found_bytes: float, item_bytes: float, limit: int, latencies: Latencies) -> QueryCost:
    """Return what a Query that finds so many bytes costs, eventually consistent. `limit`: of the first page.

    For a page of N items each suffix is asked for N, since all of them may lie in one.
    """
    lanes = design.count if design.kind in (DesignKind.COMPUTED, DesignKind.RANDOM) else 1
    lane_bytes = found_bytes / lanes
    rounds = max(1, ceil(lane_bytes / PAGE_BYTES_MAX))
    page_bytes = min(limit * item_bytes, lane_bytes)
    page_rounds = max(1, ceil(page_bytes / PAGE_BYTES_MAX))
    whole, page = latencies.one_after_the_other(rounds), latencies.one_after_the_other(page_rounds)
    return QueryCost(
        requests=lanes * rounds,
        round_trips=rounds,
        read_units=lanes * read_units(lane_bytes),
        p50_ms=whole.slowest_of(lanes, 0.5),
        p99_ms=whole.slowest_of(lanes, 0.99),
        first_page_requests=lanes * page_rounds,
        first_page_read_units=lanes * read_units(page_bytes),
        first_page_p50_ms=page.slowest_of(lanes, 0.5),
        first_page_p99_ms=page.slowest_of(lanes, 0.99),
    )
