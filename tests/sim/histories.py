"""Histories written by hand, for the tests of the checkers."""

from __future__ import annotations

from crossfade.sim.history import Operation
from crossfade.sim.linearizability import Event
from crossfade.sim.model import Action, Answer, State

KEY = ("p0", "a")


def event(called: int, answered: int | None, action: Action, answer: Answer | None = None) -> Event:
    return Event(called, answered, action, answer)


def told(called: int, answered: int | None, action: Action, answer: Answer | None = None) -> Operation:
    """An operation by an application, at times that equal its places in the order."""
    return Operation("app", KEY, action, called, float(called), answered, answered and float(answered), answer)


def append(token: str, shows: str = "NONE") -> Action:
    return Action("append", token, shows=shows)


def got(state: State) -> Answer:
    return ("ok", state)


DONE: Answer = ("ok", None)
GET = Action("get")
DELETE = Action("delete")
