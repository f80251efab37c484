"""The transaction that a reader of the log is in."""

from __future__ import annotations

from crossfade.cdc.changes import Version


class Transaction:
    """A transaction of the log: where it begins, and how many bytes of rows it has had.

    Rows are counted by the bytes that lie before them, those of all tables in the log's order: so rows of two tables
    have an order too, and no number changes when other tables are followed, on another server of the group, or with
    other sizes of events. No row has to be read for it.
    """

    __slots__ = ("_size", "begun", "explicit", "open", "standalone", "told")

    def __init__(self, begun: Version, *, open: bool = False) -> None:  # noqa: A002
        self.begun = begun
        self.open = open
        self.explicit = False
        self.standalone = False
        self.told = False
        self._size = 0

    def next_place(self, size: int) -> int:
        """The place of the rows that come now, of which there are so many bytes."""
        place = self._size
        self._size += size
        return place
