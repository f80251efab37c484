"""What must hold before a step, judged from the records alone.

Up, a stage asks for what the table of stages says. In both directions a step that changes the authority asks for
equality: a complete backfill, and a verify that found nothing, began after the backfill, and began when `unclean` was
what it is now, since every client that ends unfinished raises it. Where a replication was started, it must run, and
have caught up; where a log carries the source's writes, that has to. Where the source was drained, `complete` wants
some days in which nobody has found anything in it that the target lacks. And it wants some days without a call that
is served so far, and that it refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, assert_never

from crossfade.control.carrying import Carriage, Passing
from crossfade.control.days import Days
from crossfade.control.evidence import Evidence
from crossfade.control.fallbacks import DAY_SECONDS, moment
from crossfade.control.gate_texts import (
    BY_HAND,
    DIFFERENCES,
    REPAIR,
    age_text,
    completing,
    differences_text,
    hits_text,
    lease_text,
    named,
    refusals_text,
    way_to_clean,
    way_to_settle,
)
from crossfade.control.marks import is_settled
from crossfade.control.records import JobRecord, JobStatus, State
from crossfade.control.refusals import opens_at
from crossfade.control.streams import LAG_SECONDS_MAX, REPORT_BEATS_MAX, Replication
from crossfade.core.stages import ALL_LADDERS, FREEZE_STRATEGY, Gate, Stage
from crossfade.errors import GateClosed

USUAL_DAYS: Final = Days()


@dataclass(frozen=True, slots=True)
class Finding:
    """One gate: whether it is open, what was found, and what to do about it; `command` is what of that can be typed
    now as it is, if anything."""

    gate: Gate
    is_open: bool
    found: str
    next_step: str
    command: str = ""


def gates_of_step(state: State, to: Stage) -> tuple[Gate, ...]:
    """The gates between the state's stage and an adjacent one."""
    rows = ALL_LADDERS[state.strategy]
    order = tuple(rows)
    goes_up = order.index(to) > order.index(state.stage)
    wanted = set(rows[to].gates) if goes_up else set[Gate]()
    if rows[to].authority != rows[state.stage].authority and rows[state.stage].keeps_equal:
        wanted |= {Gate.BACKFILLED, Gate.VERIFIED}
    if rows[to].is_single and rows[state.stage].merges:
        wanted |= {Gate.EMPTY}  # there nobody looks at the target
    if rows[to].holds and rows[state.stage].holds:  # what a replication says of its lag, the fence says exactly
        return tuple(gate for gate in Gate if gate in wanted | {Gate.PASSED})
    if rows[to].holds:  # in either direction: nobody is to be held up for a gate that is closed anyway
        wanted |= {Gate.BACKFILLED, Gate.VERIFIED}
    if Gate.VERIFIED in wanted:
        wanted |= {Gate.REPLICATED} | ({Gate.RECENT} if goes_up else set[Gate]())  # a way back is not for that delay
    return tuple(gate for gate in Gate if gate in wanted)


# A ramped read answers from the target.
RAMP_GATES = (Gate.BACKFILLED, Gate.VERIFIED, Gate.RECENT, Gate.REPLICATED, Gate.ALLOWED)


def findings(
    gates: Iterable[Gate],
    state: State,
    evidence: Evidence,
    *,
    confirmed: bool = False,
    days: Days = USUAL_DAYS,
) -> tuple[Finding, ...]:
    """`replicated` is a gate only where a replication was started, or a log carries the source's writes; `allowed`
    only where clients try it; `recent` only where there is a verify with a time."""
    follows = evidence.replication is not None or _is_carried(state, evidence)
    gone = {
        Gate.REPLICATED: not follows,
        Gate.ALLOWED: state.strategy == FREEZE_STRATEGY,
        Gate.RECENT: evidence.verified_seconds is None,
    }
    asked = [gate for gate in gates if not gone.get(gate)]
    return tuple(_judge(gate, state, evidence, confirmed, days) for gate in asked)


def _judge(gate: Gate, state: State, evidence: Evidence, confirmed: bool, days: Days) -> Finding:
    match gate:
        case Gate.EMPTY:
            return _empty(state, evidence)
        case Gate.BACKFILLED:
            return _backfilled(evidence.backfill)
        case Gate.MIRRORED:
            return _mirrored(state, evidence)
        case Gate.VERIFIED:
            return _verified(state, evidence)
        case Gate.RECENT:
            return _recent(evidence, days.verified)
        case Gate.REPLICATED:
            return _followed(state, evidence)
        case Gate.PASSED:
            return _passed(state, evidence.passing)
        case Gate.ALLOWED:
            return _allowed(evidence)
        case Gate.QUIET:
            return _quiet(evidence, days.quiet)
        case Gate.ANSWERED:
            return _answered(evidence, days.refused)
        case Gate.CONFIRMED:
            return _confirmed(evidence, confirmed=confirmed)
        case _:
            assert_never(gate)


def _confirmed(evidence: Evidence, *, confirmed: bool) -> Finding:
    if confirmed:
        return Finding(Gate.CONFIRMED, True, "confirmed", "")
    command = completing(evidence.migration)
    return Finding(Gate.CONFIRMED, False, "not confirmed: there is no way back from complete", command, command)


def _empty(state: State, evidence: Evidence) -> Finding:
    if evidence.target_empty:
        return Finding(Gate.EMPTY, True, f"{state.target} is empty", "")
    found = "holds items, which would be taken for newer than the source's"
    step = f"empty it, or create another table: {state.target} must hold nothing but what this migration brings"
    if evidence.target_empty is None:
        found = "has not been looked at"
    elif not ALL_LADDERS[state.strategy][state.stage].is_single:
        found = "holds items that below prepare nobody would look at"
        step = f"stay in {state.stage}, or go up again: what has been copied or written to it stays there"
    return Finding(Gate.EMPTY, False, f"{state.target} {found}", step)


def _backfilled(backfill: JobRecord | None) -> Finding:
    command = "crossfade backfill --execute"
    if backfill is None:
        return Finding(Gate.BACKFILLED, False, "no backfill has begun", command, command)
    if backfill.status is JobStatus.RUNNING:
        where = f"begun {backfill.started_at} by {backfill.who} on {backfill.host}, pid {backfill.pid}"
        found = f"the backfill is not complete ({where})"
        return Finding(Gate.BACKFILLED, False, found, f"{command} (it resumes)", command)
    return Finding(Gate.BACKFILLED, True, f"the backfill is complete since {backfill.finished_at}", "")


def _mirrored(state: State, evidence: Evidence) -> Finding:
    """Judge what was left undone, while the source still decides: what the target cannot hold was a lost mirror, and
    will be an error."""
    backfill = evidence.backfill
    if backfill is not None and is_settled(state, backfill.unclean):
        left = "nothing was left undone" if backfill.unclean == state.unclean else "what was left undone is settled"
        return Finding(Gate.MIRRORED, True, f"since the backfill began, {left}", "")
    verified = _verified(state, evidence)
    since = "" if verified.is_open else "since the backfill began, a client ended unfinished or lost a mirror, and "
    found = replace(verified, gate=Gate.MIRRORED, found=f"{since}{verified.found}")
    if backfill is None or backfill.status is not JobStatus.COMPLETE or evidence.verify is not None:
        return found
    step, command = way_to_settle(state, follows=_streams_are_on(state, evidence))
    return replace(found, next_step=step, command=command)


def _streams_are_on(state: State, evidence: Evidence) -> bool:
    """Whether somebody has followed the change streams of both tables."""
    return evidence.replication is not None or bool(state.settled)


def _verified(state: State, evidence: Evidence) -> Finding:
    verify, backfill = evidence.verify, evidence.backfill
    command = "crossfade verify"

    def closed(found: str, next_step: str = command, first: str = command) -> Finding:
        return Finding(Gate.VERIFIED, False, found, next_step, first)

    if verify is None:
        return closed("nothing has been verified")
    if verify.status is JobStatus.RUNNING:
        where = f"begun {verify.started_at} by {verify.who} on {verify.host}, pid {verify.pid}"
        return closed(f"the last verify has not finished ({where})")
    if backfill is None or backfill.status is not JobStatus.COMPLETE or verify.backfill_run != backfill.run:
        return closed("the last verify began before the backfill was complete")  # what it missed may be there by now
    if not verify.clean:
        found = {name.replace("_", " "): verify.counts.get(name) for name in DIFFERENCES}
        counts = ", ".join(f"{name} {count:,}" for name, count in found.items() if count)
        said = f"the last verify found differences ({counts})"
        if evidence.carriage is not None and not _is_carried(state, evidence):
            return closed(said, f"{BY_HAND}, then {command}", command)
        step = way_to_clean(verify.counts)
        return closed(said, step, REPAIR if step.startswith(REPAIR) else command)
    if not is_settled(state, verify.unclean):
        covered = state.settled if state.settled_base <= verify.unclean else 0
        more = state.unclean - max(verify.unclean, covered)
        times = "once" if more == 1 else f"{more} times"
        said = f"since the last verify, a client ended unfinished or lost a mirror ({times})"
        return closed(said, *way_to_settle(state, follows=_streams_are_on(state, evidence)))
    schema = evidence.carriage.schema if evidence.carriage is not None else None
    if schema is not None and verify.schema != schema.change:
        return closed(
            f"since the last verify began, the columns of {schema.table} may have changed ({schema.statement}; told by"
            f" the log at {schema.told_at}), and what that did to its rows is in no log"
        )
    if evidence.mapping and verify.mapping != evidence.mapping:
        theirs = verify.mapping or "unknown"
        said = f"the last verify was of another mapping ({theirs}; in this file {evidence.mapping})"
        return closed(said, f"{command} ({_applied_anew(state, evidence)})")
    seen = evidence.differences
    if seen:
        by_hand = evidence.carriage is not None and not _is_carried(state, evidence)
        step = f"{BY_HAND}, then {command}" if by_hand else f"{REPAIR}, then {command}"
        return closed(differences_text(seen), step, command if by_hand else REPAIR)
    if evidence.failing:
        said = f"comparisons fail, so nothing that is wrong would be seen: {named(evidence.failing)}"
        return closed(said, "see to what that process is refused: crossfade status", "crossfade status")
    return Finding(Gate.VERIFIED, True, f"the verify begun {verify.started_at} found nothing", "")


def _recent(evidence: Evidence, days: int) -> Finding:
    """Judge the age of the verify: what happens beside crossfade, it alone tells."""
    seconds, command = evidence.verified_seconds or 0, "crossfade verify"
    found = f"the last verify began {age_text(seconds)} ago"
    if seconds <= days * DAY_SECONDS:
        return Finding(Gate.RECENT, True, found, "")
    step = f"{command} (or --verified-within N, with more days)"
    return Finding(Gate.RECENT, False, f"{found}; at most {days} days are asked for", step, command)


def _applied_anew(state: State, evidence: Evidence) -> str:
    """Return what is to be done where a verify with another mapping finds differences."""
    if not _is_carried(state, evidence):
        return f"where it finds differences, {BY_HAND}"
    assert evidence.carriage is not None  # noqa: S101 - see `_is_carried`
    anew = "etl replay --from beginning" if evidence.carriage.carrier.has_workers else "backfill --again"
    return f"with processes that were started anew; where it finds differences, first crossfade {anew} --execute"


def _followed(state: State, evidence: Evidence) -> Finding:
    if evidence.carriage is not None and _is_carried(state, evidence):
        return _carried(evidence, evidence.carriage)
    return _replicated(evidence.replication)


def _replicated(replication: Replication | None) -> Finding:
    """Judge the replication: its lease tells whether it runs, and the beats since then how old its report is."""
    command = "crossfade replicate --execute"

    def closed(found: str, next_step: str, first: str = "") -> Finding:
        return Finding(Gate.REPLICATED, False, found, next_step, first)

    if replication is None:
        return Finding(Gate.REPLICATED, True, "there is no replication", "")
    report = replication.report
    last = f"it last caught up at {report.caught_up_at}" if report.caught_up_at else "it has never caught up"
    if replication.lease is None:
        end = "crossfade replicate --end --execute"
        step = f"{command} beside this (or {end}, to do without it)"
        return closed(f"the replication does not run; {last}", step, command)
    silent = replication.lease.beat - report.beat
    if silent > REPORT_BEATS_MAX:
        return closed(f"the replication has reported nothing for {silent} of its beats; {last}", "look at that process")
    if not 0 <= report.lag_seconds <= LAG_SECONDS_MAX:
        behind = "has not read all shards yet" if report.lag_seconds < 0 else f"is {report.lag_seconds:.0f} s behind"
        look = "crossfade status --watch"
        return closed(f"the replication {behind}; {last}", f"wait until it has caught up: {look}", look)
    return Finding(Gate.REPLICATED, True, f"the replication caught up at {report.caught_up_at}", "")


def _is_carried(state: State, evidence: Evidence) -> bool:
    """Whether the source's log has to bring what is written; where the target decides it brings nothing any more."""
    return evidence.carriage is not None and ALL_LADDERS[state.strategy][state.stage].authority == "source"


def _carried(evidence: Evidence, carriage: Carriage) -> Finding:
    """Judge what carries the log: its lease tells whether it runs.

    Its lag is judged so that no write is held up in vain; what decides is the fence.
    """
    command, record = "crossfade replicate --execute", carriage.carrier
    apply = "crossfade etl --execute" if record.has_workers else command

    def closed(found: str, next_step: str, first: str = "") -> Finding:
        return Finding(Gate.REPLICATED, False, found, next_step, first)

    if not carriage.runs:
        last = f"it last reported {record.reported_at}" if record.owner else "it has never run"
        return closed(f"nothing carries the source's log now; {last}", f"{command}, and let it run", command)
    if record.has_workers and not carriage.appliers:
        return closed("no worker applies what is in the topics", f"{apply}, and let it run", apply)
    if others := carriage.of_another_mapping(evidence.mapping):
        found = f"another mapping than this file's is applied, by {lease_text(others)}"
        return closed(found, f"{apply}, anew with this file, for each that is named there", apply)
    if record.letters:
        retry = "crossfade etl retry --execute"
        why = f" ({record.letters_why})" if record.letters_why else ""
        found = f"{record.letters} changes could not be applied, and wait among the dead letters{why}"
        return closed(found, f"{retry}, once what is wrong with them is mended", retry)
    if not 0 <= record.lag_seconds <= LAG_SECONDS_MAX:
        far = f"is {record.lag_seconds:.0f} s behind" if record.lag_seconds >= 0 else "is not known to have caught up"
        look = "crossfade status --watch"
        step = f"{look}, until it has caught up; with Kafka an ETL has to run: crossfade etl --execute"
        return closed(f"the target {far} ({record.lag_events} events wait)", step, look)
    return Finding(Gate.REPLICATED, True, f"the log is carried, {record.lag_seconds:.1f} s behind", "")


def _passed(state: State, passing: Passing | None) -> Finding:
    """Judged only when everybody holds its writes; before that, there is always something on its way."""
    if passing is None:
        return Finding(Gate.PASSED, True, "judged when everybody holds its writes, for some seconds at most", "")
    if passing.repairs:
        first = passing.repairs[0]
        why = f" ({first.reason})" if first.reason else ""
        count = f"{len(passing.repairs)} keys or more wait" if len(passing.repairs) > 1 else "1 key waits"
        found = f"{count} to be repaired in the other store: {first.key} of client {first.client}{why}"
        return Finding(Gate.PASSED, False, found, "see to it that the other store takes them, then try again")
    goes_up = ALL_LADDERS[state.strategy][state.stage].authority == "source"  # the log carries nothing back
    if goes_up and not passing.carrier_is_past(state.epoch):
        carrier, fence = passing.carrier, passing.fence
        assert carrier is not None  # noqa: S101 - without one everything is past it
        if not carrier.owner:
            return Finding(Gate.PASSED, False, "nothing that carries the log has reported yet", "start the ETL")
        behind = f" of {fence.position}" if fence is not None and fence.position else ""
        found = f"the log is applied up to {carrier.applied or 'an unknown position'}{behind} ({carrier.reported_at})"
        return Finding(Gate.PASSED, False, found, "see to it that the ETL runs and keeps up, then try again")
    return Finding(Gate.PASSED, True, "all that was written has reached the other side", "")


def _allowed(evidence: Evidence) -> Finding:
    """Judge what clients have tried; one that has told nothing yet is denied nothing."""
    if not evidence.denied:
        return Finding(Gate.ALLOWED, True, "no client is denied on one table what it may do on the other", "")
    command = "crossfade iam-policy --role application"
    step = f"{command} (allow it; a client tries again within a minute)"
    return Finding(Gate.ALLOWED, False, f"denied to {named(evidence.denied)}", step, command)


def _quiet(evidence: Evidence, days: int) -> Finding:
    """The clock begins with rampdown, and again with every hit."""
    fallbacks = evidence.fallbacks
    sooner = f"{completing(evidence.migration)} --quiet-days N, with fewer days"
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


def _answered(evidence: Evidence, days: int) -> Finding:
    """The clock begins again with each call that complete refuses; where there was none, nothing is waited for."""
    refusals = evidence.refusals
    sooner = f"{completing(evidence.migration)} --refused-days N, with fewer days"
    if refusals is None:
        return Finding(Gate.ANSWERED, not days, "nobody has looked for calls that complete refuses", sooner)
    kinds = refusals.of(Stage.COMPLETE)
    if not kinds:
        return Finding(Gate.ANSWERED, True, "no call was seen that complete refuses", "")
    opens = opens_at(kinds, days)
    wanted = "1 day without one is" if days == 1 else f"{days} days without one are" if days else "no such day is"
    found = f"{refusals_text(kinds)}; {wanted} asked for"
    if refusals.today >= opens:
        return Finding(Gate.ANSWERED, True, found, "")
    step = f"{kinds[0].next_step}; it opens at {moment(opens)}, if none is seen until then; or {sooner}"
    return Finding(Gate.ANSWERED, False, found, step)


def closed_error(state: State, goal: str, judged: Iterable[Finding]) -> GateClosed:
    """The error that carries every gate's finding, the open ones included."""
    judged = tuple(judged)
    lines = "".join(f"\n  {'open  ' if f.is_open else 'CLOSED'} {f.gate.value}: {f.found}" for f in judged)
    steps = "; ".join(f.next_step for f in judged if not f.is_open)
    return GateClosed(f"{goal} is not possible yet (stage {state.stage.value}){lines}", next_step=steps)
