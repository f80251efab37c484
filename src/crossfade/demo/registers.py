"""Whether what happened to one document could have happened one after another: linearizability of a single register.

Every acknowledged or refused operation must take effect at one moment between its beginning and its end; one with an
unknown outcome may do so at any moment after its beginning, or never. The search goes depth first and remembers where
it has been (Wing and Gong 1993, Lowe 2017); a register of a few dozen operations takes microseconds to milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Value: TypeAlias = str | None  # the token that wrote the document; None is no document
STATES_MAX: Final = 200_000  # beyond this the search gives up and says so


@dataclass(frozen=True, slots=True)
class Step:
    """One operation. `apply` gives the value after it, or `IMPOSSIBLE` when it cannot happen on that value."""

    begun: float
    ended: float  # infinity when the outcome is unknown
    apply: Callable[[Value], object]
    needed: bool  # False: it may never have happened
    what: str


IMPOSSIBLE: Final = object()


def possible(steps: Sequence[Step], initial: Value, final: Value) -> bool | None:
    """Whether some order explains all of it and leaves `final`; None when that was not found out in bounded time."""
    ordered = sorted(steps, key=lambda step: step.begun)
    needed = sum(1 << n for n, step in enumerate(ordered) if step.needed)
    seen: set[tuple[int, Value]] = set()
    open_states: list[tuple[int, Value]] = [(0, initial)]  # (which have happened, value)
    while open_states:
        done, value = open_states.pop()
        if (done, value) in seen:
            continue
        if len(seen) >= STATES_MAX:
            return None
        seen.add((done, value))
        if done & needed == needed and value == final:
            return True
        first_end = math.inf  # what begins after this cannot come next
        for n, step in enumerate(ordered):
            if step.begun > first_end:
                break
            if step.needed and not done >> n & 1:
                first_end = min(first_end, step.ended)
        following: list[tuple[int, Value]] = []
        for n, step in enumerate(ordered):
            if step.begun > first_end:
                break
            if done >> n & 1:
                continue
            after = step.apply(value)
            if after is not IMPOSSIBLE and (after is None or isinstance(after, str)):
                following.append((done | 1 << n, after))
        following.sort(key=lambda state: state[1] != final)  # what leads to the end is tried last
        open_states.extend(following)
    return False
