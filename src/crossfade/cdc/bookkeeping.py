"""How far a sequence is done whose parts end in any order: up to before the first that has not ended, and no further.

The publisher counts messages by it until the broker has acknowledged them, and a worker offsets of a partition until
what they hold is applied. What is kept as progress is never more than all that lies before it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from crossfade.cdc.terms import NO_TERM, Term

NOWHERE: Final = -1  # nothing has ended yet


@dataclass(frozen=True, slots=True)
class Mark:
    """What is known where a part ends. `position`: all of the source's log up to there lies before, "" for untold.

    `at` is the source's clock there, in seconds since 1970; 0 for untold. `snapshot` is how far a snapshot was, and
    `term` the last capture that has sent anything up to there.
    """

    position: str = ""
    at: float = 0.0
    snapshot: str = ""
    term: Term = NO_TERM

    def then(self, later: Mark) -> Mark:
        """What is known behind a part that told more."""
        return Mark(
            later.position or self.position,
            max(later.at, self.at),
            later.snapshot or self.snapshot,
            self.term.then(later.term),
        )


NO_MARK: Final = Mark()


class Sequence:
    """Parts are begun by rising numbers; each is to be ended once."""

    def __init__(self, done_below: int = NOWHERE) -> None:
        self.done_below = done_below  # every part with a number below this one has ended
        self.mark = NO_MARK  # the last one told by parts below it
        self._begun: deque[tuple[int, Mark]] = deque()
        self._ended: set[int] = set()

    @property
    def pending(self) -> int:
        """How many parts are kept here, those that ended behind one that has not among them."""
        return len(self._begun)

    def begin(self, number: int, mark: Mark = NO_MARK) -> None:
        """The next part; `mark` is known where it and all before it have ended."""
        assert number >= self.done_below and (not self._begun or number > self._begun[-1][0])  # noqa: S101, PT018
        self._begun.append((number, mark))

    def end(self, number: int) -> None:
        """The part is done, in whatever order."""
        self._ended.add(number)
        begun, ended = self._begun, self._ended
        while begun and begun[0][0] in ended:
            first, mark = begun.popleft()
            ended.remove(first)
            self.done_below = first + 1
            if mark is not NO_MARK:
                self.mark = self.mark.then(mark)
