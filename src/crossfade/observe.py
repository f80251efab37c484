"""Watching never harms: events are counted and handed to the observer, and an observer's error is counted too.

An observer is any callable `(name, facts)`. It is called on whatever thread or task the event happened on, sometimes
that of a caller, so it should be quick; what it raises goes no further.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

Observer: TypeAlias = Callable[[str, dict[str, Any]], None]


class Watch:
    """Counts every event by name, and comparisons by outcome (`compare.matching`, `compare.mismatched`, ...)."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def note(self, name: str, facts: dict[str, Any]) -> None:
        outcome = facts.get("outcome")
        self._count(name if outcome is None else f"{name}.{outcome}")
        if self._observer is None:
            return
        try:
            self._observer(name, facts)
        except Exception:  # noqa: BLE001 - the application's own code, which must not reach the caller
            self._count("observer_error")

    def counts(self) -> dict[str, int]:
        """How often each event has happened since the start, `observer_error` among them."""
        with self._lock:
            return dict(self._counts)

    def after_fork_in_child(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
