"""One difference mended: the target gets what the source's rows make, and nothing that is newer is overwritten.

A repair is a chunk of a snapshot for one key. A mark is committed on the source, then the row is read, and what it
makes is written as every change is, with the version of the log's end before the mark: on the condition that nothing
newer is there. All that is before this version was seen in the row, and all that was not seen is behind it. So a change
that comes later overwrites what was repaired, and one that is late does not. An item that no row makes becomes a
tombstone.

Where a change's version does not count places of the source's own log (topics of Debezium or DMS), the version that
the target holds is kept: what is newer wins here as well, and what is late as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any

import orjson

from crossfade.cdc.applying import Destination, keep_part, parts_held, rebuild, write
from crossfade.cdc.changes import Version
from crossfade.cdc.mysql.positions import Counting, Position, version_at
from crossfade.cdc.mysql.reader import position_now
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.planning import Part, Written, folded
from crossfade.cdc.rows import Fold
from crossfade.cdc.verifying.comparing import Comparer, Seen, Suspect, kept, same_part
from crossfade.cdc.verifying.making import LOWEST, WholeRow, key_of_part, part_wanted
from crossfade.cdc.wire import unpacked_row
from crossfade.control.gate_texts import BY_HAND
from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.request.error_codes import ABOUT_THE_ITEM
from crossfade.core.stages import FREEZE
from crossfade.core.tables.pair import key_name
from crossfade.drivers.scope import Scope
from crossfade.errors import MappingError, NotPossibleInStage, ServiceRejected
from crossfade.jobs.session import JobClient


class Repair(StrEnum):
    """What became of one difference; the texts are what people read."""

    REPAIRED = "repaired"
    NEWER = "written anew meanwhile, left to the log"
    NOT_OURS = "not written by crossfade, left alone"
    UNMAPPED = "its row cannot be mapped"
    REFUSED = "the target refuses it"
    AGAIN = "repaired, and different again"


Mended = tuple[Repair, str]


class Marking:
    """The version of a read that begins now: what is seen then lies before it, and all else behind. It blocks.

    `carried`: where the log is read from now; its positions tell how versions are counted.
    """

    def __init__(
        self,
        source: Source,
        watermarks: Watermarks,
        carried: Callable[[], Position],
        new_mark: Callable[[], str],
        *,
        name: str = "crossfade verify",
    ) -> None:
        self._source = source
        self._watermarks = watermarks
        self._carried = carried
        self._new_mark = new_mark
        self._name = name

    def __call__(self) -> Version:
        """Raises SourceError; NotPossibleInStage where the log is counted by another server's places."""
        carried = self._carried()
        now = position_now(self._source, epoch=carried.epoch, file_only=carried.counting is Counting.FILE)
        same = carried.counting is Counting.MARIADB or carried.server == now.server
        if now.counting is not carried.counting or not same:
            raise NotPossibleInStage(
                "the source counts its log otherwise than what is carried: a repair would have no place in it",
                next_step="let the ETL go on at this server first, then repair",
            )
        with self._source.connect() as connection:
            self._watermarks.create(connection)
            self._watermarks.commit(connection, self._name, self._new_mark())
        return version_at(now)


class Repairer:
    """Mends differences, one at a time. For one loop."""

    def __init__(self, client: JobClient, comparer: Comparer) -> None:
        self._client = client
        self._comparer = comparer

    async def mend(self, suspect: Suspect, version: Version | None) -> Mended:
        """What came of it, and why. `version` is that of a read which begins now; None: that of the target is kept."""
        looked = await self._comparer.look([suspect])
        if suspect.key is None:
            return Repair.UNMAPPED, "".join(seen.why for seen in looked)
        (now,) = looked
        if now.why:
            return Repair.UNMAPPED, now.why
        if now.agrees:
            return Repair.REPAIRED, ""
        with self._client.ticket() as scope:
            refuse_stage(scope.ticket.stage)
            try:
                return await self._write(now, version, scope)
            except MappingError as error:
                return Repair.UNMAPPED, error.message
            except ServiceRejected as error:
                if error.code not in ABOUT_THE_ITEM:
                    raise
                return Repair.REFUSED, error.message

    async def _write(self, seen: Seen, version: Version | None, scope: Scope) -> Mended:
        suspect = seen.suspect
        if suspect.where == "parts":
            routine = self._part(seen, version)
        elif (found := await self._folded(seen)) is not None:
            routine = self._fold(*found, seen, version)
        elif (why := unmendable(seen)) is not None:
            return why, seen.why
        else:
            entry = Written(suspect.key or {}, seen.wanted, str(suspect.of or ""))
            routine = write(self._destination.table, entry, version or version_held(seen.found))
        done = await self._client.run(routine, scope)
        return (Repair.REPAIRED if done else Repair.NEWER), ""

    @property
    def _destination(self) -> Destination:
        return self._comparer.destination

    async def _folded(self, seen: Seen) -> tuple[Fold, WholeRow] | None:
        """What makes this key of several rows, and its rows; None where a single one makes it, or nobody."""
        of, target = seen.suspect.of, self._destination.rows.target
        if of is None:
            return None
        for fold in self._comparer.making.folds_of(of.table):
            if key_name(folded(fold, target, of.key, ()).key) == key_name(seen.suspect.key or {}):
                return fold, await self._comparer.whole(of)
        return None

    def _fold(self, fold: Fold, whole: WholeRow, seen: Seen, version: Version | None) -> Routine[bool]:
        """Repair the parts first: the item is made of them, now and with its next change."""
        destination, making = self._destination, self._comparer.making
        parent = Part(fold, whole.name.key, whole.name.table, whole.name.key, None)
        held = {key_name(key_of_part(item)): item for item in (yield from parts_held(destination, parent))}
        wanted = {key_name(key_of_part(part_wanted(part))): part for part in making.parts_of_whole(whole, fold)}
        gone = [making.part_at(key_of_part(item)) for name, item in held.items() if name not in wanted]
        done = True
        for part in [*wanted.values(), *(part for part in gone if part is not None)]:
            item = held.get(key_name(key_of_part(part_wanted(part))))
            if not same_part(None if part.row is None else part_wanted(part), item and kept(item)):
                done &= yield from keep_part(destination, part, version or version_held(item))
        if held or wanted:
            yield from rebuild(destination, parent)
            return done
        entry = Written(seen.suspect.key or {}, None, str(whole.name))
        return (yield from write(destination.table, entry, version or version_held(seen.found)))

    def _part(self, seen: Seen, version: Version | None) -> Routine[bool]:
        found = self._comparer.making.part_at(seen.suspect.key or {})
        assert found is not None  # noqa: S101  what no fold keeps is no suspect
        row = None if seen.wanted is None else unpacked_row(orjson.loads(seen.wanted["row"]["S"]))
        part = replace(found, row=row)
        if not (yield from keep_part(self._destination, part, version or version_held(seen.found))):
            return False
        yield from rebuild(self._destination, part)
        return True


def unmendable(seen: Seen) -> Repair | None:
    """Return why a repair would leave a difference as it is, where that shows before it is tried."""
    if seen.why:
        return Repair.UNMAPPED
    nobodys = seen.suspect.where == "items" and seen.wanted is None and STAMP not in (seen.found or {})
    return Repair.NOT_OURS if nobodys else None


def refuse_stage(stage: Any) -> None:
    """Raises NotPossibleInStage where the rows do not decide."""
    if not FREEZE[stage].follows_source:
        raise NotPossibleInStage(
            f"the migration is in {stage}, where the rows do not decide what the target holds: nothing to repair",
            next_step=f"the switch repairs what it writes; {BY_HAND}, then crossfade verify",
        )


def version_held(found: Item | None) -> Version:
    """Return the version of an item or a part as it was read."""
    if found is None:
        return LOWEST
    if "version" in found and "part" in found:
        return Version.of_text(found["version"]["S"])
    stamp: Any = found.get(STAMP, {}).get("M", {})
    return Version.of_text(stamp["version"]["S"]) if "version" in stamp else LOWEST
