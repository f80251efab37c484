"""What can go wrong with a source that is MySQL or MariaDB."""

from __future__ import annotations

from crossfade.errors import CrossfadeError, StreamGap


class SourceError(CrossfadeError):
    """The source refused what was asked of it, or is not what it has to be."""


class SourceGone(SourceError):
    """The connection ended or nothing came in time; the same position can be read from again."""

    retryable = True


class LogGone(StreamGap):
    """The source has removed the part of its log that was to be read next: rows changed unseen."""


class TableUnfit(SourceError):
    """A table that cannot be followed as it is, a missing primary key above all."""


class RowsUntold(SourceError):
    """Rows of a followed table changed in a way that the log does not tell row by row (TRUNCATE, a statement)."""
