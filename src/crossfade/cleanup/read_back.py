"""Reading a snapshot back, all of it, and comparing it with a table, all of it.

Each data file is unpacked, its MD5 and its number of items are compared with the manifest, and each of its items with
what the table holds under its key. That leaves the other direction: an item that only the table has. So every key of
the table is read too, and the sums of both sets of keys are compared; where they differ, the keys are looked for.

What TTL may remove at any moment (an item whose time had passed when this began) is left out on both sides.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.cleanup.comparison import SAMPLES_MAX, Comparison, Found, ReadBack
from crossfade.cleanup.data_files import DataFileReader
from crossfade.cleanup.export_format import DataFile, Snapshot
from crossfade.cleanup.key_sums import KeySums, bucket_of, hash_of
from crossfade.cleanup.ledger import Held, Ledger, Part
from crossfade.cleanup.part_workers import Crew
from crossfade.cleanup.steps import SnapshotDamaged
from crossfade.core.items import Item, same_item
from crossfade.core.mapping.values import show_key
from crossfade.core.request.names import BATCH_GET_KEYS_MAX
from crossfade.jobs.bulk import Segment, get_items, scan_page
from crossfade.jobs.keys import cutter
from crossfade.jobs.order import spread_order

PAGE_ITEMS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Keeping:
    """Keeps which parts are done, so that a kill repeats only those under way."""

    ledger: Ledger
    held: Held


async def read_back(crew: Crew, snapshot: Snapshot, compared: Comparison, keeping: Keeping | None = None) -> ReadBack:
    """The whole of it. A damaged file does not end it: all are named."""
    before = {} if keeping is None else await crew.hands.run(keeping.ledger.parts(keeping.held))
    files = [_FileTask(crew, keeping, before.get(n), n, snapshot, compared) for n in range(len(snapshot.files))]
    segments = [
        _TableTask(crew, keeping, before.get(len(files) + n), len(files) + n, Segment(n, compared.segments), compared)
        for n in spread_order(compared.segments)
        if compared.side is not None
    ]
    tasks: Sequence[_PartTask] = [*files, *segments]
    crew.parts_total, crew.parts_done = len(tasks), sum(task.done for task in tasks)
    crew.items_total = snapshot.items * (1 if compared.side is None else 2)
    crew.meter.add(sum(task.counts.get("items", 0) for task in tasks if task.done))
    await crew.work_off([task for task in tasks if not task.done])
    complete = all(task.done for task in tasks)
    damaged = tuple(task.found.damaged for task in tasks if task.found.damaged)
    differences = sum(task.found.differences for task in tasks)
    samples = [sample for task in tasks for sample in task.found.samples]
    if complete and not damaged and compared.side is not None:
        more = await _other_direction(crew, snapshot, compared, _total(files), _total(segments))
        differences += more.differences
        samples += more.samples
    return ReadBack(
        complete=complete,
        files=len(files),
        items=sum(task.counts.get("items", 0) for task in files),
        expired=sum(task.counts.get("expired", 0) for task in files),
        digest=_digest([(task.file, task.found.sha256) for task in files]),
        damaged=damaged,
        differences=differences,
        samples=tuple(samples[:SAMPLES_MAX]),
    )


def _digest(files: Sequence[tuple[DataFile, str]]) -> str:
    lines = sorted(f"{file.name} {file.items} {sha256}\n" for file, sha256 in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _total(tasks: Sequence[_PartTask]) -> KeySums:
    total = KeySums()
    for task in tasks:
        if task.found.sums:
            total.add_all(KeySums.parsed(task.found.sums))
    return total


class _PartTask:
    """A file, or a segment of the table. Its result is kept when it has ended."""

    def __init__(self, crew: Crew, keeping: Keeping | None, part: Part | None, number: int) -> None:
        self.done = part is not None and part.done
        self.counts: dict[str, int] = dict(part.counts) if part is not None and part.done else {}
        self.found = Found(**json.loads(part.result)) if part is not None and part.done else Found()
        self.number = number
        self.crew = crew
        self._keeping = keeping

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        raise NotImplementedError

    async def end(self) -> None:
        if self._keeping is not None:
            ledger, held = self._keeping.ledger, self._keeping.held
            result = json.dumps(
                {name: getattr(self.found, name) for name in ("sha256", "sums", "differences", "samples", "damaged")}
            )
            part = replace(ledger.part(held, self.number), done=True, counts=self.counts, result=result)
            await self.crew.hands.run(ledger.save(held, part))
        self.done = True
        self.crew.parts_done += 1
        self.crew.problems += self.found.differences + bool(self.found.damaged)


class _FileTask(_PartTask):
    """A step is a bulk read."""

    def __init__(
        self,
        crew: Crew,
        keeping: Keeping | None,
        part: Part | None,
        number: int,
        snapshot: Snapshot,
        compared: Comparison,
    ) -> None:
        super().__init__(crew, keeping, part, number)
        self.file = snapshot.files[number]
        self._place = snapshot.place
        self._compared = compared
        self._reader: DataFileReader | None = None
        self._sums = KeySums()

    async def step(self) -> float | None:
        try:
            if self._reader is None:
                self._reader = await asyncio.to_thread(DataFileReader, self._place, self.file)
            items = await asyncio.to_thread(self._reader.batch, BATCH_GET_KEYS_MAX)
        except SnapshotDamaged as error:
            self.found.damaged = error.message
            items = []
        else:
            await self.crew.hands.run(self.crew.pace.wait(len(items)))
            await self._look_at(items)
        if items:
            return self.crew.hands.now()
        if self._reader is not None:
            self.found.sha256 = self._reader.sha256
            self._reader.close()
        self.found.sums = self._sums.text()
        await self.end()
        return None

    async def _look_at(self, items: list[Item]) -> None:
        self.counts["items"] = self.counts.get("items", 0) + len(items)
        self.crew.meter.add(len(items))
        side = self._compared.side
        if side is None or not items:
            return
        pair = self.crew.hands.pair
        cut = cutter(pair.table(side).key_names)
        lasting = [item for item in items if not self._compared.is_expired(item)]
        self.counts["expired"] = self.counts.get("expired", 0) + len(items) - len(lasting)
        try:
            keys = [cut(item) for item in lasting]
        except KeyError as error:
            self.found.damaged = f"{self.file.path}: an item lacks the key attribute {error}"
            return
        held = await self.crew.hands.run(get_items(pair, side, keys))
        for key, item, there in zip(keys, lasting, held, strict=True):
            self._sums.add(key)
            if there is None:
                self.found.difference(f"only in the snapshot: {show_key(key)}")
            elif not same_item(item, there):
                self.found.difference(f"otherwise in the table: {show_key(key)}")


class _TableTask(_PartTask):
    """The keys of a segment; a step is a page."""

    def __init__(
        self,
        crew: Crew,
        keeping: Keeping | None,
        part: Part | None,
        number: int,
        segment: Segment,
        compared: Comparison,
    ) -> None:
        super().__init__(crew, keeping, part, number)
        self._segment = segment
        self._compared = compared
        self._last_key: Item | None = None
        self._sums = KeySums()

    async def step(self) -> float | None:
        keys, self._last_key = await _keys_of_page(self.crew, self._compared, self._segment, self._last_key)
        for key in keys:
            self._sums.add(key)
        self.counts["items"] = self.counts.get("items", 0) + len(keys)
        self.crew.meter.add(len(keys))
        if self._last_key is not None:
            return self.crew.hands.now()
        self.found.sums = self._sums.text()
        await self.end()
        return None


async def _keys_of_page(
    crew: Crew, compared: Comparison, segment: Segment, start_key: Item | None
) -> tuple[list[Item], Item | None]:
    side = compared.side
    assert side is not None  # noqa: S101 - the impossible
    pair = crew.hands.pair
    names = pair.table(side).key_names
    wanted = dict.fromkeys((*names, compared.expiry) if compared.expiry else names)
    page = await crew.hands.run(
        scan_page(pair, side, segment, start_key, PAGE_ITEMS, strongly=True, names=tuple(wanted))
    )
    await crew.hands.run(crew.pace.wait(len(page.items)))
    return [cutter(names)(item) for item in page.items if not compared.is_expired(item)], page.last_key


async def _other_direction(
    crew: Crew, snapshot: Snapshot, compared: Comparison, written: KeySums, held: KeySums
) -> Found:
    """What only the table has, or the snapshot has twice. Names keys of the first bucket that differs."""
    found = Found()
    buckets = written.differing(held)
    missing = sum(max(0, held.counts[n] - written.counts[n]) for n in buckets)
    if not buckets or not missing:  # what only the snapshot has was found item by item
        doubles = sum(max(0, written.counts[n] - held.counts[n]) for n in buckets)
        if doubles:
            found.difference(f"{doubles} keys more are in the snapshot than in the table")
        return found
    bucket = next(n for n in buckets if held.counts[n] > written.counts[n])
    known = await asyncio.to_thread(_hashes_of_bucket, crew, snapshot, compared, bucket)
    start_key: Item | None = None
    while len(found.samples) < SAMPLES_MAX:
        keys, start_key = await _keys_of_page(crew, compared, Segment(0, 1), start_key)
        for key in keys:
            hashed = hash_of(key)
            if bucket_of(hashed) == bucket and hashed not in known:
                found.difference(f"only in the table: {show_key(key)}")
        if start_key is None:
            break
    found.differences = missing
    return found


def _hashes_of_bucket(crew: Crew, snapshot: Snapshot, compared: Comparison, bucket: int) -> set[int]:
    assert compared.side is not None  # noqa: S101 - the impossible
    cut = cutter(crew.hands.pair.table(compared.side).key_names)
    hashes: set[int] = set()
    for file in snapshot.files:
        reader = DataFileReader(snapshot.place, file)
        try:
            while items := reader.batch(PAGE_ITEMS):
                hashes.update(hashed for item in items if bucket_of(hashed := hash_of(cut(item))) == bucket)
        finally:
            reader.close()
    return hashes
