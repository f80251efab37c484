"""What a job that may lose its lease says of it."""

from __future__ import annotations

import threading
from typing import Any


class Fencing:
    """Takes a job's notes. `claims`: the facts of each claim of its job."""

    def __init__(self) -> None:
        self.claims: list[dict[str, Any]] = []
        self._fenced = threading.Event()

    def note(self, name: str, facts: dict[str, Any]) -> None:
        if name == "fenced":
            self._fenced.set()
        if name == "job_claimed":
            self.claims.append(facts)

    def wait(self) -> None:
        """Wait until it has found out that its lease is gone."""
        assert self._fenced.wait(30)
