"""The smallest design that carries the traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossfade.advice.designs import AS_IT_IS, COUNTS, Design, DesignKind
from crossfade.advice.querying import DEFAULT, Latencies, QueryCost, query_cost
from crossfade.advice.trace import Trace, pace_of
from crossfade.advice.trial import Heat, Stage, Trial
from crossfade.errors import ConfigurationError
from crossfade.partitions.limits import COLLECTION_BYTES_MAX

CARRIED_MAX: Final = 0.001  # of all requests: what an SDK sends once more without anybody's notice
HOTTEST_SHOWN: Final = 10
QUERY_ITEMS: Final = 100  # that a Query is taken to find where the trace has none
TARGET_MAX: Final = 10_000_000.0


class Verdict(StrEnum):
    """What is recommended."""

    LEAVE = "leave it"
    CHANGE = "change it"
    NOTHING_CARRIES = "nothing carries it"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a design is to carry: requests a second of the whole table, and head-room above them, 0.3 for 30 %."""

    requests_per_second: float
    head_room: float = 0.3
    local_index: bool = False
    limit: int = 25
    attributes: tuple[str, ...] = ()
    latencies: Latencies = DEFAULT
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.requests_per_second <= TARGET_MAX:
            raise ConfigurationError(
                f"{self.requests_per_second:,.2f} requests a second cannot be tried",
                next_step=f"give --target, more than 0 and at most {TARGET_MAX:,.0f}",
            )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A design with what came of it: `at_target`, and `tried` with the head-room on top."""

    design: Design
    at_target: Trial
    tried: Trial
    query: QueryCost
    largest_collection_bytes: float
    carries: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """What is recommended, and what it rests on."""

    verdict: Verdict
    recommended: Design
    candidates: tuple[Candidate, ...]
    keys: tuple[Heat, ...]
    partitions: tuple[Heat, ...]
    key_count: int
    wanted: Wanted
    trace: Trace
    played_seconds: int

    def candidate(self, design: Design) -> Candidate:
        return next(each for each in self.candidates if each.design == design)


def designs_for(wanted: Wanted) -> tuple[Design, ...]:
    """Return what is tried, each after those that are less of a change."""
    computed = [Design(DesignKind.COMPUTED, count) for count in COUNTS]
    rand = [Design(DesignKind.RANDOM, count) for count in COUNTS]
    others = [Design(DesignKind.ATTRIBUTE, attribute=name) for name in wanted.attributes]
    return (AS_IT_IS, *computed, *rand, *others)


def advise(trace: Trace, wanted: Wanted, on_tried: Callable[[Design], None] = lambda _: None) -> Advice:
    """Try every design. Raises ConfigurationError for an attribute that the trace does not name."""
    missing = [name for name in wanted.attributes if name not in trace.attributes]
    if missing:
        raise ConfigurationError(
            f"{trace.source}: no access names the attribute {missing[0]}",
            next_step=f"it names {', '.join(trace.attributes)}" if trace.attributes else "give a log with that column",
        )
    stage = Stage(trace, pace_of(trace, wanted.requests_per_second), local_index=wanted.local_index, seed=wanted.seed)
    found_bytes = _found_bytes(trace)
    largest = max(trace.collection_bytes.values(), default=0.0)
    candidates: list[Candidate] = []
    for design in designs_for(wanted):
        loads = stage.loads(design)
        tried = stage.play(design, loads, 1 + wanted.head_room)
        query = query_cost(design, found_bytes, trace.mean_item_bytes, wanted.limit, wanted.latencies)
        held = largest / design.count if design.kind is not DesignKind.ATTRIBUTE else 0.0
        fits = not wanted.local_index or held * (1 + wanted.head_room) <= COLLECTION_BYTES_MAX
        carries = tried.throttled <= CARRIED_MAX and fits
        candidates.append(Candidate(design, stage.play(design, loads), tried, query, held, carries))
        on_tried(design)
    chosen = _chosen(candidates)
    verdict = (
        Verdict.NOTHING_CARRIES if chosen is None
        else Verdict.LEAVE if chosen.design == AS_IT_IS
        else Verdict.CHANGE
    )  # fmt: skip
    return Advice(
        verdict,
        AS_IT_IS if chosen is None else chosen.design,
        tuple(candidates),
        tuple(stage.keys[:HOTTEST_SHOWN]),
        tuple(stage.partition_heats()[:HOTTEST_SHOWN]),
        len({access.partition_key for access in trace.accesses}),
        wanted,
        trace,
        stage.pace.seconds,
    )


def _chosen(candidates: list[Candidate]) -> Candidate | None:
    """Return the first that carries: the key as it is, then computed suffixes, another attribute, random ones."""
    order = (DesignKind.NONE, DesignKind.COMPUTED, DesignKind.ATTRIBUTE, DesignKind.RANDOM)
    carrying = [each for each in candidates if each.carries]
    return min(carrying, key=lambda each: (order.index(each.design.kind), each.design.count), default=None)


def _found_bytes(trace: Trace) -> float:
    """Return what a Query finds: as those of the trace did, or so many items."""
    sizes = [access.size_bytes for access in trace.accesses if access.kind == "query"]
    return sum(sizes) / len(sizes) if sizes else QUERY_ITEMS * trace.mean_item_bytes
