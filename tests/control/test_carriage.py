"""The gate of a log that carries the source's writes: nobody's writes are held up for one that does not, or is late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossfade.control.carrying import NO_CARRIER, Carriage
from crossfade.control.evidence import Evidence
from crossfade.control.gate_texts import REPAIR
from crossfade.control.gates import Finding, findings
from crossfade.control.records import CarrierRecord, Job, JobRecord, JobStatus, Lease, Role, SchemaRecord, State
from crossfade.core.stages import Gate, Stage

CARRIER = replace(NO_CARRIER, owner="replication-1", lag_seconds=0.2, lag_events=3, reported_at="at noon")
UNMAPPED = "correct the function (or the row) of what cannot be mapped"
LEFT_BY_HAND = "delete from the target what crossfade did not write, or let a row make it"
WITH_WORKERS = replace(CARRIER, has_workers=True)
WORKER = Lease("etl-1", Role.ETL, "node", 7, "", 1, 3, 10.0, 4.0, 0, "", mapping="old")
STATE = State(Stage.SHADOW, 3, 0, "freeze", "shop (rows)", "shop", "", 0, 3, "", "")


def judged(carriage: Carriage | None, stage: Stage = Stage.SHADOW, mapping: str = "") -> tuple[Finding, ...]:
    evidence = Evidence(None, None, carriage=carriage, mapping=mapping)
    return findings((Gate.REPLICATED,), replace(STATE, stage=stage), evidence)


@pytest.mark.parametrize(
    ("carriage", "shown", "command"),
    [
        (Carriage(NO_CARRIER, False, None, ()), "it has never run", "crossfade replicate --execute"),
        (Carriage(CARRIER, False, None, ()), "it last reported at noon", "crossfade replicate --execute"),
        (Carriage(replace(CARRIER, letters=2), True, None, ()), "2 changes could not", "crossfade etl retry --execute"),
        (Carriage(replace(CARRIER, lag_seconds=60.0), True, None, ()), "60 s behind", "crossfade status --watch"),
        (Carriage(replace(CARRIER, lag_seconds=-1.0), True, None, ()), "not known", "crossfade status --watch"),
        (Carriage(WITH_WORKERS, True, None, ()), "no worker applies", "crossfade etl --execute"),
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
    assert judged(Carriage(WITH_WORKERS, True, None, (), (WORKER,)))[0].is_open


def test_a_worker_with_another_mapping_closes_it_and_is_named() -> None:
    """What it applies after a verify is not what was verified; of one that tells no mapping nothing is known."""
    carriage = Carriage(WITH_WORKERS, True, None, (), (WORKER, replace(WORKER, pid=8, mapping="new")))
    (finding,) = judged(carriage, mapping="new")
    assert not finding.is_open
    assert finding.found == "another mapping than this file's is applied, by etl on node, pid 7"
    assert finding.command == "crossfade etl --execute"
    assert judged(carriage)[0].is_open
    assert judged(replace(carriage, appliers=(replace(WORKER, mapping=""),)), mapping="new")[0].is_open


VERIFY = JobRecord(
    Job.VERIFY, JobStatus.COMPLETE, "me", "run", "ann", "laptop", 1, 1, 0, "run", True, {}, "before", "then", "old"
)


@pytest.mark.parametrize(
    ("carrier", "stage", "then"),
    [
        (CARRIER, Stage.SHADOW, "first crossfade backfill --again --execute"),
        (WITH_WORKERS, Stage.SHADOW, "first crossfade etl replay --from beginning --execute"),
        (CARRIER, Stage.LIVE, "make equal by hand"),
    ],
)
def test_a_verify_of_another_mapping_does_not_open_the_gate(carrier: CarrierRecord, stage: Stage, then: str) -> None:
    """The same verify does for the mapping that it was made with, and where no mapping is at hand."""
    backfill = replace(VERIFY, job=Job.BACKFILL)
    evidence = Evidence(backfill, VERIFY, carriage=Carriage(carrier, True, None, ()))
    state = replace(STATE, stage=stage)
    for mapping, is_open in (("", True), ("old", True), ("new", False)):
        (finding,) = findings((Gate.VERIFIED,), state, replace(evidence, mapping=mapping))
        assert finding.is_open is is_open
    assert finding.found == "the last verify was of another mapping (old; in this file new)"
    assert finding.command == "crossfade verify"
    assert then in finding.next_step
    (finding,) = findings((Gate.VERIFIED,), state, replace(evidence, mapping="new", verify=replace(VERIFY, mapping="")))
    assert "of another mapping (unknown" in finding.found


def test_a_change_of_columns_behind_a_verify_closes_the_gate() -> None:
    """It is named, with its statement; one that a verify began behind is answered for by it."""
    changed = SchemaRecord("c1", "shop.customers", "ALTER TABLE customers DROP name", "at noon")
    evidence = Evidence(
        replace(VERIFY, job=Job.BACKFILL), VERIFY, carriage=Carriage(CARRIER, True, None, (), schema=changed)
    )
    (finding,) = findings((Gate.VERIFIED,), STATE, evidence)
    assert not finding.is_open
    assert "the columns of shop.customers may have changed (ALTER TABLE customers DROP name;" in finding.found
    assert finding.next_step == finding.command == "crossfade verify"
    (finding,) = findings((Gate.VERIFIED,), STATE, replace(evidence, verify=replace(VERIFY, schema="c1")))
    assert finding.is_open


@pytest.mark.parametrize(
    ("counts", "steps"),
    [
        ({"missing": 1}, (REPAIR,)),
        ({"missing": 1, "repaired": 1}, ()),
        ({"extra": 1, "not_ours": 1}, (LEFT_BY_HAND,)),
        ({"mismatched": 2, "unmapped": 1}, (REPAIR, UNMAPPED)),
    ],
)
def test_a_repair_is_advised_for_what_it_mends(counts: dict[str, int], steps: tuple[str, ...]) -> None:
    """For the rest there is something else to do, and a repair would leave it."""
    verify = replace(VERIFY, clean=False, counts=counts)
    (finding,) = findings((Gate.VERIFIED,), STATE, Evidence(replace(VERIFY, job=Job.BACKFILL), verify))
    assert finding.next_step == ", then ".join([*steps, "crossfade verify"])
    assert finding.command == (REPAIR if REPAIR in steps else "crossfade verify")
