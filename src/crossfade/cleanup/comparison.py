"""What a snapshot is compared with, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from crossfade.core.items import Item
from crossfade.core.tables.expiry import overdue_seconds

SEGMENTS: Final = 16  # of the table
SAMPLES_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to compare with. `side` None: with nothing, only the files are checked. `expiry` is the attribute of TTL,
    and `at` the moment (seconds since 1970) by which it is judged."""

    side: Literal["source", "target"] | None
    expiry: str = ""
    at: float = 0.0
    segments: int = SEGMENTS

    def is_expired(self, item: Item) -> bool:
        return overdue_seconds(item, self.expiry, self.at) is not None


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was found. `digest` stands for every byte of every data file. `complete` False: it was stopped."""

    complete: bool
    files: int
    items: int
    expired: int
    digest: str
    damaged: tuple[str, ...]
    differences: int
    samples: tuple[str, ...]

    @property
    def good(self) -> bool:
        return self.complete and not self.damaged and not self.differences


@dataclass(slots=True)
class Found:
    """What the comparison of one part has found."""

    sha256: str = ""
    sums: str = ""
    differences: int = 0
    samples: list[str] = field(default_factory=list[str])
    damaged: str = ""

    def difference(self, sample: str) -> None:
        self.differences += 1
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append(sample)
