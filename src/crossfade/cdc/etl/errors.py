"""What ends an ETL."""

from __future__ import annotations

from crossfade.errors import CrossfadeError


class RowsRemoved(CrossfadeError):
    """Rows of the source are gone of which no change tells (TRUNCATE, DROP): the target would keep their items."""


class TooManySetAside(CrossfadeError):
    """More changes cannot be applied than is likely to be the fault of each of them."""
