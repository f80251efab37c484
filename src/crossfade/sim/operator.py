"""Who moves the migration: walks the ladder up and down, and runs the jobs that a closed gate asks for.

A real operator gives the same command again when it fails; so does this one, in a process that may itself be killed
between any two calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from crossfade.control.coordinator import Coordinator
from crossfade.control.evidence import Evidence
from crossfade.control.records import Job, JobStatus
from crossfade.core.effects import Note, Routine, Sleep
from crossfade.core.stages import LADDERS, Ramp, Stage
from crossfade.errors import DatabaseError, Fenced, GateClosed, NotPossibleInStage
from crossfade.sim.jobs import JobRun

RETRY_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Goal:
    """Walk to a stage, then stay `stay_seconds`; on the way, ramp this many percent where the stage has a ramp."""

    stage: Stage
    stay_seconds: float = 0.0
    ramp_percent: int = 0


@dataclass(slots=True)
class Operator:
    """`goals` are worked off in order; what is done stays done when the process dies. `run_job` starts a job."""

    coordinator: Coordinator
    goals: list[Goal]
    run_job: Callable[[Job, bool], JobRun]
    run_settle: Callable[[], JobRun] | None = None  # where this one settles before it verifies
    done: int = 0
    moves: int = field(default=0)

    @property
    def finished(self) -> bool:
        return self.done == len(self.goals)

    def work(self) -> Routine[None]:
        while not self.finished:
            goal = self.goals[self.done]
            yield from Note("operator", {"goal": goal.stage.value})
            yield from self._reach(goal)
            yield from Sleep(goal.stay_seconds)
            self.done += 1

    def _reach(self, goal: Goal) -> Routine[None]:
        while True:
            try:
                state = yield from self.coordinator.control.state()
                if state.stage is Stage.COMPLETE:  # by a command of ours whose answer was lost
                    return
                if goal.stage is Stage.COMPLETE:
                    _ = yield from self.coordinator.walk(Stage.RAMPDOWN)
                    _ = yield from self.coordinator.complete(confirmed=True)
                else:
                    state = yield from self.coordinator.walk(goal.stage)
                    row = LADDERS[state.strategy][state.stage]
                    if goal.ramp_percent and row.ramp is not Ramp.NONE:
                        _ = yield from self.coordinator.set_ramp(goal.ramp_percent)
                return
            except GateClosed:
                try:
                    yield from self.open_gates(repair=True)
                except DatabaseError:
                    yield from Sleep(RETRY_SECONDS)
            except (DatabaseError, Fenced):
                yield from Sleep(RETRY_SECONDS)

    def open_gates(self, *, repair: bool) -> Routine[None]:
        """Run the one job that is missing; the gates are asked again afterwards."""
        evidence = yield from Evidence.read(self.coordinator.control)
        backfill = evidence.backfill
        missing = Job.VERIFY if backfill is not None and backfill.status is JobStatus.COMPLETE else Job.BACKFILL
        if self.run_settle is not None and missing is Job.VERIFY:
            run = self.run_settle()
            yield from self._wait_for(run)
            if run.found == 0 or not run.ended:
                return
        _ = yield from self.perform(missing, repair=repair)

    def perform(self, job: Job, *, repair: bool) -> Routine[JobRun]:
        """Start a job and wait until it has ended, one way or another."""
        run = self.run_job(job, repair)
        yield from self._wait_for(run)
        return run

    def _wait_for(self, run: JobRun) -> Routine[None]:
        while not run.ended and run.client.process.alive:
            yield from Sleep(LOOK_SECONDS)

    def make_equal(self) -> Routine[None]:
        """At the end: backfill if need be, then verify and repair until a verify finds nothing."""
        found: int | None = None
        while found != 0:
            try:
                evidence = yield from Evidence.read(self.coordinator.control)
                backfilled = evidence.backfill is not None and evidence.backfill.status is JobStatus.COMPLETE
                if not backfilled:
                    _ = yield from self.perform(Job.BACKFILL, repair=True)
                    continue
                found = (yield from self.perform(Job.VERIFY, repair=True)).found
            except (DatabaseError, NotPossibleInStage):
                yield from Sleep(RETRY_SECONDS)
