"""What an ETL tells the coordinator: how far behind it is, and that it has passed the fence of a freeze.

The end of the source's log is asked for after the fence was seen. All of it is in the target once every partition's
last applied marker has reached it and no dead letter is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from crossfade.cdc.etl.progress import Progress
from crossfade.cdc.mysql.positions import Position
from crossfade.control.carrying import NO_CARRIER, read_carrier, read_fence, report
from crossfade.control.records import CarrierRecord
from crossfade.control.store import Control
from crossfade.core.effects import Routine

T = TypeVar("T")
Asked = Callable[[], Routine[T]]


def at_once(ask: Callable[[], T]) -> Asked[T]:
    """What is asked for here and now, as a routine."""

    def routine() -> Routine[T]:
        yield from ()
        return ask()

    return routine


class Carrying:
    """Beats from time to time, in one process of those that carry. Raises Fenced where another one reports.

    `end_of_log`, `progress`, `letters_left` and `letters_why` are asked on the thread that beats. `has_workers`:
    others apply what this one carries.
    """

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
        letters_why: Callable[[int], str] = lambda _: "",
        has_workers: bool = False,
    ) -> None:
        self._control = control
        self._owner = owner
        self._run = run
        self._end_of_log = end_of_log
        self._progress = progress
        self._letters_left = letters_left
        self._clock = clock
        self._letters_why = letters_why
        self._has_workers = has_workers
        self._seen = ""  # the fence that is to be passed
        self._end: Position | None = None
        self._passed = ""
        self._serial = 0

    def begin(self) -> None:
        """Take the report over from whoever made it before."""
        self._run(self.beginning())

    def beat(self) -> None:
        """Look for a fence, at what is applied, and tell."""
        self._run(self.beating(at_once(self._end_of_log), at_once(self._progress), at_once(self._letters_left)))

    # --- the same as routines

    def beginning(self) -> Routine[None]:
        """`begin`."""
        found: CarrierRecord | None = yield from read_carrier(self._control)
        self._serial = (found or NO_CARRIER).serial
        yield from self._report(-1.0, takes_over=True)

    def beating(
        self, end_of_log: Asked[Position], progress: Asked[Progress], letters_left: Asked[int]
    ) -> Routine[None]:
        """`beat`. The end is asked for after the fence was seen, and the progress after both."""
        fence = yield from read_fence(self._control)
        if fence is not None and fence.token != self._seen:
            end = yield from end_of_log()
            self._seen, self._end = fence.token, end
        reached, letters = (yield from progress()), (yield from letters_left())
        if self._end is not None and reached.has_reached(self._end) and not letters:
            self._passed = self._seen
        yield from self._report(reached.lag_seconds, reached.lag_events, letters)

    def _report(self, seconds: float, events: int = -1, letters: int = 0, *, takes_over: bool = False) -> Routine[None]:
        self._serial += 1
        at, workers, why = self._clock(), self._has_workers, self._letters_why(letters)
        record = CarrierRecord(self._owner, self._serial, "", self._passed, seconds, at, events, letters, workers, why)
        yield from report(self._control, record, takes_over=takes_over)
