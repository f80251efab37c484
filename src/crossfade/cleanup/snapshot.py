"""A snapshot by our own scan: segments, each written as one data file after another.

A file is written first and named in the control table after, together with the key that it ends at. So a kill repeats
at most a file a segment; what it leaves behind is a file that no manifest names. A worker holds one page and one
compressed file.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from crossfade.cleanup.data_files import DataFileWriter
from crossfade.cleanup.export_format import STARTED, DataFile, data_file_name, write_manifests, write_table
from crossfade.cleanup.ledger import Held, Ledger, Part
from crossfade.cleanup.part_workers import Crew
from crossfade.cleanup.storage import Place
from crossfade.errors import NotPossibleInStage
from crossfade.jobs.bulk import Segment, scan_page
from crossfade.jobs.order import spread_order

FILE_BYTES: Final = 64 * 1024 * 1024  # before compression; what a kill repeats, a segment
SEGMENT_BYTES: Final = 512 * 1024 * 1024
SEGMENTS_MIN: Final = 8
SEGMENTS_MAX: Final = 5_000
FILES_MAX: Final = 1_500  # of a segment: their names stand in one record, of 400 KB at most
PAGE_ITEMS: Final = 1_000


@dataclass(frozen=True, slots=True)
class SnapshotSizes:
    """How a table is cut up. `segments` None: by its size."""

    segments: int | None = None
    file_bytes: int = FILE_BYTES
    page_items: int = PAGE_ITEMS

    def segments_for(self, table_bytes: int) -> int:
        return self.segments or min(SEGMENTS_MAX, max(SEGMENTS_MIN, table_bytes // SEGMENT_BYTES))


async def take_snapshot(
    crew: Crew,
    ledger: Ledger,
    held: Held,
    place: Place,
    sizes: SnapshotSizes,
    table: Mapping[str, Any],
    summary: Mapping[str, Any],
) -> int | None:
    """Scan the source into data files and write the manifests. The number of items; None when it was stopped.

    The segments are those of the step's record. `table` is written beside the data, `summary` into the manifest.
    """
    await asyncio.to_thread(place.write, STARTED, b"")
    await asyncio.to_thread(write_table, place, table)
    total = int(held.record.fact("segments"))
    before = await crew.hands.run(ledger.parts(held))
    tasks = [_SegmentTask(crew, ledger, held, place, sizes, before.get(n), n, total) for n in spread_order(total)]
    crew.parts_total = total
    crew.parts_done = sum(task.part.done for task in tasks)
    crew.meter.add(sum(file.items for task in tasks for file in task.files))
    await crew.work_off([task for task in tasks if not task.part.done])
    if any(not task.part.done for task in tasks):
        return None
    files = [file for task in sorted(tasks, key=lambda task: task.part.number) for file in task.files]
    await asyncio.to_thread(write_manifests, place, files, summary)
    return sum(file.items for file in files)


class _SegmentTask:
    def __init__(
        self,
        crew: Crew,
        ledger: Ledger,
        held: Held,
        place: Place,
        sizes: SnapshotSizes,
        part: Part | None,
        number: int,
        total: int,
    ) -> None:
        self.part = part or ledger.part(held, number)
        self.files = [DataFile(**each) for each in json.loads(self.part.result or "[]")]
        self._crew = crew
        self._ledger = ledger
        self._held = held
        self._place = place
        self._sizes = sizes
        self._segment = Segment(number, total)
        self._last_key = self.part.last_key
        self._writer = DataFileWriter()

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        """A page."""
        crew, hands = self._crew, self._crew.hands
        page = await hands.run(
            scan_page(hands.pair, "source", self._segment, self._last_key, self._sizes.page_items, strongly=True)
        )
        items = len(page.items)
        await hands.run(crew.pace.wait(items))
        for item in page.items:
            self._writer.add(item)
        self._last_key = page.last_key
        crew.meter.add(items)
        ended = page.last_key is None
        if ended or self._writer.bytes >= self._sizes.file_bytes:
            await self._write_file(done=ended)
        return None if ended else hands.now()

    async def _write_file(self, *, done: bool) -> None:
        if self._writer.items:
            if len(self.files) == FILES_MAX:
                raise NotPossibleInStage(
                    f"segment {self.part.number} needs more than {FILES_MAX} files",
                    next_step="take the snapshot --again with more --segments",
                )
            file, body = self._writer.whole(data_file_name(uuid.uuid4().hex))
            await asyncio.to_thread(self._place.write, file.path, body)
            self.files.append(file)
            self._writer = DataFileWriter()
        result = json.dumps([asdict(file) for file in self.files])
        self.part = replace(self.part, last_key=self._last_key, done=done, result=result)
        await self._crew.hands.run(self._ledger.save(self._held, self.part))
        self._crew.parts_done += done
