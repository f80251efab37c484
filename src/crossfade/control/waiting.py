"""The barrier: wait until every client has acknowledged an epoch, and count out those that are gone.

A client that joins meanwhile is waited for like any other, since its lease stands before it reads the state. One that
is counted out leaves a mark (`unclean`) in the same transaction: what it had begun may be half done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from crossfade.control.calls import failed_conditions
from crossfade.control.fleet import tell_beats
from crossfade.control.freezing import FROZEN_LOOK_SECONDS, names_mapping, shared
from crossfade.control.marks import mark_of
from crossfade.control.record_items import client_record
from crossfade.control.records import Lease, Role, State
from crossfade.control.sightings import Sightings
from crossfade.control.store import Caller, Change, Control
from crossfade.core.effects import Call, Gather, Note, Now, Request, Routine, Sleep, Stamp
from crossfade.core.stages import ALL_LADDERS, FREEZE_STRATEGY
from crossfade.core.sync.retry import is_passing_or_unanswered
from crossfade.errors import DatabaseError, NotPossibleInStage, ServiceRejected

LOOK_SECONDS: Final = 0.25  # a query of a few small records; a fourth of the pause between two polls of a client
LOOK_BEATS: Final = 0.1  # of a large fleet, whose leases fill several pages, in beats
FORGOTTEN_AT_ONCE: Final = 25  # leases; as many requests as a driver may well have under way
NOTE_SECONDS: Final = 1.0  # people read the notes
PATIENCE_SECONDS: Final = 900.0  # a client that renews but never finishes is stuck: somebody should look at it


@dataclass(frozen=True, slots=True)
class Waited:
    """Why one client is waited for. `gone_in_seconds` is None for one that renews its lease."""

    client: str
    role: str
    host: str
    pid: int
    reason: str
    silent_seconds: float
    gone_in_seconds: float | None

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def await_everyone(
    control: Control,
    caller: Caller,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    purpose: str = "",
    alive: bool = False,
) -> Routine[State]:
    """The state, once every client has acknowledged its epoch. NotPossibleInStage when somebody renews but does not for
    too long.

    Follows the state while it waits: where somebody else moves it, everybody must acknowledge that. `alive`: each must
    renew once more as well, so that one which died after it acknowledged has left its mark before gates are judged.
    """
    sightings = Sightings()
    started = noted = None
    while True:
        # The state first: a client whose lease is not in the list yet reads this state or a newer one.
        state = yield from control.state()
        leases = yield from control.leases()
        now = yield from Now()
        started = now if started is None else started
        sightings.see(leases, now)
        yield from tell_beats(control, state, len(leases))
        behind = [
            lease for lease in leases if lease.epoch < state.epoch or (alive and not sightings.gave_sign_of_life(lease))
        ]
        if not behind:
            return state
        gone = [lease for lease in behind if sightings.is_gone(lease, now)]
        yield from forget_rested(control, [lease for lease in gone if lease.at_rest])
        for lease in gone:
            if not lease.at_rest:
                _ = yield from count_out(control, caller, state, lease)
        if gone:
            continue  # the journal has grown: read again
        waited = [explain(lease, state, sightings, now) for lease in behind]
        if now - started >= patience_seconds:
            raise _out_of_patience(state, waited, now - started)
        if noted is None or now - noted >= NOTE_SECONDS:
            noted = now
            yield from Note("waiting", waiting_facts(state, waited, now - started, purpose))
        holds = ALL_LADDERS[state.strategy][state.stage].holds
        yield from Sleep(FROZEN_LOOK_SECONDS if holds else max(LOOK_SECONDS, state.beat_seconds * LOOK_BEATS))


def silent_clients(control: Control) -> Routine[tuple[Waited, ...]]:
    """Return the clients silent for half a lease, once every other one has renewed. Changes nothing."""
    sightings = Sightings()
    while True:
        state = yield from control.state()
        leases = yield from control.leases()
        now = yield from Now()
        sightings.see(leases, now)
        waited = [explain(lease, state, sightings, now) for lease in leases if not sightings.gave_sign_of_life(lease)]
        if all(client.gone_in_seconds is not None for client in waited):
            return tuple(waited)
        yield from Sleep(max(LOOK_SECONDS, state.beat_seconds * LOOK_BEATS))


def waiting_facts(state: State, waited: Sequence[Waited], seconds: float, purpose: str) -> dict[str, Any]:
    return {
        "stage": state.stage.value,
        "epoch": state.epoch,
        "purpose": purpose or f"every client must enter {state.stage.value}",
        "waited_seconds": seconds,
        "clients": [client.facts() for client in waited],
    }


def explain(lease: Lease, state: State, sightings: Sightings, now: float) -> Waited:
    silent = sightings.silent_seconds(lease, now)
    gone_in = max(0.0, lease.gone_after_seconds - silent)
    # Half a lease without a beat is longer than a few polls: that one is probably not coming back.
    quiet = silent >= lease.lease_seconds / 2
    if quiet and lease.at_rest:
        reason = f"at rest: nothing of it is open, and in {gone_in:.0f} s it is not waited for"
    elif quiet:
        reason = f"silent for {silent:.0f} s, counted as gone in {gone_in:.0f} s"
    elif lease.fingerprint != state.fingerprint:
        same = "the same migration file" if names_mapping(state.fingerprint) else shared(state.fingerprint)
        reason = f"runs another mapping: deploy {same} everywhere"
    elif not lease.epoch:
        reason = "is joining"
    elif lease.epoch >= state.epoch:
        reason = "must renew once more, to show that it is alive"
    else:
        landing = f"a write whose outcome is unknown counts for {lease.landing_seconds:g} s"
        reason = f"has not acknowledged: it finishes what it began before ({landing})"
    return Waited(lease.client, lease.role, lease.host, lease.pid, reason, silent, gone_in if quiet else None)


def forget_rested(control: Control, leases: Sequence[Lease]) -> Routine[None]:
    """Delete leases that have run out at rest, of which there may be thousands: nothing is left undone, and nothing can
    land. Each that is renewed meanwhile stays; of what fails for the moment, the next look takes care."""
    for first in range(0, len(leases), FORGOTTEN_AT_ONCE):
        deletions = [still_silent(control, lease) for lease in leases[first : first + FORGOTTEN_AT_ONCE]]
        try:
            _ = yield from Gather(tuple(Call("control", "DeleteItem", deletion) for deletion in deletions))
        except DatabaseError as error:
            was_renewed = isinstance(error, ServiceRejected) and failed_conditions(error)
            if not (was_renewed or is_passing_or_unanswered(error)):
                raise


def still_silent(control: Control, lease: Lease) -> Request:
    """Return the deletion of a lease, refused where it has been renewed."""
    return control.delete(client_record(lease.client)) | {
        "ConditionExpression": "#beat = :beat",
        "ExpressionAttributeNames": {"#beat": "beat"},
        "ExpressionAttributeValues": {":beat": {"N": str(lease.beat)}},
    }


def count_out(control: Control, caller: Caller, state: State, lease: Lease) -> Routine[bool]:
    """Delete the lease of a client that is gone, and leave the mark, in one transaction. False: something moved on."""
    is_single = ALL_LADDERS[state.strategy][state.stage].is_single  # there nothing is mirrored, or copied
    marks = not (is_single or lease.reads_only)
    if state.strategy == FREEZE_STRATEGY and lease.role in (Role.APP, Role.ETL, Role.REPLICATION):
        marks = False  # what it had begun is in the repair queue, or in the log at which the next one goes on
    wanted = Change(
        fields={},
        what=f"counted client {lease.client} as gone",
        why=f"{lease.role} on {lease.host}, pid {lease.pid}: silent for {lease.gone_after_seconds:g} s",
        guard_unclean=marks,  # by which the mark has its number
        add_unclean=marks,
        also=(
            {"Delete": still_silent(control, lease)},
            *([{"Put": control.put(mark_of(state, lease))}] if marks else []),
        ),
    )
    token = yield from Stamp()
    done = yield from control.change_state(state, caller, token, wanted)
    if done:
        yield from Note("client_gone", {"client": lease.client, "host": lease.host, "unclean": marks})
    return done


def _out_of_patience(state: State, waited: Sequence[Waited], seconds: float) -> NotPossibleInStage:
    clients = "; ".join(f"{client.client} on {client.host} pid {client.pid}: {client.reason}" for client in waited)
    return NotPossibleInStage(
        f"waited {seconds:.0f} s for every client to enter {state.stage.value}: {clients}",
        next_step="look at (or stop) those processes, then give the same command again: nothing is lost by waiting",
    )
