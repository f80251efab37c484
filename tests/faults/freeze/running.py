"""Every fate of the calls of one place, whose outcomes are judged."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import count
from typing import Final

from tests.faults.freeze.carrying import CARRIES, CarryTrial, CarryWorld
from tests.faults.freeze.mishaps import (
    IN_PAIRS,
    LASTING,
    MISHAPS,
    OF_WORKERS,
    WORKERS_IN_PAIRS,
    WORKERS_LASTING,
    Mishap,
    named,
)
from tests.faults.freeze.places import WORKER, Place
from tests.faults.freeze.switching import SWITCH_CALLS, SwitchTrial, World
from tests.faults.running import SHOWN_MAX, Fates, Finding, Result

STEPS_MAX: Final = 24  # of a call: behind those only its lease is renewed, again and again
FOLLOWING_MAX: Final = 12  # steps behind one that failed: the next mirror, and a write with its own
WORKERS_STEPS_MAX: Final = 40  # likewise of a worker
WORKERS_FOLLOWING_MAX: Final = 4  # steps behind one that failed: what is tried again, and what comes then


def names_with(place: Place, cases: str) -> list[str]:
    """Of what is tried there."""
    tried = CARRIES if place.client == WORKER else SWITCH_CALLS
    return [each.name for each in tried if cases in each.name]


@dataclass(frozen=True, slots=True)
class Pairs:
    """How many pairs of faults are tried of each call, drawn by `seed`; None: all."""

    most: int | None = 0
    seed: int = 1


NO_PAIRS: Final = Pairs()


def run_freeze(place: Place, cases: str, pairs: Pairs = NO_PAIRS, mishaps: Sequence[Mishap] = MISHAPS) -> Result:
    """Every fate of these calls, or of these changes, in one place."""
    logging.getLogger("crossfade").setLevel(logging.CRITICAL)  # whatever is told there is judged here
    result, names = Result(place), names_with(place, cases)
    if place.client == WORKER:
        with_worker = CarryWorld(place)
        ways = OF_WORKERS if mishaps is MISHAPS else mishaps
        fates = Fates(
            ways, WORKERS_LASTING, WORKERS_IN_PAIRS, WORKERS_STEPS_MAX, WORKERS_FOLLOWING_MAX, *astuple(pairs)
        )
        for carry in CARRIES:
            if carry.name in names:
                tried(result, fates, carry.name, CarryTrial(with_worker, carry))
        return result
    world, numbers = World(place), count()
    fates = Fates(mishaps, LASTING, IN_PAIRS, STEPS_MAX, FOLLOWING_MAX, *astuple(pairs))
    try:
        for call in SWITCH_CALLS:
            if call.name in names:
                tried(result, fates, call.name, SwitchTrial(world, call, numbers))
    finally:
        wrong = world.close()
    result.findings += [Finding(place, "(at the end)", "", line) for line in wrong]
    return result


def tried(result: Result, fates: Fates[Mishap], name: str, trial: SwitchTrial | CarryTrial) -> None:
    place = result.combination
    try:
        result.left += fates.try_all(trial.make, pairs=fates.pairs_max != 0)
    except Exception as error:  # noqa: BLE001 - what the trial itself stumbles over is to be seen too
        text = "".join(traceback.format_exception(error))
        result.findings.append(Finding(place, name, "(the trial itself)", text))
    result.count += trial.tried
    for fate, why, course in trial.wrongs:
        steps = tuple(step for step, _ in course.requests[:SHOWN_MAX])
        result.findings.append(Finding(place, name, named(fate), why, steps))
