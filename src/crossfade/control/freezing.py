"""The way of the authority where no transaction spans both stores: everybody holds its writes for a moment.

    shadow -> freeze_source -> freeze_target -> live, and back the same way

With one such stage a client that is still in it would read the source while another, already in live, writes the
target. With two, writes begin again only when everybody reads from the side that they go to.

Nobody is held for long. If the first of the two is not entered by everybody, or the gate between them does not open,
within `give_up_seconds`, the coordinator turns back. It need not wait for anybody then: whoever has not entered the
first is still in the stage that it leads back to. Once the second is written all is on the other side, so the way on is
the shorter one; should a client have died in that very moment, its lease has to run out. Writes do not wait for that:
each fails, unwritten, when its time is over (`Held`).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Literal

from crossfade.core.stages import ALL_LADDERS, Stage, next_resting
from crossfade.errors import ConfigurationError

HOLD_SECONDS: Final = 5.0  # half of what a caller's timeout usually is; the way takes one to two
GIVE_UP_PART: Final = 0.8  # of that: the coordinator turns back before the first write has waited for too long
FROZEN_LOOK_SECONDS: Final = 0.05  # between two looks while writes are held: it is for seconds at most
FROZEN_POLL_SECONDS: Final = 0.05  # likewise, of clients
APPROACH_POLL_SECONDS: Final = 0.25  # in a stage next to a freeze, so that it is entered by all at about the same time


def way_out(strategy: str, stage: Stage) -> Stage:
    """The nearest stage in which writes go on. In front of the second of the two there is no gate any more, and behind
    the first there is none."""
    rows = ALL_LADDERS[strategy]
    stages = tuple(rows)
    by = -1 if rows[stage].authority == "source" else 1
    found = next_resting(stages, stage, by, rows)
    assert found is not None  # noqa: S101 - a ladder neither begins nor ends with a freeze
    return found


def poll_seconds(strategy: str, stage: Stage, usual: float) -> float:
    """How often a client should look whether the stage has changed."""
    rows = ALL_LADDERS[strategy]
    if rows[stage].holds:
        return min(usual, FROZEN_POLL_SECONDS)
    stages = tuple(rows)
    place = stages.index(stage)
    if any(rows[near].holds for near in stages[max(0, place - 1) : place + 2]):
        return min(usual, APPROACH_POLL_SECONDS)
    return usual


def fingerprint_of_switch(carried: Literal["", "log"]) -> str:
    """What every process of such a migration has in common: who carries the source's writes over. Which methods it has
    declared, or how rows are mapped, is its own affair."""
    return sha256(f"switch {carried}".encode()).hexdigest()[:16]


def names_mapping(fingerprint: str) -> bool:
    """Whether it tells one mapping from another; those of a Switch tell who carries the source's writes."""
    return fingerprint not in SWITCHES


def shared(fingerprint: str) -> str:
    """What every client of a migration that was started with it has in common, in words."""
    return SWITCHES.get(fingerprint) or f"the mapping whose fingerprint is {fingerprint}"


def check_shared(migration: str, fingerprint: str, here: str) -> None:
    """Raise ConfigurationError where a migration was started with another fingerprint than the one of this client."""
    if fingerprint == here:
        return
    if names_mapping(fingerprint):
        raise ConfigurationError(
            f"migration {migration} was started with another mapping (fingerprint {fingerprint}, here {here})",
            next_step="deploy the same migration file everywhere",
        )
    raise ConfigurationError(
        f"migration {migration} was started for {shared(fingerprint)}, which this client is not",
        next_step=f"use {shared(fingerprint)} everywhere",
    )


SWITCHES: Final[dict[str, str]] = {
    fingerprint_of_switch("log"): 'a Switch with Mirror(..., carried="log")',
    fingerprint_of_switch(""): "a Switch with Mirror(...), without carried",
}
