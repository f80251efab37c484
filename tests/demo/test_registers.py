"""The search for an order of operations that explains what was seen."""

from __future__ import annotations

import math

import pytest

from crossfade.demo.registers import IMPOSSIBLE, STATES_MAX, Step, Value, possible


def write(token: str | None, begun: float, ended: float, *, needed: bool = True) -> Step:
    return Step(begun, ended if needed else math.inf, lambda _: token, needed, f"write {token}")


def read(seen: Value, begun: float, ended: float) -> Step:
    return Step(begun, ended, lambda value: value if value == seen else IMPOSSIBLE, True, f"read {seen}")


@pytest.mark.parametrize(
    ("steps", "final", "expected"),
    [
        ([], "a", True),
        ([], "b", False),
        ([write("b", 1, 2)], "b", True),
        ([write("b", 1, 2)], "a", False),
        ([write("b", 1, 2), write("c", 3, 4)], "b", False),
        ([write("b", 1, 4), write("c", 2, 3)], "b", True),
        ([write("b", 1, 4), write("c", 2, 3)], "c", True),
        ([write("b", 1, 2, needed=False)], "a", True),
        ([write("b", 1, 2, needed=False), write("c", 3, 4)], "b", True),
        ([write("b", 1, 2), read("a", 3, 4)], "b", False),
        ([write("b", 1, 3), read("a", 2, 4)], "b", True),
        ([write("b", 1, 9), read("b", 2, 3), read("a", 4, 5)], "b", False),
        ([write(None, 1, 2)], "a", False),
    ],
)
def test_an_order_is_found_exactly_when_there_is_one(steps: list[Step], final: Value, expected: bool) -> None:
    """Real time is respected, unknown outcomes may happen late or never, and reads count."""
    assert possible(steps, "a", final) is expected


def test_fifty_writers_at_once_are_no_problem_when_one_of_them_is_last() -> None:
    """A burst is decided quickly, since any last writer explains the end."""
    steps = [write(f"w{n}", 1.0 + n / 1000, 2.0 + n / 1000) for n in range(50)]
    assert possible(steps, "a", "w31") is True


def test_a_search_without_end_gives_up_and_says_so() -> None:
    """Twenty-four concurrent writers and a value that none of them wrote: every order would have to be tried."""
    steps = [write(f"w{n}", 1, 2) for n in range(24)]
    assert STATES_MAX < 2**24
    assert possible(steps, "a", "somebody else") is None
