"""How far a sequence is done: never further than before the first part that has not ended."""

from __future__ import annotations

import random

import pytest

from crossfade.cdc.bookkeeping import NOWHERE, Mark, Sequence


def test_what_ends_first_is_not_done_before_what_began_first() -> None:
    """Three parts end in the reverse of their order: only the last end makes all of them done."""
    found = Sequence()
    for number in (5, 6, 8):
        found.begin(number)
    found.end(8)
    found.end(6)
    assert found.done_below == NOWHERE
    found.end(5)
    assert (found.done_below, found.pending) == (9, 0)


def test_a_mark_counts_when_all_before_it_has_ended() -> None:
    """A marker is applied at once and still says nothing while a change before it is under way."""
    found = Sequence()
    found.begin(1)
    found.begin(2, Mark("b", 7.0))
    found.end(2)
    assert found.mark == Mark()
    found.end(1)
    assert found.mark == Mark("b", 7.0)


def test_a_mark_that_tells_less_forgets_nothing() -> None:
    """A change has a time and no position: the position of the marker before it stays, and time never goes back."""
    found = Sequence()
    for number, mark in enumerate((Mark("a", 5.0, "s"), Mark("", 9.0), Mark("", 3.0))):
        found.begin(number, mark)
        found.end(number)
    assert found.mark == Mark("a", 9.0, "s")


def test_numbers_only_rise() -> None:
    """What is begun again, or too late, is a defect of the reader and is found."""
    found = Sequence()
    found.begin(3)
    found.end(3)
    with pytest.raises(AssertionError):
        found.begin(2)


@pytest.mark.parametrize("seed", range(50))
def test_any_order_of_ends(seed: int) -> None:
    """After each end, what is done is what a look at all parts says, whatever gaps the numbers have."""
    chance = random.Random(seed)
    numbers = sorted(chance.sample(range(200), 40))
    found, ended, begun = Sequence(), set[int](), list[int]()
    waiting = list(numbers)
    while waiting or len(ended) < len(numbers):
        open_ones = [number for number in begun if number not in ended]
        if waiting and (not open_ones or chance.random() < 0.5):
            begun.append(waiting.pop(0))
            found.begin(begun[-1], Mark(str(begun[-1])))
        else:
            one = chance.choice(open_ones)
            ended.add(one)
            found.end(one)
        done: list[int] = []
        for number in begun:
            if number not in ended:
                break
            done.append(number)
        assert found.done_below == (done[-1] + 1 if done else NOWHERE)
        assert found.mark.position == (str(done[-1]) if done else "")
