"""What the coordinator is told of the log, by the one process that reads it: it can ask the source for its end.

There is one such process by nature: whoever takes the record of the capture over ends the one before it. When it dies,
the log is not carried on either, so there is nothing else that could be told: its lease runs out, the gate `replicated`
closes, and a freeze turns back. Who starts it again takes the report over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from crossfade.cdc.etl.carrying import Carrying
from crossfade.cdc.etl.progress import Progress
from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.running.leased import Leased
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.core.stages import ALL_LADDERS, FREEZE_STRATEGY
from crossfade.errors import CrossfadeError, StageUncertain

BEAT_SECONDS: Final = 1.0
FROZEN_BEAT_SECONDS: Final = 0.1  # writes of applications wait
SILENT_SECONDS_MAX: Final = 120.0  # for which what is asked may be away; then whoever runs this is told


class Reporting:
    """On a thread of its own, from `start` to `end`. `failure` is what has ended it before."""

    def __init__(
        self,
        pipeline: Pipeline,
        leased: Leased,
        *,
        end_of_log: Callable[[], Position],
        progress: Callable[[], Progress],
        letters_left: Callable[[], int],
        letters_why: Callable[[int], str],
        on_beat: Callable[[Progress], None],
    ) -> None:
        self.failure: CrossfadeError | None = None
        self._pipeline = pipeline
        self._leased = leased
        self._end_of_log = end_of_log
        self._progress = progress
        self._letters_left = letters_left
        self._letters_why = letters_why
        self._on_beat = on_beat
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._report, name="crossfade-report", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """When it has told the end."""
        self._ending.set()
        self._thread.join()

    def _report(self) -> None:
        owner, carrying, good_at = "", None, time.monotonic()
        ended = False
        while not ended:
            ended = self._ending.is_set()  # then once more, so that what is told last is the end
            try:
                if carrying is None or owner != self._leased.agent.client_id:  # a lease of another name
                    owner = self._leased.agent.client_id
                    carrying = self._carrying(owner)
                    carrying.begin()
                carrying.beat()
                good_at = time.monotonic()
            except CrossfadeError as error:
                if not error.retryable or time.monotonic() - good_at > SILENT_SECONDS_MAX:
                    self.failure = error
                    return
            _ = self._ending.wait(self._pause_seconds())

    def _carrying(self, owner: str) -> Carrying:
        return Carrying(
            self._pipeline.control,
            owner,
            self._pipeline.run,
            end_of_log=self._end_of_log,
            progress=self._seen_progress,
            letters_left=self._letters_left,
            letters_why=self._letters_why,
            clock=self._pipeline.caller.clock,
            has_workers=self._pipeline.migration.topics is not None,
        )

    def _seen_progress(self) -> Progress:
        found = self._progress()
        self._on_beat(found)
        return found

    def _pause_seconds(self) -> float:
        try:
            held = ALL_LADDERS[FREEZE_STRATEGY][self._leased.stage].holds
        except StageUncertain:
            held = False
        return FROZEN_BEAT_SECONDS if held else BEAT_SECONDS
