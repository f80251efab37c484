"""What carries the source's log to the target (an ETL), and the fence it has to pass before the authority moves.

When everybody holds its writes, the coordinator puts a fence: the end of the source's log as it is now. The authority
moves once the carrier has said that it is past it, in one of two ways. By a position, where the coordinator knows how
to ask the source for its present one, and positions are texts that compare as they do in the log. Or by the fence's
token: the carrier itself asks the source for its end after it has seen the fence, and reports the token when all up to
there is in the target. The latter serves logs whose positions are sets (GTIDs) or vectors (the partitions of a topic).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.control.calls import DONE, ask, change
from crossfade.control.capturing import schema_among
from crossfade.control.record_items import from_item, number, text
from crossfade.control.records import (
    CAPTURES,
    CARRIER,
    FENCE,
    SCHEMA,
    SORT_KEY,
    CaptureRecord,
    CarrierRecord,
    FenceRecord,
    Lease,
    RepairRecord,
    Role,
    SchemaRecord,
    State,
)
from crossfade.control.repairs import list_repairs
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Request, Routine, Stamp
from crossfade.errors import Fenced

REPAIRS_NAMED: Final = 5
NO_CARRIER: Final = CarrierRecord(owner="", serial=0, applied="", passed="", lag_seconds=-1.0, reported_at="")


@dataclass(frozen=True, slots=True)
class Passing:
    """What the gate `passed` looks at, read after everybody has entered the freeze."""

    repairs: tuple[RepairRecord, ...]  # the first of them
    carrier: CarrierRecord | None  # None: no log carries anything
    fence: FenceRecord | None

    @classmethod
    def read(cls, control: Control) -> Routine[Passing]:
        repairs = yield from list_repairs(control, REPAIRS_NAMED)
        return cls(repairs, (yield from read_carrier(control)), (yield from read_fence(control)))

    def carrier_is_past(self, epoch: int) -> bool:
        """Whether all that was written to the source before the freeze of this epoch is in the target."""
        if self.carrier is None:
            return True
        if self.fence is None or self.fence.epoch != epoch:
            return False
        if self.carrier.passed == self.fence.token:
            return True
        return bool(self.fence.position) and self.carrier.applied >= self.fence.position


@dataclass(frozen=True, slots=True)
class Carriage:
    """What carries the log, as it last reported itself. `runs`: whoever did holds a lease."""

    carrier: CarrierRecord
    runs: bool
    fence: FenceRecord | None
    captures: tuple[CaptureRecord, ...]
    appliers: tuple[Lease, ...] = ()
    """Who applies what is carried: the workers, or without topics the one that carries."""
    schema: SchemaRecord | None = None
    """The last change of a table's columns that the log has told; None where it has told none."""

    @classmethod
    def read(cls, control: Control) -> Routine[Carriage | None]:
        """None: no log carries anything in this migration."""
        carrier = yield from read_carrier(control)
        if carrier is None:
            return None
        lease = (yield from control.lease(carrier.owner)) if carrier.owner else None
        appliers: tuple[Lease, ...] = () if lease is None else (lease,)
        if carrier.has_workers:
            appliers = tuple(each for each in (yield from control.leases()) if each.role is Role.ETL)
        fence = yield from read_fence(control)
        listed = yield from control.items(CAPTURES)
        captures = tuple(from_item(CaptureRecord, item) for item in listed if item[SORT_KEY]["S"] != SCHEMA)
        return cls(carrier, lease is not None, fence, captures, appliers, schema_among(listed))

    def of_another_mapping(self, mapping: str) -> tuple[Lease, ...]:
        """Return those who apply another one than this digest tells of."""
        return tuple(lease for lease in self.appliers if mapping and lease.mapping and lease.mapping != mapping)

    @property
    def passed(self) -> bool:
        """Whether the last fence that was put lies behind it."""
        return self.fence is not None and self.fence.token == self.carrier.passed


def read_carrier(control: Control) -> Routine[CarrierRecord | None]:
    """None: no log carries anything in this migration."""
    found = yield from control.items(CARRIER)
    return next((from_item(CarrierRecord, item) for item in found if item[SORT_KEY]["S"] == CARRIER), None)


def read_fence(control: Control) -> Routine[FenceRecord | None]:
    """For the carrier, too: one that it has not passed yet is to be passed."""
    found = yield from control.items(FENCE)
    return next((from_item(FenceRecord, item) for item in found if item[SORT_KEY]["S"] == FENCE), None)


def put_fence(control: Control, caller: Caller, state: State, position: str) -> Routine[FenceRecord]:
    """Put the fence, once everybody has entered the freeze of this state and `position` was read after that."""
    fence = FenceRecord((yield from Stamp()), state.epoch, position, caller.clock())
    _ = yield from ask("PutItem", control.put(fence))
    return fence


def report(control: Control, record: CarrierRecord, *, takes_over: bool = False) -> Routine[None]:
    """What the carrier has to say, each time with the next serial. Raises Fenced where another one reports.

    `takes_over`: this one carries from now on, whoever did before.
    """
    condition = "attribute_not_exists(#owner) OR #owner = :nobody OR (#owner = :owner AND #serial <= :serial)"
    request: Request = control.put(record)
    if not takes_over:
        request |= {
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#owner": "owner", "#serial": "serial"},
            "ExpressionAttributeValues": {
                ":nobody": text(""),
                ":owner": text(record.owner),
                ":serial": number(record.serial),
            },
        }
    if (yield from change("PutItem", request)) != DONE:
        raise Fenced(
            f"another process carries the log of migration {control.migration} by now",
            next_step="leave it to that one",
        )
