"""Who runs a job, how far it has come, and what came of it.

A job has one runner: the client whose id is in its record. Another may take over only when that client's lease is gone,
and from then on the former one can write neither checkpoint nor result, since both are conditional on the owner. Nobody
is believed to be dead without its lease and landing time having passed, so two runners never write at the same time.

A job begins only when every client has entered the stage: an item that somebody still writes without mirroring it,
behind the back of the scan, would be missing for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from crossfade.control.agent import Agent
from crossfade.control.calls import DONE, change_surely
from crossfade.control.capturing import read_schema
from crossfade.control.record_items import job_record, number, segment_record, text
from crossfade.control.records import SORT_KEY, STATE, Job, JobRecord, JobStatus, Lease, SegmentCheckpoint, State
from crossfade.control.sightings import Sightings
from crossfade.control.store import Caller, Control
from crossfade.control.waiting import (
    LOOK_SECONDS,
    NOTE_SECONDS,
    PATIENCE_SECONDS,
    await_everyone,
    count_out,
    explain,
    waiting_facts,
)
from crossfade.core.effects import Note, Now, Request, Routine, Sleep, Stamp
from crossfade.core.stages import ALL_LADDERS, FREEZE_STRATEGY, Fallback, Stage
from crossfade.errors import Fenced, NotPossibleInStage

ONE_SIDED: Final = "writes go to one table only, so the other falls behind"
SEGMENTS_MAX: Final = 10_000  # four digits in the record's name; a parallel scan takes up to 1,000,000


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a job, until somebody takes it over. `record` is as it was claimed."""

    control: Control
    record: JobRecord
    resumed: bool

    @property
    def job(self) -> Job:
        return self.record.job


def claim_job(
    agent: Agent,
    caller: Caller,
    job: Job,
    segments: int,
    *,
    again: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Routine[Claim]:
    """Become the runner of a job. The agent must have joined, and be polled by somebody else meanwhile.

    Resumes what a runner that is gone has begun, with its number of segments (a replication has none); a verify only
    with the mapping that it began with, and when since then nobody ended unfinished and no columns were changed,
    because its finding would open no gate. `again` runs a complete backfill once more. Raises NotPossibleInStage:
    somebody runs it (who, where), it is complete, or nothing is mirrored in this stage.
    """
    if not (0 if job is Job.REPLICATION else 1) <= segments <= SEGMENTS_MAX:
        raise NotPossibleInStage(f"{segments} segments: 1 to {SEGMENTS_MAX} are possible")
    control = agent.control
    token = yield from Stamp()
    while True:
        if agent.rules.barrier:
            purpose = f"the {job} begins when every client has entered the stage"
            state = yield from await_everyone(control, caller, patience_seconds=patience_seconds, purpose=purpose)
        else:
            state = yield from control.state()
        _refuse_stage(state, job)
        found = yield from control.job(job)
        if found is not None and found.status is JobStatus.COMPLETE and job is Job.BACKFILL and not again:
            raise NotPossibleInStage(
                f"the backfill is complete since {found.finished_at}", next_step="crossfade verify"
            )
        if found is not None and found.status is JobStatus.RUNNING and found.owner != agent.client_id:
            lease = yield from control.lease(found.owner)
            if lease is not None:
                yield from _outlive(control, caller, found, lease)
                continue  # the state has changed
        record = yield from _wanted(agent, caller, job, segments, state, found, token)
        if (yield from _take(control, state, found, record)):
            claim = Claim(control, record, resumed=found is not None and found.run == record.run)
            for segment in range(record.segments):
                yield from _adopt(claim, segment)
            yield from Note("job_claimed", {"job": job.value, "owner": record.owner, "resumed": claim.resumed})
            return claim


def load_checkpoints(claim: Claim) -> Routine[tuple[SegmentCheckpoint, ...]]:
    """One for each segment, in order. Fenced when the job was taken over."""
    found = yield from claim.control.segments(claim.job)
    ours = tuple(segment for segment in found if segment.run == claim.record.run)
    if len(ours) != claim.record.segments or any(segment.owner != claim.record.owner for segment in ours):
        raise (yield from _fenced(claim))
    return ours


def save_checkpoint(claim: Claim, checkpoint: SegmentCheckpoint) -> Routine[SegmentCheckpoint]:
    """Write it, after the data that it stands for; what comes back is what the next one is made from.

    One worker a segment. Fenced: the job was taken over, stop.
    """
    saved = replace(checkpoint, serial=checkpoint.serial + 1)
    request = claim.control.put(saved) | {
        "ConditionExpression": "#owner = :owner AND #run = :run AND #serial <= :serial",
        "ExpressionAttributeNames": {"#owner": "owner", "#run": "run", "#serial": "serial"},
        "ExpressionAttributeValues": {
            ":owner": text(claim.record.owner),
            ":run": text(claim.record.run),
            ":serial": number(saved.serial),
        },
    }
    if (yield from change_surely("PutItem", request)) != DONE:
        raise (yield from _fenced(claim))
    return saved


def check_goes_on(claim: Claim) -> Routine[None]:
    """Raises Fenced where another has ended the run of this claim, or begun a new one. One that another goes on with,
    and a complete backfill, are refused by the next claim."""
    found = yield from claim.control.job(claim.job)
    ended = found is not None and found.status is JobStatus.COMPLETE and claim.job is not Job.BACKFILL
    if found is None or found.run != claim.record.run or ended:
        raise (yield from _fenced(claim))


def finish_job(claim: Claim, counts: Mapping[str, int], *, clean: bool, finished_at: str) -> Routine[JobRecord]:
    """The result. `clean`: nothing was found amiss. Fenced when taken over; NotPossibleInStage while a segment is not
    done."""
    checkpoints = yield from load_checkpoints(claim)
    left = [checkpoint.number for checkpoint in checkpoints if not checkpoint.done]
    if left:
        raise NotPossibleInStage(
            f"the {claim.job} is not complete: {len(left)} segments are not done, the first is {left[0]}"
        )
    result = replace(claim.record, status=JobStatus.COMPLETE, counts=dict(counts), clean=clean, finished_at=finished_at)
    request = claim.control.put(result) | _while(claim.record)
    if (yield from change_surely("PutItem", request)) != DONE:
        found = yield from claim.control.job(claim.job)
        if found is None or (found.owner, found.run, found.status) != (result.owner, result.run, result.status):
            raise (yield from _fenced(claim))
    yield from Note("job_finished", {"job": claim.job.value, "clean": clean, "counts": dict(counts)})
    return result


# --- claiming


def _refuse_stage(state: State, job: Job) -> None:
    row = ALL_LADDERS[state.strategy][state.stage]
    if row.merges or row.fallback is not Fallback.NONE:
        return  # the job itself knows whether it may run there
    if row.is_single:
        raise means_nothing(job, state.strategy, state.stage)


def means_nothing(what: str, strategy: str, stage: Stage, why: str = ONE_SIDED) -> NotPossibleInStage:
    """The refusal of what compares or copies, in a stage in which there is no point; with the way to one, if any."""
    behind = ALL_LADDERS[strategy][stage].leaves_target_behind
    next_step = way_to_equal(strategy) if behind else ALL_THERE
    return NotPossibleInStage(f"a {what} means nothing in stage {stage}: {why}", next_step=next_step)


def backfill_comes_first(claim: Claim, strategy: str, stage: Stage) -> bool:
    """Whether what the target lacks is the backfill's to bring: none was complete when this job began."""
    return not claim.record.backfill_run and ALL_LADDERS[strategy][stage].follows_source


ALL_THERE: Final = "crossfade cleanup (it retires the old table; what the new one holds is all there is)"


def way_to_equal(strategy: str) -> str:
    """The command that leads to the first stage in which the target has, or gets, all that the source has."""
    to = next(stage for stage, row in ALL_LADDERS[strategy].items() if row.takes_verify)
    return f"crossfade advance --to {to} --execute"


def _outlive(control: Control, caller: Caller, found: JobRecord, lease: Lease) -> Routine[None]:
    """Watch the owner: NotPossibleInStage when it gives a sign of life, and count it out when it does not."""
    sightings = Sightings()
    first: Lease | None = lease
    noted = -math.inf
    while first is not None and first.beat == lease.beat:
        now = yield from Now()
        sightings.see((lease,), now)
        state = yield from control.state()
        if sightings.is_gone(lease, now):
            _ = yield from count_out(control, caller, state, lease)
            return
        if now - noted >= NOTE_SECONDS:
            noted = now
            waited = explain(lease, state, sightings, now)
            silent = sightings.silent_seconds(lease, now)
            purpose = f"is the owner of the {found.job} alive?"
            yield from Note("waiting", waiting_facts(state, [waited], silent, purpose))
        yield from Sleep(LOOK_SECONDS)
        first = yield from control.lease(lease.client)
    if first is not None:
        raise NotPossibleInStage(
            f"the {found.job} is being run by {found.who} on {found.host}, pid {found.pid} (client {found.owner}), "
            f"since {found.started_at}",
            next_step="let it finish, or stop that process",
        )


def _wanted(
    agent: Agent, caller: Caller, job: Job, segments: int, state: State, found: JobRecord | None, token: str
) -> Routine[JobRecord]:
    """The record to write: a resumed run with us as its owner, or a fresh one."""
    met = ""
    if job is Job.VERIFY and state.strategy == FREEZE_STRATEGY:
        schema = yield from read_schema(agent.control)
        met = schema.change if schema is not None else ""
    if found is not None and found.status is JobStatus.RUNNING:
        as_it_began = (found.unclean, found.mapping, found.schema) == (state.unclean, agent.control.mapping, met)
        still_good = job is not Job.VERIFY or as_it_began
        if still_good:
            return replace(found, owner=agent.client_id, who=caller.who, host=agent.host, pid=agent.pid)
    backfill = yield from agent.control.job(Job.BACKFILL)
    complete = backfill is not None and backfill.status is JobStatus.COMPLETE
    return JobRecord(
        job=job,
        status=JobStatus.RUNNING,
        run=token,
        segments=segments,
        unclean=state.unclean,
        backfill_run=backfill.run if backfill is not None and complete else "",
        clean=False,
        counts={},
        started_at=caller.clock(),
        finished_at="",
        owner=agent.client_id,
        who=caller.who,
        host=agent.host,
        pid=agent.pid,
        mapping=agent.control.mapping,
        schema=met,
    )


def _take(control: Control, state: State, found: JobRecord | None, record: JobRecord) -> Routine[bool]:
    """Write the record while both the epoch and the job are what was read."""
    same_epoch: Request = {
        "TableName": control.table,
        "Key": control.key(STATE),
        "ConditionExpression": "#epoch = :epoch",
        "ExpressionAttributeNames": {"#epoch": "epoch"},
        "ExpressionAttributeValues": {":epoch": number(state.epoch)},
    }
    put = control.put_new(record) if found is None else control.put(record) | _while(found)
    failed = yield from change_surely(
        "TransactWriteItems", {"TransactItems": [{"ConditionCheck": same_epoch}, {"Put": put}]}
    )
    if failed == DONE:
        return True
    return (yield from control.job(record.job)) == record  # an earlier sending of the same


def _adopt(claim: Claim, segment: int) -> Routine[None]:
    """Make a segment's checkpoint ours: as it is when it belongs to this run, blank otherwise."""
    control, record = claim.control, claim.record
    ours: Request = {"TableName": control.table, "Key": control.key(job_record(record.job)), **_while(record)}
    keep: Request = {
        "TableName": control.table,
        "Key": control.key(segment_record(record.job, segment)),
        "UpdateExpression": "SET #owner = :owner",
        "ConditionExpression": "#run = :run",
        "ExpressionAttributeNames": {"#owner": "owner", "#run": "run"},
        "ExpressionAttributeValues": {":owner": text(record.owner), ":run": text(record.run)},
    }
    blank = control.put(SegmentCheckpoint(record.job, segment, record.owner, record.run, 0, None, False, {})) | {
        "ConditionExpression": "attribute_not_exists(#record) OR #run <> :run",
        "ExpressionAttributeNames": {"#record": SORT_KEY, "#run": "run"},
        "ExpressionAttributeValues": {":run": text(record.run)},
    }
    for action in ({"Update": keep}, {"Put": blank}, {"Update": keep}):
        failed = yield from change_surely("TransactWriteItems", {"TransactItems": [{"ConditionCheck": ours}, action]})
        if failed == DONE:
            return
        if 0 in failed:
            break
    raise (yield from _fenced(claim))


def _while(record: JobRecord) -> Request:
    """The condition that the job's record is this run, of this owner, in this status."""
    return {
        "ConditionExpression": "#owner = :owner AND #run = :run AND #status = :status",
        "ExpressionAttributeNames": {"#owner": "owner", "#run": "run", "#status": "status"},
        "ExpressionAttributeValues": {
            ":owner": text(record.owner),
            ":run": text(record.run),
            ":status": text(record.status),
        },
    }


def _fenced(claim: Claim) -> Routine[Fenced]:
    found = yield from claim.control.job(claim.job)
    if found is None:
        return Fenced(f"the {claim.job} was cleared: the migration went back to off", next_step="crossfade status")
    return Fenced(
        f"the {claim.job} was taken over by {found.who} on {found.host}, pid {found.pid} (client {found.owner})",
        next_step="leave it to that process",
    )
