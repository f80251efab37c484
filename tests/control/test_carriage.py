"""The gate of a log that carries the source's writes: nobody's writes are held up for one that does not, or is late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossfade.control.carrying import NO_CARRIER, Carriage
from crossfade.control.gates import Evidence, Finding, findings
from crossfade.control.records import State
from crossfade.core.stages import Gate, Stage

CARRIER = replace(NO_CARRIER, owner="replication-1", lag_seconds=0.2, lag_events=3, reported_at="at noon")
STATE = State(Stage.SHADOW, 3, 0, "freeze", "shop (rows)", "shop", "", 0, 3, "", "")


def judged(carriage: Carriage | None, stage: Stage = Stage.SHADOW) -> tuple[Finding, ...]:
    return findings((Gate.REPLICATED,), replace(STATE, stage=stage), Evidence(None, None, carriage=carriage))


@pytest.mark.parametrize(
    ("carriage", "shown", "command"),
    [
        (Carriage(NO_CARRIER, False, None, ()), "it has never run", "crossfade replicate --execute"),
        (Carriage(CARRIER, False, None, ()), "it last reported at noon", "crossfade replicate --execute"),
        (Carriage(replace(CARRIER, letters=2), True, None, ()), "2 changes could not", "crossfade etl retry --execute"),
        (Carriage(replace(CARRIER, lag_seconds=60.0), True, None, ()), "60 s behind", "crossfade status --watch"),
        (Carriage(replace(CARRIER, lag_seconds=-1.0), True, None, ()), "not known", "crossfade status --watch"),
    ],
)
def test_a_log_that_is_not_carried_closes_the_gate(carriage: Carriage, shown: str, command: str) -> None:
    """With what to do about it."""
    (finding,) = judged(carriage)
    assert not finding.is_open
    assert shown in finding.found
    assert finding.command == command


def test_a_log_that_keeps_up_opens_it() -> None:
    """Where the source decides; elsewhere, and without a log, there is no such gate."""
    carriage = Carriage(CARRIER, True, None, ())
    (finding,) = judged(carriage)
    assert finding.is_open
    assert judged(carriage, Stage.LIVE) == ()
    assert judged(None) == ()
