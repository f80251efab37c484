"""What is said of a gate: how it is opened, and what stands in its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from crossfade.control.fallbacks import Fallbacks, moment
from crossfade.control.records import DifferenceRecord, Lease, RefusalRecord, State
from crossfade.core.stages import ALL_LADDERS, Gate, Ramp, Stage
from crossfade.errors import NotPossibleInStage

CLIENTS_NAMED: Final = 3
HITS_NAMED: Final = 3
LEASES_NAMED: Final = 3

BY_HAND: Final = (
    "make equal by hand what was written past the switch, in the target by the application or in the source"
)
REPAIR: Final = "crossfade verify --repair --execute"
DIFFERENCES: Final = ("missing", "extra", "mismatched", "stale_parts")  # what a verify counts beside what it looked at


def completing(migration: str) -> str:
    """The command for the last step."""
    return f"crossfade complete --execute --confirm {migration}"


def way_to_complete(stage: Stage, migration: str) -> str:
    """The commands that lead from a stage to the last one."""
    walk = "" if stage is Stage.RAMPDOWN else f"crossfade advance --to {Stage.RAMPDOWN} --execute, then "
    return walk + completing(migration)


def without_ramp(strategy: str, stage: Stage) -> NotPossibleInStage:
    """The refusal of a ramp in a stage that has none, with the stages that have one."""
    ramps = ", ".join(each for each, row in ALL_LADDERS[strategy].items() if row.ramp is not Ramp.NONE)
    return NotPossibleInStage(f"stage {stage} has no ramp", next_step=f"ramp in one of: {ramps}")


def table_to_look_at(state: State, gates: Iterable[Gate]) -> str:
    """The target, where one of these gates asks for it to be empty."""
    return state.target if Gate.EMPTY in gates else ""


def way_to_clean(counts: Mapping[str, int]) -> str:
    """Return what to do about the differences of a verify: a repair, where it would mend any, and what it leaves."""
    beyond = counts.get("not_ours", 0), counts.get("unmapped", 0)
    steps = [REPAIR] if left_to_mend(counts) else []
    steps += ["correct the function (or the row) of what cannot be mapped"] if beyond[1] else []
    steps += (
        ["correct in the source what the target cannot hold: crossfade check"] if counts.get("not_repaired") else []
    )
    steps += ["delete from the target what crossfade did not write, or let a row make it"] if beyond[0] else []
    return ", then ".join([*steps, "crossfade verify"])


def way_to_settle(state: State, *, follows: bool) -> tuple[str, str]:
    """Return what to do about unclean ends, and the command of it. `follows`: the change streams are known to be on."""
    verify, settle = "crossfade verify", "crossfade settle --execute"
    lost = "crossfade status shows what was lost, and why: what the other table cannot hold is to be corrected first"
    if state.strategy != "dual-write":
        return f"{verify} ({lost})", verify
    if follows:
        return f"{settle} (minutes of work; or {verify}; {lost})", settle
    return f"{verify} (or, where the change streams of both tables were on, {settle}; {lost})", verify


def left_to_mend(counts: Mapping[str, int]) -> int:
    """Return how many differences of a verify a repair may mend that has not."""
    done = sum(counts.get(name, 0) for name in ("repaired", "not_ours", "unmapped"))
    return sum(counts.get(name, 0) for name in DIFFERENCES) - done


def lease_text(leases: Sequence[Lease]) -> str:
    """Return where processes run, as people read it: the first of them."""
    named = [f"{lease.role} on {lease.host}, pid {lease.pid}" for lease in leases[:LEASES_NAMED]]
    more = len(leases) - len(named)
    return "; ".join([*named, f"and {more} more"] if more else named)


def named(clients: Sequence[str]) -> str:
    """Return what is told of clients, of the first of them."""
    more = len(clients) - CLIENTS_NAMED
    return "; ".join([*clients[:CLIENTS_NAMED], *([f"and {more} more clients"] if more > 0 else [])])


def age_text(seconds: int) -> str:
    """`3 days`, or hours where it is less than two days."""
    hours = seconds // 3600
    if hours < 48:
        return "1 hour" if hours == 1 else f"{hours} hours" if hours else "less than an hour"
    return f"{hours // 24} days"


def differences_text(seen: Sequence[DifferenceRecord]) -> str:
    """What stays different, as people read it: the last of them."""
    last, count = seen[-1], f"{len(seen)} keys were" if len(seen) > 1 else "1 key was"
    where = f"seen by {last.seen_by} on {last.host}, pid {last.pid}, at {moment(last.at)}"
    return (
        f"since the last verify began, {count} seen to be different, and to stay so: {last.key} ({last.kind}, {where})"
    )


def refusals_text(kinds: Sequence[RefusalRecord]) -> str:
    """Calls that are refused later, as people read it: the first of the kinds, with its reason."""
    kind = kinds[0]
    count = sum(each.count for each in kinds)
    calls = "1 call was" if count == 1 else f"{count:,} calls were"
    others = f" and {len(kinds) - 1} more" if len(kinds) > 1 else ""
    return (
        f"{calls} seen that complete refuses, the last at {moment(kind.last_at)} ({call_text(kind)}: {kind.reason})"
        f"{others}"
    )


def call_text(kind: RefusalRecord) -> str:
    """`Query of orders, index by_customer`."""
    return f"{kind.operation} of {kind.table}" + (f", index {kind.index}" if kind.index else "")


def hits_text(fallbacks: Fallbacks) -> str:
    """What was found, as people read it."""
    count = fallbacks.total.count
    if not fallbacks.last_at:
        return f"nothing was found in the source alone since rampdown was entered, {moment(fallbacks.total.since)}"
    keys = ", ".join(sample.key for sample in fallbacks.samples[:HITS_NAMED])
    times = "once" if count == 1 else f"{count:,} times"
    return f"an item was found in the source alone {times}, the last time at {moment(fallbacks.last_at)} ({keys})"
