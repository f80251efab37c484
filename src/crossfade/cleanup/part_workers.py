"""Workers on the parts of a step, with progress; a stop, or Ctrl-C, lets what is under way end at its checkpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from crossfade.cleanup.connections import Hands
from crossfade.jobs.pace import Pace
from crossfade.jobs.progress import Meter, Progress, seconds_left
from crossfade.jobs.workers import Task, Workers


@dataclass(slots=True)
class Crew:
    """`name` and `phase` are what progress says. `problems` is counted up by tasks."""

    hands: Hands
    name: str
    phase: str
    stop: threading.Event
    pace: Pace = field(default_factory=lambda: Pace(None))
    meter: Meter = field(default_factory=Meter)
    items_total: int = 0
    parts_done: int = 0
    parts_total: int = 0
    problems: int = 0

    async def work_off(self, tasks: Iterable[Task]) -> None:
        """Raises the first error of a task."""
        workers = Workers(tasks, self.hands.now, self.stop.is_set)

        async def meanwhile() -> None:
            if self.stop.is_set():
                self.pace.lift()
            await self.tell()

        await workers.work_off(self.hands.workers, meanwhile)
        await self.tell()

    async def tell(self) -> None:
        rate = self.meter.rate(self.hands.now())
        await self.hands.observer.progress(
            Progress(
                job=self.name,
                phase="stopping" if self.stop.is_set() else self.phase,
                items_done=self.meter.done,
                items_total=self.items_total,
                items_per_second=rate,
                seconds_left=seconds_left(self.items_total, self.meter.done, rate),
                segments_done=self.parts_done,
                segments_total=self.parts_total,
                waiting_segments=0,
                problems=self.problems,
            )
        )
