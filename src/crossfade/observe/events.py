"""What each event tells: one frozen class a kind, with the facts as fields.

These are what routines and the control plane note, under the name that their class carries; `event_of` makes them.
Those of calls are in `calls.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from crossfade.core.items import Item
from crossfade.core.mapping.values import show_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events have: a name, and the migration that they are about. `untold`: fields that may hold values of an
    item, which are not written down."""

    name: ClassVar[str] = ""
    untold: ClassVar[frozenset[str]] = frozenset()
    migration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutItem(Event):
    """An event about one item. `key` may be personal data, and is written down as a digest."""

    untold: ClassVar[frozenset[str]] = frozenset({"error", "difference", "source", "target"})
    key: Item | str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """Any event that has no class of its own: the steps of a move, told by whoever moves."""

    what: str
    facts: Mapping[str, Any]


# --- a client and its lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Event):
    """This process has taken a lease."""

    name: ClassVar[str] = "joined"
    client: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    """This process has given its lease back; `clean`: with nothing left undone."""

    name: ClassVar[str] = "left"
    client: str
    clean: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEntered(Event):
    """New operations obey this stage from now on."""

    name: ClassVar[str] = "stage_entered"
    client: str
    stage: str
    epoch: int
    ramp_percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseNotRenewed(Event):
    """A renewal had no answer, or was refused."""

    name: ClassVar[str] = "lease_not_renewed"
    client: str
    error: str
    seconds_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced(Event):
    """The fleet went on without this client, which joins again under another name."""

    name: ClassVar[str] = "fenced"
    client: str
    again_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentError(Event):
    """What is done beside the application's calls has failed; it is tried again."""

    name: ClassVar[str] = "agent_error"
    untold: ClassVar[frozenset[str]] = frozenset({"error"})
    client: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveFailed(Event):
    """The lease could not be given back: it runs out by itself."""

    name: ClassVar[str] = "leave_failed"
    client: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreFailed(Event):
    """A process restored from a snapshot could not join yet: its first call tries again."""

    name: ClassVar[str] = "restore_failed"
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationGone(Event):
    """The migration's record is not there any more; the client stays in its stage."""

    name: ClassVar[str] = "migration_gone"
    client: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLost(Event):
    """The control table has lost a record: nothing is sent until `crossfade recover`."""

    name: ClassVar[str] = "record_lost"
    client: str
    error: str


# --- what both tables hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(AboutItem):
    """A comparison of a read: its outcome, and what both sides hold where they differ."""

    name: ClassVar[str] = "compare"
    outcome: str
    difference: Any = None  # a Difference
    why: str = ""
    operation: str = ""
    source: Any = None
    target: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookNotMade(AboutItem):
    """A look into the source, of what the target does not have, was dropped or has failed."""

    name: ClassVar[str] = "look"
    outcome: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorLost(AboutItem):
    """A mirror will not be made: a verify is needed. `reason` holds no value of the item."""

    name: ClassVar[str] = "mirror_lost"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackHit(AboutItem):
    """The source had an item that the target had not, and what became of it."""

    name: ClassVar[str] = "fallback"
    outcome: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryUnknown(Event):
    """Whether a table's items expire could not be asked."""

    name: ClassVar[str] = "expiry_unknown"
    key: str  # a table's name
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenEvent(Event):
    """What is known of a kind of call that fares otherwise in a later stage."""

    key: str
    operation: str
    table: str
    index: str
    stages: tuple[str, ...]
    reason: str
    next_step: str
    is_served: bool
    is_slow: bool
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLater(ForeseenEvent):
    """A kind of call that is served now and refused in a later stage."""

    name: ClassVar[str] = "refused_later"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanges(ForeseenEvent):
    """A parallel Scan, which should not span the move to a later stage."""

    name: ClassVar[str] = "order_changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class HotKey(ForeseenEvent):
    """An item that is written so often that the stages in lockstep will limit it."""

    name: ClassVar[str] = "hot_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsBeside(Event):
    """Other clients of this process are not attached, and write past it."""

    name: ClassVar[str] = "clients_beside"
    count: int
    table: str


# --- a Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchMirrorFailed(AboutItem):
    """A mirror of a Switch has failed, and is tried again."""

    name: ClassVar[str] = "mirror_failed"
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired(AboutItem):
    """What had failed was put right."""

    name: ClassVar[str] = "repaired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairFailed(AboutItem):
    """A repair out of the queue has failed, and is tried again."""

    name: ClassVar[str] = "repair_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RampFailed(AboutItem):
    """A read of the share that is ramped could not be answered by the target; the source answered."""

    name: ClassVar[str] = "ramp_failed"
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTooLong(Event):
    """A write waited for the authority to move, in vain."""

    name: ClassVar[str] = "held_too_long"
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalsFailed(Event):
    """A function that tells refusals has itself failed."""

    name: ClassVar[str] = "refusals_failed"
    untold: ClassVar[frozenset[str]] = frozenset({"error"})
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagError(Event):
    """The flag that wishes for a stage could not be read."""

    name: ClassVar[str] = "flag_error"
    key: str  # the flag's
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMoved(Event):
    """A process could not carry out the move that a flag wishes for."""

    name: ClassVar[str] = "not_moved"
    to: str
    why: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedBy(Event):
    """This process has carried out a move."""

    name: ClassVar[str] = "moved_by"
    to: str
    why: str


NOTED: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Joined, Left, StageEntered, LeaseNotRenewed, Fenced, AgentError, LeaveFailed, RestoreFailed, MigrationGone,
            RecordLost, Compared, LookNotMade, MirrorLost, FallbackHit, ExpiryUnknown, RefusedLater, OrderChanges,
            HotKey, ClientsBeside, SwitchMirrorFailed, Repaired, RepairFailed, RampFailed, HeldTooLong, RefusalsFailed,
            FlagError, NotMoved, MovedBy,
        )
    }
)  # fmt: skip


def event_of(migration: str, name: str, facts: Mapping[str, Any]) -> Event:
    """Return the event that was noted under a name."""
    kind = NOTED.get(name)
    if kind is None:
        return Noted(migration=migration, what=name, facts=MappingProxyType(dict(facts)))
    difference = facts.get("difference")
    if difference is not None:
        facts = {**facts, "key": show_key(difference.source_key)}
    return kind(migration=migration, **facts)
