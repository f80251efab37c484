"""Which records of the repair queue are ours to deal with, and a round of dealing with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from crossfade.control.record_items import record_name
from crossfade.control.records import RepairRecord
from crossfade.control.repairs import LISTED_MAX, list_repairs
from crossfade.control.sightings import Sightings
from crossfade.control.store import Caller, Control
from crossfade.control.waiting import count_out
from crossfade.core.effects import Later, Now, Routine
from crossfade.core.stages import FREEZE, Row
from crossfade.switch.switchboard import Switchboard

REPAIRS_AT_ONCE: Final = 50  # a round's; as many clients as there are do the same

Choose = Callable[[list[RepairRecord], int], list[RepairRecord]]


class Repairs:
    """What one process does about the queue: the keys of its own whose mirror failed, and what clients that are gone
    have left behind. `choose` takes some of many by chance, so that not everybody does the same."""

    def __init__(self, board: Switchboard, caller: Caller, choose: Choose) -> None:
        self._board = board
        self._caller = caller
        self._choose = choose
        self._sightings = Sightings()
        self._place = Place()

    def round(self) -> Routine[None]:
        """Put the work of one round into the background. Raises StageUncertain without a lease; DatabaseError."""
        board, agent = self._board, self._board.agent
        for intent in board.intents.due((yield from Now()), agent.client_id, REPAIRS_AT_ONCE):
            self._under_a_ticket(intent.text, partial(board.mirrored, intent))
        knows = board.intents.knows
        found = yield from orphans(agent.control, self._caller, agent.client_id, knows, self._sightings, self._place)
        for record in self._choose(found, min(len(found), REPAIRS_AT_ONCE)):
            self._under_a_ticket(f"{record.client}#{record.digest}", partial(board.take_over, record))

    def _under_a_ticket(self, key: str, routine_of: Callable[[Row], Routine[None]]) -> None:
        """Put it as work of the present stage."""
        agent = self._board.agent
        ticket = agent.begin(True)
        try:
            self._board.put(Later("mirror", key, routine_of(FREEZE[ticket.stage])), ticket)
        finally:
            agent.release(ticket)


@dataclass(slots=True)
class Place:
    """The place at which the next look at the queue goes on, since one lists so many records; "" is the beginning."""

    after: str = ""


def listed(control: Control, place: Place) -> Routine[tuple[RepairRecord, ...]]:
    """The next ones of the queue; all of a short one, each time. Many of those who live hide none of those who died."""
    began = place.after
    records = yield from list_repairs(control, LISTED_MAX, began)
    full = len(records) == LISTED_MAX
    place.after = record_name(records[-1]) if full else ""
    if began and not full:
        records = tuple(dict.fromkeys((*(yield from list_repairs(control)), *records)))
    return records


def orphans(
    control: Control, caller: Caller, client: str, knows: Callable[[str], bool], sightings: Sightings, place: Place
) -> Routine[list[RepairRecord]]:
    """Return the records of clients that are gone, and those of this client that it does not remember.

    A record may have been put by a request that was given up on.

    The records first and the leases after them: whoever has put one had its lease by then, so no lease means that it is
    gone, and all it has sent has landed. One that is silent is counted out here, since nobody else may be waiting.
    """
    records = yield from listed(control, place)
    if not records:
        return []
    leases = {lease.client: lease for lease in (yield from control.leases())}
    now = yield from Now()
    sightings.see(leases.values(), now)
    found: list[RepairRecord] = []
    for record in records:
        lease = leases.get(record.client)
        if record.client == client:
            found += [] if knows(record.key) else [record]
        elif lease is None:
            found.append(record)
        elif sightings.is_gone(lease, now) and (
            yield from count_out(control, caller, (yield from control.state()), lease)
        ):
            del leases[record.client]
            found.append(record)
    return found
