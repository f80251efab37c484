"""What `crossfade advise` shows, and its JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table as Grid

from crossfade.advice.advising import Advice, Candidate, Verdict
from crossfade.advice.designs import Design
from crossfade.advice.reasons import percent, reasons_of
from crossfade.advice.trial import Heat
from crossfade.cli.screen import Screen
from crossfade.partitions.limits import DOCUMENTED, NOT_KNOWN

KEYS_SHOWN = 5
STYLES = {Verdict.LEAVE: "bold green", Verdict.CHANGE: "bold yellow", Verdict.NOTHING_CARRIES: "bold red"}


def show(screen: Screen, advice: Advice) -> None:
    wanted = advice.wanted
    screen.say(f"From {advice.trace.source}", "bold")
    screen.say(
        f"To carry: {wanted.requests_per_second:,.0f} requests a second, and {percent(wanted.head_room)} head-room;"
        f" played for {advice.played_seconds} s"
    )
    for note in advice.trace.notes:
        screen.say(f"Note: {note}.", "dim")
    screen.say()
    screen.show(heat_grid("key", advice.keys))
    screen.say()
    screen.show(heat_grid("partition, the key as it is", advice.partitions))
    screen.say()
    screen.show(candidate_grid(advice))
    screen.say(f"Times of a Query are from {wanted.latencies.source}.", "dim")
    screen.say()
    screen.say(f"Advice: {said(advice)}", STYLES[advice.verdict])
    for reason in reasons_of(advice):
        screen.say(f"  - {reason}")


def said(advice: Advice) -> str:
    """`leave it`, `16 computed suffixes`, `nothing that was tried carries it`."""
    match advice.verdict:
        case Verdict.LEAVE:
            return "leave it"
        case Verdict.CHANGE:
            return str(advice.recommended)
        case Verdict.NOTHING_CARRIES:
            return "nothing that was tried carries it"


def heat_grid(title: str, heats: Sequence[Heat]) -> Grid:
    grid = _grid((title, "left"), ("share", "right"), ("writes/s", "right"), ("reads/s", "right"), ("peak", "right"))
    for heat in heats[:KEYS_SHOWN]:
        grid.add_row(heat.name, percent(heat.share), f"{heat.writes:,.0f}", f"{heat.reads:,.0f}", percent(heat.peak))
    return grid


def candidate_grid(advice: Advice) -> Grid:
    grid = _grid(
        ("design", "left"),
        ("throttled", "right"),
        ("peak", "right"),
        ("spread", "right"),
        ("Query: requests", "right"),
        ("units", "right"),
        ("p50", "right"),
        ("p99", "right"),
        ("first page p99", "right"),
        ("", "left"),
    )
    for each in advice.candidates:
        query, chosen = each.query, each.design == advice.recommended
        mark = "<- advice" if chosen and each.carries else "carries it" if each.carries else ""
        grid.add_row(
            str(each.design),
            percent(each.tried.throttled),
            percent(each.tried.peak),
            f"{each.tried.imbalance:.2f}",
            f"{query.requests:,}",
            f"{query.read_units:,.1f}",
            f"{query.p50_ms:.1f} ms",
            f"{query.p99_ms:.1f} ms",
            f"{query.first_page_p99_ms:.1f} ms",
            mark,
        )
    return grid


def _grid(*columns: tuple[str, Any]) -> Grid:
    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, justify in columns:
        grid.add_column(name, justify=justify, no_wrap=True)
    return grid


def document(advice: Advice) -> dict[str, Any]:
    wanted = advice.wanted
    return {
        "source": advice.trace.source,
        "notes": list(advice.trace.notes),
        "target_requests_per_second": wanted.requests_per_second,
        "head_room": wanted.head_room,
        "local_index": wanted.local_index,
        "advice": said(advice),
        "verdict": advice.verdict,
        "recommended": _design(advice.recommended) if advice.verdict is not Verdict.NOTHING_CARRIES else None,
        "reasons": list(reasons_of(advice)),
        "key_count": advice.key_count,
        "keys": list(advice.keys),
        "partitions": list(advice.partitions),
        "collection_bytes_max": max(advice.trace.collection_bytes.values(), default=None),
        "designs": [_candidate(each) for each in advice.candidates],
        "latencies": wanted.latencies.source,
        "rules": [{"rule": rule.what, "source": rule.source} for rule in DOCUMENTED],
        "not_known": [rule.what for rule in NOT_KNOWN],
    }


def _design(design: Design) -> dict[str, Any]:
    return {"kind": design.kind, "count": design.count, "attribute": design.attribute or None}


def _candidate(each: Candidate) -> dict[str, Any]:
    tried = each.tried
    return {
        **_design(each.design),
        "carries": each.carries,
        "throttled_share": tried.throttled,
        "throttled_share_reads": tried.throttled_reads,
        "throttled_share_writes": tried.throttled_writes,
        "throttled_share_at_target": each.at_target.throttled,
        "peak": tried.peak,
        "hottest_key_share": tried.hottest_share,
        "spread": tried.imbalance,
        "partitions": tried.partitions,
        "query": each.query,
    }
