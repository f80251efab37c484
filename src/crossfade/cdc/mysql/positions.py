"""Where in the log, exactly resumable: after a transaction, never within one.

A source with GTIDs is resumed by them, on whatever server of its group; one without by a file and an offset, on the
same server only. Versions of changes take the GTID's sequence number where a single domain counts all transactions
(MariaDB), and else the file's number and the offset in it: MySQL's GTIDs have no order between servers.
"""

from __future__ import annotations

import json
import re
import struct
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Self

from crossfade.cdc.changes import ROWS, ChangeUnreadable, Version

OFFSET_BITS: Final = 32  # a file is at most 1 GiB where a transaction begins


class Counting(StrEnum):
    """What a position is resumed by, and a version counted by."""

    MARIADB = "mariadb"  # GTIDs of one domain: both
    MYSQL = "mysql"  # resumed by GTIDs, counted by file and offset
    FILE = "file"  # both by file and offset
    MARKS = "marks"  # of topics that others fill: no place of the log itself, but a mark that came through it


@dataclass(frozen=True, slots=True)
class Position:
    """Behind a transaction. `server` is the one whose files these are; `epoch` counts up whenever files begin anew.

    Of MARKS `offset` is the mark's number, `file` the name of its row in the table of marks, and `gtids` the version of
    that row's change.
    """

    counting: Counting
    gtids: str = ""
    file: str = ""
    offset: int = 4
    server: str = ""
    epoch: int = 0

    def __str__(self) -> str:
        """Return the position as JSON, for a checkpoint."""
        return json.dumps(asdict(self))

    def moved(self, server: str) -> Position:
        """Return this place on another server of the group, whose files count anew: all its versions are greater.

        To be kept before anything is read from it, or a return to the old server would count below what was written.
        """
        assert self.counting is Counting.MYSQL  # noqa: S101  nothing else can move, or it need not
        return replace(self, server=server, epoch=self.epoch + 1)

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The position that `str` made a text of. Raises ChangeUnreadable."""
        try:
            known: dict[str, Any] = json.loads(text)
            return cls(Counting(known.pop("counting")), **known)
        except (ValueError, TypeError, KeyError) as error:
            raise ChangeUnreadable(f"{text!r} is no position: {error}") from None


def begins(counting: Counting, epoch: int, sequence: int, file: str, offset: int) -> Version:
    """The version of a transaction's rows, from its GTID's sequence number and where it begins."""
    if counting is Counting.MARIADB:
        return Version(epoch, sequence)
    return Version(epoch, file_number(file) << OFFSET_BITS | offset)


def version_at(position: Position) -> Version:
    """Above every change that lies before the position, and above none that lies behind it."""
    if position.counting is Counting.MARIADB:
        sequence = max((number for _, number in mariadb_domains(position.gtids).values()), default=0)
        return Version(position.epoch, sequence, ROWS - 1)
    return Version(position.epoch, file_number(position.file) << OFFSET_BITS | position.offset)


def reaches(position: Position, other: Position) -> bool:
    """True if all that lies before the other position lies before this one; False where nobody can tell."""
    if position.counting is not other.counting:
        return False
    if position.counting is Counting.MYSQL:
        return GtidSet(position.gtids).contains(GtidSet(other.gtids))
    if position.counting is Counting.MARIADB:
        have = mariadb_domains(position.gtids)
        return all(
            domain in have and have[domain][1] >= sequence
            for domain, (_, sequence) in mariadb_domains(other.gtids).items()
        )
    if position.counting is Counting.MARKS:
        return position.offset >= other.offset
    if (position.server, position.epoch) != (other.server, other.epoch):
        return False
    return (file_number(position.file), position.offset) >= (file_number(other.file), other.offset)


@lru_cache(maxsize=16)
def file_number(file: str) -> int:
    """The number at the end of a log file's name. Raises ChangeUnreadable."""
    found = re.search(r"\.(\d+)$", file)
    if not found:
        raise ChangeUnreadable(f"{file!r} is no name of a log file: it ends in no number")
    return int(found[1])


def mariadb_domains(gtids: str) -> dict[int, tuple[int, int]]:
    """Server and sequence number of the last transaction in each domain, from "0-1-27,5-2-3"."""
    found: dict[int, tuple[int, int]] = {}
    for gtid in filter(None, gtids.replace(" ", "").split(",")):
        domain, server, sequence = map(int, gtid.split("-"))
        found[domain] = server, sequence
    return found


def mariadb_text(domains: Mapping[int, tuple[int, int]]) -> str:
    return ",".join(f"{domain}-{server}-{sequence}" for domain, (server, sequence) in sorted(domains.items()))


class GtidSet:
    """MySQL's set of transactions: of each server, intervals of numbers, both ends in them."""

    def __init__(self, text: str = "") -> None:
        """Parse "uuid:1-3:8,uuid:5". Raises ChangeUnreadable."""
        self._of: dict[str, list[tuple[int, int]]] = {}
        for part in filter(None, re.sub(r"\s", "", text).split(",")):
            server, *intervals = part.split(":")
            try:
                server = str(uuid.UUID(server))
                for interval in intervals:
                    first, _, last = interval.partition("-")
                    self._add(server, int(first), int(last or first))
            except ValueError:
                raise ChangeUnreadable(
                    f"{part!r} is no set of GTIDs that can be read",
                    next_step="GTIDs with tags (MySQL 8.3 and later) are not followed: set gtid_next without one",
                ) from None

    def add(self, server: str, number: int) -> None:
        self._add(server, number, number)

    def contains(self, other: GtidSet) -> bool:
        """True if every transaction of the other set is in this one."""
        return all(
            any(have[0] <= first and last <= have[1] for have in self._of.get(server, []))
            for server, intervals in other._of.items()
            for first, last in intervals
        )

    def __str__(self) -> str:
        return ",".join(
            server + "".join(f":{first}-{last}" if first < last else f":{first}" for first, last in intervals)
            for server, intervals in sorted(self._of.items())
        )

    def encoded(self) -> bytes:
        """Return the set as COM_BINLOG_DUMP_GTID wants it, where an interval's end is exclusive."""
        parts = [struct.pack("<Q", len(self._of))]
        for server, intervals in sorted(self._of.items()):
            parts.append(uuid.UUID(server).bytes + struct.pack("<Q", len(intervals)))
            parts += [struct.pack("<QQ", first, last + 1) for first, last in intervals]
        return b"".join(parts)

    def _add(self, server: str, first: int, last: int) -> None:
        intervals = self._of.setdefault(server, [])
        if intervals and intervals[-1][1] + 1 == first:  # the usual case: the next transaction
            intervals[-1] = intervals[-1][0], last
            return
        merged: list[tuple[int, int]] = []
        for begin, end in sorted([*intervals, (first, last)]):
            if merged and begin <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        self._of[server] = merged
