"""The beginning: the control table, and the first record in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.control.calls import ask
from crossfade.control.carrying import NO_CARRIER
from crossfade.control.freezing import shared
from crossfade.control.losing import refuse_lost
from crossfade.control.records import PARTITION_KEY, SORT_KEY, JournalEntry, Role, State
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Note, Request, Routine, Sleep, Stamp
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError, NotPossibleInStage, NotStarted, ServiceRejected

RETIRED: Final = "cleanup#delete"  # the record of the step that deletes the old table (crossfade.cleanup)
RESTORES: Final = "restore#"  # before a table's name: the migration that a restore into it is recorded as
RESTORED: Final = "cleanup#restore"  # and its record
LOOK_SECONDS: Final = 0.5
LOOKS_MAX: Final = 240  # two minutes; the service makes an empty table in some ten seconds


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What `start` would do. The fingerprint is that of the mapping, which every client must share."""

    strategy: str
    source: str
    target: str
    fingerprint: str
    carried: bool = False  # the source's log is carried to the target, so that the authority waits for that as well
    anew: bool = False  # what an earlier migration of that name has left is of one that was given up

    def steps(self, control: Control) -> tuple[str, ...]:
        return (
            f"create the control table {control.table} (pay per request, protected from deletion) unless it is there",
            f"record migration {control.migration}: {self.source} -> {self.target}, stage {Stage.OFF}",
            f"every client must run {self.strategy} with {shared(self.fingerprint)}",
        )


def table_request(table: str) -> Request:
    """Pay per request: a handful of clients and one coordinator are far below any capacity worth planning."""
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": PARTITION_KEY, "AttributeType": "S"},
            {"AttributeName": SORT_KEY, "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
            {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
        ],
        "DeletionProtectionEnabled": True,
    }


def start(control: Control, caller: Caller, plan: StartPlan) -> Routine[State]:
    """The first state. NotPossibleInStage, with the stage, when the migration was started before, or meets another
    one."""
    yield from ensure_table(control.table)
    try:
        raise already_started(control, (yield from control.state()))
    except NotStarted:
        pass
    if not plan.anew:
        _ = yield from refuse_lost(control)
    yield from check_others(control, plan)
    yield from forget_old_tokens(control.table)
    # After a cancelled migration of that name the numbers go on: clients still here follow only a higher epoch.
    last = yield from control.journal(1)
    length, epoch = (last[0].number + 1, last[0].epoch + 1) if last else (1, 1)
    token, at = (yield from Stamp()), caller.clock()
    state = State(
        stage=Stage.OFF,
        epoch=epoch,
        ramp_percent=0,
        strategy=plan.strategy,
        source=plan.source,
        target=plan.target,
        fingerprint=plan.fingerprint,
        unclean=0,
        journal_length=length,
        started_at=at,
        changed_at=at,
    )
    entry = JournalEntry(length, token, epoch, "started", caller.who, caller.host, at, "", False)
    puts = [control.put_new(state), control.put_new(entry), *([control.put(NO_CARRIER)] if plan.carried else [])]
    request: Request = {"TransactItems": [{"Put": put} for put in puts]}
    if not (yield from control.commit(request, length, token)):
        raise already_started(control, (yield from control.state()))
    yield from Note("started", {"migration": control.migration, "epoch": epoch})
    return state


def check_others(control: Control, plan: StartPlan) -> Routine[None]:
    """NotPossibleInStage where another migration uses one of the tables: its mirrors would be written past this one.

    A chain is fine: the target of a migration that is complete may be the source of the next. So is the source of one
    whose old table was deleted: what has that name now is another table, as one that was restored from its snapshot.
    """
    for name, state in sorted((yield from control.others()).items()):
        shared = {plan.source, plan.target} & {state.source, state.target}
        if state.stage is Stage.COMPLETE:
            shared -= {state.target} & {plan.source}
            if state.source in shared and (yield from _is_let_go(control, name, state)):
                shared -= {state.source}
        if not shared:
            continue
        step = f"complete migration {name} first, or cancel it; only then can its target be moved on"
        if state.stage is Stage.COMPLETE:
            step = (
                f"retire its old table first (crossfade cleanup, with the file of migration {name}): what is then made"
                " anew under its name is another table"
            )
        raise NotPossibleInStage(
            f"table {', '.join(sorted(shared))} is also a table of migration {name}, which is in stage {state.stage}",
            next_step=step,
        )


def _is_let_go(control: Control, migration: str, state: State) -> Routine[bool]:
    """Whether the old table of a complete migration is gone, or was made anew, and nobody is attached who would send
    elsewhere what is meant for the table that has its name now. NotPossibleInStage where somebody is."""
    before = replace(control, migration=migration)
    records = yield from before.items(RETIRED)
    records += yield from replace(control, migration=RESTORES + state.source).items(RESTORED)
    if not any(record["done"] == {"BOOL": True} for record in records):
        return False
    attached = [lease for lease in (yield from before.leases()) if lease.role is Role.APP]
    if attached:
        raise NotPossibleInStage(
            f"{attached[0].client} on {attached[0].host} is attached with migration {migration}, which is complete:"
            f" what it sends to {state.source} goes to {state.target}",
            next_step=f"take migration {migration} out of the applications; then the same command",
        )
    return True


def forget_old_tokens(table: str) -> Routine[None]:
    """Let the tokens of transactions go when their time has come (see core/multi/idempotency.py). That they stay would
    harm nobody."""
    ttl: Request = {"Enabled": True, "AttributeName": "expires"}
    try:
        _ = yield from ask("UpdateTimeToLive", {"TableName": table, "TimeToLiveSpecification": ttl})
    except ServiceRejected as error:
        if "already" not in error.text:
            yield from Note("tokens_stay", {"table": table, "why": str(error)})


def already_started(control: Control, state: State) -> NotPossibleInStage:
    return NotPossibleInStage(
        f"migration {control.migration} was started {state.started_at} and is in stage {state.stage}",
        next_step="crossfade status",
    )


def ensure_table(table: str) -> Routine[None]:
    """Create it if it is missing, protected, and wait until it can be used. ConfigurationError: that name is another
    table's."""
    is_new = False
    for _ in range(LOOKS_MAX):
        description = yield from _describe(table)
        if description is None:
            yield from _create(table)
            is_new = True
        elif description["TableStatus"] in ("ACTIVE", "UPDATING"):
            _check_keys(table, description)
            if is_new:
                yield from _keep_backups(table)
            return
        yield from Sleep(LOOK_SECONDS)
    raise ConfigurationError(f"the control table {table} did not become active", next_step="look at it, then try again")


def _describe(table: str) -> Routine[dict[str, Any] | None]:
    try:
        reply = yield from ask("DescribeTable", {"TableName": table})
    except ServiceRejected as error:
        if error.code != "ResourceNotFoundException":
            raise
        return None
    description: dict[str, Any] = reply["Table"]
    return description


def _create(table: str) -> Routine[None]:
    try:
        _ = yield from ask("CreateTable", table_request(table))
    except ServiceRejected as error:
        if error.code != "ResourceInUseException":  # somebody else, or an earlier sending of ours, was first
            raise


def _keep_backups(table: str) -> Routine[None]:
    """Have the service keep what the table was in the last 35 days; where it does not, a loss costs more."""
    wanted: Request = {"PointInTimeRecoveryEnabled": True}
    try:
        request: Request = {"TableName": table, "PointInTimeRecoverySpecification": wanted}
        _ = yield from ask("UpdateContinuousBackups", request)
    except ServiceRejected as error:
        yield from Note("backups_off", {"table": table, "why": str(error)})


def _check_keys(table: str, description: dict[str, Any]) -> None:
    found = [(key["AttributeName"], key["KeyType"]) for key in description["KeySchema"]]
    if found != [(PARTITION_KEY, "HASH"), (SORT_KEY, "RANGE")]:
        raise ConfigurationError(
            f"table {table} is no control table: its key is {', '.join(name for name, _ in found)}, "
            f"not {PARTITION_KEY}, {SORT_KEY}",
            next_step='give the migration another one: control_table="..."',
        )
