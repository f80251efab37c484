"""Putting back a lost state: by the leases of the migration's clients, by its journal, or as the operator tells it.

It is put back at an epoch above every one that was, so each client adopts it, whatever it had seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.control.records import Job, JournalEntry, Lease, State
from crossfade.control.starting import StartPlan, ensure_table
from crossfade.control.store import CANCELLED, Caller, Control
from crossfade.core.effects import Note, Request, Routine, Sleep, Stamp, Today
from crossfade.core.stages import ALL_LADDERS, Ramp, Stage
from crossfade.errors import ConfigurationError, NotPossibleInStage, NotStarted

APPEARING_SECONDS: Final = 4.0  # clients look once a second, and put their lease anew where it is gone


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stage that a migration was in at an epoch, and what says so."""

    stage: Stage
    epoch: int
    ramp_percent: int
    what: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is known of a migration without a state. `told`: the stage that the operator names, if one is named."""

    evidence: tuple[Evidence, ...]
    told: Stage | None = None

    @property
    def newest(self) -> Evidence | None:
        """What was seen last. An epoch has one stage, whoever tells of it."""
        return max(self.evidence, key=lambda each: each.epoch, default=None)

    def chosen(self, migration: str, table: str) -> Evidence:
        """Raise NotPossibleInStage where nothing tells the stage, or the operator tells another."""
        newest = self.newest
        if newest is None and self.told is None:
            raise NotPossibleInStage(
                f"nothing in the control table {table} tells the stage of migration {migration}: no"
                " journal, and no client that is alive",
                next_step="tell it, with --stage and --confirm, if you know it for sure: see docs/lost.md",
            )
        if newest is None:
            assert self.told is not None  # noqa: S101 - by the line above
            return Evidence(self.told, 0, 0, "told by the operator")
        if self.told not in (None, newest.stage):
            raise NotPossibleInStage(
                f"migration {migration} was not in {self.told} at last: {newest.what} tells of {newest.stage},"
                f" epoch {newest.epoch}",
                next_step=f"crossfade recover --execute, which puts {newest.stage} back; then go on from there",
            )
        return newest


def look_for_evidence(control: Control, told: Stage | None = None) -> Routine[Recovery]:
    """Read what there is. Raise NotPossibleInStage where the state itself is there; ServiceRejected without a table."""
    try:
        raise still_there(control, (yield from control.state()))
    except NotStarted:
        pass
    leases, last = (yield from control.leases()), (yield from control.journal(1))
    if last and last[0].what == CANCELLED and all(lease.adopted <= last[0].epoch + 1 for lease in leases):
        raise NotPossibleInStage(
            f"migration {control.migration} was cancelled {last[0].at}: nothing was lost",
            next_step="crossfade start --execute, to begin it anew",
        )
    found = [*map(of_lease, leases), *map(of_entry, last)]
    return Recovery(tuple(each for each in found if each is not None), told)


def still_there(control: Control, state: State) -> NotPossibleInStage:
    return NotPossibleInStage(
        f"migration {control.migration} has a state: stage {state.stage}, epoch {state.epoch}. Nothing was lost, or it"
        " was put back",
        next_step="crossfade status",
    )


def of_lease(lease: Lease) -> Evidence | None:
    if not lease.stage:
        return None
    what = f"client {lease.client} on {lease.host}"
    return Evidence(Stage(lease.stage), lease.adopted, lease.ramp_percent, what)


def of_entry(entry: JournalEntry) -> Evidence | None:
    if not entry.stage:
        return None
    return Evidence(Stage(entry.stage), entry.epoch, entry.ramp_percent, f"the journal ({entry.what})")


def recover_state(control: Control, caller: Caller, plan: StartPlan, told: Stage | None = None) -> Routine[State]:
    """Put the state back. Makes the control table where it is gone, and waits for clients to show up in it.

    A verify is asked for before the authority moves: nobody knows what was left undone. Raises NotPossibleInStage,
    and then no state was written.
    """
    yield from ensure_table(control.table)
    yield from Sleep(APPEARING_SECONDS)
    recovery = yield from look_for_evidence(control, told)
    chosen = recovery.chosen(control.migration, control.table)
    row = ALL_LADDERS[plan.strategy].get(chosen.stage)
    if row is None:
        raise ConfigurationError(
            f"{plan.strategy} has no stage {chosen.stage}", next_step="use the file that the migration was started with"
        )
    last = yield from control.journal(1)
    length = last[0].number + 1 if last else 1
    # Some epochs may have left no trace. They are counted from 1, so none has come near the seconds since 1970.
    epoch = max((yield from Today()), 1 + max((each.epoch for each in recovery.evidence), default=0))
    verify = yield from control.job(Job.VERIFY)
    at, token = caller.clock(), (yield from Stamp())
    ramp = chosen.ramp_percent if row.ramp is not Ramp.NONE else 0
    state = State(
        stage=chosen.stage, epoch=epoch, ramp_percent=ramp, strategy=plan.strategy, source=plan.source,
        target=plan.target, fingerprint=plan.fingerprint, unclean=1 if verify is None else verify.unclean + 1,
        journal_length=length, started_at=at, changed_at=at,
    )  # fmt: skip
    entry = JournalEntry(
        length, token, epoch, f"recovered in {chosen.stage}", caller.who, caller.host, at, chosen.what, True,
        chosen.stage, ramp,
    )  # fmt: skip
    request: Request = {"TransactItems": [{"Put": control.put_new(state)}, {"Put": control.put_new(entry)}]}
    if not (yield from control.commit(request, length, token)):
        raise still_there(control, (yield from control.state()))
    yield from Note("recovered", {"migration": control.migration, "stage": chosen.stage.value, "epoch": epoch})
    return state
