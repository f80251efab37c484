"""Many combinations, two at a time: each process tries one after another and keeps what plain tables have come to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any, Final

from tests.contract.processes import workers
from tests.contract.worlds import Combination
from tests.faults.drops import DROPS
from tests.faults.freeze.places import Place
from tests.faults.freeze.running import NO_PAIRS, Pairs, run_freeze
from tests.faults.operations import operations_with
from tests.faults.running import Bench, Finding, Result, run

WORKERS: Final = 2
LINE_LENGTH_MAX: Final = 900

_benches: dict[str, Bench] = {}  # of this process


@dataclass(frozen=True, slots=True)
class Asked:
    """`cases`: a part of the names of operations; `drop`: the mending that is taken out; `pairs`: of faults, too; of
    the strategy `freeze` as many of each call as `drawn` says."""

    cases: str = ""
    drop: str = ""
    pairs: bool = True
    drawn: Pairs = NO_PAIRS


def play(
    client_options: dict[str, Any], asked: Asked, chosen: Sequence[Combination | Place], *, show_max: int
) -> tuple[int, int, int]:
    """How many fates were tried, how many outcomes were wrong, and how many pairs were not drawn; each combination is
    told when it is done."""
    count = findings = left = 0
    with workers(min(WORKERS, len(chosen))) as pool:
        futures = [pool.submit(play_one, client_options, asked, combination) for combination in chosen]
        for done, future in enumerate(as_completed(futures), 1):
            result, seconds = future.result()
            count += result.count
            left += result.left
            verdict = f"{len(result.findings)} wrong" if result.findings else "ok"
            refused = f"  (refused: {', '.join(sorted(set(result.refused)))})" if result.refused else ""
            line = f"{result.combination.name:52} {result.count:6,} fates {seconds:6.1f} s  {verdict}{refused}"
            print(f"[{done:3}/{len(chosen)}] {line}", flush=True)
            for finding in result.findings:
                findings += 1
                print(show(finding) if findings <= show_max else f"  {finding.operation}: {finding.fate}", flush=True)
    return count, findings, left


def play_one(client_options: dict[str, Any], asked: Asked, combination: Combination | Place) -> tuple[Result, float]:
    began_seconds = time.monotonic()
    with DROPS[asked.drop]():
        if isinstance(combination, Place):
            result = run_freeze(combination, asked.cases, asked.drawn if asked.pairs else NO_PAIRS)
        else:
            bench = _benches.setdefault(client_options["endpoint_url"], Bench(client_options))
            result = run(bench, combination, operations_with(asked.cases), pairs=asked.pairs)
    return result, time.monotonic() - began_seconds


def show(finding: Finding) -> str:
    where = finding.combination
    again = f"CASES='{finding.operation}' {options_of(where)}"
    return "\n".join(
        [
            f"\n--- {finding.operation}: {finding.fate}",
            f"    {where.name}",
            *(f"    sent: {line}" for line in finding.requests),
            f"    {shortened(finding.why)}",
            f"    again: make faults {again}",
        ]
    )


def options_of(where: Combination | Place) -> str:
    """What `make faults` takes, to try this one again."""
    said = f"STRATEGY={where.strategy} STAGE={where.stage} CLIENT={where.client}"
    return said if isinstance(where, Place) else f"{said} MAPPING={where.mapping} VIEW={where.view}"


def shortened(text: str) -> str:
    """Both ends of a long text."""
    half = LINE_LENGTH_MAX // 2
    return text if len(text) <= LINE_LENGTH_MAX else f"{text[:half]} ... {text[-half:]}"
