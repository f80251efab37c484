"""The marks of clients that ended unfinished: what each stands for, and how all of them are cleared but by a verify.

`unclean` counts them; the mark with that number is put in the same transaction, and says since when its client may
have left something undone. So whoever makes equal each key that was written since the oldest of them, after all that
these clients had sent has landed, has done what they left: no other key can have been touched by what they had begun.
A number without its mark (of an older version, or of a state that was put back) is one that nobody can say that of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from crossfade.control.calls import DONE, Failed
from crossfade.control.record_items import record_name
from crossfade.control.records import MARKS, Lease, State, UncleanMark
from crossfade.control.store import Control
from crossfade.core.effects import Request, Routine
from crossfade.errors import NotStarted

NUMBERINGS_MAX: Final = 8  # of a mark, whose number others took meanwhile; then it goes without, which costs a verify


def mark_of(state: State, lease: Lease) -> UncleanMark:
    """Return the mark of a client that is counted out: all that it had sent has landed by then."""
    who = (lease.client, lease.host, lease.pid)
    return UncleanMark(state.unclean + 1, *who, lease.open_since, 0.0, state.started_at, "was counted as gone")


def with_mark(
    control: Control, action: Request, mark: UncleanMark, send: Callable[[str, Request], Routine[Failed]]
) -> Routine[Failed]:
    """Carry out an action and count a mark in one transaction; whose condition failed, with 0 for the action's own."""
    for _ in range(NUMBERINGS_MAX):
        numbered = {"Update": control.add_unclean(mark.number - 1)}
        failed = yield from send(
            "TransactWriteItems", {"TransactItems": [action, numbered, {"Put": control.put(mark)}]}
        )
        if failed == DONE or 0 in failed:
            return failed
        try:
            state = yield from control.state()
        except NotStarted:
            return failed
        mark = replace(mark, number=state.unclean + 1)
    return (yield from send("TransactWriteItems", {"TransactItems": [action, {"Update": control.add_unclean()}]}))


def read_marks(control: Control) -> Routine[tuple[UncleanMark, ...]]:
    return (yield from control.records(UncleanMark, MARKS))


def is_settled(state: State, unclean: int) -> bool:
    """True if nothing has been left undone since `unclean` was that, or it has been done."""
    return unclean == state.unclean or (state.settled_base <= unclean and state.settled == state.unclean)


def remove_marks(control: Control) -> Routine[None]:
    for mark in (yield from read_marks(control)):
        yield from control.remove(record_name(mark))
