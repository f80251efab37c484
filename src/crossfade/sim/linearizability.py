"""Is a recorded history of one item the history of one plain item? (Wing and Gong's search, with Lowe's memory.)

Every operation must seem to take effect at one moment between its call and its answer. The search puts operations in
an order one at a time: next may come only what was called before the first answer still missing from the order. Ways
that lead to the same set of operations and the same state are tried once. An operation whose outcome nobody knows may
take effect at any moment after its call, or never; but not behind what was called when it could land no more.

G. Lowe, Testing for linearizability, 2017. https://doi.org/10.1002/cpe.3928
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.sim.model import Action, Answer, State

WAYS_MAX: Final = 40_000  # a search as long as this says nothing about the protocol: the history is given up on

NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Event:
    """One operation of a history. `called` and `answered` are places in one order of all events; an unknown outcome
    has neither `answered` nor `answer`. `lands_before`: the place from which on it can take no effect any more, where
    that is known; it keeps the search short."""

    called: int
    answered: int | None
    action: Action
    answer: Answer | None
    who: str = ""
    lands_before: int | None = None

    @property
    def known(self) -> bool:
        return self.answered is not None


@dataclass(frozen=True, slots=True)
class Stuck:
    """The longest order that could be made, its state, and the events of which none could come next."""

    order: tuple[Event, ...]
    state: State
    blocked: tuple[Event, ...]


class TooLong(Exception):
    """The search was given up."""


def linearize(events: list[Event], initial: State) -> Stuck | None:
    """None if the history is that of one plain item; else how far it goes. Raises TooLong beyond WAYS_MAX ways."""
    ordered = sorted(events, key=lambda event: event.called)
    everything = sum(1 << i for i, event in enumerate(ordered) if event.known)
    tried: set[tuple[int, State]] = set()
    # What is in the order so far, as bits; the state then; what may come next, the likeliest last.
    path: list[tuple[int, State, list[int]]] = [(0, initial, candidates(ordered, 0))]
    chosen: list[int] = []
    best: tuple[int, list[int], State] = (-1, [], initial)
    while path:
        done, state, options = path[-1]
        if done & everything == everything:
            return None
        if (known := (done & everything).bit_count()) > best[0]:
            best = (known, chosen.copy(), state)
        following = step(ordered, done, state, options, tried)
        if following is None:
            _ = path.pop()
            chosen = chosen[:-1]
            continue
        i, after = following
        path.append((done | 1 << i, after, candidates(ordered, done | 1 << i)))
        chosen.append(i)
    _, order, state = best
    blocked = candidates(ordered, sum(1 << i for i in order))
    return Stuck(
        tuple(ordered[i] for i in order), state, tuple(ordered[i] for i in reversed(blocked) if ordered[i].known)
    )


def step(
    ordered: list[Event], done: int, state: State, options: list[int], tried: set[tuple[int, State]]
) -> tuple[int, State] | None:
    """The next event that can come, and the state after it; `options` keeps what has not been tried."""
    while options:
        i = options.pop()
        event = ordered[i]
        _, after = event.action.apply(state)
        if event.known:
            if not event.action.is_answered_by(event.answer, state):
                continue
            if without_effect(event):
                options.clear()  # it fits, and has no effect wherever it stands: no other way is needed
        elif after == state:
            continue  # without an effect it may as well come later, or never
        if (done | 1 << i, after) in tried:
            continue
        tried.add((done | 1 << i, after))
        if len(tried) > WAYS_MAX:
            raise TooLong
        return i, after
    return None


def without_effect(event: Event) -> bool:
    """A read, or a write that was refused: had it come elsewhere, it would have changed nothing either."""
    return not event.action.is_write or (event.answer is not None and event.answer[0] in ("refused", "invalid"))


def candidates(ordered: list[Event], done: int) -> list[int]:
    """Which may come next, the likeliest last: called before the first answer that is still missing."""
    first_answer = NEVER
    latest = ordered[done.bit_length() - 1].called if done else 0  # of those in the order
    open_now: list[tuple[float, int]] = []
    # Past the lowest missing answer nothing can qualify, so the scan ends there.
    for i in range(((done + 1) & ~done).bit_length() - 1, len(ordered)):
        event = ordered[i]
        if event.called > first_answer:
            break
        if done >> i & 1 or (event.lands_before is not None and event.lands_before < latest):
            continue
        answered = NEVER if event.answered is None else event.answered
        open_now.append((answered, i))
        first_answer = min(first_answer, answered)
    open_now.sort(reverse=True)  # unknown outcomes first, so they are tried last
    return [i for _, i in open_now if ordered[i].called <= first_answer]
