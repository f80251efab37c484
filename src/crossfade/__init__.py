"""Move a live application to a new DynamoDB table: no downtime, no lost write, and a way back."""

from typing import TYPE_CHECKING

from crossfade import _interrupting as _interrupting  # the first of all
from crossfade.attaching import attach
from crossfade.aws.router import Router
from crossfade.aws.sync_router import after_restore, before_snapshot
from crossfade.drivers.sigterm import detach_on_sigterm
from crossfade.errors import (
    ConfigurationError,
    CrossfadeError,
    DatabaseError,
    Fenced,
    GateClosed,
    Held,
    MappingError,
    MappingInvalid,
    NotPossibleInStage,
    NotStarted,
    ServiceRejected,
    StageUncertain,
    StreamGap,
    TurnedBack,
    Undeclared,
    UnknownOutcome,
)
from crossfade.migration import Index, Migration, Table

if TYPE_CHECKING:
    from crossfade.switch import Flag, Mirror, Read, Switch, TableMirror, Write, refused_by_aws

__all__ = [
    "ConfigurationError",
    "CrossfadeError",
    "DatabaseError",
    "Fenced",
    "Flag",
    "GateClosed",
    "Held",
    "Index",
    "MappingError",
    "MappingInvalid",
    "Migration",
    "Mirror",
    "NotPossibleInStage",
    "NotStarted",
    "Read",
    "Router",
    "ServiceRejected",
    "StageUncertain",
    "StreamGap",
    "Switch",
    "Table",
    "TableMirror",
    "TurnedBack",
    "Undeclared",
    "UnknownOutcome",
    "Write",
    "after_restore",
    "attach",
    "before_snapshot",
    "detach_on_sigterm",
    "refused_by_aws",
]

OF_THE_SWITCH = ("Flag", "Mirror", "Read", "Switch", "TableMirror", "Write", "refused_by_aws")


def __getattr__(name: str) -> object:
    """Import the switch when somebody asks for it: an application has it, or attaches clients."""
    if name not in OF_THE_SWITCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from crossfade import switch

    return getattr(switch, name)
