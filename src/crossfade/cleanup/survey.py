"""How far the retiring is: every step with what it rests on. Reads the control table, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crossfade.cleanup.ledger import Ledger, StepRecord
from crossfade.cleanup.steps import STEPS, Step
from crossfade.control.evidence import Evidence
from crossfade.control.gate_texts import way_to_complete
from crossfade.control.gates import findings
from crossfade.control.records import Lease, Role, State
from crossfade.control.store import Control
from crossfade.control.waiting import Waited
from crossfade.core.effects import Routine
from crossfade.core.stages import Gate, Stage
from crossfade.errors import GateClosed

CLIENTS_NAMED: Final = 5
Status = Literal["done", "begun", "to do", "to do again"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One gate of a step. `of_clients`: it may hold as soon as those that are gone are counted out."""

    name: str
    holds: bool
    found: str
    next_step: str = ""
    of_clients: bool = False


@dataclass(frozen=True, slots=True)
class StepView:
    """`done` only where what it rests on has not been done anew since."""

    step: Step
    does: str
    status: Status
    record: StepRecord | None
    conditions: tuple[Condition, ...]

    @property
    def is_open(self) -> bool:
        return all(condition.holds for condition in self.conditions)

    @property
    def waits_for_clients(self) -> bool:
        """Closed, and by nothing else."""
        return not self.is_open and all(condition.holds or condition.of_clients for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class CleanupView:
    stage: Stage
    steps: tuple[StepView, ...]
    attached: int

    @property
    def next(self) -> StepView | None:
        """The first that is not done; None at the end."""
        return next((view for view in self.steps if view.status != "done"), None)

    def view(self, step: Step) -> StepView:
        return next(view for view in self.steps if view.step is step)


def look_at_cleanup(
    ledger: Ledger, *, while_attached: bool = False, silent: Sequence[Waited] = ()
) -> Routine[CleanupView]:
    """`silent`: what is known of clients that are. Raises NotStarted."""
    state = yield from ledger.control.state()
    leases = yield from ledger.control.leases()
    evidence = yield from Evidence.read(ledger.control)
    records = yield from ledger.steps()
    left_alone = yield from not_moved_on(ledger.control, state.target)
    views = tuple(
        StepView(
            step,
            row.does,
            _status(step, records),
            records.get(step),
            _conditions(step, state, leases, evidence, records, silent, while_attached=while_attached)
            + ((left_alone,) if step is Step.STAMPS else ()),
        )
        for step, row in STEPS.items()
    )
    return CleanupView(state.stage, views, sum(lease.role is Role.APP for lease in leases))


def not_moved_on(control: Control, target: str) -> Routine[Condition]:
    """Whether no other migration moves the new table on: the stamps are what it locks items by."""
    for name, state in sorted((yield from control.others()).items()):
        if state.source == target and state.stage is not Stage.COMPLETE:
            found = f"migration {name}, in stage {state.stage}, moves {target} on, and relies on the stamps"
            return Condition("last", False, found, f"complete migration {name} first: then nobody needs them")
    return Condition("last", True, f"no other migration moves {target} on")


def runs_of(step: Step, records: Mapping[str, StepRecord]) -> str:
    """The runs that a step rests on, as its record keeps them."""
    return " ".join(records[need].run for need in STEPS[step].needs if need in records)


def is_done(step: Step, records: Mapping[str, StepRecord]) -> bool:
    record = records.get(step)
    return (
        record is not None
        and record.done
        and record.fact("rests_on") == runs_of(step, records)
        and all(is_done(need, records) for need in STEPS[step].needs)
    )


def refuse_closed(view: StepView) -> None:
    """Raises GateClosed with every condition."""
    if view.is_open:
        return
    lines = "".join(f"\n  {'open  ' if c.holds else 'CLOSED'} {c.name}: {c.found}" for c in view.conditions)
    steps = "; ".join(c.next_step for c in view.conditions if not c.holds and c.next_step)
    raise GateClosed(f"the step {view.step} is not possible yet{lines}", next_step=steps)


def _status(step: Step, records: Mapping[str, StepRecord]) -> Status:
    record = records.get(step)
    if record is None:
        return "to do"
    if is_done(step, records):
        return "done"
    return "to do again" if record.done else "begun"


def _conditions(
    step: Step,
    state: State,
    leases: tuple[Lease, ...],
    evidence: Evidence,
    records: Mapping[str, StepRecord],
    silent: Sequence[Waited],
    *,
    while_attached: bool,
) -> tuple[Condition, ...]:
    if step is Step.VERIFY:
        (verified,) = findings((Gate.VERIFIED,), state, evidence)
        judged = Condition("verified", verified.is_open, verified.found, verified.next_step)
        return (_stage(state, evidence.migration, Stage.RAMPDOWN, Stage.COMPLETE), judged)
    conditions = [_stage(state, evidence.migration, Stage.COMPLETE), _clients(step, state, leases, silent)]
    if step is Step.STAMPS:
        conditions.append(_detached(leases, silent, while_attached=while_attached))
    for need in STEPS[step].needs:
        done = is_done(need, records)
        record = records.get(need)
        found = f"done {record.finished_at} by {record.who}" if done and record is not None else "not done"
        conditions.append(Condition(need.value, done, found, "" if done else f"crossfade cleanup --step {need}"))
    return tuple(conditions)


def _stage(state: State, migration: str, *wanted: Stage) -> Condition:
    names = " or ".join(wanted)
    if state.stage in wanted:
        return Condition("stage", True, f"the migration is in {state.stage}")
    found = f"the migration is in {state.stage}, and must be in {names}"
    return Condition("stage", False, found, way_to_complete(state.stage, migration))


def _clients(step: Step, state: State, leases: tuple[Lease, ...], silent: Sequence[Waited]) -> Condition:
    behind = [lease for lease in leases if lease.epoch < state.epoch]
    if not behind:
        return Condition("clients", True, f"none of {len(leases)} is in an earlier stage")
    found = f"{len(behind)} may be in an earlier stage still: {_named(behind, silent)}"
    way = f"crossfade cleanup --step {step} --execute waits until every client has entered {state.stage}, or is gone"
    return Condition("clients", False, found, way, of_clients=True)


def _detached(leases: tuple[Lease, ...], silent: Sequence[Waited], *, while_attached: bool) -> Condition:
    attached = [lease for lease in leases if lease.role is Role.APP]
    if not attached:
        return Condition("detached", True, "no application is attached")
    who = "1 application is attached, and stamps what it writes"
    if len(attached) > 1:
        who = f"{len(attached)} applications are attached, and stamp what they write"
    found = f"{who}: {_named(attached, silent)}"
    if while_attached:
        return Condition("detached", True, f"{found}; --while-attached")
    step = "take crossfade out of the applications; or --while-attached"
    if {lease.client for lease in attached} <= {client.client for client in silent}:
        step = f"crossfade cleanup --step {Step.STAMPS} --execute waits until what is silent is counted as gone"
    return Condition("detached", False, found, step, of_clients=True)


def _named(leases: Sequence[Lease], silent: Sequence[Waited]) -> str:
    reasons = {client.client: f" ({client.reason})" for client in silent}
    return ", ".join(
        f"{lease.client} on {lease.host}{reasons.get(lease.client, '')}" for lease in leases[:CLIENTS_NAMED]
    )
