"""What is done where the record of a migration is gone, or an older one is in its place.

A client that is in a stage knows more than such a table does: what it obeyed at last. It fences itself, since others
may be told another stage, and keeps its lease, which says what it obeyed: see recovering.py.

A migration that was cancelled has no state either; its journal ends with that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from crossfade.control.calls import ask
from crossfade.control.records import State
from crossfade.control.store import CANCELLED, Control
from crossfade.core.effects import Place, Request, Routine, Sleep
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.errors import NotPossibleInStage, StageUncertain

AT_REST: Final = (Stage.OFF, Stage.COMPLETE)  # where each client uses one table alone, and nothing is moved on from
PAGES_MAX: Final = 5  # of a table in which stamps are looked for; a migration's target has them everywhere


def cancelled_state(control: Control, former: State) -> Routine[State | None]:
    """The state of a client that finds none: off, where the migration was cancelled after it was in `former`; else
    None."""
    last = yield from control.journal(1)
    if last and last[0].what == CANCELLED and last[0].epoch >= former.epoch:
        return replace(former, stage=Stage.OFF, ramp_percent=0, epoch=last[0].epoch + 1)
    return None


def fenced(control: Control, former: State, found: State | None) -> StageUncertain:
    """The error of whatever would be sent by a client that was in `former` and finds that."""
    place = f"in the control table {control.table}"
    told = "no state" if found is None else f"stage {found.stage}, epoch {found.epoch}"
    return StageUncertain(
        f"migration {control.migration} was in stage {former.stage}, epoch {former.epoch}, and {told} is {place} now:"
        " nothing more is sent until crossfade recover has put that right",
        next_step="crossfade recover --execute; see docs/lost.md",
    )


# --- before a migration is begun


def refuse_lost(control: Control) -> Routine[bool]:
    """Whether a migration of that name was cancelled. NotPossibleInStage: records tell of one that nobody has given up,
    and whose state is not there."""
    last = yield from control.journal(1)
    if last and last[0].what != CANCELLED:
        raise lost(control, f"its journal ends with {last[0].what!r}, epoch {last[0].epoch}")
    known = last[0].epoch + 1 if last else 0
    for lease in (yield from control.leases()):
        if lease.adopted > known:
            place = f"stage {lease.stage}, epoch {lease.adopted}"
            raise lost(control, f"client {lease.client} on {lease.host} has been in {place}")
    return bool(last)


def refuse_living(control: Control) -> Routine[None]:
    """Raise NotPossibleInStage where a client that is alive obeys another stage than off: what it has acknowledged, off
    would not show. Takes as long as a lease lasts where a record tells of one."""
    seen = {lease.client: lease for lease in (yield from control.leases()) if lease.stage not in ("", Stage.OFF)}
    if not seen:
        return
    yield from Sleep(max(lease.lease_seconds for lease in seen.values()))
    for lease in (yield from control.leases()):
        if lease.client in seen and lease.beat != seen[lease.client].beat:
            raise NotPossibleInStage(
                f"client {lease.client} on {lease.host} is alive, in stage {lease.stage}, epoch {lease.adopted}: the"
                " migration was not given up",
                next_step="crossfade recover; or end every client first, and begin anew then",
            )


def refuse_stamps(control: Control, place: Place, table: str) -> Routine[None]:
    """Raise NotPossibleInStage where a table holds what a migration has stamped. Its first pages are looked at."""
    names = {"#stamp": STAMP}
    request: Request = {"TableName": table, "FilterExpression": "attribute_exists(#stamp)"}
    for _ in range(PAGES_MAX):
        reply = yield from ask("Scan", {**request, "ExpressionAttributeNames": names}, place)
        if reply["Items"]:
            raise lost(control, f"table {table} holds items with the attribute {STAMP}, which a migration has written")
        if not reply.get("LastEvaluatedKey"):
            return
        request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}


def lost(control: Control, why: str) -> NotPossibleInStage:
    return NotPossibleInStage(
        f"migration {control.migration} has no state in the control table {control.table}, and yet {why}",
        next_step="crossfade recover, where its records were lost (docs/lost.md); crossfade start --anew, where that is"
        " of a migration that was given up",
    )
