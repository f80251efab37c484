"""What gates look at: read together with the state that it is judged against."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from crossfade.control.calls import ask
from crossfade.control.carrying import Carriage, Passing
from crossfade.control.comparisons import failing_of, read_differences
from crossfade.control.fallbacks import Fallbacks, read_fallbacks
from crossfade.control.gate_texts import table_to_look_at
from crossfade.control.records import DifferenceRecord, Job, JobRecord, Lease, State
from crossfade.control.refusals import Refusals, read_refusals
from crossfade.control.store import Control
from crossfade.control.streams import Replication
from crossfade.core.effects import Request, Routine, Today
from crossfade.core.stages import Gate


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found of one migration."""

    backfill: JobRecord | None
    verify: JobRecord | None
    replication: Replication | None = None  # None: this migration has none, and no gate for it
    target_empty: bool | None = None  # None: nobody has looked
    fallbacks: Fallbacks | None = None  # None: nobody has looked, or nothing is counted
    refusals: Refusals | None = None  # None: nobody has looked
    passing: Passing | None = None  # None: nobody has looked, since writes are not held
    carriage: Carriage | None = None  # None: no log carries anything in this migration
    mapping: str = ""  # the digest of the mapping at hand, where it may change
    denied: tuple[str, ...] = ()  # what clients may do on one table and not on the other, a client each
    differences: tuple[DifferenceRecord, ...] = ()  # what was seen to differ since that verify began
    failing: tuple[str, ...] = ()  # the clients whose comparisons fail, likewise
    today: int = 0  # seconds since 1970; 0: nobody has looked
    migration: str = "NAME"  # whose evidence it is, for the commands that have to name it

    @property
    def verified_seconds(self) -> int | None:
        """For how long it has been since the verify began; None where there is none, or it has no time."""
        if self.verify is None or not self.today:
            return None
        try:
            return max(0, self.today - int(datetime.fromisoformat(self.verify.started_at).timestamp()))
        except ValueError:
            return None

    @classmethod
    def read(
        cls,
        control: Control,
        target: str = "",
        *,
        fallbacks: bool = False,
        refusals: bool = False,
        passing: bool = False,
        clients: bool = False,
    ) -> Routine[Evidence]:
        """`target`: the table to be looked at as well, where a gate asks for it to be empty. `fallbacks`: likewise what
        was found in the source alone; `refusals`: the calls that later stages refuse; `passing`: what is still on its
        way to the other side; `clients`: what they have told of their rights and of their comparisons."""
        empty = None
        if target:
            request: Request = {"TableName": target, "Limit": 1, "ConsistentRead": True}
            reply = yield from ask("Scan", request, place="target")
            empty = not reply["Items"] and not reply.get("LastEvaluatedKey")
        backfill = yield from control.job(Job.BACKFILL)
        verify = yield from control.job(Job.VERIFY)
        replication = yield from Replication.read(control)
        found = (yield from read_fallbacks(control)) if fallbacks else None
        foreseen = (yield from read_refusals(control)) if refusals else None
        on_its_way = (yield from Passing.read(control)) if passing else None
        carriage = yield from Carriage.read(control)
        leases = (yield from control.leases()) if clients else ()
        differences = (yield from read_differences(control, verify)) if clients else ()
        return cls(
            backfill,
            verify,
            replication,
            empty,
            found,
            foreseen,
            on_its_way,
            carriage,
            control.mapping,
            denials_of(leases),
            differences,
            failing_of(leases),
            (yield from Today()),
            control.migration,
        )

    @classmethod
    def for_gates(
        cls, control: Control, state: State, gates: Collection[Gate], *, asks_clients: bool = True
    ) -> Routine[Evidence]:
        """Read what these gates of a step up ask for, and what every gate does."""
        return cls.read(
            control,
            table_to_look_at(state, gates),
            fallbacks=Gate.QUIET in gates,
            refusals=Gate.ANSWERED in gates,
            passing=Gate.PASSED in gates,
            clients=asks_clients and bool({Gate.ALLOWED, Gate.VERIFIED} & set(gates)),
        )


def denials_of(leases: Sequence[Lease]) -> tuple[str, ...]:
    """Return what each client is denied, with the process: `web-1, pid 12: PutItem on orders-v2`."""
    return tuple(f"{lease.host}, pid {lease.pid}: {lease.denied}" for lease in leases if lease.denied)
