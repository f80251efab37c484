"""A snapshot loaded into a table: ours, or an export that DynamoDB made.

The table is made anew from what is recorded beside the snapshot, or is there and empty. A table that holds anything is
never written to, unless this very restore was begun before and has not ended. At the end table and snapshot are
compared, item by item and in both directions; TTL is switched on after that, since it would take items away meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from crossfade.cleanup.comparison import Comparison, ReadBack
from crossfade.cleanup.connections import WORKERS, Hands, lone_pair
from crossfade.cleanup.data_files import DataFileReader
from crossfade.cleanup.definition import sound_table
from crossfade.cleanup.export_format import DataFile, Snapshot
from crossfade.cleanup.ledger import Held, Ledger, Part, StepRecord
from crossfade.cleanup.part_workers import Crew
from crossfade.cleanup.read_back import read_back
from crossfade.cleanup.steps import SnapshotDamaged
from crossfade.cleanup.table import create_request, key_of
from crossfade.control.starting import ensure_table
from crossfade.core.items import Item
from crossfade.core.mapping import Kind
from crossfade.core.mapping.values import show_key
from crossfade.core.request.names import BATCH_WRITE_ITEMS_MAX
from crossfade.core.sync.sync import wait_until
from crossfade.errors import ConfigurationError, NotPossibleInStage, ServiceRejected
from crossfade.jobs.bulk import put_in_bulk
from crossfade.jobs.connecting import Clients, Connect, lean
from crossfade.jobs.loop import run_on_own_loop
from crossfade.jobs.observing import Observer
from crossfade.jobs.order import spread_order
from crossfade.jobs.pace import Pace
from crossfade.jobs.progress import Progress
from crossfade.migration import Table

STEP: Final = "restore"
MAKE_IT: Final = "make it, empty, with the key and the indexes that you want; then the same command again"
ANOTHER_COPY: Final = (
    "take what is wrong from another copy of the snapshot, or restore another snapshot; then the same command again"
)


@dataclass(frozen=True, slots=True)
class Aim:
    """What a restore would do. `creates`: the table is made, from `document`; else it is there."""

    snapshot: Snapshot
    document: Mapping[str, Any] | None
    table: str
    key: Mapping[str, Kind]
    creates: bool


@dataclass(frozen=True, slots=True)
class Restored:
    status: Literal["equal", "different", "stopped"]
    items: int
    resumed: bool
    compared: ReadBack | None


@contextmanager
def another_copy() -> Generator[None, None, None]:
    """What is damaged is wanted from another copy: the table that it was made of may be gone."""
    try:
        yield
    except SnapshotDamaged as error:
        raise SnapshotDamaged(error.file, error.reason, next_step=ANOTHER_COPY) from error


def aim_at(snapshot: Snapshot, table: str, description: Mapping[str, Any] | None) -> Aim:
    """`description` is the table's, or None where there is none. Raises ConfigurationError, SnapshotDamaged.

    Reads `table.json`. A table that is there is filled even where that is damaged: nothing is made of it then.
    """
    try:
        document = sound_table(snapshot.place)
    except SnapshotDamaged as error:
        if description is None:
            raise SnapshotDamaged(error.file, f"{error.reason}, so that it does not say how to make {table}",
                                  next_step=MAKE_IT) from error  # fmt: skip
        document = None
    if description is not None:
        key = key_of(description)
        wanted = None if document is None else key_of(document["CreateTable"])
        if wanted is not None and wanted != key:
            raise ConfigurationError(
                f"table {table} has the key {_shown(key)}, and the snapshot's table had {_shown(wanted)}",
                next_step="give another table, or one that does not exist: it is made then",
            )
        return Aim(snapshot, document, table, key, creates=False)
    if document is None:
        raise ConfigurationError(
            f"there is no table {table}, and an export of the service's own does not say how to make one",
            next_step=MAKE_IT,
        )
    return Aim(snapshot, document, table, key_of(document["CreateTable"]), creates=True)


def run_restore(
    aim: Aim,
    ledger: Ledger,
    clients: Clients,
    *,
    service: Callable[[str], Any],
    workers: int = WORKERS,
    per_second: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: Callable[[str, dict[str, Any]], None] | None = None,
    stop_event: threading.Event | None = None,
    connect: Connect = lean,
) -> Restored:
    """Restore to the end, or until `stop_event` is set. The control table is made where there is none.

    Raises NotPossibleInStage, SnapshotDamaged, Fenced and DatabaseError; the same call goes on where it was.
    """

    async def carry_out() -> Restored:
        observer = Observer(on_progress, on_note)
        pair = lone_pair(Table(aim.table, aim.key), clients)
        async with Hands(pair, clients, observer, service=service, workers=workers, connect=connect) as hands:
            await hands.run(ensure_table(ledger.control.table))
            crew = Crew(hands, "restore", "loading", stop_event or threading.Event(), Pace(per_second))
            return await restore(crew, ledger, aim)

    return run_on_own_loop(carry_out())


async def restore(crew: Crew, ledger: Ledger, aim: Aim) -> Restored:
    """Check the files, load them and compare. The crew's hands hold the table as both sides.

    Raises NotPossibleInStage, SnapshotDamaged. Until every file was seen to be whole the table is not touched.
    """
    held = await _begin(crew.hands, ledger, aim)
    if not held.record.fact("checked"):
        checked = await _check_files(crew, aim.snapshot)
        if not checked.complete:
            return Restored("stopped", 0, held.resumed, checked)
        await crew.hands.run(ledger.note(held, {"checked": checked.digest}))
    await _make_table(crew.hands, ledger, held, aim)
    files = aim.snapshot.files
    before = await crew.hands.run(ledger.parts(held))
    tasks = [_FileTask(crew, ledger, held, before.get(n), n, aim.snapshot) for n in spread_order(max(1, len(files)))
             if files]  # fmt: skip
    crew.phase, crew.parts_total, crew.items_total = "loading", len(tasks), aim.snapshot.items
    crew.parts_done = sum(task.part.done for task in tasks)
    crew.meter.add(sum(task.part.counts.get("items", 0) for task in tasks))
    with another_copy():
        await crew.work_off([task for task in tasks if not task.part.done])
    items = sum(task.part.counts.get("items", 0) for task in tasks)
    if any(not task.part.done for task in tasks):
        return Restored("stopped", items, held.resumed, None)
    settles_at = max((task.settles_at for task in tasks), default=0.0)
    await crew.hands.run(wait_until(settles_at))  # what had no answer could land after whoever writes next
    looking = Crew(crew.hands, crew.name, "comparing", crew.stop, crew.pace)
    compared = await read_back(looking, aim.snapshot, Comparison("target"))
    if not compared.complete:
        return Restored("stopped", items, held.resumed, compared)
    if not compared.good:
        return Restored("different", items, held.resumed, compared)
    await _switch_on_expiry(crew.hands, aim)
    await crew.hands.run(ledger.finish(held, {"items": str(items), "digest": compared.digest}))
    return Restored("equal", items, held.resumed, compared)


async def _begin(hands: Hands, ledger: Ledger, aim: Aim) -> Held:
    token = _token(aim.snapshot)
    found = (await hands.run(ledger.steps())).get(STEP)
    description = await hands.description("target")
    ours = found is not None and not found.done and found.fact("snapshot") == token
    if description is not None and not await _is_empty(hands):
        _refuse_unless_ours(aim.table, description, found if ours else None)
    same_table = found is not None and found.fact("table_id") == ("" if description is None else _id_of(description))
    facts = {"snapshot": token, "table": aim.table, "place": aim.snapshot.place.text}
    return await hands.run(ledger.begin(STEP, facts, again=not (ours and same_table)))


async def _check_files(crew: Crew, snapshot: Snapshot) -> ReadBack:
    """Read every file. Raises SnapshotDamaged, which names those that are not whole."""
    looking = Crew(crew.hands, crew.name, "checking", crew.stop, Pace(None))
    found = await read_back(looking, snapshot, Comparison(None))
    if found.damaged:
        first, *more = found.damaged
        file, _, reason = first.partition(": ")
        also = "".join(f"; {each}" for each in more)
        raise SnapshotDamaged(file, f"{reason}{also}: nothing was written to the table", next_step=ANOTHER_COPY)
    return found


async def _make_table(hands: Hands, ledger: Ledger, held: Held, aim: Aim) -> None:
    """Make the table unless it is there, and record which one it is."""
    if await hands.description("target") is None:
        if aim.document is None:
            raise NotPossibleInStage(f"there is no table {aim.table} any more", next_step=MAKE_IT)
        try:
            _ = await hands.ask("target", "CreateTable", create_request(aim.document, aim.table))
        except ServiceRejected as error:
            if error.code != "ResourceInUseException":
                raise NotPossibleInStage(
                    f"DynamoDB does not make the table: {error.code}: {error.text}", next_step=MAKE_IT
                ) from error
    description = await hands.active_table("target")
    await hands.run(ledger.note(held, {"table_id": _id_of(description)}))


def _refuse_unless_ours(table: str, description: Mapping[str, Any], record: StepRecord | None) -> None:
    if record is not None and record.fact("table_id") == _id_of(description):
        return
    raise NotPossibleInStage(
        f"table {table} holds items, and no restore of this snapshot into it was begun: nothing is written into it",
        next_step="give the name of a table that is empty, or of none: it is made then",
    )


def _id_of(description: Mapping[str, Any]) -> str:
    return str(description.get("TableId") or description.get("CreationDateTime"))


def _token(snapshot: Snapshot) -> str:
    facts = [
        json.dumps(dict(snapshot.summary), sort_keys=True),
        *(f"{f.name} {f.items} {f.md5}" for f in snapshot.files),
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


async def _is_empty(hands: Hands) -> bool:
    reply = await hands.ask("target", "Scan", {"TableName": hands.pair.target.name, "Limit": 1, "ConsistentRead": True})
    return not reply.get("Items")


async def _switch_on_expiry(hands: Hands, aim: Aim) -> None:
    name = "" if aim.document is None or not aim.creates else str(aim.document.get("TimeToLive", ""))
    if not name:
        return
    specification = {"Enabled": True, "AttributeName": name}
    request = {"TableName": aim.table, "TimeToLiveSpecification": specification}
    try:
        _ = await hands.ask("target", "UpdateTimeToLive", request)
    except ServiceRejected as error:
        if "already" not in error.text:
            raise


def _shown(key: Mapping[str, Kind]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in key.items())


class _FileTask:
    """A data file; a step is a bulk write. A kill repeats the file, which puts the same items again."""

    def __init__(
        self, crew: Crew, ledger: Ledger, held: Held, part: Part | None, number: int, snapshot: Snapshot
    ) -> None:
        self.part = part or ledger.part(held, number)
        self.settles_at = 0.0
        self._crew = crew
        self._ledger = ledger
        self._held = held
        self._file: DataFile = snapshot.files[number]
        self._place = snapshot.place
        self._reader: DataFileReader | None = None

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        if self._reader is None:
            self._reader = await asyncio.to_thread(DataFileReader, self._place, self._file)
        items = await asyncio.to_thread(self._reader.batch, BATCH_WRITE_ITEMS_MAX)
        if items:
            await self._crew.hands.run(self._crew.pace.wait(len(items)))
            await self._put(items)
            self._crew.meter.add(len(items))
            return self._crew.hands.now()
        self._reader.close()
        self.part = replace(self.part, done=True, counts={"items": self._reader.items})
        await self._crew.hands.run(self._ledger.save(self._held, self.part))
        self._crew.parts_done += 1
        return None

    async def _put(self, items: list[Item]) -> None:
        pair = self._crew.hands.pair
        while items:
            written = await self._crew.hands.run(put_in_bulk(pair, items))
            for n, error in written.refused.items():
                key = {name: items[n][name] for name in pair.target.key_names if name in items[n]}
                raise NotPossibleInStage(f"{show_key(key)}, of {self._file.path}, cannot be put: {error.text}")
            self.settles_at = max(self.settles_at, written.settles_at)
            items = [items[n] for n in sorted(written.unsettled)]
