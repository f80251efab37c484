"""How many days some gates ask for: without an event, or at most since a verify began."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crossfade.core.stages import Gate

QUIET_DAYS: Final = 14  # a fortnight has a month's end or a weekly job in it, most likely
REFUSED_DAYS: Final = QUIET_DAYS
VERIFIED_DAYS: Final = 7  # what happened beside crossfade for longer than that, nobody remembers


@dataclass(frozen=True, slots=True)
class Days:
    """quiet     so long nothing was found in the source alone
    refused   so long no call was seen that complete refuses
    verified  so long ago, at most, the verify began
    """

    quiet: int = QUIET_DAYS
    refused: int = REFUSED_DAYS
    verified: int = VERIFIED_DAYS

    @property
    def usual(self) -> Days:
        """At least what is asked for by default."""
        return Days(max(self.quiet, QUIET_DAYS), max(self.refused, REFUSED_DAYS), min(self.verified, VERIFIED_DAYS))

    @property
    def options(self) -> dict[Gate, str]:
        """The options by which less than usual is asked for, by the gate that they open."""
        given = {
            Gate.QUIET: (self.quiet < QUIET_DAYS, f"--quiet-days {self.quiet}"),
            Gate.ANSWERED: (self.refused < REFUSED_DAYS, f"--refused-days {self.refused}"),
            Gate.RECENT: (self.verified > VERIFIED_DAYS, f"--verified-within {self.verified}"),
        }
        return {gate: option for gate, (is_less, option) in given.items() if is_less}

    def used(self, passed: Iterable[tuple[Gate, str]]) -> list[tuple[str, str]]:
        """Return those of the options that have opened a gate, each with what the gate had found."""
        options = self.options
        return [(options[gate], found) for gate, found in passed if gate in options]
