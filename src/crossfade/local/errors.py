"""What can go wrong with the embedded database."""

from __future__ import annotations

from crossfade.errors import CrossfadeError


class LocalDatabaseError(CrossfadeError):
    """DynamoDB Local could not be fetched, checked or started. `next_step` says what to do about it."""
