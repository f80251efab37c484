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


class SourceMoved(SourceError):
    """Another server answers than the one that was read, and what it has cannot be told to be what comes next."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            next_step="go back to the server that was read, or begin anew at this one: a position of now in a new"
            " epoch, the backfill again, then `crossfade verify --repair --execute`",
        )


class TableUnfit(SourceError):
    """A table that cannot be followed as it is, a missing primary key above all."""


class RowsUntold(SourceError):
    """Rows of a followed table changed in a way that the log does not tell row by row (TRUNCATE, a statement).

    `where` is the transaction, as `past_removals` takes it.
    """

    def __init__(self, message: str, *, where: str, first: str = "") -> None:
        """`first`: what is to be seen to so that it does not happen again."""
        begin_again = (
            f"`crossfade replicate --past-removal {where} --execute` passes over it and reads on; then"
            " `crossfade verify --repair --execute` finds what went untold"
        )
        super().__init__(f"{message} ({where})", next_step=f"{first}; then {begin_again}" if first else begin_again)
        self.where = where
