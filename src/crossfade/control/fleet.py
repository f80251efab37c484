"""How often the clients of a large fleet renew their leases: the more there are, the less often each.

A renewal is a write and a read of the state; a partition of the table takes 1,000 write units a second, and so does the
whole of a small table. So from some hundred clients on, the state says how long the pause between two beats is, and
leases are longer in the same measure. Whoever has all leases before it tells it: a coordinator, who waits for them, or
now and then a client, which counts them, since a fleet may grow while nobody moves anything. How long a client's lease
is stands in its own record, so each may learn of it when it will.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from crossfade.control.calls import change_surely
from crossfade.control.record_items import number
from crossfade.control.records import CLIENTS, SORT_KEY, STATE, Role, State
from crossfade.control.store import Control
from crossfade.core.effects import Note, Request, Routine
from crossfade.core.stages import FREEZE_STRATEGY
from crossfade.errors import DatabaseError

BEATS_A_SECOND: Final = 500  # of all clients together: half of what a partition takes
LEASE_BEATS: Final = 3  # in a lease, at least: one beat may fail
GROWN: Final = 1.1  # by so much the pause is to be longer before it is told anew,
SHRUNK: Final = 0.6  # and to this it is to be shorter
COUNTED_SHARE: Final = 1 / 1_000  # of all polls: a fleet that has outgrown its pauses is counted each second or two
COUNTED_FROM_BEAT: Final = 5  # who has just joined has something better to do
JITTER: Final = 0.1  # of a pause, up or down: clients that were begun together do not beat together


def suitable_seconds(clients: int) -> float:
    """Return the pause between two beats of a client in a fleet of so many; 0 where each may beat as it is set."""
    return 0.0 if clients <= BEATS_A_SECOND else round(clients / BEATS_A_SECOND, 1)


def told_seconds(state: State, role: Role) -> float:
    """Return what the state tells a client. Jobs are few, and others wait for them. (With the strategy freeze nobody is
    told: writes are not held longer than need be because somebody is slow to look.)"""
    return state.beat_seconds if role is Role.APP else 0.0


def tell_beats(control: Control, state: State, clients: int) -> Routine[None]:
    """Tell a fleet of so many clients how often to beat, where that is not what it has been told."""
    wanted, told = suitable_seconds(clients), state.beat_seconds
    if state.strategy == FREEZE_STRATEGY or SHRUNK * told <= wanted <= GROWN * told:
        return
    request: Request = {
        "TableName": control.table,
        "Key": control.key(STATE),
        "UpdateExpression": "SET #beat_seconds = :wanted",
        "ConditionExpression": "attribute_exists(#record)",
        "ExpressionAttributeNames": {"#beat_seconds": "beat_seconds", "#record": SORT_KEY},
        "ExpressionAttributeValues": {":wanted": number(wanted)},
    }
    _ = yield from change_surely("UpdateItem", request)
    yield from Note("beats_told", {"clients": clients, "seconds": wanted})


def count_now_and_then(control: Control, state: State, beat: int, token: str) -> Routine[None]:
    """Let a share of the beats, which its `token` draws, count the fleet, and tell it where it has grown."""
    drawn = int.from_bytes(blake2b(token.encode(), digest_size=8).digest()) / 2.0**64
    if beat < COUNTED_FROM_BEAT or drawn >= COUNTED_SHARE:
        return
    try:
        clients = yield from control.count(CLIENTS)
        if suitable_seconds(clients) > state.beat_seconds:
            yield from tell_beats(control, state, clients)
    except DatabaseError as error:  # somebody else will, or the next coordinator
        yield from Note("fleet_not_counted", {"error": str(error)})


class Pauses:
    """The pauses between the polls of one client, which is polled every `usual` seconds where nothing else is told."""

    def __init__(self, usual: float) -> None:
        self._usual = usual
        self._before = usual

    def next_seconds(self, told: float, chance: float) -> float:
        """Return the next pause. The first one of a slower beat is any part of it, else all would go on together.

        `told`: what the client is told; `chance`: from 0 to 1.
        """
        pause = max(self._usual, told)
        is_slower, self._before = pause > self._before, pause
        return pause * (chance if is_slower else 1 - JITTER + 2 * JITTER * chance)
