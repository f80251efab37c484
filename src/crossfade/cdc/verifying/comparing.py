"""Both sides of some keys at one moment: what the target holds, and then what the rows make that are there now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from crossfade.cdc.applying import Destination
from crossfade.cdc.mysql.keyset import KeyedRow
from crossfade.cdc.planning import Part
from crossfade.cdc.verifying.making import Making, RowName, WholeRow, key_of_part, part_wanted
from crossfade.cdc.verifying.reading import SourceReads, whole_rows
from crossfade.cdc.wire import unpacked_row
from crossfade.core.items import Item, canonical, same_item
from crossfade.core.mapping import STAMP
from crossfade.core.tables.pair import key_name
from crossfade.errors import MappingError
from crossfade.jobs.bulk import get_of_table
from crossfade.jobs.session import JobClient

Where = Literal["items", "parts"]
Kind = Literal["missing", "extra", "mismatched"]

PARTS_KEY: Final[tuple[str, ...]] = ("item", "part")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A key whose two sides may differ. `of` is the row that makes what is there; None where nobody knows one.

    `key` is None for a row that cannot be mapped: then nobody knows which keys are meant.
    """

    where: Where
    key: Item | None
    of: RowName | None

    @property
    def name(self) -> str:
        """Each row is asked by itself, where two say that they make one key."""
        return f"{self.where} {self.of} {'' if self.key is None else key_name(self.key)}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a suspect. `found` is as the target holds it, with all that is not the application's."""

    suspect: Suspect
    wanted: Item | None
    found: Item | None
    why: str = ""  # the row cannot be mapped

    @property
    def held(self) -> Item | None:
        """What the target holds for a reader."""
        if self.found is None:
            return None
        if self.suspect.where == "parts":
            return kept(self.found)
        return None if is_tombstone(self.found, self.suspect.key or {}) else shown(self.found)

    @property
    def agrees(self) -> bool:
        if self.why:
            return False
        if self.suspect.where == "parts":
            return same_part(self.wanted, self.held)
        return same_item(self.wanted, self.held)

    @property
    def kind(self) -> Kind:
        if self.wanted is None and not self.why:
            return "extra"
        return "missing" if self.held is None else "mismatched"

    @property
    def digest(self) -> int:
        """Equal while the target holds the very same, written by the very same write."""
        return hash(self.found and canonical(self.found))


class Comparer:
    """Both sides, for one loop."""

    def __init__(
        self, client: JobClient, reads: SourceReads, destination: Destination, *, with_parts: bool = True
    ) -> None:
        self.making = Making(destination.rows)
        self.destination = destination
        self._client = client
        self._reads = reads
        self._with_parts = with_parts

    async def held(self, where: Where, keys: Sequence[Item]) -> list[Item | None]:
        """What the target, or the parts table, has under each key: strongly consistent."""
        table, names = self.destination.table, self.destination.rows.target.key_names
        if where == "parts":
            table, names = self.destination.parts_table, PARTS_KEY
        return await self._client.run(get_of_table(table, names, "target", keys))

    async def look(self, suspects: Sequence[Suspect]) -> list[Seen]:
        """The target first, and behind it the source: so what is newer there is under way, and will arrive.

        A row that could not be mapped and can be by now is seen as all that it makes.
        """
        found = await self._found(suspects)
        names = [suspect.of for suspect in suspects if suspect.of is not None]
        rows = await self._reads.run(lambda connection: whole_rows(connection, self.making, names))
        seen: list[Seen] = []
        for suspect in suspects:
            whole = rows[str(suspect.of)] if suspect.of is not None else None
            try:
                if suspect.key is None:
                    seen += [Seen(again, None, None) for again in self._keys_of(suspect, whole)]
                else:
                    wanted = self.wanted(suspect, whole)
                    seen.append(Seen(suspect, wanted, found[suspect.name]))
            except MappingError as error:
                seen.append(Seen(suspect, None, found.get(suspect.name), error.message))
        return seen

    def wanted(self, suspect: Suspect, whole: WholeRow | None) -> Item | None:
        """What is to be under the suspect's key, as far as its row makes it. Raises MappingError."""
        if whole is None or suspect.key is None:
            return None
        if suspect.where == "items":
            made = self.making.items(whole).get(key_name(suspect.key))
            return made.item if made else None
        for part in self._parts_of(whole):
            wanted = part_wanted(part)
            if key_name(key_of_part(wanted)) == key_name(suspect.key):
                return wanted
        return None

    async def whole(self, name: RowName) -> WholeRow:
        """A row as it is now, with those that are folded into its item."""
        return (await self._reads.run(lambda connection: whole_rows(connection, self.making, [name])))[str(name)]

    # --- first looks

    async def differing_items(self, rows: Iterable[WholeRow]) -> tuple[int, list[Suspect]]:
        """How many items these rows make, and which of them the target has otherwise or not at all.

        A row that cannot be mapped counts as one item: nobody knows how many it would make.
        """
        wanted: list[tuple[RowName, Item, Item]] = []
        suspects: list[Suspect] = []
        for whole in rows:
            try:
                wanted += [(whole.name, made.key, made.item) for made in self.making.items(whole).values()]
            except MappingError:
                suspects.append(Suspect("items", None, whole.name))
        made = len(wanted) + len(suspects)
        found = await self.held("items", [key for _, key, _ in wanted])
        for (name, key, item), held in zip(wanted, found, strict=True):
            suspect = Suspect("items", key, name)
            if not Seen(suspect, item, held).agrees:
                suspects.append(suspect)
        return made, suspects

    async def differing_parts(self, table: str, rows: Iterable[KeyedRow]) -> list[Suspect]:
        """Which parts of these rows are kept otherwise or not at all."""
        wanted = [
            (RowName(table, keyed.key), part_wanted(part)) for keyed in rows for part in self.making.parts(table, keyed)
        ]
        if not wanted or not self._with_parts:
            return []
        found = await self.held("parts", [key_of_part(item) for _, item in wanted])
        suspects: list[Suspect] = []
        for (name, item), held in zip(wanted, found, strict=True):
            suspect = Suspect("parts", key_of_part(item), name)
            if not Seen(suspect, item, held).agrees:
                suspects.append(suspect)
        return suspects

    async def unmade(self, where: Where, found: Iterable[Item]) -> list[Suspect]:
        """Which of these the rows that they say to be of do not make. One whose row cannot be mapped is told there."""
        suspects = [self._suspect_of(where, item) for item in found]
        names = [suspect.of for suspect in suspects if suspect.of is not None]
        rows = await self._reads.run(lambda connection: whole_rows(connection, self.making, names))
        unmade: list[Suspect] = []
        for suspect in suspects:
            try:
                if suspect.of is None or self.wanted(suspect, rows[str(suspect.of)]) is None:
                    unmade.append(suspect)
            except MappingError:
                continue
        return unmade

    def _suspect_of(self, where: Where, item: Item) -> Suspect:
        if where == "parts":
            key = key_of_part(item)
            return Suspect("parts", key, self.making.row_of_part(key))
        key = {name: item[name] for name in self.destination.rows.target.key_names}
        return Suspect("items", key, self.making.maker_of(item))

    def _keys_of(self, suspect: Suspect, whole: WholeRow | None) -> list[Suspect]:
        made = self.making.items(whole) if whole is not None else {}
        return [Suspect("items", each.key, suspect.of) for each in made.values()]

    def _parts_of(self, whole: WholeRow) -> list[Part]:
        row = whole.row
        return [] if row is None else self.making.parts(whole.name.table, KeyedRow(whole.name.key, dict(row)))

    async def _found(self, suspects: Sequence[Suspect]) -> dict[str, Item | None]:
        found: dict[str, Item | None] = {}
        wheres: tuple[Where, ...] = ("items", "parts")
        for where in wheres:
            asked = [(each.name, each.key) for each in suspects if each.where == where and each.key is not None]
            if asked:
                held = await self.held(where, [key for _, key in asked])
                found |= dict(zip([name for name, _ in asked], held, strict=True))
        return found


def is_tombstone(item: Item, key_names: Collection[str]) -> bool:
    """True if the item says that it is deleted, and holds nothing but that.

    Where an application has updated it since, the stamp is as it was, and what it wrote counts.
    """
    stamp: Any = item.get(STAMP, {}).get("M", {})
    return "deleted" in stamp and len(item) == len(key_names) + 1


def shown(item: Item) -> Item:
    """The application's attributes."""
    return {name: value for name, value in item.items() if name != STAMP}


def kept(part: Item) -> Item | None:
    """A part as it is kept, whatever its version; None where it is gone."""
    return {name: value for name, value in part.items() if name != "version"} if "row" in part else None


def same_part(left: Item | None, right: Item | None) -> bool:
    """Whether two parts hold the same row.

    A column that only one of them has is left out: what ALTER TABLE did to rows is in no log, and whether it matters
    the item tells.
    """
    if left is None or right is None:
        return left is right
    if left == right:
        return True
    one, other = (unpacked_row(orjson.loads(part["row"]["S"])) or {} for part in (left, right))
    return all(one[name] == other[name] for name in one.keys() & other.keys())
