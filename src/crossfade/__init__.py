"""Move a live application to a new DynamoDB table: no downtime, no lost write, and a way back."""

from crossfade import _interrupting as _interrupting  # the first of all
from crossfade.attaching import attach
from crossfade.aws.router import Router
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
    "attach",
    "detach_on_sigterm",
    "refused_by_aws",
]
