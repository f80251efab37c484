"""When a verify of the demo is damage, and when the machine was merely too busy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from crossfade.demo.console import Console
from crossfade.demo.story import Damage, Overloaded, Pace, Story


class Steered:
    """A migration whose verifies always find a difference; `unclean` says how many clients have ended badly by then."""

    def __init__(self, unclean: list[int]) -> None:
        self._unclean = unclean
        self.state = SimpleNamespace(unclean=unclean[0])

    def verify(self, *_: Any, repair: bool) -> Any:
        assert repair
        self._unclean = self._unclean[1:] or self._unclean
        self.state = SimpleNamespace(unclean=self._unclean[0])
        return SimpleNamespace(
            status="repaired", matching=1, missing=1, extra=0, mismatched=0, seconds=0.1, differences=1, samples=[]
        )


def story(unclean: list[int]) -> Story:
    nobody: Any = None
    return Story(cast("Any", Steered(unclean)), nobody, Console(quiet=True), nobody, Pace(stay_seconds=0.0), 4)


def test_a_machine_that_is_too_busy_is_no_verdict() -> None:
    """Clients lose their leases in every verify: there is always something to repair, and nothing can be said."""
    with pytest.raises(Overloaded, match="too busy"):
        story([1, 2, 3, 4, 5, 6])._verify()  # pyright: ignore[reportPrivateUsage]


def test_differences_that_stay_without_a_reason_are_damage() -> None:
    """One client ended badly, once; what is still different after the repairs is not its doing."""
    with pytest.raises(Damage):
        story([1, 1])._verify()  # pyright: ignore[reportPrivateUsage]
