"""What seemed different, looked at again: a difference counts when the log has had its say and it is still there.

A look reads the target first and the source behind it. What differs then may be under way, from the one to the other.
So it is looked at again when all that the log held at the look is applied. Had the difference been on its way, the
target would have been written since; if it holds the very same, written by the very same write, nothing was on its
way. That has to be so twice: a transaction is in the log a moment before a SELECT sees it.

A key that is written between any two looks is in motion. What was seen there at first is not there any more: it was
written anew, as everything is, since the verify began. So it is no difference; how many there were is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from crossfade.cdc.verifying.comparing import Comparer, Seen, Suspect
from crossfade.cdc.verifying.settling import ASK_SECONDS, Arrived, Settling

KEYS_AT_ONCE: Final = 50  # at most 400 KB each
LOOKS_MAX: Final = 12
SAME_LOOKS: Final = 3  # the very same at so many looks, with the log applied between each two
PAUSE_SECONDS: Final = 0.2  # at least, between two looks: a commit is seen everywhere by then


class Looks:
    """At some suspects together. `found` is told each difference that counts, once."""

    def __init__(
        self, comparer: Comparer, settling: Settling, suspects: Sequence[Suspect], found: Callable[[Seen], None]
    ) -> None:
        self.in_motion = 0
        self._found = found
        self._comparer = comparer
        self._settling = settling
        self._left = list(suspects)
        self._seen: dict[str, tuple[int, int]] = {}  # what it was, and at how many looks
        self._looks = 0
        self._arrived: Arrived | None = None

    async def step(self) -> float | None:
        """A look, or a question whether it is time for one. The seconds until the next step; None at the end."""
        if self._arrived is not None and not await self._arrived():
            return ASK_SECONDS
        await self._look()
        if not self._left:
            return None
        self._arrived = await self._settling.begin()
        return PAUSE_SECONDS

    async def _look(self) -> None:
        left, self._left = self._left, []
        for start in range(0, len(left), KEYS_AT_ONCE):
            for seen in await self._comparer.look(left[start : start + KEYS_AT_ONCE]):
                if not seen.agrees:
                    self._judge(seen)
        self._looks += 1

    def _judge(self, seen: Seen) -> None:
        digest, times = self._seen.get(seen.suspect.name, (seen.digest, 0))
        times = times + 1 if digest == seen.digest else 1
        self._seen[seen.suspect.name] = seen.digest, times
        if times >= SAME_LOOKS:
            self._found(seen)
        elif self._looks + 1 >= LOOKS_MAX:
            self.in_motion += 1
        else:
            self._left.append(seen.suspect)
