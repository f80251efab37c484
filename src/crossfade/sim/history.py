"""What the applications were told, in the order it happened: all that the checkers of answers may know."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossfade.sim.linearizability import Event
from crossfade.sim.model import Action, Answer, State

KeyName = tuple[str, str]


@dataclass(slots=True)
class Operation:
    """One call by an application. `answered` stays None while its outcome is unknown."""

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

    def events(self) -> list[Event]:
        """As the checker of linearizability wants it."""
        if self.void or (self.answered is None and not self.action.is_write):
            return []
        events = [Event(self.called, self.answered, self.action, self.answer, self.who)]
        if self.twice and self.action.is_write:
            events.append(Event(self.called, None, self.action, None, f"{self.who}, first attempt"))
        return events


@dataclass(slots=True)
class History:
    initial: dict[KeyName, State]
    operations: list[Operation] = field(default_factory=list[Operation])

    def of(self, key: KeyName) -> list[Operation]:
        return [operation for operation in self.operations if operation.key == key]
