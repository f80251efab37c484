"""Watching never harms: a callback that fails is counted, and the job goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from crossfade.jobs.progress import Progress


class Observer:
    """What the runner of a job tells its caller."""

    def __init__(
        self, on_progress: Callable[[Progress], None] | None, on_note: Callable[[str, dict[str, Any]], None] | None
    ) -> None:
        self.errors = 0
        self._on_progress = on_progress
        self._on_note = on_note

    async def progress(self, progress: Progress) -> None:
        """On a thread of its own, because a terminal may take its time and the lease must be renewed meanwhile."""
        if self._on_progress is not None:
            try:
                await asyncio.to_thread(self._on_progress, progress)
            except Exception:  # noqa: BLE001 - counted, and part of the result
                self.errors += 1

    def note(self, name: str, facts: dict[str, Any]) -> None:
        if self._on_note is not None:
            try:
                self._on_note(name, facts)
            except Exception:  # noqa: BLE001 - counted, and part of the result
                self.errors += 1
