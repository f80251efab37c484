"""A process that tells the coordinator how far the log is applied: production's routines, beating for as long as it is
the one that reports."""

from __future__ import annotations

from typing import Any, Final

from crossfade.cdc.etl.carrying import Carrying
from crossfade.cdc.etl.progress import Progress
from crossfade.cdc.mysql.positions import Position
from crossfade.control.store import Control
from crossfade.core.effects import Routine, Sleep
from crossfade.drivers.scope import Scope
from crossfade.errors import DatabaseError, Fenced
from crossfade.sim.freeze.database import Sql
from crossfade.sim.freeze.topic import Topic
from crossfade.sim.processes import Process, Task
from crossfade.sim.world import World

BEAT_SECONDS: Final = 0.15
ASKED_SECONDS: Final = 0.03  # that the source or the broker takes to answer


class Reporter:
    def __init__(self, world: World, process: Process, control: Control, sql: Sql, topic: Topic) -> None:
        self._sql = sql
        self._topic = topic
        self._world = world
        self._carrying = Carrying(
            control, process.name, unused, end_of_log=unused, progress=unused, letters_left=unused,
            clock=lambda: f"{world.now:.3f}",
        )  # fmt: skip
        world.start(Task(process, self._work(), "report", lambda _value, _error: None, Scope(), "report"))

    def _work(self) -> Routine[None]:
        begun = False
        while True:
            try:
                if not begun:
                    yield from self._carrying.beginning()
                    begun = True
                yield from self._carrying.beating(self._end_of_log, self._progress, no_letters)
            except DatabaseError:
                pass
            except Fenced:
                return
            yield from Sleep(BEAT_SECONDS)

    def _end_of_log(self) -> Routine[Position]:
        yield from Sleep(ASKED_SECONDS * self._world.random.random())
        end = self._sql.end
        yield from Sleep(ASKED_SECONDS * self._world.random.random())
        return end

    def _progress(self) -> Routine[Progress]:
        yield from Sleep(ASKED_SECONDS * self._world.random.random())
        progress = self._topic.progress()
        yield from Sleep(ASKED_SECONDS * self._world.random.random())
        return progress


def no_letters() -> Routine[int]:
    """What cannot be applied is not played."""
    yield from ()
    return 0


def unused(*_arguments: Any) -> Any:
    raise AssertionError("the routines are driven by the world")
