"""What can go wrong with the embedded database, and with real servers beside it."""

from __future__ import annotations

from crossfade.errors import CrossfadeError


class LocalDatabaseError(CrossfadeError):
    """The embedded database is not installed, did not start or gives no answer; `next_step` says what to do."""


class LocalServerError(CrossfadeError):
    """A real server of the tests and examples did not start, ended by itself or gives no answer."""


class JarsUnavailable(LocalServerError):
    """The Java parts of a server cannot be had: the extra is not installed, or the registry has not what was asked."""
