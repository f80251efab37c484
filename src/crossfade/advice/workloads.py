"""Generated traffic of three kinds, to see what a design does before there is any."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate
from typing import Final

from crossfade.advice.trace import Access, Trace

KEYS: Final = 10_000
SECONDS: Final = 60
ACCESSES: Final = 60_000
HOT_SHARE: Final = 0.5  # of one hot tenant
QUERY_SHARE: Final = 0.05
QUERY_ITEMS: Final = 25
BUCKET_SECONDS: Final = 20  # of a time series: three partition keys, one after the other
ITEM_BYTES: Final = 1_024

Chooser = Callable[[float], tuple[str, str]]  # a time -> partition key, sort key


def zipf(rng: random.Random, skew: float) -> Chooser:
    """Return keys of which the n-th is asked for by 1 / n ** skew; with a skew of 0 all alike."""
    bounds = list(accumulate(1 / rank**skew for rank in range(1, KEYS + 1)))
    ranks = range(KEYS)

    def choose(at: float) -> tuple[str, str]:
        del at
        (rank,) = rng.choices(ranks, cum_weights=bounds)
        return f"key-{rank}", f"{rng.getrandbits(40):010x}"

    return choose


def hot_tenant(rng: random.Random, skew: float) -> Chooser:
    """Return keys of which one has half of all requests."""
    del skew

    def choose(at: float) -> tuple[str, str]:
        del at
        tenant = "tenant-hot" if rng.random() < HOT_SHARE else f"tenant-{rng.randrange(KEYS)}"
        return tenant, f"{rng.getrandbits(40):010x}"

    return choose


def time_series(rng: random.Random, skew: float) -> Chooser:
    """Return the key of the present, and a sort key that only grows."""
    del skew

    def choose(at: float) -> tuple[str, str]:
        return f"series-{int(at // BUCKET_SECONDS)}", f"{at:012.6f}-{rng.getrandbits(16):04x}"

    return choose


WORKLOADS: Final[dict[str, Callable[[random.Random, float], Chooser]]] = {
    "zipf": zipf,
    "hot-tenant": hot_tenant,
    "time-series": time_series,
}


def generated(name: str, seed: int, *, write_share: float, skew: float) -> Trace:
    """Return the traffic of a kind."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    choose = WORKLOADS[name](rng, skew)
    accesses: list[Access] = []
    for number in range(ACCESSES):
        at = SECONDS * number / ACCESSES
        partition, sort = choose(at)
        if rng.random() < write_share:
            accesses.append(Access(at, "write", partition, sort, ITEM_BYTES))
        elif rng.random() < QUERY_SHARE:
            accesses.append(Access(at, "query", partition, None, QUERY_ITEMS * ITEM_BYTES))
        else:
            accesses.append(Access(at, "get", partition, sort, ITEM_BYTES))
    return Trace(f"generated: {name}", tuple(accesses), float(SECONDS))
