"""The steps of a migration: one stage up or down at a time, the ramp, the end, and giving up.

Every step is the same: wait until all have entered where we are, look at the gates, change the state if nothing has
changed since, wait until all have entered where we went. Killed at any point, the same command given again goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from crossfade.control.fallbacks import begin_counting, fallback_records
from crossfade.control.gates import (
    QUIET_DAYS,
    RAMP_GATES,
    Evidence,
    Finding,
    closed_error,
    findings,
    gates_of_step,
    table_to_look_at,
)
from crossfade.control.records import STATE, Job, JournalEntry, Reader, State, job_record, reader_record, record_name
from crossfade.control.starting import StartPlan, start
from crossfade.control.store import Caller, Change, Control
from crossfade.control.streams import forget_reader
from crossfade.control.waiting import PATIENCE_SECONDS, await_everyone
from crossfade.core.effects import Note, Request, Routine, Stamp, Today
from crossfade.core.rules import Rules
from crossfade.core.stages import LADDERS, Fallback, Gate, Ramp, Stage, Writes, ladder, path
from crossfade.errors import Fenced, Refused

CHANGES_MAX: Final = 50  # how often `unclean` or the journal may change under one step before a person should look

# What nobody can mean to pass: there is no way back after it, or what the target holds would be lost.
NEVER_FORCED: Final = (Gate.CONFIRMED, Gate.EMPTY)


@dataclass(frozen=True, slots=True)
class Coordinator:
    """`force_because`: why gates (not the barrier, nor those of NEVER_FORCED) are to be passed; kept in the journal.
    `quiet_days`: for how long nothing may have been found in the source alone; where fewer than the default are asked
    for, and that is what opens the gate, the journal says so."""

    control: Control
    caller: Caller
    rules: Rules = field(default_factory=Rules)
    force_because: str = ""
    patience_seconds: float = PATIENCE_SECONDS
    quiet_days: int = QUIET_DAYS

    def start(self, plan: StartPlan) -> Routine[State]:
        """Make the control table if need be and the first record. Refused when the migration was started already."""
        return (yield from start(self.control, self.caller, plan))

    def walk(self, to: Stage) -> Routine[State]:
        """All the stages to `to`, one at a time. GateClosed, Refused or Fenced leave it in the last one reached."""
        state = yield from self.control.state()
        steps = path(self._ladder(state), state.stage, to)
        if not steps:
            return (yield from self._settled())
        for stage in steps:
            state = yield from self._step(state, stage, confirmed=False)
            if state.stage is not stage:
                raise self._overtaken(state, f"going to {to}")
        return state

    def move_one(self, to: Stage) -> Routine[State]:
        """One stage up or down; where it is there already, only wait for everybody."""
        state = yield from self.control.state()
        if state.stage is to:
            return (yield from self._settled())
        return (yield from self._step(state, to, confirmed=False))

    def complete(self, *, confirmed: bool) -> Routine[State]:
        """From rampdown to complete, after which nothing leads back."""
        state = yield from self.control.state()
        if state.stage is Stage.COMPLETE:
            return (yield from self._settled())
        return (yield from self._step(state, Stage.COMPLETE, confirmed=confirmed))

    def set_ramp(self, percent: int) -> Routine[State]:
        """Let `percent` (0 to 100) of the keys be read from the target. An epoch of its own: everybody has it after."""
        if not 0 <= percent <= 100:
            raise Refused(f"a ramp of {percent} %: 0 to 100 is needed")
        state = yield from self.control.state()
        if state.ramp_percent == percent:
            return (yield from self._settled())
        if percent and LADDERS[state.strategy][state.stage].ramp is Ramp.NONE:
            stages = ", ".join(s for s, row in LADDERS[state.strategy].items() if row.ramp is not Ramp.NONE)
            raise Refused(f"stage {state.stage} has no ramp", next_step=f"ramp in one of: {stages}")
        return (yield from self._ramp(state, percent))

    def cancel(self) -> Routine[None]:
        """Go back to off and forget the migration; the journal and both tables stay. Refused once it is complete.

        GateClosed before the first step, where any of them is not possible now: it is given up, or left as it is.
        """
        yield from self._refuse_halfway((yield from self.control.state()))
        state = yield from self.walk(Stage.OFF)
        for job in Job:
            for segment in (yield from self.control.segments(job)):
                yield from self.control.remove(record_name(segment))
        for reader in Reader:
            yield from forget_reader(self.control, reader)
        if any(row.fallback is Fallback.LOOKED_UP for row in LADDERS[state.strategy].values()):
            for record in fallback_records():
                yield from self.control.remove(record)
        token = yield from Stamp()
        length = state.journal_length + 1
        entry = JournalEntry(
            length, token, state.epoch, "cancelled", self.caller.who, self.caller.host, self.caller.clock(), "", False
        )
        deletion: Request = self.control.delete(STATE) | {
            "ConditionExpression": "#journal_length = :length",
            "ExpressionAttributeNames": {"#journal_length": "journal_length"},
            "ExpressionAttributeValues": {":length": {"N": str(state.journal_length)}},
        }
        request: Request = {"TransactItems": [{"Delete": deletion}, {"Put": self.control.put_new(entry)}]}
        if not (yield from self.control.commit(request, length, token)):
            raise self._overtaken(state, "cancel")
        yield from Note("cancelled", {"migration": self.control.migration})

    # --- one step

    def _step(self, state: State, to: Stage, *, confirmed: bool) -> Routine[State]:
        self._refuse_impossible(state, to)
        rows = LADDERS[state.strategy]
        if state.ramp_percent and rows[state.stage].ramp is Ramp.EVERY and rows[to].writes is not Writes.LOCKSTEP:
            # Strong reads come from the target only while nobody mirrors; so the ramp ends before anybody does.
            state = yield from self._ramp(state, 0)
        # In off nobody mirrors any more; in prepare and stamp new items are written to the source again.
        behind = rows[to].leaves_target_behind
        cleared = [*map(job_record, Job), reader_record(Reader.REPLICATION)] if behind else []
        also: list[Request] = [{"Delete": self.control.delete(record)} for record in cleared]
        if rows[to].fallback is Fallback.LOOKED_UP:
            also += begin_counting(self.control, (yield from Today()))
        return (
            yield from self._change(
                state,
                goal=f"entering {to}",
                gates=gates_of_step(state, to),
                fields={"stage": to, "ramp_percent": 0},
                what=f"{state.stage} -> {to}",
                also=tuple(also),
                confirmed=confirmed,
            )
        )

    def _ramp(self, state: State, percent: int) -> Routine[State]:
        return (
            yield from self._change(
                state,
                goal=f"a ramp of {percent} %",
                gates=RAMP_GATES if percent else (),
                fields={"ramp_percent": percent},
                what=f"ramp {state.ramp_percent} % -> {percent} % in {state.stage}",
            )
        )

    def _change(
        self,
        state: State,
        *,
        goal: str,
        gates: tuple[Gate, ...],
        fields: Mapping[str, object],
        what: str,
        also: tuple[Request, ...] = (),
        confirmed: bool = False,
    ) -> Routine[State]:
        expected = state
        token = yield from Stamp()
        for _ in range(CHANGES_MAX):
            state = yield from self._settled(goal, alive=Gate.VERIFIED in gates)
            if state.epoch != expected.epoch:
                raise self._overtaken(state, goal)
            passed = yield from self._pass_gates(state, goal, gates, confirmed)
            wanted = Change(
                fields={**fields, "epoch": state.epoch + 1},
                what=what,
                why=self._why(passed),
                forced=bool(passed),
                guard_unclean=bool(gates) and all(finding.gate is Gate.QUIET for finding in passed),
                also=also,
            )
            if (yield from self.control.change_state(state, self.caller, token, wanted)):
                facts = {"what": what, "epoch": state.epoch + 1, "forced": bool(passed)}
                yield from Note("moved", facts)
                return (yield from self._settled())
        raise Refused(f"{goal}: the control records changed {CHANGES_MAX} times meanwhile", next_step="try again")

    def _pass_gates(
        self, state: State, goal: str, gates: Iterable[Gate], confirmed: bool
    ) -> Routine[tuple[Finding, ...]]:
        """The closed gates that are passed, by force or because fewer quiet days are asked for than is the default.
        Raises GateClosed with every finding."""
        gates = tuple(gates)
        evidence = yield from Evidence.read(self.control, table_to_look_at(state, gates), fallbacks=Gate.QUIET in gates)
        judged = findings(gates, state, evidence, confirmed=confirmed, quiet_days=self.quiet_days)
        closed = [finding for finding in judged if not finding.is_open]
        if closed and (not self.force_because or any(finding.gate in NEVER_FORCED for finding in closed)):
            raise closed_error(state, goal, judged)
        usually = findings(gates, state, evidence, confirmed=confirmed, quiet_days=max(self.quiet_days, QUIET_DAYS))
        return tuple(finding for finding in usually if not finding.is_open)

    def _why(self, passed: Iterable[Finding]) -> str:
        """What the journal says of gates that were passed."""
        quiet = [finding.found for finding in passed if finding.gate is Gate.QUIET and self.quiet_days < QUIET_DAYS]
        shorter = [f"--quiet-days {self.quiet_days}: {found}" for found in quiet]
        return "; ".join(part for part in (self.force_because, *shorter) if part) if passed else ""

    def _settled(self, purpose: str = "", *, alive: bool = False) -> Routine[State]:
        """Every client has entered: the state, which somebody else may have moved on by now."""
        if not self.rules.barrier:
            return (yield from self.control.state())
        return (
            yield from await_everyone(
                self.control, self.caller, patience_seconds=self.patience_seconds, purpose=purpose, alive=alive
            )
        )

    # --- what is refused

    def _refuse_halfway(self, state: State) -> Routine[None]:
        """GateClosed where a step on the way to off has a closed gate."""
        here = state
        for stage in path(self._ladder(state), state.stage, Stage.OFF):
            self._refuse_impossible(here, stage)
            gates = gates_of_step(here, stage)
            evidence = yield from Evidence.read(self.control, table_to_look_at(state, gates))
            judged = findings(gates, state, evidence)
            if any(not finding.is_open for finding in judged):
                raise closed_error(state, f"cancel, which goes from {here.stage} to {stage},", judged)
            here = replace(here, stage=stage)

    def _ladder(self, state: State) -> tuple[Stage, ...]:
        return ladder(state.strategy, lockstep=self.rules.lockstep, prepare=self.rules.prepare)

    def _refuse_impossible(self, state: State, to: Stage) -> None:
        if state.stage is Stage.COMPLETE:
            raise Refused(
                f"migration {self.control.migration} is complete: the source has not been kept equal since, "
                "so there is no way back",
                next_step="to go back all the same, start a new migration in the other direction",
            )
        stages = self._ladder(state)
        if abs(stages.index(state.stage) - stages.index(to)) != 1:
            raise Refused(
                f"from {state.stage} to {to} is more than one stage",
                next_step=f"crossfade advance --to {Stage.RAMPDOWN} --execute"
                if to is Stage.COMPLETE
                else "walk there",
            )

    def _overtaken(self, state: State, goal: str) -> Fenced:
        return Fenced(
            f"{goal}: somebody else has moved migration {self.control.migration} meanwhile; "
            f"it is in {state.stage}, epoch {state.epoch}, ramp {state.ramp_percent} %",
            next_step="crossfade status, and agree on who moves it",
        )
