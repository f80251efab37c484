"""Who walks the ladder of two stores. A gate that asks for a backfill or a verify is passed by force, as it is where
there are none: what was there before is copied first, and both sides are compared at the end of each world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crossfade.control.coordinator import Coordinator
from crossfade.core.effects import Note, Routine, Sleep
from crossfade.core.stages import FREEZE, Ramp, Stage
from crossfade.errors import DatabaseError, Fenced, NotPossibleInStage
from crossfade.sim.operator import Goal

RETRY_SECONDS: Final = 0.4
LOOK_SECONDS: Final = 0.15
BECAUSE: Final = "both stores are compared by hand"
ORDER: Final = tuple(FREEZE)


@dataclass(slots=True)
class Operator:
    """`filled` is asked again and again until the target has what was there before, `emptied` is told that it falls
    behind, `replay` reads the log anew where a goal says so."""

    coordinator: Coordinator
    goals: tuple[Goal, ...]
    replays: tuple[bool, ...]
    filled: Callable[[], bool]
    emptied: Callable[[], None]
    replay: Callable[[], None]
    done: int = 0

    @property
    def finished(self) -> bool:
        return self.done == len(self.goals)

    def work(self) -> Routine[None]:
        while not self.finished:
            goal = self.goals[self.done]
            yield from Note("operator", {"goal": goal.stage.value})
            yield from self._reach(goal)
            if self.done < len(self.replays) and self.replays[self.done]:
                self.replay()
            yield from Sleep(goal.stay_seconds)
            self.done += 1

    def _reach(self, goal: Goal) -> Routine[None]:
        while True:
            try:
                if (yield from self._steps(goal)):
                    return
            except (DatabaseError, Fenced, NotPossibleInStage) as error:  # a freeze that was turned back among them
                yield from Note("not_moved", {"to": goal.stage.value, "error": error.message.splitlines()[0]})
            yield from Sleep(RETRY_SECONDS)

    def _steps(self, goal: Goal) -> Routine[bool]:
        coordinator = self.coordinator
        state = yield from coordinator.control.state()
        if state.stage is Stage.COMPLETE:
            return True
        if state.stage is Stage.OFF:
            self.emptied()
        if ORDER.index(goal.stage) > ORDER.index(Stage.DUALWRITE):
            if state.stage is Stage.OFF:
                _ = yield from coordinator.walk(Stage.DUALWRITE)
            if not FREEZE[state.stage].holds and FREEZE[state.stage].authority == "source":
                while not self.filled():
                    yield from Sleep(LOOK_SECONDS)
        if goal.stage is Stage.COMPLETE:
            _ = yield from coordinator.walk(Stage.RAMPDOWN)
            _ = yield from coordinator.complete(confirmed=True)
            return True
        state = yield from coordinator.walk(goal.stage)
        if goal.ramp_percent and FREEZE[state.stage].ramp is not Ramp.NONE:
            _ = yield from coordinator.set_ramp(goal.ramp_percent)
        return True
