"""What the applications were told, in the order it happened: all that the checkers of answers may know."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from crossfade.sim.linearizability import Event
from crossfade.sim.model import STILL, Action, Answer, State

KeyName = tuple[str, str]


@dataclass(slots=True)
class Operation:
    """One call by an application, or what one on several items does to one of them. `answered` stays None while its
    outcome is unknown. Those of one call have `called` in common."""

    who: str
    key: KeyName
    action: Action
    called: int
    called_at: float
    answered: int | None = None
    answered_at: float | None = None
    answer: Answer | None = None
    void: bool = False  # known to have had no effect: it is no part of the history
    twice: bool = False  # the SDK sent it twice, so it may take effect once more
    together: bool = False  # of a transaction: it takes effect at one moment with the others of its call
    since: int | None = None  # of an eventually consistent read: the place from which on it may date
    of_both: bool = False  # an entry of an index, while items are in both tables
    lands_before: int | None = None  # of an unknown outcome: the place from which on it takes no effect, if it is known

    def events(self) -> list[Event]:
        """Return the operation's events for the checker of linearizability."""
        if self.void or (self.answered is None and not self.action.is_write):
            return []
        called = self.called if self.since is None else self.since
        lands_before = self.lands_before if self.answered is None else None
        events = [Event(called, self.answered, self.action, self.answer, self.who, lands_before)]
        if self.twice and self.action.is_write:
            events.append(Event(self.called, None, self.action, None, f"{self.who}, first attempt"))
        return events


@dataclass(frozen=True, slots=True)
class Repeated:
    """An item that a walk through a table has shown on more than one page, between two places in the order."""

    who: str
    key: KeyName
    begun: int
    ended: int
    moves: bool = False  # its place is by an attribute that writes change


@dataclass(frozen=True, slots=True)
class Missed:
    """An item that was not where a page of an index has looked: a read of that, unless it has moved meanwhile."""

    read: Operation
    moves: bool  # its place is by an attribute that writes change; else by its key


def meets(entry: Operation, delete: Operation) -> bool:
    """Whether a delete may have come within the time that an entry may be of."""
    begun = entry.called if entry.since is None else entry.since
    is_after = entry.answered is not None and delete.called > entry.answered
    return not is_after and (delete.answered is None or delete.answered >= begun)


@dataclass(slots=True)
class History:
    initial: dict[KeyName, State]
    operations: list[Operation] = field(default_factory=list[Operation])
    moments: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    repeated: list[Repeated] = field(default_factory=list["Repeated"])
    missed: list[Missed] = field(default_factory=list["Missed"])

    def begins(self, place: int, seconds: float) -> None:
        """A call begins: its place in the order of everything, and when that is."""
        self.moments.append((seconds, place))

    def since(self, seconds: float) -> int:
        """A place before all that began at that time or later."""
        found = bisect_left(self.moments, (seconds, 0))
        return self.moments[found - 1][1] if found else 0

    def has_moved(self, key: KeyName, begun: int, ended: int, *, moves: bool) -> bool:
        """Whether a write may have given an item another place between two moments: one that changes its n, or else,
        where its place is by its key, one that deletes it."""
        return any(
            o.action.is_write
            and not o.void
            and (o.action.name not in STILL if moves else o.action.name.startswith("delete"))
            and (o.answer is None or o.answer[0] == "ok" or o.twice)
            and o.called < ended
            and (o.answered is None or o.twice or o.answered > begun)
            for o in self.of(key)
        )

    def missing(self) -> list[Operation]:
        """What pages of an index tell of items that they did not show."""
        found: list[Operation] = []
        for each in self.missed:
            read = each.read
            begun, ended = read.called if read.since is None else read.since, read.answered or 0
            if not (each.moves and self.has_moved(read.key, begun, ended, moves=True)):
                found.append(read)
        return found

    def of(self, key: KeyName) -> list[Operation]:
        """Return an item's operations, but for entries that may be of one which it has taken the place of: while items
        are in both tables, an index that lags may show an item of which the source still had a copy when it was
        deleted (docs/operations.md, "Between two pages")."""
        found = [operation for operation in self.operations if operation.key == key]
        deletes = [operation for operation in found if operation.action.name in ("delete", "delete_if")]
        return [each for each in found if not (each.of_both and any(meets(each, delete) for delete in deletes))]
