"""What must hold before a step, judged from the records alone.

Up, a stage asks for what the table of stages says. In both directions a step that changes the authority asks for
equality: a complete backfill, and a verify that found nothing, began after the backfill, and began when `unclean` was
what it is now, since every end without a drain raises it. Where a replication was started, it must run, and have
caught up. Where the source was drained, `complete` wants some days in which nobody has found anything in it that the
target lacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, assert_never

from crossfade.control.calls import ask
from crossfade.control.fallbacks import Fallbacks, moment, read_fallbacks
from crossfade.control.records import Job, JobRecord, JobStatus, State
from crossfade.control.store import Control
from crossfade.control.streams import LAG_SECONDS_MAX, REPORT_BEATS_MAX, Replication
from crossfade.core.effects import Request, Routine
from crossfade.core.stages import LADDERS, Gate, Stage
from crossfade.errors import GateClosed

QUIET_DAYS: Final = 14  # a fortnight has a month's end or a weekly job in it, most likely
HITS_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One gate: whether it is open, what was found, and what to do about it."""

    gate: Gate
    is_open: bool
    found: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What gates look at, read together with the state that it is judged against."""

    backfill: JobRecord | None
    verify: JobRecord | None
    replication: Replication | None = None  # None: this migration has none, and no gate for it
    target_empty: bool | None = None  # None: nobody has looked
    fallbacks: Fallbacks | None = None  # None: nobody has looked, or nothing is counted

    @classmethod
    def read(cls, control: Control, target: str = "", *, fallbacks: bool = False) -> Routine[Evidence]:
        """`target`: the table to be looked at as well, where a gate asks for it to be empty. `fallbacks`: likewise what
        was found in the source alone."""
        empty = None
        if target:
            request: Request = {"TableName": target, "Limit": 1, "ConsistentRead": True}
            reply = yield from ask("Scan", request, place="target")
            empty = not reply["Items"] and not reply.get("LastEvaluatedKey")
        backfill = yield from control.job(Job.BACKFILL)
        verify = yield from control.job(Job.VERIFY)
        replication = yield from Replication.read(control)
        found = (yield from read_fallbacks(control)) if fallbacks else None
        return cls(backfill, verify, replication, empty, found)


def gates_of_step(state: State, to: Stage) -> tuple[Gate, ...]:
    """The gates between the state's stage and an adjacent one."""
    rows = LADDERS[state.strategy]
    order = tuple(rows)
    wanted = set(rows[to].gates) if order.index(to) > order.index(state.stage) else set[Gate]()
    if rows[to].authority != rows[state.stage].authority and rows[state.stage].keeps_equal:
        wanted |= {Gate.BACKFILLED, Gate.VERIFIED}
    if rows[to].is_single and rows[state.stage].merges:
        wanted |= {Gate.EMPTY}  # there nobody looks at the target
    if to is Stage.COMPLETE:
        wanted |= {Gate.VERIFIED}
    if Gate.VERIFIED in wanted:
        wanted |= {Gate.REPLICATED}
    return tuple(gate for gate in Gate if gate in wanted)


RAMP_GATES = (Gate.BACKFILLED, Gate.VERIFIED, Gate.REPLICATED)  # a ramped read answers from the target


def findings(
    gates: Iterable[Gate],
    state: State,
    evidence: Evidence,
    *,
    confirmed: bool = False,
    quiet_days: int = QUIET_DAYS,
) -> tuple[Finding, ...]:
    """`replicated` is a gate only where a replication was started."""
    asked = [gate for gate in gates if gate is not Gate.REPLICATED or evidence.replication is not None]
    return tuple(_judge(gate, state, evidence, confirmed, quiet_days) for gate in asked)


def _judge(gate: Gate, state: State, evidence: Evidence, confirmed: bool, quiet_days: int) -> Finding:
    match gate:
        case Gate.EMPTY:
            return _empty(state, evidence)
        case Gate.BACKFILLED:
            return _backfilled(evidence.backfill)
        case Gate.VERIFIED:
            return _verified(state, evidence)
        case Gate.REPLICATED:
            return _replicated(evidence.replication)
        case Gate.QUIET:
            return _quiet(evidence.fallbacks, quiet_days)
        case Gate.CONFIRMED:
            found = "confirmed" if confirmed else "not confirmed: there is no way back from complete"
            return Finding(
                gate,
                confirmed,
                found,
                "" if confirmed else "crossfade complete --execute --confirm NAME, with the name of the migration",
            )
        case _:
            assert_never(gate)


def table_to_look_at(state: State, gates: Iterable[Gate]) -> str:
    """The target, where one of these gates asks for it to be empty."""
    return state.target if Gate.EMPTY in gates else ""


def _empty(state: State, evidence: Evidence) -> Finding:
    if evidence.target_empty:
        return Finding(Gate.EMPTY, True, f"{state.target} is empty", "")
    found = "holds items, which would be taken for newer than the source's"
    step = f"empty it, or create another table: {state.target} must hold nothing but what this migration brings"
    if evidence.target_empty is None:
        found = "has not been looked at"
    elif not LADDERS[state.strategy][state.stage].is_single:
        found = "holds items that below prepare nobody would look at"
        step = f"stay in {state.stage}, or go up again: what has been copied or written to it stays there"
    return Finding(Gate.EMPTY, False, f"{state.target} {found}", step)


def _backfilled(backfill: JobRecord | None) -> Finding:
    command = "crossfade backfill --execute"
    if backfill is None:
        return Finding(Gate.BACKFILLED, False, "no backfill has begun", command)
    if backfill.status is JobStatus.RUNNING:
        where = f"begun {backfill.started_at} by {backfill.who} on {backfill.host}, pid {backfill.pid}"
        return Finding(Gate.BACKFILLED, False, f"the backfill is not complete ({where})", f"{command} (it resumes)")
    return Finding(Gate.BACKFILLED, True, f"the backfill is complete since {backfill.finished_at}", "")


def _verified(state: State, evidence: Evidence) -> Finding:
    verify, backfill = evidence.verify, evidence.backfill
    command = "crossfade verify"

    def closed(found: str, next_step: str = command) -> Finding:
        return Finding(Gate.VERIFIED, False, found, next_step)

    if verify is None:
        return closed("nothing has been verified")
    if verify.status is JobStatus.RUNNING:
        where = f"begun {verify.started_at} by {verify.who} on {verify.host}, pid {verify.pid}"
        return closed(f"the last verify has not finished ({where})")
    if not verify.clean:
        counts = ", ".join(f"{name} {count}" for name, count in verify.counts.items())
        return closed(f"the last verify found differences ({counts})", f"{command} --repair --execute, then {command}")
    if backfill is None or backfill.status is not JobStatus.COMPLETE or verify.backfill_run != backfill.run:
        return closed("the last verify began before the backfill was complete")
    if verify.unclean != state.unclean:
        more = state.unclean - verify.unclean
        times = "once" if more == 1 else f"{more} times"
        return closed(f"since the last verify began, a client ended without a drain or lost a mirror ({times})")
    return Finding(Gate.VERIFIED, True, f"the verify begun {verify.started_at} found nothing", "")


def _replicated(replication: Replication | None) -> Finding:
    """Its lease tells whether it runs, and the beats since how old its report is: no two clocks are compared."""
    command = "crossfade replicate --execute"

    def closed(found: str, next_step: str) -> Finding:
        return Finding(Gate.REPLICATED, False, found, next_step)

    if replication is None:
        return Finding(Gate.REPLICATED, True, "there is no replication", "")
    report = replication.report
    last = f"it last caught up at {report.caught_up_at}" if report.caught_up_at else "it has never caught up"
    if replication.lease is None:
        end = "crossfade replicate --end --execute"
        return closed(f"the replication does not run; {last}", f"{command} beside this (or {end}, to do without it)")
    silent = replication.lease.beat - report.beat
    if silent > REPORT_BEATS_MAX:
        return closed(f"the replication has reported nothing for {silent} of its beats; {last}", "look at that process")
    if not 0 <= report.lag_seconds <= LAG_SECONDS_MAX:
        behind = "has not read all shards yet" if report.lag_seconds < 0 else f"is {report.lag_seconds:.0f} s behind"
        return closed(f"the replication {behind}; {last}", "wait until it has caught up: crossfade status --watch")
    return Finding(Gate.REPLICATED, True, f"the replication caught up at {report.caught_up_at}", "")


def _quiet(fallbacks: Fallbacks | None, days: int) -> Finding:
    """The clock begins with rampdown, and again with every hit."""
    sooner = "crossfade complete --execute --confirm NAME --quiet-days N, with fewer days"
    if fallbacks is None:
        return Finding(Gate.QUIET, not days, "what was found in the source alone has not been counted", sooner)
    hits, wanted = hits_text(fallbacks), "1 quiet day is" if days == 1 else f"{days} quiet days are"
    opens_at = fallbacks.opens_at(days)
    if fallbacks.today >= opens_at:
        return Finding(
            Gate.QUIET, True, f"{hits}; {wanted} asked for" if days else f"{hits}; no quiet day is asked for", ""
        )
    step = f"it opens at {moment(opens_at)}, if nothing is found until then; or {sooner}"
    return Finding(Gate.QUIET, False, f"{hits}; {wanted} asked for", step)


def hits_text(fallbacks: Fallbacks) -> str:
    """What was found, as people read it."""
    count = fallbacks.total.count
    if not fallbacks.last_at:
        return f"nothing was found in the source alone since rampdown was entered, {moment(fallbacks.total.since)}"
    keys = ", ".join(sample.key for sample in fallbacks.samples[:HITS_NAMED])
    times = "once" if count == 1 else f"{count:,} times"
    return f"an item was found in the source alone {times}, the last time at {moment(fallbacks.last_at)} ({keys})"


def closed_error(state: State, goal: str, judged: Iterable[Finding]) -> GateClosed:
    """The error that carries every gate's finding, the open ones included."""
    judged = tuple(judged)
    lines = "".join(f"\n  {'open  ' if f.is_open else 'CLOSED'} {f.gate.value}: {f.found}" for f in judged)
    steps = "; ".join(f.next_step for f in judged if not f.is_open)
    return GateClosed(f"{goal} is not possible yet (stage {state.stage.value}){lines}", next_step=steps)
