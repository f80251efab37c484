"""What a message is that tells no change of a row: it has a name, so that nothing is passed over by not being known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from crossfade.cdc.changes import Version


class Kind(StrEnum):
    HEARTBEAT = "heartbeat"  # the reader lives, and has come as far as `at`
    TRANSACTION = "transaction"  # one begins or ends
    SCHEMA_CHANGE = "schema change"
    TOMBSTONE = "tombstone"  # for Kafka's own compaction; the deletion was told before it
    TRUNCATE = "truncate"
    NOTICE = "notice"  # what the reader says of its own work


@dataclass(frozen=True, slots=True)
class NoChange:
    """`text` is the source's own: a statement, a transaction. `at` is in seconds since 1970; 0 where nobody tells."""

    kind: Kind
    table: str = ""
    text: str = ""
    version: Version | None = None
    at: float = 0.0

    @property
    def removes_rows(self) -> bool:
        """True if rows are gone of which no change will tell: it may not be passed over."""
        return self.kind is Kind.TRUNCATE
