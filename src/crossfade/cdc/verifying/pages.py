"""A page of one direction: rows against what the target holds, or what the target holds against rows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from crossfade.cdc.mysql.keyset import Key
from crossfade.cdc.mysql.tagged import tagged, untagged
from crossfade.cdc.verifying.comparing import Comparer, Suspect, is_tombstone
from crossfade.cdc.verifying.making import key_of_part
from crossfade.cdc.verifying.reading import SourceReads, whole_chunk
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.jobs.bulk import Segment, scan_table
from crossfade.jobs.session import JobClient

AFTER: Final = "after"


@dataclass(frozen=True, slots=True)
class Looked:
    """What one page told. `at` is where the next one begins, None at the end."""

    suspects: list[Suspect]
    at: Item | None
    counts: Counter[str] = field(default_factory=Counter[str])


class Pages(Protocol):
    """One segment, page by page."""

    @property
    def claims(self) -> bool:
        """True if what differs here counts as it is; else it has to be made by no row at all."""
        ...

    async def look(self, at: Item | None, count: int) -> Looked:
        """The page from there on, of at most so many rows or items."""
        ...


@dataclass(frozen=True, slots=True)
class RowPages:
    """Rows of a table, by their primary key: what they make, and what is kept of them."""

    comparer: Comparer
    reads: SourceReads
    table: str
    claims: bool = True

    async def look(self, at: Item | None, count: int) -> Looked:
        making, after = self.comparer.making, after_of(at)
        rows, whole = await self.reads.run(lambda connection: whole_chunk(connection, making, self.table, after, count))
        items, suspects = await self.comparer.differing_items(whole)
        suspects += await self.comparer.differing_parts(self.table, rows)
        ahead = None if len(rows) < count else at_key(rows[-1].key)
        return Looked(suspects, ahead, Counter(rows=len(rows), items=items))


@dataclass(frozen=True, slots=True)
class ItemPages:
    """Items of the target: whether the row that each of them says to be of makes it."""

    comparer: Comparer
    client: JobClient
    segment: Segment
    claims: bool = False

    async def look(self, at: Item | None, count: int) -> Looked:
        rows = self.comparer.destination.rows
        names = (*rows.target.key_names, STAMP)
        scan = scan_table(rows.target.name, "target", self.segment, at, count, strongly=True, names=names)
        page = await self.client.run(scan)
        living = [item for item in page.items if not is_tombstone(item, rows.target.key_names)]
        suspects = await self.comparer.unmade("items", living)
        counts = Counter(target_items=len(living), tombstones=len(page.items) - len(living))
        return Looked(suspects, page.last_key, counts)


@dataclass(frozen=True, slots=True)
class PartPages:
    """Parts of items: whether the row that each of them was is still there, and still goes into that item."""

    comparer: Comparer
    client: JobClient
    segment: Segment
    claims: bool = True

    async def look(self, at: Item | None, count: int) -> Looked:
        making = self.comparer.making
        table = self.comparer.destination.parts_table
        scan = scan_table(table, "target", self.segment, at, count, strongly=True)
        page = await self.client.run(scan)
        living = [part for part in page.items if "row" in part and making.part_at(key_of_part(part)) is not None]
        suspects = await self.comparer.unmade("parts", living)
        return Looked(suspects, page.last_key, Counter(parts=len(living)))


def at_key(key: Key) -> Item:
    """A row's key as a checkpoint keeps it."""
    return {AFTER: {"S": json.dumps([tagged(value) for value in key])}}


def after_of(at: Item | None) -> Key | None:
    """The row's key again."""
    if at is None:
        return None
    values: list[Any] = json.loads(at[AFTER]["S"])
    return tuple(untagged(value) for value in values)
