"""What one seed stands for, drawn from the world's generator before the world begins."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from crossfade.core.rules import Rules
from crossfade.core.stages import FREEZE, FREEZE_STRATEGY, Ramp, Stage, resting
from crossfade.sim.faults import Rates, draw_rates
from crossfade.sim.freeze.shapes import SHAPES
from crossfade.sim.history import KeyName
from crossfade.sim.model import State
from crossfade.sim.operator import Goal
from crossfade.sim.scenario import draw_state

RESTING: Final = resting(FREEZE_STRATEGY)[:-1]  # complete is entered by its own command


@dataclass(frozen=True, slots=True)
class Scenario:
    """`carried`: the source's log is carried to the target, so that the switch mirrors the way back alone. `unrest`: of
    the group that reads it, in one second. `capture_seconds`: at most so long the capture waits between two looks at
    the log. `stall`: the chance that it then stands still with the changes of a look on their way."""

    shape: str
    carried: bool
    conditional: bool
    keeps_stamp: bool
    keys: tuple[KeyName, ...]
    initial: dict[KeyName, State]
    services: int
    partitions: int
    workers: int
    unrest: float
    capture_seconds: float
    stall: float
    replays: tuple[bool, ...]
    pause_seconds: float
    delete_share: float
    landing_seconds: float
    lease_seconds: float
    poll_seconds: float
    hold_seconds: float
    goals: tuple[Goal, ...]
    rates: Rates
    rules: Rules


def draw(random: Random, more: Random, rules: Rules) -> Scenario:
    """`more` draws what only some worlds have, so that the others stay what they are."""
    keys = tuple(("e", chr(ord("a") + i)) for i in range(random.choice((1, 2, 2, 3))))
    goals = draw_goals(random)
    return Scenario(
        shape=random.choice(SHAPES),
        carried=random.random() < 0.75,
        conditional=random.random() < 0.3,
        keeps_stamp=random.random() < 0.3,
        keys=keys,
        initial={key: draw_state(random, i) for i, key in enumerate(keys)},
        services=random.choice((1, 2, 2)),
        partitions=random.choice((1, 2, 3)),
        workers=random.choice((1, 2, 2)),
        unrest=random.choice((0.0, 0.1, 0.5)),
        capture_seconds=random.choice((0.05, 0.05, 0.5, 1.5)),
        stall=more.choice((0.0, 0.0, 0.2)),
        replays=tuple(random.random() < 0.15 for _ in goals),
        pause_seconds=random.choice((0.8, 1.6, 3.0)),
        delete_share=random.choice((1.0, 2.0, 4.0)),
        landing_seconds=random.choice((0.3, 0.6, 1.2)),
        lease_seconds=random.choice((1.4, 2.0)),
        poll_seconds=random.choice((0.4, 0.7)),
        hold_seconds=random.choice((1.0, 2.0, 4.0)),
        goals=goals,
        rates=draw_rates(random),
        rules=rules,
    )


def draw_goals(random: Random) -> tuple[Goal, ...]:
    """Up, and often down and up again: most ways cross the freeze."""
    goals: list[Goal] = []
    live, highest, at = RESTING.index(Stage.LIVE), len(RESTING) - 1, 0
    for _ in range(random.choice((1, 2, 3, 3, 4))):
        if at < live:
            at = random.choice((live, live, highest, min(at + 1, highest)))
        else:
            at = random.choice((0, 1, live - 1, live - 1))
        stage = RESTING[at]
        percent = random.choice((0, 50, 100)) if FREEZE[stage].ramp is not Ramp.NONE else 0
        goals.append(Goal(stage, random.choice((0.0, 0.5, 2.0)) * random.random(), percent))
    if random.random() < 0.1:
        goals.append(Goal(Stage.COMPLETE))
    return tuple(goals)
