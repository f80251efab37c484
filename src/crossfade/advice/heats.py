"""A trace from counts by key, which say how much was asked for and not when: it is drawn from them evenly in time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from crossfade.advice.trace import NO_OTHERS, Access, AccessKind, Trace
from crossfade.core.items import Item, size_bytes
from crossfade.errors import ConfigurationError
from crossfade.partitions.heat import KeyHeat

DRAWN: Final = 60_000  # accesses: what has a thousandth of them is within 13 % of it
SECONDS: Final = 60.0
REST_KEYS: Final = 1_000  # what was counted of no key is drawn as so many cold ones


@dataclass(frozen=True, slots=True)
class Counted:
    """So much of one kind was asked of a key."""

    partition_key: str
    kind: AccessKind
    requests: float
    size_bytes: int
    sort_key: str | None = None
    others: Mapping[str, str] = field(default_factory=dict[str, str])


def drawn(source: str, counts: Sequence[Counted], rng: random.Random, **known: Any) -> Trace:
    """Return a trace in which each key has its share. Raises ConfigurationError where nothing was counted."""
    weights = [max(0.0, counted.requests) for counted in counts]
    if not sum(weights):
        raise ConfigurationError(f"{source}: nothing was counted", next_step="give a source with traffic on the table")
    accesses = [
        Access(
            SECONDS * number / DRAWN,
            counted.kind,
            counted.partition_key,
            counted.sort_key,
            counted.size_bytes,
            counted.others or NO_OTHERS,
        )
        for number, counted in enumerate(rng.choices(counts, weights, k=DRAWN))
    ]
    return Trace(source, tuple(accesses), SECONDS, **known)


def of_insights(report: Any, name: str, write_share: float, item_bytes: int, rng: random.Random) -> tuple[Trace, float]:
    """Return the trace of a report as GetInsightRuleReport answers it, and its units a second; 0 where it has no times.

    Raises ConfigurationError for what is no such report. Its figures add up read and write units: `write_share` of
    them, from 0 to 1, are taken for writes.
    """
    try:
        contributors = [
            (str(each["Keys"][0]), str(each["Keys"][1]) if len(each["Keys"]) > 1 else None,
             float(each["ApproximateAggregateValue"]))
            for each in report["Contributors"]
        ]  # fmt: skip
        total = float(report.get("AggregateValue") or 0.0)
        unique = int(report.get("ApproximateUniqueCount") or 0)
        datapoints: list[Any] = report.get("MetricDatapoints") or []
        points = sorted({str(point["Timestamp"]) for point in datapoints})
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{name}: no report of Contributor Insights ({type(error).__name__}: {error})",
            next_step="save what `aws cloudwatch get-insight-rule-report` answers for the rule of the most accessed"
            " keys",
        ) from None
    counts = [
        counted for key, sort, units in contributors for counted in _both(key, sort, units, write_share, item_bytes)
    ]
    known = sum(units for _, _, units in contributors)
    rest = max(0.0, total - known)
    cold = max(1, min(REST_KEYS, unique - len(contributors)))
    for number in range(cold if rest else 0):
        counts += _both(f"(others) {number}", None, rest / cold, write_share, item_bytes)
    source = f"the report {name}: {len(contributors)} keys of {max(unique, len(contributors)):,}"
    seconds = _seconds(points)
    trace = drawn(source, counts, rng, notes=(
        f"the report adds read and write units up; {write_share:.0%} of them are taken for writes (--write-share)",
        "it says nothing of Queries, of sort keys within a partition key, nor of peaks",
    ))  # fmt: skip
    return trace, (sum(counted.requests for counted in counts) / seconds if seconds else 0.0)


def of_sketch(sketch: KeyHeat, name: str, rng: random.Random) -> Trace:
    """Return the trace of a sketch of traffic. Raises ConfigurationError where it is empty."""
    counts: list[Counted] = []
    reads = writes = 0
    for key, heat in sketch.keys.items():
        if heat.reads:
            counts.append(Counted(key, "get", heat.reads, int(heat.read_units / heat.reads * 2 * 4096)))
        if heat.writes:
            counts.append(Counted(key, "write", heat.writes, int(heat.write_units / heat.writes * 1024)))
        reads, writes = reads + heat.reads, writes + heat.writes
    total = sketch.total
    for number in range(REST_KEYS):
        if total.reads > reads:
            counts.append(Counted(f"(others) {number}", "get", (total.reads - reads) / REST_KEYS, 1024))
        if total.writes > writes:
            counts.append(Counted(f"(others) {number}", "write", (total.writes - writes) / REST_KEYS, 1024))
    return drawn(f"the sketch {name}: {len(sketch.keys)} keys", counts, rng, notes=("it says nothing of peaks",))


def of_sample(
    items: Sequence[Item],
    table: str,
    key: tuple[str, ...],
    item_count: int,
    write_share: float,
    rng: random.Random,
) -> Trace:
    """Return the trace of a table whose items are all asked for alike, as far as a sample tells."""
    if not items:
        raise ConfigurationError(f"table {table} holds no items", next_step="give a log of its traffic: --log FILE")
    sizes = [size_bytes(item) for item in items]
    scale = max(1.0, item_count / len(items))
    counts: list[Counted] = []
    collections: Counter[str] = Counter()
    for item, size in zip(items, sizes, strict=True):
        texts = {name: text for name, value in item.items() if (text := _scalar(value)) is not None}
        partition, *sorts = (texts.pop(name, "") for name in key)
        sort = sorts[0] if sorts else None
        collections[partition] += size
        counts.append(Counted(partition, "write", write_share, size, sort, texts))
        counts.append(Counted(partition, "get", 1 - write_share, size, sort, texts))
    known = {partition: held * scale for partition, held in collections.items()}
    return drawn(
        f"a sample of {len(items):,} items of {table}, with {len(collections):,} partition keys",
        counts,
        rng,
        notes=(
            "a sample tells where items are, not which are asked for: each is taken to be asked for alike",
            f"{write_share:.0%} of the requests are taken for writes (--write-share)",
        ),
        collection_bytes=known,
        item_bytes=sum(sizes) / max(1, len(sizes)),
    )


def _both(key: str, sort: str | None, units: float, write_share: float, item_bytes: int) -> list[Counted]:
    """Return units of a key as requests for items of one size, so many of them writes."""
    write = Access(0.0, "write", key, sort, item_bytes).units
    read = Access(0.0, "get", key, sort, item_bytes).units
    return [
        Counted(key, "write", units * write_share / write, item_bytes, sort),
        Counted(key, "get", units * (1 - write_share) / read, item_bytes, sort),
    ]


def _seconds(points: list[str]) -> float:
    """Return how long the report is of, by its data points, which are evenly apart."""
    try:
        times = [float(p) if p.replace(".", "", 1).isdigit() else datetime.fromisoformat(p).timestamp() for p in points]
    except ValueError:
        return 0.0
    return (max(times) - min(times)) * len(times) / (len(times) - 1) if len(times) > 1 else 0.0


def _scalar(value: Mapping[str, Any]) -> str | None:
    ((kind, held),) = value.items()
    return str(held) if kind in ("S", "N") else held.hex() if kind == "B" else None
