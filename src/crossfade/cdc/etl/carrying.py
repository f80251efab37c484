"""What an ETL tells the coordinator: how far behind it is, and that it has passed the fence of a freeze.

The end of the source's log is asked for after the fence was seen. All of it is in the target once every partition's
last applied marker has reached it and no dead letter is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crossfade.cdc.etl.progress import Progress
from crossfade.cdc.mysql.positions import Position
from crossfade.control.carrying import NO_CARRIER, read_carrier, read_fence, report
from crossfade.control.records import CarrierRecord
from crossfade.control.store import Control
from crossfade.core.effects import Routine


class Carrying:
    """Beats from time to time, in one process of those that carry. Raises Fenced where another one reports."""

    def __init__(
        self,
        control: Control,
        owner: str,
        run: Callable[[Routine[Any]], Any],
        *,
        end_of_log: Callable[[], Position],
        progress: Callable[[], Progress],
        letters_left: Callable[[], int],
        clock: Callable[[], str],
    ) -> None:
        self._control = control
        self._owner = owner
        self._run = run
        self._end_of_log = end_of_log
        self._progress = progress
        self._letters_left = letters_left
        self._clock = clock
        self._seen = ""  # the fence that is to be passed
        self._end: Position | None = None
        self._passed = ""
        self._serial = 0

    def begin(self) -> None:
        """Take the report over from whoever made it before."""
        found: CarrierRecord | None = self._run(read_carrier(self._control))
        self._serial = (found or NO_CARRIER).serial
        self._report(-1.0, takes_over=True)

    def beat(self) -> None:
        """Look for a fence, at what is applied, and tell."""
        fence = self._run(read_fence(self._control))
        if fence is not None and fence.token != self._seen:
            self._seen, self._end = fence.token, self._end_of_log()
        progress = self._progress()
        letters = self._letters_left()
        if self._end is not None and progress.has_reached(self._end) and not letters:
            self._passed = self._seen
        self._report(progress.lag_seconds, progress.lag_events, letters)

    def _report(self, seconds: float, events: int = -1, letters: int = 0, *, takes_over: bool = False) -> None:
        self._serial += 1
        record = CarrierRecord(self._owner, self._serial, "", self._passed, seconds, self._clock(), events, letters)
        self._run(report(self._control, record, takes_over=takes_over))
