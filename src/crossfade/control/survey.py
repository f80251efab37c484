"""Everything that `status` shows: where we are, what holds us back, whether there is a way back, the next command.

It reads and changes nothing; whoever waits (a coordinator, a job) is the one to count out the silent. Give it the same
`Sightings` again and again and it tells who is silent; one look alone cannot know that.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from crossfade.control.carrying import Carriage
from crossfade.control.comparisons import failing_of, read_differences
from crossfade.control.evidence import Evidence, denials_of
from crossfade.control.fallbacks import Fallbacks
from crossfade.control.gates import RAMP_GATES, Finding, findings, gates_of_step
from crossfade.control.records import (
    DifferenceRecord,
    Job,
    JobRecord,
    JournalEntry,
    Lease,
    Reader,
    SegmentCheckpoint,
    State,
    StreamReader,
)
from crossfade.control.refusals import Refusals
from crossfade.control.sightings import Sightings
from crossfade.control.store import Control
from crossfade.control.streams import Replication
from crossfade.control.waiting import explain
from crossfade.core.effects import Now, Routine
from crossfade.core.stages import ALL_LADDERS, FREEZE_STRATEGY, Gate, Stage, ladder, next_resting, path

JOURNAL_SHOWN: Final = 10
NONE_SEEN: Final = Refusals((), 0)


@dataclass(frozen=True, slots=True)
class ClientView:
    """One lease with what follows from it. `reason` is why it is waited for, or empty."""

    client: str
    role: str
    host: str
    pid: int
    acknowledged: bool
    reason: str
    silent_seconds: float
    lost_mirrors: int
    lost_example: str
    denied: str = ""
    compared: dict[str, int] = field(default_factory=dict[str, int])  # by outcome, since the process has attached
    failing: str = ""


@dataclass(frozen=True, slots=True)
class JobView:
    """A job's record; how many of its segments are done, and the sum of what they counted."""

    record: JobRecord
    segments_done: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class StepView:
    """A step that may come next. `possible`: no gate is closed (a confirmation still to be given does not count)."""

    to: Stage
    findings: tuple[Finding, ...]
    possible: bool


@dataclass(frozen=True, slots=True)
class Survey:
    migration: str
    control_table: str
    state: State
    summary: str
    clients: tuple[ClientView, ...]
    jobs: tuple[JobView, ...]
    readers: tuple[StreamReader, ...]
    replication: Replication | None
    journal: tuple[JournalEntry, ...]
    up: StepView | None
    down: StepView | None
    way_back: str
    held_back_by: tuple[str, ...]
    next_command: str  # as it is typed; empty where there is nothing to type
    next_remark: str  # what is to be said of it, or to be done in its place
    target_empty: bool | None = None  # None: nobody has looked
    fallbacks: Fallbacks | None = None  # None: rampdown, where they are counted, has not been entered
    refusals: Refusals = NONE_SEEN  # calls that are served so far, and refused in later stages
    carriage: Carriage | None = None  # None: no log carries anything
    mapping: str = ""  # the digest of the mapping at hand, where it may change
    denied: tuple[str, ...] = ()  # what clients may do on one table and not on the other
    differences: tuple[DifferenceRecord, ...] = ()  # what was seen to differ since the last verify began
    failing: tuple[str, ...] = ()  # whose comparisons fail
    today: int = 0

    def as_json(self) -> dict[str, Any]:
        """Plain values only."""
        fallbacks = None if self.fallbacks is None else self.fallbacks.as_json()
        return asdict(self) | {"fallbacks": fallbacks, "refusals": self.refusals.as_json()}


def survey(control: Control, sightings: Sightings | None = None) -> Routine[Survey]:
    """One look. Raises NotStarted."""
    state = yield from control.state()
    leases = yield from control.leases()
    now = yield from Now()
    seen = sightings if sightings is not None else Sightings()
    seen.see(leases, now)
    copies = state.strategy == "copy-on-write"
    row = ALL_LADDERS[state.strategy][state.stage]
    looked_at = state.target if copies and not row.is_final else ""
    evidence = yield from Evidence.read(control, looked_at, fallbacks=copies, refusals=True, passing=row.holds)
    differences = yield from read_differences(control, evidence.verify)
    evidence = replace(evidence, denied=denials_of(leases), failing=failing_of(leases), differences=differences)
    jobs: list[JobView] = []
    for job, record in ((Job.BACKFILL, evidence.backfill), (Job.VERIFY, evidence.verify)):
        if record is not None:
            jobs.append(_job_view(record, (yield from control.segments(job))))
    clients = tuple(_client_view(lease, state, seen, now) for lease in leases)
    up, down = _steps(state, evidence)
    behind = [f"{client.client} on {client.host}: {client.reason}" for client in clients if not client.acknowledged]
    closed = [f"{finding.gate}: {finding.found}" for finding in up.findings if not finding.is_open] if up else []
    next_command, next_remark = _next(state, evidence, up, waiting=bool(behind))
    return Survey(
        migration=control.migration,
        control_table=control.table,
        state=state,
        summary=row.summary,
        clients=clients,
        jobs=tuple(jobs),
        readers=(yield from _readers(control)),
        replication=evidence.replication,
        journal=(yield from control.journal(JOURNAL_SHOWN)),
        up=up,
        down=down,
        way_back=_way_back(state, evidence),
        held_back_by=(*behind, *closed),
        next_command=next_command,
        next_remark=next_remark,
        target_empty=evidence.target_empty,
        fallbacks=evidence.fallbacks,
        refusals=evidence.refusals or NONE_SEEN,
        carriage=evidence.carriage,
        mapping=evidence.mapping,
        denied=evidence.denied,
        differences=evidence.differences,
        failing=evidence.failing,
        today=evidence.today,
    )


def _client_view(lease: Lease, state: State, sightings: Sightings, now: float) -> ClientView:
    acknowledged = lease.epoch >= state.epoch
    waited = explain(lease, state, sightings, now)
    return ClientView(
        client=lease.client,
        role=lease.role,
        host=lease.host,
        pid=lease.pid,
        acknowledged=acknowledged,
        reason="" if acknowledged else waited.reason,
        silent_seconds=waited.silent_seconds,
        lost_mirrors=lease.lost_mirrors,
        lost_example=lease.lost_example,
        denied=lease.denied,
        compared=lease.compared,
        failing=lease.failing,
    )


def _job_view(record: JobRecord, segments: tuple[SegmentCheckpoint, ...]) -> JobView:
    ours = [segment for segment in segments if segment.run == record.run]
    counts: dict[str, int] = {}
    for segment in ours:
        for name, count in segment.counts.items():
            counts[name] = counts.get(name, 0) + count
    return JobView(record, sum(segment.done for segment in ours), counts)


def _readers(control: Control) -> Routine[tuple[StreamReader, ...]]:
    found: list[StreamReader] = []
    for reader in Reader:
        report = yield from control.reader(reader)
        found += [] if report is None else [report]
    return tuple(found)


def _steps(state: State, evidence: Evidence) -> tuple[StepView | None, StepView | None]:
    stages = ladder(state.strategy)
    place = stages.index(state.stage)

    def step(to: Stage) -> StepView:
        judged = findings(gates_of_step(state, to), state, evidence)
        return StepView(to, judged, all(finding.is_open or finding.gate == "confirmed" for finding in judged))

    up = step(stages[place + 1]) if place + 1 < len(stages) else None
    down = step(stages[place - 1]) if place and not ALL_LADDERS[state.strategy][state.stage].is_final else None
    return up, down


def closed_below(state: State, evidence: Evidence, to: Stage) -> tuple[Stage, Finding] | None:
    """The first gate on the way down to a stage that is closed, with the stage above the step; None where none is.

    A way back is one way: what its last step needs holds it up as what its first one needs.
    """
    for stage in path(ladder(state.strategy), state.stage, to):
        for finding in findings(gates_of_step(state, stage), state, evidence):
            if not finding.is_open:
                return state.stage, finding
        state = replace(state, stage=stage)
    return None


def _way_back(state: State, evidence: Evidence) -> str:
    row = ALL_LADDERS[state.strategy][state.stage]
    if row.is_final:
        how = "looked at" if state.strategy == "copy-on-write" else "kept equal"
        return f"none: the source has not been {how} since {state.stage} was entered"
    if row.is_alone("source"):
        return "nothing has changed yet"
    if row.authority == "target" and not row.keeps_equal:
        return (
            _way_back_of_copies(state, evidence.target_empty)
            if row.leaves_target_behind
            else DOWN_TO_PREPARE.format(state.target)
        )
    closed = closed_below(state, evidence, Stage.OFF)
    ends = "; complete ends that" if row.authority == "target" else ""
    if closed is None:
        why = "the source is kept equal, so" if ends else "the source decides;"
        return f"open: {why} rollback leads back to {Stage.OFF}{ends}"
    above, finding = closed
    return (
        f"closed now, below {above}: needs {NEEDED.get(finding.gate, finding.gate)} ({finding.found}); then rollback"
        f" leads back to {Stage.OFF}{ends}"
    )


DOWN_TO_PREPARE: Final = "down to prepare, where both tables are used; not to off: {} has what only it has"
NEEDED: Final = {
    Gate.BACKFILLED: "a complete backfill",
    Gate.MIRRORED: "a verify that finds nothing",
    Gate.VERIFIED: "a verify that finds nothing",
    Gate.RECENT: "a verify",
    Gate.REPLICATED: "what carries the writes to have caught up",
}


def _way_back_of_copies(state: State, target_empty: bool | None) -> str:
    if target_empty is None:
        return f"open while {state.target} is empty: the source has every item"
    if target_empty:
        return f"open: {state.target} is empty, and the source has every item; rollback leads back to {Stage.OFF}"
    return f"closed: {state.target} holds items, which below prepare nobody would look at; empty, it is open"


def _next(state: State, evidence: Evidence, up: StepView | None, *, waiting: bool) -> tuple[str, str]:
    """What to type now, and what is to be said of it; the gates of the next step first, and backfill and verify before
    anybody compares."""
    if up is None:
        two_stores = state.strategy == FREEZE_STRATEGY
        rest = "what is left of the migration is retired" if two_stores else "the old table is retired"
        return "crossfade cleanup", f"take crossfade out of the applications; {rest} step by step"
    if waiting:
        return f"crossfade advance --to {state.stage} --execute", f"waits until every client has entered {state.stage}"
    rows = ALL_LADDERS[state.strategy]
    row, beyond = rows[state.stage], next_resting(ladder(state.strategy), state.stage, 1, rows)
    order = (Gate.BACKFILLED, Gate.REPLICATED, Gate.VERIFIED) if evidence.carriage is not None else RAMP_GATES
    early = findings(order, state, evidence) if row.follows_source else ()
    closed = next((finding for finding in (*early, *up.findings) if not finding.is_open), None)
    if closed is None:
        return f"crossfade advance --to {beyond} --execute", ""
    if closed.gate is Gate.CONFIRMED:
        return closed.command, "there is no way back from it"
    return closed.command, _remark(closed)


def _remark(finding: Finding) -> str:
    """What a finding says to do beside its command, which comes first."""
    rest = finding.next_step.removeprefix(finding.command).strip(" ,")
    return rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest
