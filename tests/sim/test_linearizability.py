"""The checker of histories: it accepts what one plain item can do, and nothing else."""

from __future__ import annotations

import itertools
import random

import pytest

from crossfade.sim import linearizability
from crossfade.sim.linearizability import Event, TooLong, linearize
from crossfade.sim.model import Action, Answer, State
from tests.sim.histories import DELETE, DONE, GET, append, event, got


def test_a_sequential_history_is_accepted() -> None:
    """Operations one after the other, each with the answer of a plain item."""
    events = [
        event(1, 2, append("a"), DONE),
        event(3, 4, GET, got((1, ("a",), None))),
        event(5, 6, DELETE, DONE),
        event(7, 8, GET, got(None)),
    ]
    assert linearize(events, None) is None


def test_a_lost_write_is_found() -> None:
    """An acknowledged append that a later read does not see."""
    stuck = linearize([event(1, 2, append("a"), DONE), event(3, 4, GET, got(None))], None)
    assert stuck is not None
    assert stuck.state == (1, ("a",), None)
    assert [blocked.called for blocked in stuck.blocked] == [3]


def test_an_item_that_came_back_is_found() -> None:
    """Gone in one read, there again in the next, and nobody has written meanwhile."""
    there = (1, ("a",), None)
    events = [event(1, 2, DELETE, DONE), event(3, 4, GET, got(None)), event(5, 6, GET, got(there))]
    assert linearize(events, there) is not None


def test_a_stale_read_is_found() -> None:
    """A read that begins after a write was acknowledged must not answer from before it."""
    events = [event(1, 2, append("b"), DONE), event(3, 4, GET, got((1, ("a",), None)))]
    assert linearize(events, (1, ("a",), None)) is not None


def test_two_reads_may_not_disagree_on_an_order() -> None:
    """New then old is no history of one item, although each read alone overlaps the write."""
    old, new = (1, ("a",), None), (2, ("a", "b"), None)
    write = event(1, 9, append("b"), DONE)
    assert linearize([write, event(2, 3, GET, got(new)), event(4, 5, GET, got(old))], old) is not None
    assert linearize([write, event(2, 3, GET, got(old)), event(4, 5, GET, got(new))], old) is None


def test_overlapping_writes_may_come_in_either_order() -> None:
    """The answers decide which came first."""
    for first, second in (("a", "b"), ("b", "a")):
        events = [event(1, 4, append("a"), DONE), event(2, 5, append("b"), DONE)]
        events.append(event(6, 7, GET, got((2, (first, second), None))))
        assert linearize(events, None) is None


def test_an_unknown_outcome_may_take_effect_late_or_never() -> None:
    """It is not seen, seen much later, or not at all: all three are histories of one item."""
    lost = event(1, None, append("a"))
    assert linearize([lost, event(2, 3, GET, got(None))], None) is None
    late = [lost, event(2, 3, GET, got(None)), event(4, 5, GET, got((1, ("a",), None)))]
    assert linearize(late, None) is None


def test_an_unknown_outcome_takes_effect_at_most_once() -> None:
    """Seen twice, it was applied twice, and that no single call can do."""
    events = [event(1, None, append("a")), event(2, 3, GET, got((2, ("a", "a"), None)))]
    assert linearize(events, None) is not None


def test_an_unknown_outcome_cannot_take_effect_before_its_call() -> None:
    """A read that ended before the call was made cannot have seen it."""
    assert linearize([event(1, 2, GET, got((1, ("a",), None))), event(3, None, append("a"))], None) is not None


def test_a_refused_write_must_have_had_a_reason() -> None:
    """A create is refused only where there is an item; an answer shows what was there."""
    refused: Answer = ("refused", None)
    assert linearize([event(1, 2, Action("create", "a"), refused)], None) is not None
    assert linearize([event(1, 2, Action("create", "a"), refused)], (0, (), None)) is None


def test_a_write_without_effect_may_still_have_to_wait() -> None:
    """A delete that fits at once may be needed later: nothing is cut off for it."""
    events = [
        event(1, 10, DELETE, DONE),
        event(2, 11, Action("create", "a", 0), DONE),
        event(12, 13, GET, got(None)),
    ]
    assert linearize(events, None) is None


def brute_force(events: list[Event], initial: State) -> bool:
    """Every order of every choice of unknown outcomes, tried one by one."""
    known = [event for event in events if event.known]
    unknown = [event for event in events if not event.known]
    for count in range(len(unknown) + 1):
        for chosen in itertools.combinations(unknown, count):
            for order in itertools.permutations([*known, *chosen]):
                if respects_time(order) and answers_match(order, initial):
                    return True
    return False


def respects_time(order: tuple[Event, ...]) -> bool:
    return not any(
        later.answered is not None and later.answered < earlier.called
        for i, earlier in enumerate(order)
        for later in order[i + 1 :]
    )


def answers_match(order: tuple[Event, ...], state: State) -> bool:
    for each in order:
        answer, state = each.action.apply(state)
        if each.known and answer != each.answer:
            return False
    return True


@pytest.mark.parametrize("seed", range(150))
def test_the_search_agrees_with_trying_every_order(seed: int) -> None:
    """On small random histories, good and bad."""
    dice = random.Random(seed)
    creating, adding = Action("create", "c", 1), Action("add", shows="UPDATED_NEW")
    actions = [append("a", "ALL_NEW"), append("b"), DELETE, creating, adding, GET]
    events: list[Event] = []
    state: State = None
    for i in range(5):
        action = dice.choice(actions)
        answer, state = action.apply(state)
        if dice.random() < 0.15:
            answer, _ = action.apply(dice.choice([None, (1, ("a",), None)]))
        called = 10 * i - dice.randint(0, 25)
        answered = None if dice.random() < 0.2 else 10 * i + dice.randint(1, 25)
        events.append(event(called, answered, action, None if answered is None else answer))
    assert (linearize(events, None) is None) == brute_force(events, None)


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on everything: an entangled history is said to be undecided, not judged."""
    monkeypatch.setattr(linearizability, "WAYS_MAX", 10)
    events = [event(i, None, append(str(i))) for i in range(8)] + [event(20, 21, GET, got((9, ("x",), None)))]
    with pytest.raises(TooLong):
        _ = linearize(events, None)
