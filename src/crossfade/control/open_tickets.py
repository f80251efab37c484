"""Which operations of a client have not ended, and since when the oldest of them may have been under way.

A time here is one that DynamoDB has told in an answer, before the operation began; 0 where it has told none. It goes
with the lease, so that of a client that dies it is known which writes it may have left without their mirrors: those
since then (see marks.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.core.stages import Stage


@dataclass(frozen=True, slots=True)
class Ticket:
    """One operation's place in time: the stage it obeys until it has ended, whatever the fleet does meanwhile.

    `strict`: it needs a lease. `counted`: the fleet waits for its end; in a final stage neither is so. `since`: seconds
    since 1970 by the service's clock, from before it began; 0 for not known.
    """

    stage: Stage
    epoch: int
    ramp_percent: int
    incarnation: int
    strict: bool
    counted: bool = True
    since: int = 0


class OpenTickets:
    """Counts the operations and mirrors that have not ended. To be used under the agent's lock."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], int] = {}  # by epoch and `since`

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __copy__(self) -> OpenTickets:
        twin = OpenTickets()
        twin._counts = dict(self._counts)
        return twin

    def add(self, ticket: Ticket) -> None:
        place = (ticket.epoch, ticket.since)
        self._counts[place] = self._counts.get(place, 0) + 1

    def drop(self, ticket: Ticket) -> None:
        place = (ticket.epoch, ticket.since)
        left = self._counts[place] - 1
        if left:
            self._counts[place] = left
        else:
            del self._counts[place]

    def any_before(self, epoch: int) -> bool:
        """True if one of an older epoch has not ended."""
        return any(of < epoch for of, _ in self._counts)

    def oldest(self, now: int) -> int:
        """Return a time before the oldest of them; `now`, where there is none."""
        return min((since for _, since in self._counts), default=now)


class Owed:
    """What may have been left undone and `unclean` does not say yet: how often, and since when; under the same lock."""

    __slots__ = ("count", "since")

    def __init__(self) -> None:
        self.count = 0
        self.since: int | None = None

    def add(self, since: int) -> None:
        self.count += 1
        self.since = since if self.since is None else min(self.since, since)

    def told(self, count: int) -> None:
        self.count -= count
        if not self.count:
            self.since = None
