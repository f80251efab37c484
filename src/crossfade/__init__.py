"""Move a live application to a new DynamoDB table: no downtime, no lost write, and a way back."""

from crossfade.attaching import attach
from crossfade.aws.router import Router
from crossfade.errors import (
    ConfigurationError,
    CrossfadeError,
    DatabaseError,
    Fenced,
    GateClosed,
    MappingError,
    MappingInvalid,
    NotStarted,
    Refused,
    Rejected,
    StageUncertain,
    UnknownOutcome,
)
from crossfade.migration import Migration, Table

__all__ = [
    "ConfigurationError",
    "CrossfadeError",
    "DatabaseError",
    "Fenced",
    "GateClosed",
    "MappingError",
    "MappingInvalid",
    "Migration",
    "NotStarted",
    "Refused",
    "Rejected",
    "Router",
    "StageUncertain",
    "Table",
    "UnknownOutcome",
    "attach",
]
