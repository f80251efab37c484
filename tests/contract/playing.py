"""Many combinations, two at a time: each process plays one after another and keeps the plain results it has."""

from __future__ import annotations

import time
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any, Final

from tests.contract.book import every_case
from tests.contract.processes import workers
from tests.contract.report import brief, show
from tests.contract.running import Failure, PlainResults, run
from tests.contract.steps import Case
from tests.contract.worlds import Combination

WORKERS: Final = 2


def cases_with(text: str) -> list[Case]:
    """The cases of the book whose names contain the text."""
    return [case for case in every_case() if text.lower() in case.name.lower()]


@dataclass(frozen=True, slots=True)
class Played:
    """What a worker hands back."""

    combination: Combination
    failures: tuple[Failure, ...]
    count: int
    seconds: float


_plain: dict[str, PlainResults] = {}  # of this worker


def play_one(client_options: dict[str, Any], text: str, combination: Combination) -> Played:
    began_seconds = time.monotonic()
    plain = _plain.setdefault(client_options["endpoint_url"], PlainResults(client_options))
    outcomes = list(run(cases_with(text), combination, client_options, plain))
    failures = tuple(outcome for outcome in outcomes if outcome is not None)
    return Played(combination, failures, len(outcomes), time.monotonic() - began_seconds)


def play(client_options: dict[str, Any], text: str, chosen: list[Combination], *, show_max: int) -> int:
    """How many answers were different; each combination is told when it is done."""
    failures = 0
    with workers(min(WORKERS, len(chosen))) as pool:
        futures = [pool.submit(play_one, client_options, text, combination) for combination in chosen]
        for done, future in enumerate(as_completed(futures), 1):
            played = future.result()
            verdict = f"{len(played.failures)} different" if played.failures else "ok"
            line = f"{played.combination.name:52} {played.count:5} cases {played.seconds:6.1f} s  {verdict}"
            print(f"[{done:3}/{len(chosen)}] {line}", flush=True)
            for failure in played.failures:
                failures += 1
                print(show(failure) if failures <= show_max else brief(failure), flush=True)
    return failures
