"""Which records of the repair queue are ours to deal with."""

from __future__ import annotations

from collections.abc import Callable

from crossfade.control.records import RepairRecord
from crossfade.control.repairs import list_repairs
from crossfade.control.sightings import Sightings
from crossfade.control.store import Caller, Control
from crossfade.control.waiting import count_out
from crossfade.core.effects import Now, Routine


def orphans(
    control: Control, caller: Caller, client: str, knows: Callable[[str], bool], sightings: Sightings
) -> Routine[list[RepairRecord]]:
    """Those of clients that are gone, and of this one those that it does not remember: a record may have been put by a
    request that was given up on.

    The records first and the leases after them: whoever has put one had its lease by then, so no lease means that it is
    gone, and all it has sent has landed. One that is silent is counted out here, since nobody else may be waiting.
    """
    records = yield from list_repairs(control)
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
