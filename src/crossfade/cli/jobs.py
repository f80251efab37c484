"""What `backfill`, `verify` and `cleanup` share: progress as a bar, as lines or as JSON; Ctrl-C; refusals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from types import TracebackType
from typing import Any, Final, Self

import click
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from crossfade.cleanup.connections import CHANGING
from crossfade.cli.moving import Waiting
from crossfade.cli.outcome import COULD_NOT_RUN, INTERRUPTED
from crossfade.cli.screen import HasScreen, counted, duration
from crossfade.core.sync.expiring import EXPIRY_UNKNOWN
from crossfade.errors import NotPossibleInStage
from crossfade.jobs.progress import Progress
from crossfade.jobs.signals import StopEvent, stop_on_signals

LINE_SECONDS: Final = 10.0  # between two lines where there is no terminal
JSON_SECONDS: Final = 1.0


class Progressing:
    """Shows a job's progress; it is given to the runner as `on_progress` and `on_note`."""

    def __init__(self, opened: HasScreen, stop: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._opened = opened
        self._stop = stop
        self._clock = clock
        self._waiting = Waiting(opened, clock)
        self._shown_at = float("-inf")
        self._phase: str = ""
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._told = False

    def __enter__(self) -> Self:
        screen = self._opened.screen
        if screen.is_terminal and not screen.as_json:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[facts]}"))
            self._bar = Bar(*columns, console=screen.people)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def note(self, name: str, facts: dict[str, Any]) -> None:
        if name in ("waiting", CHANGING) and self._stop.is_set():
            raise KeyboardInterrupt  # there is nothing to finish
        if name == EXPIRY_UNKNOWN:
            advice = "allow dynamodb:DescribeTimeToLive, or what has expired on one side counts as a difference"
            self._opened.screen.say(f"Whether items of {facts['key']} expire is not known: {facts['error']} ({advice})")
        self._waiting.note(name, facts)

    def progress(self, now: Progress) -> None:
        screen = self._opened.screen
        if self._stop.is_set() and not self._told:
            self._told = True
            screen.say("Stopping: the pages under way are finished first (Ctrl-C again: end at once).")
        if self._bar is not None:
            self._draw(self._bar, now)
        elif self._due(now, JSON_SECONDS if screen.as_json else LINE_SECONDS):
            if screen.as_json:
                screen.line({"event": "progress", **asdict(now)})
            else:
                screen.say(f"{now.phase}: {amounts(now)}")

    def _draw(self, bar: Bar, now: Progress) -> None:
        if self._task is None:
            self._task = bar.add_task(now.phase, total=None, facts="")
        total = max(now.items_total, now.items_done) or None
        bar.update(self._task, description=now.phase, completed=now.items_done, total=total, facts=amounts(now))

    def _due(self, now: Progress, seconds: float) -> bool:
        at = self._clock()
        if at - self._shown_at < seconds and now.phase == self._phase and now.segments_done < now.segments_total:
            return False
        self._shown_at, self._phase = at, now.phase
        return True


def amounts(now: Progress) -> str:
    """`1,200 of about 50,000 items, 3,100/s, 16 s left, segments 3 of 64`"""
    if now.phase == "exporting":
        return f"about {now.items_total:,} items, by the service itself, which says no more until it is done"
    total = f" of about {now.items_total:,}" if now.items_total >= now.items_done and now.items_total else ""
    parts = [f"{now.items_done:,}{total} items", f"{now.items_per_second:,.0f}/s"]
    if now.seconds_left is not None and now.segments_done < now.segments_total:
        parts.append(f"{duration(now.seconds_left)} left")
    parts.append(f"segments {now.segments_done} of {now.segments_total}")
    if now.waiting_segments:
        what = "for a lost answer" if now.job == "backfill" else "to look again"
        parts.append(f"{counted(now.waiting_segments, 'segment')} waiting {what}")
    if now.problems:
        parts.append(counted(now.problems, "problem"))
    return ", ".join(parts)


@contextmanager
def running(opened: HasScreen) -> Generator[tuple[StopEvent, Progressing], None, None]:
    """`stoppable`, where refusals end with status 2: the job could not run."""
    try:
        with stoppable(opened) as both:
            yield both
    except NotPossibleInStage as error:
        opened.screen.error(error)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None


@contextmanager
def stoppable(opened: HasScreen) -> Generator[tuple[StopEvent, Progressing], None, None]:
    """The stop event that Ctrl-C sets, and the display."""
    stop = StopEvent()
    try:
        with stop_on_signals(stop), Progressing(opened, stop) as shown:
            yield stop, shown
    except KeyboardInterrupt:
        opened.screen.say("Interrupted; the same command goes on from the last page that was written down.")
        raise click.exceptions.Exit(INTERRUPTED) from None
