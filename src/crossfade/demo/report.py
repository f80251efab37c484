"""What the demo tells at the end: figures, memory, errors, findings, and the verdict in one line."""

from __future__ import annotations

from collections import Counter
from typing import Any

from crossfade.demo.console import Console
from crossfade.demo.goods import SOURCE, TARGET
from crossfade.demo.performance import Outcome

FINDINGS_SHOWN = 10
EXPECTED = "ConditionalCheckFailedException"
MEANINGS = {
    EXPECTED: "a condition that did not hold, as the applications expect; not shown above",
    "InternalServerError": "of the process that stood still: its lease had ended, so nothing of it was acknowledged",
}


def tell(outcome: Outcome, console: Console) -> None:
    """For people."""
    _figures(outcome, console)
    _memory(outcome, console)
    _proof(outcome, console)
    console.verdict(verdict(outcome), good=outcome.holds)


def verdict(outcome: Outcome) -> str:
    counts = outcome.verdict.counts
    if outcome.holds:
        return (
            f"NOTHING LOST: {counts['writes ok']:,} acknowledged writes are there, "
            "nothing deleted came back, both tables agree"
        )
    wrong = Counter(found.wrong.value for found in outcome.verdict.findings)
    said = "; ".join(f"{what} ({count})" for what, count in wrong.most_common())
    return f"IT DOES NOT HOLD: {said or outcome.damage.splitlines()[0]}"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """For programs."""
    settings = outcome.settings
    return {
        "holds": outcome.holds,
        "verdict": verdict(outcome),
        "damage": outcome.damage,
        "findings": [
            {"what": found.wrong.value, "key": found.key, "evidence": found.lines()[1:]}
            for found in outcome.verdict.findings
        ],
        "items": settings.items,
        "seed": settings.seed,
        "seconds": round(outcome.seconds, 1),
        "proof_seconds": round(outcome.proof_seconds, 1),
        "counts": dict(outcome.verdict.counts),
        "errors": dict(outcome.verdict.errors),
        "stages": [stage.as_json() for stage in outcome.figures.stages],
        "memory_mb": {
            name: {"first": round(memory.first), "last": round(memory.last), "peak": round(memory.peak)}
            for name, memory in outcome.memory.items()
        },
        "items_per_second": {"database_alone": round(outcome.seed_rate), "backfill": round(outcome.backfill_rate)},
    }


def _figures(outcome: Outcome, console: Console) -> None:
    console.chapter("What the applications measured, stage by stage")
    console.block("                              requests      reads, ms     writes, ms")
    console.block("stage                seconds  a second    p50     p99    p50     p99  errors")
    for stage in outcome.figures.stages:
        row = stage.as_json()
        times = [_time(row[name]) for name in ("read_ms_p50", "read_ms_p99", "write_ms_p50", "write_ms_p99")]
        errors = ", ".join(f"{count} {name}" for name, count in stage.errors.items() if name != EXPECTED)
        console.block(
            f"{stage.label:20} {row['seconds']:7} {row['requests_per_second']:9} "
            f"{times[0]} {times[1]} {times[2]} {times[3]}  {errors}"
        )
    for name, meaning in MEANINGS.items():
        if outcome.verdict.errors[name]:
            console.say(f"{outcome.verdict.errors[name]:,} {name}: {meaning}.")
    console.say(
        f"The backfill went at {outcome.backfill_rate:,.0f} items/s beside this traffic; alone, from a bare socket, "
        f"the database takes {outcome.seed_rate:,.0f} items/s on this machine."
    )


def _time(value: object) -> str:
    return "      -" if value is None else f"{value:7}"


def _memory(outcome: Outcome, console: Console) -> None:
    console.chapter("Memory of each process, in MB")
    console.block("                   after 10 s    at the end    at most")
    for name, memory in outcome.memory.items():
        console.block(f"{name:18} {memory.first:10.0f} {memory.last:13.0f} {memory.peak:10.0f}")
    console.say(
        "This process runs the jobs and the coordinator; the proof, in the same one, has every journal in memory."
        " The database holds both tables in memory."
    )


def _proof(outcome: Outcome, console: Console) -> None:
    counts = outcome.verdict.counts
    console.chapter(f"The proof ({outcome.proof_seconds:.1f} s)")
    console.say(
        f"{counts['writes ok']:,} writes were acknowledged, {counts['writes no']:,} refused, "
        f"{counts['writes unknown']:,} have an unknown outcome (their process was killed, or its lease had ended); "
        f"{counts['reads']:,} reads."
    )
    console.say(
        f"{counts['compared']:,} documents compared: {counts[SOURCE]:,} in {SOURCE}, {counts[TARGET]:,} in {TARGET}; "
        f"{counts['in one table alone']:,} of them were written after `complete`, to {TARGET} alone. "
        f"{counts['documents written']:,} documents have a history; {counts['pages']:,} pages of queries were checked."
    )
    if outcome.damage:
        console.say(f"In stage {outcome.stage} the migration itself noticed:")
        console.block(outcome.damage)
    for found in outcome.verdict.findings[:FINDINGS_SHOWN]:
        for line in found.lines():
            console.block(line)
    left = len(outcome.verdict.findings) - FINDINGS_SHOWN
    if left > 0:
        console.say(f"and {left:,} more findings")
