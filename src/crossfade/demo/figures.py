"""Requests a second and how long they took, stage by stage, as the applications measured them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from crossfade.demo.journal import Entry, Follower


@dataclass(slots=True)
class StageFigures:
    """One visit to one stage. Times are seconds of the monotonic clock."""

    label: str
    begun: float
    ended: float = 0.0
    reads: array[float] = field(default_factory=lambda: array("f"))
    writes: array[float] = field(default_factory=lambda: array("f"))
    errors: Counter[str] = field(default_factory=Counter[str])

    @property
    def requests_per_second(self) -> float:
        seconds = self.ended - self.begun
        return (len(self.reads) + len(self.writes)) / seconds if seconds > 0 else 0.0

    def as_json(self) -> dict[str, object]:
        return {
            "stage": self.label,
            "seconds": round(self.ended - self.begun, 2),
            "requests_per_second": round(self.requests_per_second, 1),
            "reads": len(self.reads),
            "writes": len(self.writes),
            "read_ms_p50": milliseconds(self.reads, 0.5),
            "read_ms_p99": milliseconds(self.reads, 0.99),
            "write_ms_p50": milliseconds(self.writes, 0.5),
            "write_ms_p99": milliseconds(self.writes, 0.99),
            "errors": dict(self.errors),
        }


def milliseconds(seconds: array[float], share: float) -> float | None:
    """The value below which that share of them is; None when there are none."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)


class Figures:
    """Follows the journals. `enter` names what is going on from a moment on."""

    def __init__(self) -> None:
        self.stages: list[StageFigures] = []
        self._followers: dict[Path, Follower] = {}
        self._begun: dict[str, float] = {}  # writes without an outcome yet

    def enter(self, label: str, now: float) -> None:
        self.leave(now)
        self.stages.append(StageFigures(label, now))

    def leave(self, now: float) -> None:
        if self.stages and not self.stages[-1].ended:
            self.stages[-1].ended = now

    def read(self, journals: Iterable[Path]) -> None:
        """Take in what has been written since the last time."""
        starts = [stage.begun for stage in self.stages]
        for path in journals:
            for entry in self._followers.setdefault(path, Follower(path)).entries():
                self._take(entry, starts)

    def _take(self, entry: Entry, starts: list[float]) -> None:
        if "r" in entry:
            begun = self._begun.pop(entry["i"])
        elif "i" in entry:
            self._begun[entry["i"]] = entry["t"]
            return
        else:
            begun = entry["b"]
        place = bisect_right(starts, begun) - 1
        if place < 0:
            return
        stage = self.stages[place]
        (stage.writes if "r" in entry else stage.reads).append(entry["t"] - begun)
        if "e" in entry:
            stage.errors[entry["e"]] += 1
