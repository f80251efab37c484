"""What came of carrying out a step."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from crossfade.cleanup.steps import Step


@dataclass(frozen=True, slots=True)
class Outcome:
    """`waiting`: there is nothing to do but wait. `failed`: what was looked at is not as it must be; `said` tells."""

    step: Step
    status: Literal["done", "stopped", "waiting", "failed"]
    said: tuple[str, ...]
    next_step: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
