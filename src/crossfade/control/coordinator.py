"""The steps of a migration: one stage up or down at a time, the ramp, the end, and giving up.

Every step is the same: wait until all have entered where we are, look at the gates, change the state if nothing has
changed since, wait until all have entered where we went. Killed at any point, the same command given again goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from crossfade.control.carrying import put_fence, read_carrier
from crossfade.control.comparisons import remove_differences
from crossfade.control.days import QUIET_DAYS, REFUSED_DAYS, VERIFIED_DAYS, Days
from crossfade.control.evidence import Evidence
from crossfade.control.fallbacks import begin_counting, fallback_records
from crossfade.control.freezing import FROZEN_LOOK_SECONDS, GIVE_UP_PART, HOLD_SECONDS, way_out
from crossfade.control.gate_texts import table_to_look_at, without_ramp
from crossfade.control.gates import RAMP_GATES, Finding, closed_error, findings, gates_of_step
from crossfade.control.marks import remove_marks
from crossfade.control.record_items import job_record, reader_record, record_name
from crossfade.control.records import CAPTURES, CARRIER, FENCE, SORT_KEY, STATE, Job, JournalEntry, Reader, State
from crossfade.control.refusals import remove_refusals
from crossfade.control.repairs import remove_repairs
from crossfade.control.starting import StartPlan, start
from crossfade.control.store import CANCELLED, Caller, Change, Control
from crossfade.control.streams import forget_reader
from crossfade.control.waiting import PATIENCE_SECONDS, await_everyone
from crossfade.core.effects import Note, Now, Request, Routine, Sleep, Stamp, Today
from crossfade.core.rules import Rules
from crossfade.core.stages import ALL_LADDERS, Fallback, Gate, Ramp, Stage, Writes, ladder, next_resting, path
from crossfade.errors import Fenced, GateClosed, NotPossibleInStage, TurnedBack

CHANGES_MAX: Final = 50  # how often `unclean` or the journal may change under one step before a person should look

# What nobody can mean to pass: there is no way back after it, or what the target holds, or lacks, would be lost.
NEVER_FORCED: Final = (Gate.CONFIRMED, Gate.EMPTY, Gate.PASSED)

Position = Callable[[], Routine[str]]
"""Where the source's log ends now, as a text; the effects of the routine are those that the driver knows."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Writes are held: where that leads back to, and when. `at_once`: without waiting for anybody, since whoever has
    not entered the freeze is still in the stage that it was entered from."""

    came_from: Stage
    until: float  # monotonic seconds
    at_once: bool


@dataclass(frozen=True, slots=True)
class Coordinator:
    """`force_because`: why gates (not the barrier, nor those of NEVER_FORCED) are to be passed; kept in the journal.
    `quiet_days`, `refused_days`, `verified_days`: see `Days`; where less than the default is asked for, and that opens
    the gate, the journal says so. `hold_seconds`: for how long writes may be held.
    `position`: where the source's log ends; without one, what carries the log asks the source itself. `asks_clients`:
    whether what clients tell of their rights and comparisons counts."""

    control: Control
    caller: Caller
    rules: Rules = field(default_factory=Rules)
    force_because: str = ""
    patience_seconds: float = PATIENCE_SECONDS
    quiet_days: int = QUIET_DAYS
    refused_days: int = REFUSED_DAYS
    verified_days: int = VERIFIED_DAYS
    hold_seconds: float = HOLD_SECONDS
    position: Position | None = None
    asks_clients: bool = True

    def start(self, plan: StartPlan) -> Routine[State]:
        """Make the control table if need be and the first record. NotPossibleInStage when the migration was started
        already, or has lost its records."""
        return (yield from start(self.control, self.caller, plan))

    def walk(self, to: Stage) -> Routine[State]:
        """All the stages to `to`, one at a time. GateClosed, NotPossibleInStage or Fenced leave it in the last one
        reached."""
        state = yield from self.control.state()
        self._refuse_staying(state, to)
        steps = path(self._ladder(state), state.stage, to)
        if not steps:
            return (yield from self._settled())
        rows, hold = ALL_LADDERS[state.strategy], None
        for stage in steps:
            if not rows[stage].holds:
                state = yield from self._step(state, stage, confirmed=False)
            elif rows[state.stage].holds:
                state = yield from self._second(state, stage, hold)
            else:
                state, hold = yield from self._first(state, stage)
            if state.stage is not stage:
                raise self._overtaken(state, f"going to {to}")
        return state

    def move_one(self, to: Stage) -> Routine[State]:
        """One stage up or down; where it is there already, only wait for everybody."""
        state = yield from self.control.state()
        self._refuse_staying(state, to)
        if state.stage is to:
            return (yield from self._settled())
        return (yield from self._step(state, to, confirmed=False))

    def complete(self, *, confirmed: bool) -> Routine[State]:
        """Go from rampdown to complete, from which nothing leads back."""
        state = yield from self.control.state()
        if state.stage is Stage.COMPLETE:
            return (yield from self._settled())
        return (yield from self._step(state, Stage.COMPLETE, confirmed=confirmed))

    def set_ramp(self, percent: int) -> Routine[State]:
        """Let `percent` (0 to 100) of the keys be read from the target. An epoch of its own: everybody has it after."""
        if not 0 <= percent <= 100:
            raise NotPossibleInStage(f"a ramp of {percent} %: 0 to 100 is needed")
        state = yield from self.control.state()
        if state.ramp_percent == percent:
            return (yield from self._settled())
        if percent and ALL_LADDERS[state.strategy][state.stage].ramp is Ramp.NONE:
            raise without_ramp(state.strategy, state.stage)
        return (yield from self._ramp(state, percent))

    def cancel(self) -> Routine[None]:
        """Go back to off and forget the migration; the journal and both tables stay. NotPossibleInStage once it is
        complete.

        GateClosed before the first step, where any of them is not possible now: it is given up, or left as it is.
        """
        yield from self._refuse_halfway((yield from self.control.state()))
        state = yield from self.walk(Stage.OFF)
        for job in Job:
            for segment in (yield from self.control.segments(job)):
                yield from self.control.remove(record_name(segment))
        for reader in Reader:
            yield from forget_reader(self.control, reader)
        if any(row.fallback is Fallback.LOOKED_UP for row in ALL_LADDERS[state.strategy].values()):
            for record in fallback_records():
                yield from self.control.remove(record)
        for removed in (remove_refusals, remove_marks, remove_differences):
            yield from removed(self.control)
        if any(row.holds for row in ALL_LADDERS[state.strategy].values()):
            yield from remove_repairs(self.control)
            for record in (CARRIER, FENCE):
                yield from self.control.remove(record)
            for capture in (yield from self.control.items(CAPTURES)):
                yield from self.control.remove(capture[SORT_KEY]["S"])
        token = yield from Stamp()
        length = state.journal_length + 1
        by, at = self.caller, self.caller.clock()
        entry = JournalEntry(length, token, state.epoch, CANCELLED, by.who, by.host, at, "", False, Stage.OFF)
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

    def _step(self, state: State, to: Stage, *, confirmed: bool, settles: bool = True) -> Routine[State]:
        """`settles`: to wait until everybody has entered it."""
        self._refuse_impossible(state, to)
        rows = ALL_LADDERS[state.strategy]
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
                settles=settles,
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
        settles: bool = True,
    ) -> Routine[State]:
        expected = state
        # Of whoever is held, the repair queue tells.
        alive = bool({Gate.MIRRORED, Gate.VERIFIED} & set(gates)) and Gate.PASSED not in gates
        token = yield from Stamp()
        for _ in range(CHANGES_MAX):
            state = yield from self._settled(goal, alive=alive)
            if state.epoch != expected.epoch:
                raise self._overtaken(state, goal)
            passed = yield from self._pass_gates(state, goal, gates, confirmed)
            wanted = Change(
                fields={**fields, "epoch": state.epoch + 1},
                what=what,
                why=self._why(passed),
                forced=bool(passed and self.force_because),
                guard_unclean=bool(gates) and all(finding.gate in self._days.options for finding in passed),
                also=also,
            )
            if (yield from self.control.change_state(state, self.caller, token, wanted)):
                fewer = [option for option, _ in self._fewer_days(passed)]
                facts = {"what": what, "epoch": state.epoch + 1, "forced": wanted.forced, "fewer_days": fewer}
                yield from Note("moved", facts)
                if not settles:
                    return (yield from self.control.state())
                return (yield from self._settled())
        raise NotPossibleInStage(
            f"{goal}: the control records changed {CHANGES_MAX} times meanwhile", next_step="try again"
        )

    def _pass_gates(
        self, state: State, goal: str, gates: Iterable[Gate], confirmed: bool
    ) -> Routine[tuple[Finding, ...]]:
        """The closed gates that are passed, by force or because fewer days are asked for than is the default.
        Raises GateClosed with every finding."""
        gates = tuple(gate for gate in gates if self.asks_clients or gate is not Gate.ALLOWED)
        evidence = yield from Evidence.for_gates(self.control, state, gates, asks_clients=self.asks_clients)
        judged = findings(gates, state, evidence, confirmed=confirmed, days=self._days)
        closed = [finding for finding in judged if not finding.is_open]
        if closed and (not self.force_because or any(finding.gate in NEVER_FORCED for finding in closed)):
            raise closed_error(state, goal, judged)
        usually = findings(gates, state, evidence, confirmed=confirmed, days=self._days.usual)
        return tuple(finding for finding in usually if not finding.is_open)

    @property
    def _days(self) -> Days:
        return Days(self.quiet_days, self.refused_days, self.verified_days)

    def _why(self, passed: Iterable[Finding]) -> str:
        """What the journal says of gates that were passed."""
        shorter = [f"{option}: {found}" for option, found in self._fewer_days(passed)]
        return "; ".join(part for part in (self.force_because, *shorter) if part) if passed else ""

    def _fewer_days(self, passed: Iterable[Finding]) -> list[tuple[str, str]]:
        return self._days.used((finding.gate, finding.found) for finding in passed)

    def _settled(
        self, purpose: str = "", *, alive: bool = False, patience_seconds: float | None = None
    ) -> Routine[State]:
        """Every client has entered: the state, which somebody else may have moved on by now."""
        if not self.rules.barrier:
            return (yield from self.control.state())
        return (
            yield from await_everyone(
                self.control,
                self.caller,
                patience_seconds=self.patience_seconds if patience_seconds is None else patience_seconds,
                purpose=purpose,
                alive=alive,
            )
        )

    # --- a freeze

    def _first(self, state: State, to: Stage) -> Routine[tuple[State, Hold]]:
        """Enter the first of the two stages that hold writes; or turn back, where somebody does not enter in time."""
        came_from = state.stage
        state = yield from self._step(state, to, confirmed=False, settles=False)
        hold = Hold(came_from, (yield from Now()) + self.hold_seconds * GIVE_UP_PART, at_once=True)
        if state.stage is not to:
            return state, hold
        try:
            patience = max(0.0, hold.until - (yield from Now()))
            entered = yield from self._settled(f"every client must hold its writes ({to})", patience_seconds=patience)
        except NotPossibleInStage as error:
            raise (yield from self._turned_back(state, hold, error.message)) from error
        return entered, hold

    def _second(self, state: State, to: Stage, hold: Hold | None) -> Routine[State]:
        """Move the authority, when all that was written to it is on the other side; or turn back. `hold`: None where
        somebody else had begun."""
        if hold is None:
            until = (yield from Now()) + self.hold_seconds * GIVE_UP_PART
            hold = Hold(way_out(state.strategy, state.stage), until, at_once=False)
            state = yield from self._settled(f"every client must hold its writes ({state.stage})")
        if (yield from read_carrier(self.control)) is not None and ALL_LADDERS[state.strategy][
            to
        ].authority == "target":
            position = (yield from self.position()) if self.position is not None else ""
            _ = yield from put_fence(self.control, self.caller, state, position)
        while True:
            try:
                return (yield from self._step(state, to, confirmed=False))
            except GateClosed as error:
                if (yield from Now()) >= hold.until:
                    raise (yield from self._turned_back(state, hold, error.message)) from error
            yield from Sleep(FROZEN_LOOK_SECONDS)

    def _turned_back(self, state: State, hold: Hold, why: str) -> Routine[TurnedBack | Fenced]:
        """The error to raise when that is done."""
        to = hold.came_from
        token = yield from Stamp()
        for _ in range(CHANGES_MAX):
            found = (yield from self.control.state()) if hold.at_once else (yield from self._settled())
            if found.epoch != state.epoch:
                return self._overtaken(found, f"turning back to {to}")
            fields = {"stage": to, "ramp_percent": 0, "epoch": found.epoch + 1}
            wanted = Change(fields, f"{found.stage} -> {to}", why.splitlines()[0])
            if (yield from self.control.change_state(found, self.caller, token, wanted)):
                yield from Note("turned_back", {"to": to.value, "why": why})
                return TurnedBack(
                    f"writes were held for {self.hold_seconds * GIVE_UP_PART:g} s, so the migration is in {to} again:"
                    f" {why}",
                    next_step="see to that, then give the same command again: nothing was lost",
                )
        raise NotPossibleInStage(f"turning back to {to}: the control records changed {CHANGES_MAX} times meanwhile")

    # --- what is refused

    def _refuse_staying(self, state: State, to: Stage) -> None:
        rows = ALL_LADDERS[state.strategy]
        if to is state.stage or to not in rows or not rows[to].holds:
            return
        stages = self._ladder(state)
        beyond = next_resting(stages, to, 1 if stages.index(to) > stages.index(state.stage) else -1, rows)
        raise NotPossibleInStage(
            f"in {to} writes are held, so nobody may stay there", next_step=f"go through it, to {beyond}"
        )

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
            raise NotPossibleInStage(
                f"migration {self.control.migration} is complete: the source has not been kept equal since, "
                "so there is no way back",
                next_step="to go back all the same, start a new migration in the other direction",
            )
        stages = self._ladder(state)
        if abs(stages.index(state.stage) - stages.index(to)) != 1:
            raise NotPossibleInStage(
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
