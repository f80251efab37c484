"""One change of one row, as every way in tells it, and the version by which changes of one row are ordered.

The log is the order. So a change carries where it stands there, and a write of the target is conditional on nothing
newer being there: whatever is late, sent twice or read again changes nothing. Equal versions are allowed to write
again: that is how a replay with a corrected mapping works.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, Self

from crossfade.errors import CrossfadeError

Value = (
    None
    | int
    | float
    | Decimal
    | str
    | bytes
    | bool
    | datetime.date
    | datetime.datetime
    | datetime.timedelta
    | frozenset[str]
    | list["Value"]
    | dict[str, "Value"]
)
"""What a column holds, as a mapping function sees it."""

EPOCH_DIGITS: Final = 8  # hexadecimal, as all of them: 32 bits
POSITION_DIGITS: Final = 16  # 64 bits: the sequence number of a GTID, a file's number and an offset in it, or an offset
ROW_DIGITS: Final = 8  # 32 bits: a transaction with more rows, or more bytes of them, fits no log
EPOCHS, POSITIONS, ROWS = 1 << 4 * EPOCH_DIGITS, 1 << 4 * POSITION_DIGITS, 1 << 4 * ROW_DIGITS
WIDTH: Final = EPOCH_DIGITS + POSITION_DIGITS + ROW_DIGITS


class ChangeUnreadable(CrossfadeError):
    """What was read is no change that can be told: it is neither applied nor passed over in silence."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A change's place among all changes of a source: of two, the greater one came later.

    `epoch` counts up whenever positions begin anew (another server without GTIDs, another topic). `position` is that of
    the transaction, the same for all its rows. `row` rises within it, over all of its tables, though not by one: so a
    primary key's change, which is a delete and an insert at one position, has an order too, and so have rows of two
    tables that make one item.
    """

    epoch: int
    position: int
    row: int = 0

    def __post_init__(self) -> None:
        fits = 0 <= self.epoch < EPOCHS and 0 <= self.position < POSITIONS and 0 <= self.row < ROWS
        if not fits:  # one is made for each row that is read
            raise ChangeUnreadable(f"({self.epoch}, {self.position}, {self.row}) does not fit into a version")

    def __str__(self) -> str:
        """Hexadecimal digits of a fixed width: texts compare as the versions do."""
        return f"{(self.epoch * POSITIONS + self.position) * ROWS + self.row:0{WIDTH}x}"

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The version that `str` made a text of. Raises ChangeUnreadable."""
        try:
            if len(text) != WIDTH:
                raise ValueError(f"{WIDTH} digits are needed")
            before, row = divmod(int(text, 16), ROWS)
            return cls(*divmod(before, POSITIONS), row)
        except ValueError as error:
            raise ChangeUnreadable(f"{text!r} is no version: {error}") from None


@dataclass(frozen=True, slots=True)
class Change:
    """One row as it is after one change; `row` is None where it was deleted.

    `table` is the schema's and the table's name with a dot between. `key` holds the values of the primary key in its
    order. A change of the primary key is two of these, the delete first. `before` is the row before an update or a
    delete. `committed_at` is in seconds since 1970, as the source's clock has it; 0 where nobody tells.
    """

    table: str
    key: tuple[Value, ...]
    row: Mapping[str, Value] | None
    version: Version
    before: Mapping[str, Value] | None = None
    committed_at: float = 0.0
    origin: Literal["log", "snapshot"] = "log"
    before_unknown: bool = False  # of an update whose row before it nobody has told

    @property
    def tells_too_little(self) -> bool:
        """Whether there was a row before it that nobody knows."""
        return self.before_unknown or (self.row is None and self.before is None)
