"""Items that this process writes so often that the stages in lockstep will limit it. The mirrors behind its writes
tell, so it is known in the stages before those; `status` and `check` warn of it, and no gate asks for it.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

from crossfade.control.telling import told_key
from crossfade.core.foresight import Foreseen
from crossfade.core.stages import DUAL_WRITE, Stage, Writes

HOT_WRITES: Final = 250  # of one item within the seconds below: about what several processes get there together
WINDOW_SECONDS: Final = 5.0
KEYS_MAX: Final = 10_000  # in that time; those that come later are counted in the next
SLOWER: Final = tuple(stage for stage, row in DUAL_WRITE.items() if row.writes is Writes.LOCKSTEP)


class HotKeys:
    """The writes of each item within a few seconds. Thread-safe."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._counts = Counter[str]()
        self._since = 0.0

    def written(self, key: str, stage: Stage, now: float) -> Foreseen | None:
        """Count one; return what is to be told where they become too many. `now`: monotonic seconds."""
        row = DUAL_WRITE.get(stage)
        if row is None or row.authority == "target":  # there is no lockstep, or it is behind us
            return None
        with self._lock:
            if now - self._since >= WINDOW_SECONDS:
                self._counts.clear()
                self._since = now
            if key in self._counts or len(self._counts) < KEYS_MAX:
                self._counts[key] += 1
            if self._counts[key] != HOT_WRITES:
                return None
        return Foreseen(
            "Write",
            self._table,
            "",
            SLOWER,
            f"one process has written one item ({told_key(key)}) {HOT_WRITES} times within {WINDOW_SECONDS:g} seconds:"
            " in lockstep each item takes some hundred writes a second from one process, and from several fewer",
            "go through the lockstep stages when traffic is low, or write such items from few processes",
            is_served=True,
            is_slow=True,
        )
